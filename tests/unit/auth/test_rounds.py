"""Of those who wait each client has its turn, and who asks for most is refused first."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from etcdpy.auth.rounds import Rounds
from etcdpy.errors import TooManyRequestsError


class Crowd:
    """Calls for turns, which they have until they are told to leave."""

    def __init__(self, rounds: Rounds) -> None:
        self._rounds = rounds
        self._leave: dict[str, asyncio.Event] = {}
        #: The names of those who had a turn, in order.
        self.called: list[str] = []

    def ask(self, name: str, places: int = 1) -> asyncio.Task[None]:
        """Ask for a turn; the client is the first letter of the name."""
        self._leave[name] = asyncio.Event()
        return asyncio.create_task(self._take(name, places))

    async def _take(self, name: str, places: int) -> None:
        async with self._rounds.turn(name[0], places):
            self.called.append(name)
            await self._leave[name].wait()

    def let_go(self, name: str) -> None:
        """Have one leave in the next turn of the loop."""
        self._leave[name].set()

    async def leave(self, *names: str) -> None:
        for name in names:
            self.let_go(name)
            await turns()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def crowd() -> Crowd:
    return Crowd(Rounds(1, 5))


async def test_one_of_each_client_is_called_and_then_the_next_of_each(crowd: Crowd) -> None:
    calls = [crowd.ask(name) for name in ("a1", "a2", "a3", "b1", "c1")]
    await turns()
    assert crowd.called == ["a1"]
    await crowd.leave("a1", "a2", "b1", "c1", "a3")
    assert crowd.called == ["a1", "a2", "b1", "c1", "a3"]
    await asyncio.gather(*calls)


async def test_several_go_on_at_once() -> None:
    crowd = Crowd(Rounds(2, 5))
    calls = [crowd.ask(name) for name in ("a1", "a2", "a3", "b1")]
    await turns()
    assert crowd.called == ["a1", "a2"]
    await crowd.leave("a2", "a1", "a3", "b1")
    assert crowd.called == ["a1", "a2", "a3", "b1"]
    await asyncio.gather(*calls)


async def test_where_there_is_no_room_the_last_of_the_greediest_is_refused(crowd: Crowd) -> None:
    calls = {name: crowd.ask(name) for name in ("a1", "a2", "a3", "a4", "a5")}
    await turns()
    for name in ("b1", "b2"):
        calls[name] = crowd.ask(name)
        await turns()
    assert isinstance(calls["a5"].exception(), TooManyRequestsError)
    assert isinstance(calls["a4"].exception(), TooManyRequestsError)
    # Now both have two that wait.
    calls["b3"] = crowd.ask("b3")
    calls["a6"] = crowd.ask("a6")
    await turns()
    assert isinstance(calls["b3"].exception(), TooManyRequestsError)
    assert isinstance(calls["a6"].exception(), TooManyRequestsError)
    await crowd.leave("a1", "a2", "b1", "a3", "b2")
    assert crowd.called == ["a1", "a2", "b1", "a3", "b2"]


async def test_what_takes_several_places_is_refused_first(crowd: Crowd) -> None:
    crowd.ask("a1")
    large = crowd.ask("b1", 4)
    await turns()
    last = crowd.ask("c1", 3)
    await turns()
    assert isinstance(large.exception(), TooManyRequestsError)
    with pytest.raises(TooManyRequestsError):
        await crowd.ask("d1", 5)
    await crowd.leave("a1", "c1")
    await last


async def test_who_gives_up_leaves_room_and_is_not_called(crowd: Crowd) -> None:
    calls = {name: crowd.ask(name) for name in ("a1", "a2", "a3", "a4", "a5")}
    await turns()
    calls["a2"].cancel()
    await turns()
    calls["a6"] = crowd.ask("a6")
    await crowd.leave("a1", "a3", "a4", "a5", "a6")
    assert crowd.called == ["a1", "a3", "a4", "a5", "a6"]


async def test_who_gives_up_when_it_was_just_called_passes_its_turn_on(crowd: Crowd) -> None:
    calls = {name: crowd.ask(name) for name in ("a1", "a2", "a3")}
    await turns()
    calls["a1"].cancel()
    # It leaves in the next turn of the loop, and calls "a2", which sees that one later.
    await asyncio.sleep(0)
    calls["a2"].cancel()
    await turns()
    assert crowd.called == ["a1", "a3"]
    await crowd.leave("a3")
    again = crowd.ask("b1", 5)
    await turns()
    await crowd.leave("b1")
    await again


async def test_who_gives_up_in_the_turn_in_which_another_leaves_is_passed_over(
    crowd: Crowd,
) -> None:
    calls = {name: crowd.ask(name) for name in ("a1", "a2", "a3")}
    await turns()
    # "a1" goes on before "a2" can see that it was cancelled.
    crowd.let_go("a1")
    calls["a2"].cancel()
    await turns()
    assert calls["a1"].exception() is None
    assert calls["a2"].cancelled()
    assert crowd.called == ["a1", "a3"]
    await crowd.leave("a3")
    again = crowd.ask("b1", 5)
    await crowd.leave("b1")
    await again


async def test_who_gives_up_in_the_turn_in_which_room_is_needed_makes_it(crowd: Crowd) -> None:
    calls = {name: crowd.ask(name) for name in ("a1", "a2", "a3", "a4", "a5")}
    await turns()
    calls["b1"] = crowd.ask("b1")
    calls["a5"].cancel()
    await turns()
    assert calls["a5"].cancelled()
    await crowd.leave("a1", "a2", "b1", "a3", "a4")
    assert crowd.called == ["a1", "a2", "b1", "a3", "a4"]


async def test_closing_cancels_who_waits() -> None:
    rounds = Rounds(1, 5)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(rounds.turn("a", 1))
        waiting = asyncio.ensure_future(stack.enter_async_context(rounds.turn("a", 1)))
        await turns()
        rounds.close()
        await turns()
        assert waiting.cancelled()
