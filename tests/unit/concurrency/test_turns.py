"""Waiting for one's turn, whatever the queue is made of."""

from __future__ import annotations

from etcdpy.concurrency.turns import wait_for_turn


async def test_looks_again_whenever_the_one_before_is_gone() -> None:
    looks = iter([(5, "b"), (7, "a"), (9, None)])
    waited: list[tuple[str, int]] = []

    async def before() -> tuple[int, str | None]:
        return next(looks)

    async def gone(place: str, seen: int) -> None:
        waited.append((place, seen))

    assert await wait_for_turn(before, gone) == 9
    assert waited == [("b", 5), ("a", 7)]
