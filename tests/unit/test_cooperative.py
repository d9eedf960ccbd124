"""Long work lets others have their turns, and a reply that waits is what it waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from etcdpy import cooperative
from etcdpy.cooperative import (
    STEPS_WITH_BATON,
    Baton,
    DeferredReply,
    Pace,
    Pieces,
    Steps,
    Trickle,
    Turnstile,
    begin,
    finish,
    outcome,
    paced,
    rest,
    run,
    started,
    turn,
)
from tests.unit.mvcc.fake_log import turns


class Work:
    """Steps that count what was done, and what became of them."""

    def __init__(self, pauses: int, error: Exception | None = None) -> None:
        self.done = 0
        self.is_closed = False
        self._pauses = pauses
        self._error = error

    def steps(self) -> Steps[str]:
        try:
            for _ in range(self._pauses):
                self.done += 1
                yield
            self.done += 1
            if self._error is not None:
                raise self._error
            return "done"
        finally:
            self.is_closed = True


class Others:
    """Counts the turns that others had."""

    def __init__(self) -> None:
        self.turns = 0
        self._is_running = True

    def __enter__(self) -> Others:
        asyncio.get_running_loop().call_soon(self._next)
        return self

    def __exit__(self, *_: object) -> None:
        self._is_running = False

    def _next(self) -> None:
        if self._is_running:
            self.turns += 1
            asyncio.get_running_loop().call_soon(self._next)


# ------------------------------------------------------------------------ steps


@pytest.mark.parametrize("pauses", [0, 1, 5])
async def test_finished_at_once_steps_give_nobody_a_turn(pauses: int) -> None:
    work = Work(pauses)
    with Others() as others:
        assert finish(work.steps()) == "done"
        assert others.turns == 0
    assert work.done == pauses + 1


@pytest.mark.parametrize("pauses", [0, 1, 5])
async def test_run_gives_others_a_turn_at_each_pause(pauses: int) -> None:
    work = Work(pauses)
    with Others() as others:
        assert await run(work.steps()) == "done"
        assert others.turns == pauses
    assert work.done == pauses + 1


async def test_run_takes_the_first_step_in_this_turn() -> None:
    work = Work(3)
    running = run(work.steps())
    running.send(None)
    assert work.done == 1
    running.close()


def test_started_steps_are_their_result_if_that_was_all() -> None:
    assert started(Work(0).steps()) == "done"


def test_started_steps_are_dropped_where_they_stand() -> None:
    work = Work(2)
    steps = started(work.steps())
    assert not work.is_closed
    del steps
    assert work.is_closed


async def test_rest_takes_the_next_step_in_the_next_turn() -> None:
    work = Work(3)
    steps = work.steps()
    next(steps)
    with Others() as others:
        assert await rest(steps) == "done"
        assert others.turns == 3
    assert work.done == 4


async def test_rest_calls_in_between_but_not_at_the_end() -> None:
    work = Work(3)
    steps = work.steps()
    next(steps)
    seen: list[int] = []
    await rest(steps, between=lambda: seen.append(work.done))
    assert seen == [2, 3]


@pytest.mark.parametrize("pauses", [0, 3])
async def test_what_steps_raise_is_raised(pauses: int) -> None:
    work = Work(pauses, error=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await run(work.steps())
    with pytest.raises(ZeroDivisionError):
        finish(Work(pauses, error=ZeroDivisionError()).steps())
    assert work.is_closed


async def test_cancelled_steps_are_closed_where_they_stand() -> None:
    work = Work(100)
    running = asyncio.create_task(run(work.steps()))
    await turns(5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert work.is_closed
    assert work.done < 10


async def test_begun_work_that_waits_for_nothing_is_done_in_this_turn() -> None:
    done = []

    async def work() -> None:
        done.append("it")

    assert begin(work()) is None
    assert done == ["it"]


async def test_begun_work_goes_on_as_a_task_from_where_it_waits() -> None:
    done: list[str] = []
    waited = asyncio.get_running_loop().create_future()

    async def work() -> None:
        done.append("first")
        await turn()
        done.append(await waited)
        done.append("last" if asyncio.current_task() is task else "somebody else's")

    task = begin(work())
    assert done == ["first"]
    assert task is not None
    waited.set_result("second")
    await task
    assert done == ["first", "second", "last"]


async def test_many_may_begin_to_wait_for_one_future() -> None:
    waited = asyncio.get_running_loop().create_future()
    done: list[int] = []

    async def work(number: int) -> None:
        await waited
        done.append(number)

    tasks = [begin(work(number)) for number in range(3)]
    waited.set_result(None)
    await asyncio.gather(*[task for task in tasks if task is not None])
    assert done == [0, 1, 2]


async def test_begun_work_fails_with_what_it_raises() -> None:
    async def work() -> None:
        await turn()
        raise ValueError

    task = begin(work())
    assert task is not None
    with pytest.raises(ValueError):
        await task


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_begun_work_is_cancelled_where_it_waits(after: int) -> None:
    told: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    task = begin(work())
    assert task is not None
    await turns(after)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == ["cancelled"]


async def test_a_turn_lets_all_others_go_on() -> None:
    with Others() as others:
        await turn()
        assert others.turns == 1


# ------------------------------------------------------------------------ baton


class Relay:
    """Works that share a baton: who took a step in which turn."""

    def __init__(self) -> None:
        self.baton = Baton()
        self.taken: list[tuple[int, str]] = []
        self.turn = 0

    def steps(self, name: str, count: int) -> Steps[str]:
        for _ in range(count):
            yield
            self.taken.append((self.turn, name))
        return name

    def begin(self, name: str, count: int) -> asyncio.Task[str]:
        steps = self.steps(name, count)
        next(steps)
        return asyncio.create_task(self.baton.rest(steps))

    async def until_done(self, *tasks: asyncio.Task[str]) -> None:
        for _ in range(10_000):
            if all(task.done() for task in tasks):
                return
            await turn()
            self.turn += 1
        raise AssertionError("they do not come to their end")

    def order(self) -> list[str]:
        """Return the names, those of steps one after the other once."""
        names = [name for _, name in self.taken]
        return [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]


async def test_those_with_a_baton_take_one_step_of_all_in_a_turn() -> None:
    relay = Relay()
    tasks = [relay.begin(name, 5) for name in "abcdefghij"]
    await relay.until_done(*tasks)
    assert [task.result() for task in tasks] == list("abcdefghij")
    in_turns = [number for number, _ in relay.taken]
    assert len(in_turns) == 50
    assert len(set(in_turns)) == 50


async def test_short_work_ends_before_the_next_begins() -> None:
    relay = Relay()
    await relay.until_done(*[relay.begin(name, STEPS_WITH_BATON - 1) for name in "abc"])
    assert relay.order() == ["a", "b", "c"]


async def test_long_work_gives_way_to_those_who_wait() -> None:
    relay = Relay()
    long = relay.begin("long", 3 * STEPS_WITH_BATON)
    short = relay.begin("short", 2)
    await relay.until_done(long, short)
    assert relay.order() == ["long", "short", "long"]
    assert [name for _, name in relay.taken].index("short") == STEPS_WITH_BATON


async def test_alone_with_a_baton_a_step_is_taken_in_each_turn() -> None:
    work = Work(3)
    steps = work.steps()
    next(steps)
    with Others() as others:
        assert await Baton().rest(steps) == "done"
        assert others.turns == 3


@pytest.mark.parametrize("name", ["a", "b", "c"])
@pytest.mark.parametrize("after", [0, 1, 2, 5, 6, 7])
async def test_whoever_is_cancelled_holds_up_nobody(name: str, after: int) -> None:
    relay = Relay()
    tasks = {it: relay.begin(it, 4) for it in "abc"}
    await turns(after)
    tasks[name].cancel()
    await relay.until_done(*tasks.values())
    others = [it for it in tasks if it != name]
    assert [tasks[it].result() for it in others] == others
    last = relay.begin("last", 2)
    await relay.until_done(last)
    assert last.result() == "last"


@pytest.mark.parametrize("is_passed_on", [True, False])
async def test_whoever_waits_without_a_task_and_is_cancelled_keeps_no_baton(
    is_passed_on: bool,
) -> None:
    relay = Relay()
    first = relay.begin("first", 2)
    await turn()
    steps = relay.steps("without a task", 3)
    next(steps)
    waiting = relay.baton.rest(steps)
    future: Any = waiting.send(None)
    if is_passed_on:
        await relay.until_done(first)
        assert future.done()
    with pytest.raises(asyncio.CancelledError):
        waiting.throw(asyncio.CancelledError())
    last = relay.begin("last", 2)
    await relay.until_done(first, last)
    assert last.result() == "last"


async def test_work_of_one_step_waits_for_no_baton_and_longer_work_does() -> None:
    baton = Baton()
    first = Work(100).steps()
    next(first)
    ahead = asyncio.create_task(baton.rest(first))
    await turns(1)
    short = asyncio.create_task(baton.run(Work(0).steps()))
    long = asyncio.create_task(baton.run(Work(3).steps()))
    await turns(1)
    assert short.done()
    assert not long.done()
    assert await long == "done"
    assert await ahead == "done"


async def test_cancelled_work_with_a_baton_is_closed_where_it_stands() -> None:
    baton, works = Baton(), [Work(100), Work(100)]
    running = []
    for work in works:
        steps = work.steps()
        next(steps)
        running.append(asyncio.create_task(baton.rest(steps)))
    await turns(5)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert all(work.is_closed and work.done < 10 for work in works)


async def test_what_work_with_a_baton_raises_is_raised_and_passes_it_on() -> None:
    baton = Baton()
    for error in (ZeroDivisionError(), None):
        steps = Work(2, error).steps()
        next(steps)
        if error is None:
            assert await baton.rest(steps) == "done"
        else:
            with pytest.raises(ZeroDivisionError):
                await baton.rest(steps)


# ------------------------------------------------------------------------- pace


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the stopwatch that ``paced`` reads: its last number."""
    reading = [0.0]
    monkeypatch.setattr(cooperative, "stopwatch", lambda: reading[-1])
    return reading


async def test_going_through_items_gives_turns_by_the_time_it_takes(watch: list[float]) -> None:
    seen: list[tuple[int, int]] = []
    with Others() as others:
        async for item in paced(range(6), seconds=2):
            seen.append((item, others.turns))
            watch.append(watch[-1] + 1)
    assert seen == [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2)]


async def test_items_are_taken_one_by_one(watch: list[float]) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(3):
            taken.append(item)
            yield item

    async for item in paced(items(), seconds=0):
        assert taken[-1] == item
    assert taken == [0, 1, 2]


async def test_of_those_who_have_done_much_one_goes_on_in_each_turn() -> None:
    turnstile, done = Turnstile(), list[str]()

    async def work(name: str) -> None:
        for _ in range(3):
            await turnstile.turn()
            done.append(name)

    tasks = [asyncio.ensure_future(work(name)) for name in "abc"]
    seen = [0]
    while len(done) < 9 and len(seen) < 50:
        await asyncio.sleep(0)
        seen.append(len(done))
    assert "".join(done) == "abcabcabc"
    assert max(after - before for before, after in pairwise(seen)) == 1
    await asyncio.gather(*tasks)


async def test_who_is_cancelled_at_a_turnstile_holds_up_nobody() -> None:
    turnstile = Turnstile()
    tasks = [asyncio.ensure_future(turnstile.turn()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[2].cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert [task.cancelled() for task in tasks] == [True, False, True]
    assert tasks[1].done()
    await turnstile.turn()


async def test_a_pace_gives_way_once_enough_is_done() -> None:
    pace = Pace(10)
    with Others() as others:
        pace.work += 9.5
        await pace.give_way()
        assert others.turns == 0
        pace.work += 0.5
        await pace.give_way()
        assert (others.turns, pace.work) == (1, 0)
        await pace.give_way()
        assert others.turns == 1


# ---------------------------------------------------------------------- replies


async def test_the_outcome_of_a_plain_reply_is_that() -> None:
    assert await outcome(b"reply") == b"reply"


async def test_the_outcome_of_a_coroutine_is_its_result() -> None:
    async def reply() -> bytes:
        await turn()
        return b"reply"

    assert await outcome(reply()) == b"reply"


async def test_a_deferred_reply_is_held_back_until_it_is_ready() -> None:
    ready = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(outcome(DeferredReply(b"reply", ready)))
    await turns(3)
    assert not waiting.done()
    ready.set_result(None)
    assert await waiting == b"reply"


async def test_a_deferred_reply_without_a_reason_to_wait_is_there_at_once() -> None:
    assert await outcome(DeferredReply(b"reply", None)) == b"reply"


async def test_a_coroutine_may_lead_to_a_deferred_reply() -> None:
    ready = asyncio.get_running_loop().create_future()

    async def reply() -> DeferredReply:
        return DeferredReply(b"reply", ready)

    waiting = asyncio.create_task(outcome(reply()))
    await turns(3)
    assert not waiting.done()
    ready.set_exception(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await waiting


def test_a_reply_in_pieces_is_all_of_them() -> None:
    pieces = Pieces([b"one", b"two", b"three"])
    assert (len(pieces), bytes(pieces)) == (11, b"onetwothree")


async def test_so_many_and_no_more_are_called_back_in_a_turn() -> None:
    trickle, called = Trickle(2), list[int]()
    for number in range(5):
        trickle.call(partial(called.append, number))
    assert called == []
    seen = []
    for _ in range(4):
        await asyncio.sleep(0)
        seen.append(len(called))
    assert seen == [2, 4, 5, 5]
    assert called == [0, 1, 2, 3, 4]


async def test_a_turn_comes_behind_all_who_wait_for_theirs() -> None:
    trickle, called = Trickle(1), list[int]()
    assert trickle.turn() is None
    for number in range(3):
        trickle.call(partial(called.append, number))
    given_up, awaited = trickle.turn(), trickle.turn()
    assert given_up is not None
    assert awaited is not None
    given_up.cancel()
    await asyncio.wait_for(awaited, 60)
    assert called == [0, 1, 2]
    assert trickle.turn() is None


async def test_one_that_raises_keeps_nobody_waiting_who_is_called_back_later() -> None:
    errors: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
    trickle, called = Trickle(5), list[int]()
    trickle.call([].pop)
    trickle.call(partial(called.append, 1))
    await turns(3)
    assert called == [1]
    assert [type(error) for error in errors] == [IndexError]
