"""Deadlines by tick."""

import asyncio
from typing import Any

from etcdpy.testing.clock import MovableClock
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.deadlines import ENDED_PER_TURN, Deadlines, DeadlineTimer
from etcdpy.transport.grpc.request_head import RequestHead
from etcdpy.transport.grpc.states import StreamState


def call(deadline: float | None) -> Context:
    return Context(1, RequestHead(), deadline, StreamState.OPEN)


def test_calls_expire_in_the_tick_after_their_deadline() -> None:
    deadlines = Deadlines()
    early, late = call(1.0), call(2.0)
    deadlines.add(late)
    deadlines.add(early)
    assert deadlines.expire(1.0) == []
    assert deadlines.expire(1.01) == [early]
    assert deadlines.expire(3.0) == [late]
    assert len(deadlines) == 0


def test_add_tells_when_the_next_wake_up_moves() -> None:
    deadlines = Deadlines()
    assert deadlines.add(call(5.0))
    assert not deadlines.add(call(5.0))
    assert not deadlines.add(call(9.0))
    assert deadlines.add(call(1.0))


def test_answered_calls_do_not_expire() -> None:
    deadlines = Deadlines()
    answered, waiting = call(1.0), call(1.0)
    deadlines.add(answered)
    deadlines.add(waiting)
    deadlines.discard(answered)
    assert deadlines.expire(2.0) == [waiting]


def test_discarding_twice_is_harmless() -> None:
    deadlines = Deadlines()
    once = call(1.0)
    deadlines.add(once)
    deadlines.discard(once)
    deadlines.discard(once)
    assert deadlines.next() is None


def test_next_skips_ticks_that_all_calls_have_left() -> None:
    deadlines = Deadlines()
    gone = call(1.0)
    deadlines.add(gone)
    deadlines.add(call(2.0))
    deadlines.discard(gone)
    earliest = deadlines.next()
    assert earliest is not None
    assert 2.0 <= earliest <= 2.02


def test_far_deadlines_of_answered_calls_do_not_pile_up() -> None:
    deadlines = Deadlines()
    for n in range(10_000):
        answered = call(1e6 + n)
        deadlines.add(answered)
        deadlines.discard(answered)
    assert len(deadlines._ticks) <= 102


def test_call_may_come_back_to_a_tick_that_was_empty() -> None:
    deadlines = Deadlines()
    first, second = call(1.0), call(1.0)
    deadlines.add(first)
    deadlines.discard(first)
    deadlines.add(second)
    assert deadlines.expire(2.0) == [second]
    assert deadlines.expire(3.0) == []


class TestTimer:
    async def test_calls_expire_each_at_its_time(self) -> None:
        clock, expired = MovableClock(100.0), list[Any]()
        timer = DeadlineTimer(clock, lambda it: expired.append((it.deadline, clock.monotonic())))
        for deadline in (105.0, 101.0, 103.0):
            timer.watch(call(deadline))
        await clock.advance(10)
        assert [deadline for deadline, _ in expired] == [101.0, 103.0, 105.0]
        assert all(0 < now - deadline < 0.02 for deadline, now in expired)

    async def test_calls_that_are_watched_or_have_no_deadline_are_left_alone(self) -> None:
        timer = DeadlineTimer(MovableClock(), lambda _: None)
        once, never = call(5.0), call(None)
        timer.watch(once)
        timer.watch(once)
        timer.watch(never)
        assert len(timer) == 1

    async def test_thousands_that_expire_at_once_are_told_in_many_turns(self) -> None:
        clock, expired = MovableClock(), list[Any]()
        timer = DeadlineTimer(clock, expired.append)
        calls = [call(5.0) for _ in range(10 * ENDED_PER_TURN)]
        for each in calls:
            timer.watch(each)
        before, most = 0, 0
        moving = asyncio.ensure_future(clock.advance(10))
        while len(expired) < len(calls):
            await asyncio.sleep(0)
            most = max(most, len(expired) - before)
            before = len(expired)
        await moving
        assert most == ENDED_PER_TURN
        assert set(expired) == set(calls)
        assert not any(each.tick for each in calls)

    async def test_call_that_is_answered_before_its_turn_is_not_told(self) -> None:
        clock, expired = MovableClock(), list[Any]()
        calls = [call(5.0) for _ in range(ENDED_PER_TURN + 1)]

        def answer_all_others(first: Context) -> None:
            expired.append(first)
            for each in calls:
                timer.discard(each)

        timer = DeadlineTimer(clock, answer_all_others)
        for each in calls:
            timer.watch(each)
        await clock.advance(10)
        assert len(expired) == 1

    async def test_call_that_is_watched_again_before_its_turn_is_told_once(self) -> None:
        clock, expired = MovableClock(), list[Any]()
        calls = [call(5.0) for _ in range(ENDED_PER_TURN + 1)]

        def watch_all_again(ended: Context) -> None:
            expired.append(ended)
            for each in calls:
                if each.tick:
                    timer.discard(each)
                    timer.watch(each)

        timer = DeadlineTimer(clock, watch_all_again)
        for each in calls:
            timer.watch(each)
        await clock.advance(10)
        assert len(expired) == len(set(expired)) == len(calls)

    async def test_nothing_expires_after_the_end(self) -> None:
        clock, expired = MovableClock(), list[Any]()
        timer = DeadlineTimer(clock, expired.append)
        timer.watch(call(5.0))
        timer.close()
        timer.close()
        await clock.advance(10)
        assert not expired
