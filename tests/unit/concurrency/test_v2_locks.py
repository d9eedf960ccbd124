"""Locks of the v2 API: who holds one, for how long, and who is next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from etcdpy.concurrency.v2_locks import ROOT, LockClosedError, LockHeldError
from etcdpy.errors import V2Error
from tests.unit.concurrency.v2_lock_world import LockWorld, lock_world
from tests.unit.mvcc.fake_log import turns


@pytest.fixture
async def world() -> AsyncIterator[LockWorld]:
    async with lock_world() as world:
        yield world


class TestAcquire:
    async def test_free_lock_is_held_at_once_by_the_index_of_its_place(
        self, world: LockWorld
    ) -> None:
        taking = await world.acquire(value="one")
        assert world.queue() == {taking.result(): "one"}
        assert await world.holder() == (taking.result(), "one")

    async def test_lock_is_given_when_that_is_durable(self, world: LockWorld) -> None:
        taking = asyncio.ensure_future(world.locks.acquire("m", 10))
        await turns(10)
        assert not taking.done()
        world.settle()
        await turns(10)
        assert not taking.done()
        await world.settled()
        assert taking.done()

    async def test_those_who_wait_have_it_in_the_order_in_which_they_came(
        self, world: LockWorld
    ) -> None:
        first, second, third = [await world.acquire() for _ in range(3)]
        assert [one.done() for one in (first, second, third)] == [True, False, False]
        await world.done(world.locks.release("m", first.result()))
        await world.settled()
        assert [one.done() for one in (second, third)] == [True, False]
        await world.done(world.locks.release("m", second.result()))
        await world.settled()
        assert first.result() < second.result() < third.result()

    async def test_one_in_the_middle_may_leave(self, world: LockWorld) -> None:
        first, second, third = [await world.acquire() for _ in range(3)]
        second.cancel()
        await world.settled()
        assert len(world.queue()) == 2
        assert not third.done()
        await world.done(world.locks.release("m", first.result()))
        await world.settled()
        assert third.done()

    async def test_numbers_are_compared_and_not_their_digits(self, world: LockWorld) -> None:
        for path in ("2", "notes", "dir/1"):
            await world.done(world.v2.set(f"{ROOT}/m/{path}", "x", expires=None))
        taking = await world.acquire()
        assert not taking.done()
        assert await world.holder() == (2, "x")
        await world.done(world.locks.release("m", 2))
        await world.settled()
        assert taking.done()

    async def test_names_are_queues_of_their_own(self, world: LockWorld) -> None:
        assert (await world.acquire("a")).done()
        assert (await world.acquire("a/b")).done()
        assert (await world.acquire("_a")).done()

    async def test_a_place_cannot_be_a_queue(self, world: LockWorld) -> None:
        index = (await world.acquire()).result()
        taking = await world.acquire(f"m/{index:020}")
        with pytest.raises(V2Error) as refusal:
            taking.result()
        assert refusal.value.code == 104


class TestTimes:
    async def test_lock_ends_with_its_time(self, world: LockWorld) -> None:
        first, second = await world.acquire(ttl=5), await world.acquire()
        await world.clock.advance(4)
        assert not second.done()
        await world.clock.advance(2)
        assert second.done()
        assert (await world.holder() or (0,))[0] == second.result() != first.result()

    async def test_time_begins_when_it_is_held(self, world: LockWorld) -> None:
        first, second = await world.acquire(ttl=9), await world.acquire(ttl=5)
        await world.clock.advance(8)
        await world.done(world.locks.release("m", first.result()))
        await world.settled()
        assert second.done()
        await world.clock.advance(4.5)
        assert await world.holder() is not None
        await world.clock.advance(1.1)
        assert await world.holder() is None

    async def test_those_who_wait_are_kept_alive(self, world: LockWorld) -> None:
        await world.acquire(ttl=100)
        second, third = await world.acquire(ttl=1), await world.acquire(ttl=7)
        await world.clock.advance(99)
        assert not second.done()
        assert not third.done()
        await world.clock.advance(2)
        assert second.done()
        await world.clock.advance(2)
        assert third.done()

    async def test_renewal_makes_it_longer_and_wakes_nobody(self, world: LockWorld) -> None:
        first, second = await world.acquire(ttl=5, value="a"), await world.acquire()
        for _ in range(200):
            await world.clock.advance(4)
            await world.done(world.locks.renew("m", 5, first.result()))
            await world.done(world.locks.renew("m", 5, value="a"))
        assert not second.done()
        assert await world.holder() == (first.result(), "a")
        await world.clock.advance(6)
        assert second.done()

    async def test_renewal_with_a_value_changes_it_and_gives_nothing_away(
        self, world: LockWorld
    ) -> None:
        first, second = await world.acquire(value="a"), await world.acquire()
        for number in range(200):
            await world.done(world.locks.renew("m", 10, first.result(), f"b{number}"))
            await world.settled()
        assert await world.holder() == (first.result(), "b199")
        assert not second.done()
        await world.done(world.locks.release("m", value="b199"))
        await world.settled()
        assert second.done()

    async def test_who_waits_may_be_renewed_for_longer(self, world: LockWorld) -> None:
        await world.acquire(ttl=100)
        second = await world.acquire(ttl=3, value="w")
        await world.done(world.locks.renew("m", 50, value="w"))
        await world.clock.advance(90)
        assert not second.done()
        assert len(world.queue()) == 2

    async def test_time_to_live_beyond_all_times_is_for_ever(self, world: LockWorld) -> None:
        await world.acquire(ttl=1 << 62)
        await world.clock.advance(1e6)
        assert await world.holder() is not None


class TestTimeouts:
    async def test_lock_may_be_tried_once(self, world: LockWorld) -> None:
        assert (await world.acquire(timeout=0)).done()
        trying = await world.acquire(timeout=0)
        assert isinstance(trying.exception(), LockHeldError)
        assert len(world.queue()) == 1

    async def test_nobody_is_told_to_go_before_the_place_is_gone_for_good(
        self, world: LockWorld
    ) -> None:
        await world.acquire()
        trying = asyncio.ensure_future(world.locks.acquire("m", 10, timeout=0))
        await turns(10)
        world.settle()
        await turns(10)
        assert len(world.queue()) == 1
        assert not trying.done()
        await world.settled()
        assert isinstance(trying.exception(), LockHeldError)

    async def test_wait_ends_with_its_time_and_the_place_goes(self, world: LockWorld) -> None:
        await world.acquire(ttl=100)
        waiting = await world.acquire(timeout=20)
        await world.clock.advance(19.9)
        assert not waiting.done()
        await world.clock.advance(0.1)
        assert isinstance(waiting.exception(), LockClosedError)
        assert len(world.queue()) == 1

    async def test_lock_that_is_had_in_time_stays(self, world: LockWorld) -> None:
        await world.acquire(ttl=5)
        waiting = await world.acquire(ttl=100, timeout=20)
        await world.clock.advance(50)
        assert await world.holder() == (waiting.result(), "")


class TestValues:
    async def test_who_holds_it_gets_it_again_and_for_longer(self, world: LockWorld) -> None:
        first = await world.acquire(value="a", ttl=5)
        await world.clock.advance(4)
        again = await world.acquire(value="a", ttl=5, timeout=0)
        assert again.result() == first.result()
        await world.clock.advance(4)
        assert await world.holder() == (first.result(), "a")

    async def test_sessions_with_a_value_share_a_place(self, world: LockWorld) -> None:
        first = await world.acquire(value="a")
        one, other = await world.acquire(value="b"), await world.acquire(value="b")
        assert len(world.queue()) == 2
        await world.done(world.locks.release("m", value="a"))
        await world.settled()
        assert one.result() == other.result() > first.result()

    async def test_sessions_that_come_at_once_share_a_place(self, world: LockWorld) -> None:
        await world.acquire(value="a")
        sessions = [asyncio.ensure_future(world.locks.acquire("m", 9, "b")) for _ in range(5)]
        await world.settled()
        assert len(world.queue()) == 2
        await world.done(world.locks.release("m", value="a"))
        await world.settled()
        assert len({one.result() for one in sessions}) == 1

    async def test_first_that_is_cancelled_on_its_way_leaves_the_others(
        self, world: LockWorld
    ) -> None:
        sessions = [asyncio.ensure_future(world.locks.acquire("m", 9, "b")) for _ in range(3)]
        await turns(2)
        sessions[0].cancel()
        await world.settled()
        assert sessions[0].cancelled()
        assert sessions[1].result() == sessions[2].result()
        assert await world.holder() == (sessions[1].result(), "b")

    async def test_timeout_of_one_session_leaves_the_place_to_the_other(
        self, world: LockWorld
    ) -> None:
        first = await world.acquire(value="a", ttl=100)
        waiting = await world.acquire(value="b")
        hasty, patient = [await world.acquire(value="b", timeout=seconds) for seconds in (0, 5)]
        await world.clock.advance(6)
        assert isinstance(hasty.exception(), LockHeldError)
        assert isinstance(patient.exception(), LockClosedError)
        assert len(world.queue()) == 2
        await world.done(world.locks.release("m", first.result()))
        await world.settled()
        assert waiting.done()

    async def test_last_session_that_leaves_takes_the_place_away(self, world: LockWorld) -> None:
        await world.acquire(value="a", ttl=100)
        sessions = [await world.acquire(value="b") for _ in range(2)]
        for session in sessions:
            assert len(world.queue()) == 2
            session.cancel()
            await world.settled()
        assert len(world.queue()) == 1

    async def test_session_that_leaves_does_not_give_away_what_another_holds(
        self, world: LockWorld
    ) -> None:
        first = await world.acquire(value="a")
        again = asyncio.ensure_future(world.locks.acquire("m", 10, "a"))
        await turns(1)
        again.cancel()
        await world.settled()
        assert await world.holder() == (first.result(), "a")

    async def test_without_a_value_a_place_is_ones_own(self, world: LockWorld) -> None:
        await world.acquire()
        assert not (await world.acquire()).done()
        assert len(world.queue()) == 2

    async def test_place_that_is_going_is_not_joined(self, world: LockWorld) -> None:
        await world.acquire(value="a", ttl=100)
        leaving = await world.acquire(value="b")
        leaving.cancel()
        joining = asyncio.ensure_future(world.locks.acquire("m", 10, "b"))
        await world.settled()
        await world.done(world.locks.release("m", value="a"))
        await world.settled()
        assert joining.done()
        assert await world.holder() == (joining.result(), "b")


class TestLeaving:
    async def test_who_is_cancelled_leaves(self, world: LockWorld) -> None:
        await world.acquire(ttl=100)
        waiting = await world.acquire()
        waiting.cancel()
        await world.settled()
        assert len(world.queue()) == 1

    @pytest.mark.parametrize("steps", range(8))
    async def test_nothing_is_left_of_what_is_cancelled_on_its_way(
        self, world: LockWorld, steps: int
    ) -> None:
        taking = asyncio.ensure_future(world.locks.acquire("m", 100))
        for _ in range(steps):
            await turns(1)
            world.settle()
        taking.cancel()
        await world.settled()
        if taking.cancelled():
            assert not world.queue()
        else:
            assert world.queue() == {taking.result(): ""}

    async def test_lock_is_not_given_to_whoever_has_left(self, world: LockWorld) -> None:
        first = await world.acquire(ttl=100)
        gone = await world.acquire(has_left=lambda: True)
        third = await world.acquire()
        await world.done(world.locks.release("m", first.result()))
        await world.settled()
        assert isinstance(gone.exception(), LockClosedError)
        assert third.done()

    async def test_free_lock_is_given_to_whoever_sends_no_more(self, world: LockWorld) -> None:
        assert (await world.acquire(has_left=lambda: True)).done()

    async def test_waiter_whose_place_is_taken_away_is_told(self, world: LockWorld) -> None:
        await world.acquire(ttl=100)
        waiting = await world.acquire(value="w")
        await world.done(world.locks.release("m", value="w"))
        await world.settled()
        assert isinstance(waiting.exception(), LockClosedError)

    async def test_all_are_told_when_the_queue_is_removed(self, world: LockWorld) -> None:
        await world.acquire()
        waiting = [await world.acquire() for _ in range(3)]
        await world.done(world.v2.delete(f"{ROOT}/m", recursive=True))
        await world.settled()
        assert all(isinstance(one.exception(), LockClosedError) for one in waiting)


class TestFinding:
    async def test_what_is_not_there_cannot_be_renewed_or_released(self, world: LockWorld) -> None:
        for name in ("never", "m"):
            for work in (
                world.locks.renew(name, 5, 999),
                world.locks.renew(name, 5, value="x"),
                world.locks.release(name, 999),
                world.locks.release(name, value="x"),
            ):
                with pytest.raises(V2Error) as refusal:
                    await world.done(work)
                assert (refusal.value.code, refusal.value.cause) == (100, "")
                assert refusal.value.index == world.v2.index
            await world.acquire()

    async def test_first_with_a_value_counts(self, world: LockWorld) -> None:
        await world.acquire()
        second, third = await world.acquire(value="a"), await world.acquire(value="b")
        await world.done(world.locks.renew("m", 9, max(world.queue()), "a"))
        await world.done(world.locks.release("m", value="a"))
        await world.settled()
        assert isinstance(second.exception(), LockClosedError)
        assert not third.done()

    async def test_lock_that_never_was_is_not_known(self, world: LockWorld) -> None:
        with pytest.raises(V2Error) as refusal:
            await world.holder("never")
        assert refusal.value.code == 100

    async def test_lock_that_is_free_is_known(self, world: LockWorld) -> None:
        index = (await world.acquire()).result()
        await world.done(world.locks.release("m", index))
        assert await world.holder() is None


class TestRestart:
    async def test_holders_and_places_with_a_value_outlive_the_server(
        self, world: LockWorld
    ) -> None:
        first = await world.acquire(value="a", ttl=50)
        await world.acquire(value="b", ttl=50)
        await world.acquire(ttl=50)
        world.locks.stop()
        await world.settled()
        assert list(world.queue().values()) == ["a", "b"]
        await world.close()
        async with lock_world(world.log.disk) as later:
            assert await later.holder() == (first.result(), "a")
            waiting = await later.acquire(value="b")
            assert not waiting.done()
            await later.done(later.locks.release("m", value="a"))
            await later.settled()
            assert await later.holder() == (waiting.result(), "b")

    async def test_whoever_waits_is_told_that_the_server_stops(self, world: LockWorld) -> None:
        await world.acquire()
        waiting = await world.acquire()
        world.locks.stop()
        await world.settled()
        assert isinstance(waiting.exception(), LockClosedError)

    async def test_end_does_not_wait_for_the_disk(self, world: LockWorld) -> None:
        await world.acquire(value="a")
        waiting = await world.acquire()
        world.locks.stop()
        await turns(5)
        await world.locks.close()
        assert list(world.queue().values()) == ["a"]
        assert not waiting.done()
