"""Something done again and again."""

from __future__ import annotations

import asyncio

from etcdpy.node.periodic import Periodic
from etcdpy.testing.clock import MovableClock


async def test_it_goes_on_after_a_failure_until_it_is_closed() -> None:
    calls: list[float] = []
    clock = MovableClock()

    async def act() -> None:
        calls.append(clock.monotonic())
        if len(calls) == 1:
            raise ValueError("once")

    task = Periodic(2, act, clock)
    await clock.advance(7)
    assert calls == [2, 4, 6]
    await task.close()
    await clock.advance(20)
    assert calls == [2, 4, 6]
    await task.close()


async def test_closing_ends_a_call_that_is_stuck() -> None:
    began = asyncio.Event()
    clock = MovableClock()

    async def act() -> None:
        began.set()
        await asyncio.Event().wait()

    task = Periodic(0.001, act, clock)
    await clock.advance(1)
    assert began.is_set()
    await asyncio.wait_for(task.close(), 60)
