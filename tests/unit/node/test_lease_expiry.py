"""Leases end when their time is over; the clock is moved, and the disk writes when told to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from etcdpy.errors import LeaseNotFoundError
from etcdpy.lease import LeaseRules
from etcdpy.node.lease_expiry import SCAN_INTERVAL
from etcdpy.pb.lease_pb2 import Lease as StoredLease
from tests.unit.lease.leased_store import LeasedStore
from tests.unit.mvcc.fake_log import turns
from tests.unit.mvcc.stalls import TRIES, probed

#: Longest that one turn of the loop may take, generously: it is half a millisecond as a rule.
LONGEST_TURN = 0.1


@pytest.fixture
async def leased() -> LeasedStore:
    """Return a store whose leases end when a test calls for it."""
    return LeasedStore()


@pytest.fixture
async def running() -> AsyncIterator[LeasedStore]:
    """Return a store whose leases end by themselves."""
    leased = LeasedStore(now=1000)
    leased.expiry.start()
    yield leased
    await leased.expiry.close()


async def test_revoking_an_unknown_lease_is_refused(leased: LeasedStore) -> None:
    with pytest.raises(LeaseNotFoundError):
        await leased.expiry.revoke(7)


async def test_lease_ends_at_its_deadline(leased: LeasedStore) -> None:
    leased.grant(7, 10)
    leased.put(b"a", 7)
    await leased.clock.advance(9.99)
    await leased.expiry.expire_some()
    assert leased.has(b"a")
    await leased.clock.advance(0.01)
    await leased.expiry.expire_some()
    assert not leased.has(b"a")
    assert 7 not in leased.keeper.lessor


async def test_ended_lease_can_be_attached_to_until_it_is_revoked(leased: LeasedStore) -> None:
    leased.grant(7, 10)
    await leased.clock.advance(11)
    assert 7 in leased.keeper.lessor
    leased.put(b"a", 7)
    await leased.expiry.expire_some()
    assert not leased.has(b"a")


async def test_each_ended_lease_has_a_revision_of_its_own(leased: LeasedStore) -> None:
    for lease in (1, 2, 3):
        leased.grant(lease, 10)
        leased.put(b"%d" % lease, lease)
    leased.grant(4, 10)
    before = leased.store.revision
    await leased.clock.advance(10)
    await leased.expiry.expire_some()
    assert leased.store.revision == before + 3


async def test_ended_lease_stays_while_nothing_may_be_written(leased: LeasedStore) -> None:
    lease = leased.grant(7, 10)
    leased.put(b"a", 7)
    leased.is_corrupt = True
    await leased.clock.advance(12)
    await leased.expiry.expire_some()
    assert leased.has(b"a")
    assert lease.remaining(leased.now) == -2
    leased.is_corrupt = False
    await leased.clock.advance(6.9)
    await leased.expiry.expire_some()
    assert leased.has(b"a")
    await leased.clock.advance(0.1)
    await leased.expiry.expire_some()
    assert not leased.has(b"a")


async def test_all_who_wait_for_the_end_are_woken_by_it(leased: LeasedStore) -> None:
    lease = leased.grant(7, 10)
    await leased.clock.advance(10)
    first, second = (asyncio.ensure_future(leased.expiry.ended(lease)) for _ in range(2))
    await turns()
    first.cancel()
    await turns()
    assert not second.done()
    await leased.expiry.expire_some()
    await second


async def test_keys_of_one_lease_are_deleted_in_slices() -> None:
    assert await _least_of(_stall_of_many_keys) < LONGEST_TURN


async def _stall_of_many_keys(leased: LeasedStore) -> float:
    leased.grant(7, 10)
    changes = leased.store.begin()
    for number in range(20_000):
        changes.put(b"%06d" % number, b"", 7)
    changes.commit()
    leased.stored()
    revoking = asyncio.ensure_future(leased.expiry.revoke(7))
    await turns(2)
    assert not revoking.done()
    longest = await _longest_turn_until(revoking)
    assert leased.stored() == {}
    assert leased.store.revision == 3
    return longest


@pytest.mark.parametrize("end", ["revoked", "run out"])
async def test_others_write_while_the_keys_of_a_large_lease_are_put_in_order(
    leased: LeasedStore, end: str
) -> None:
    leased.grant(7, 10)
    changes = leased.store.begin()
    for number in range(5000):
        changes.put(b"%06d" % (number * 7 % 5000), b"", 7)
    changes.commit()
    await leased.clock.advance(10)
    ending = asyncio.ensure_future(
        leased.expiry.expire() if end == "run out" else leased.expiry.revoke(7)
    )
    await turns(2)
    assert leased.writer.busy is None
    # One more key hangs on it, and one less.
    leased.put(b"late", 7)
    leased.put(b"000000", 0)
    await _until_busy(leased)
    await ending
    assert 7 not in leased.keeper.lessor
    assert not leased.has(b"late")
    assert leased.has(b"000000")
    assert leased.store.revision == 5


async def test_of_all_who_revoke_a_large_lease_the_first_does_it(leased: LeasedStore) -> None:
    leased.grant(7, 10)
    changes = leased.store.begin()
    for number in range(2000):
        changes.put(b"%06d" % number, b"", 7)
    changes.commit()
    revoking = [asyncio.ensure_future(leased.expiry.revoke(7)) for _ in range(3)]
    ended = await asyncio.gather(*revoking, return_exceptions=True)
    assert [isinstance(end, LeaseNotFoundError) for end in ended] == [False, True, True]
    assert leased.store.revision == 3


async def test_revocations_wait_for_one_another(leased: LeasedStore) -> None:
    """The keys of the first go in slices; no other write may begin in between."""
    leased.grant(7, 10)
    leased.grant(8, 10)
    changes = leased.store.begin()
    for number in range(2000):
        changes.put(b"%06d" % number, b"", 7)
    changes.put(b"other", b"", 8)
    changes.commit()
    first = asyncio.ensure_future(leased.expiry.revoke(7))
    await _until_busy(leased)
    second = asyncio.ensure_future(leased.expiry.revoke(8))
    assert (await first)[0] == 3
    assert (await second)[0] == 4


async def test_id_granted_again_meanwhile_does_not_end_with_the_old_lease(
    leased: LeasedStore,
) -> None:
    leased.grant(1, 10)
    leased.grant(2, 11)
    changes = leased.store.begin()
    for number in range(2000):
        changes.put(b"%06d" % number, b"", 1)
    changes.commit()
    await leased.clock.advance(11)
    expiring = asyncio.ensure_future(leased.expiry.expire_some())
    await _until_busy(leased)
    leased.keeper.lessor.remove(leased.keeper.lessor._leases[2])
    again = leased.grant(2, 60)
    await expiring
    assert leased.keeper.lessor.get(2) is again
    assert 1 not in leased.keeper.lessor


async def test_leases_end_no_faster_than_the_disk_takes_it(leased: LeasedStore) -> None:
    for lease in range(1, 121):
        leased.grant(lease, 10)
    leased.stored()
    await leased.clock.advance(10)
    expiring = asyncio.ensure_future(leased.expiry.expire())
    left = []
    while not expiring.done():
        await turns(5)
        left.append(len(leased.keeper.lessor))
        leased.log.settle()
    await expiring
    assert sorted({*left}, reverse=True) == [70, 20, 0]


async def test_hundred_thousand_leases_end_in_slices() -> None:
    assert await _least_of(_stall_of_many_leases) < LONGEST_TURN


async def _stall_of_many_leases(leased: LeasedStore) -> float:
    for lease in range(1, 100_001):
        leased.grant(lease, 10)
    for number in range(1000):
        leased.put(b"%d" % number, number * 100 + 1)
    await leased.clock.advance(10)
    longest = await _longest_turn_until(asyncio.ensure_future(_expire_all(leased)))
    assert len(leased.keeper.lessor) == 0
    assert leased.store.revision == 1 + 2000
    assert leased.stored() == {}
    return longest


async def _least_of(stall_of: Callable[[LeasedStore], Awaitable[float]]) -> float:
    """Return the longest turn with a new store, of the best of a few tries."""
    least = float("inf")
    for _ in range(TRIES):
        least = min(least, await stall_of(LeasedStore()))
        if least < LONGEST_TURN:
            break
    return least


async def _expire_all(leased: LeasedStore) -> None:
    while await leased.expiry.expire_some():  # noqa: ASYNC110 - what is waited for is a turn
        await asyncio.sleep(0)


async def _until_busy(leased: LeasedStore) -> None:
    """Wait until the keys of a large lease are being deleted."""
    while leased.writer.busy is None:
        await turns(1)


async def _longest_turn_until(work: asyncio.Future[Any]) -> float:
    """Turn the loop until ``work`` is done; return the longest that others had to wait."""
    with probed() as probe:
        await work
    return probe.longest


# -------------------------------------------------------------- by itself


async def test_a_lease_ends_by_itself_at_its_deadline(running: LeasedStore) -> None:
    running.grant(7, 10)
    running.put(b"a", 7)
    await running.clock.advance(9.999)
    assert running.has(b"a")
    await running.clock.advance(0.001)
    assert not running.has(b"a")


async def test_leases_restored_before_the_start_end_by_themselves() -> None:
    leased = LeasedStore(now=1000)
    leased.keeper.restore([StoredLease(ID=7, TTL=10).SerializeToString()], now=1000)
    leased.expiry.start()
    await leased.clock.advance(10.999)
    assert 7 in leased.keeper.lessor
    await leased.clock.advance(0.001)
    assert 7 not in leased.keeper.lessor
    await leased.expiry.close()


async def test_nothing_wakes_it_while_nothing_is_due(running: LeasedStore) -> None:
    """Not even where there are leases: none of them ends within the hour."""
    running.grant(7, 7200)
    looks = _count_looks(running)
    await running.clock.advance(7199)
    assert looks == []
    await running.clock.advance(1)
    assert looks == [8200]


async def test_a_shorter_lease_is_not_kept_waiting_by_a_longer_one(running: LeasedStore) -> None:
    running.grant(1, 60)
    await running.clock.advance(1)
    running.grant(2, 5)
    await running.clock.advance(5)
    assert 2 not in running.keeper.lessor
    assert 1 in running.keeper.lessor


async def test_a_renewal_that_ends_sooner_is_not_kept_waiting() -> None:
    leased = LeasedStore(LeaseRules(restart_extra=100), now=0)
    leased.keeper.restore([StoredLease(ID=7, TTL=10).SerializeToString()], now=0)
    leased.expiry.start()
    assert leased.keeper.renew_at_once(7, 0) is not None
    await leased.clock.advance(9.9)
    assert 7 in leased.keeper.lessor
    await leased.clock.advance(0.1)
    assert 7 not in leased.keeper.lessor
    await leased.expiry.close()


async def test_a_lease_kept_alive_does_not_end(running: LeasedStore) -> None:
    running.grant(7, 10)
    for _ in range(20):
        await running.clock.advance(9)
        assert running.keeper.renew_at_once(7, running.now) is not None
    await running.clock.advance(9.9)
    assert 7 in running.keeper.lessor
    await running.clock.advance(0.1)
    assert 7 not in running.keeper.lessor


async def test_leases_that_end_one_after_the_other_end_in_batches(running: LeasedStore) -> None:
    """Each at its deadline or up to half a second later, and never before."""
    deadlines = {}
    for lease_id in range(1, 129):
        deadlines[lease_id] = running.grant(lease_id, 10).deadline
        await running.clock.advance(0.015625)
    looks = _count_looks(running)
    ends: dict[int, float] = {}
    while deadlines.keys() - ends.keys():
        await running.clock.advance(0.015625)
        running.log.settle()
        for lease_id in deadlines.keys() - ends.keys():
            if lease_id not in running.keeper.lessor:
                ends[lease_id] = running.now
    assert all(deadlines[lease] <= end for lease, end in ends.items())
    assert all(end < deadlines[lease] + SCAN_INTERVAL + 0.02 for lease, end in ends.items())
    assert len(looks) <= 5
    gaps = [after - before for before, after in pairwise(looks)]
    assert all(gap >= SCAN_INTERVAL for gap in gaps)


async def test_what_could_not_be_revoked_is_tried_again(running: LeasedStore) -> None:
    running.grant(7, 10)
    running.is_corrupt = True
    await running.clock.advance(12)
    running.is_corrupt = False
    await running.clock.advance(4.9)
    assert 7 in running.keeper.lessor
    await running.clock.advance(0.1)
    assert 7 not in running.keeper.lessor


async def test_a_failure_is_logged_and_the_next_look_follows(
    running: LeasedStore, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    running.grant(7, 10)
    running.grant(8, 11)
    working, running.expiry._check_revoke = running.expiry._check_revoke, fail
    with caplog.at_level(logging.ERROR):
        await running.clock.advance(10.5)
    assert "failed to revoke or checkpoint leases" in caplog.text
    running.expiry._check_revoke = working
    await running.clock.advance(0.5)
    assert 8 not in running.keeper.lessor


async def test_lease_that_ends_needs_no_task(running: LeasedStore) -> None:
    running.grant(7, 10)
    running.put(b"a", 7)
    before = asyncio.all_tasks()
    seen: list[tuple[bool, bool]] = []
    running.clock.wake_at(
        running.now + 10,
        lambda: seen.append((running.has(b"a"), asyncio.all_tasks() == before)),
    )
    await running.clock.advance(10)
    assert seen == [(False, True)]


async def test_leases_that_run_out_beside_a_large_one_wait_for_it(running: LeasedStore) -> None:
    for lease in (7, 8, 9):
        running.grant(lease, 10)
    changes = running.store.begin()
    for number in range(2000):
        changes.put(b"%06d" % number, b"", 7)
    changes.put(b"other", b"", 8)
    changes.commit()
    await running.clock.advance(10)
    await running.expiry.idle()
    assert list(running.keeper.lessor) == []
    assert running.store.revision == 4
    assert running.expiry.expired == 3


async def test_leases_that_run_out_during_a_large_write_wait_for_it(running: LeasedStore) -> None:
    running.grant(7, 60)
    running.grant(8, 10)
    changes = running.store.begin()
    for number in range(20_000):
        changes.put(b"%06d" % number, b"", 7)
    changes.put(b"other", b"", 8)
    changes.commit()
    revoking = asyncio.ensure_future(running.expiry.revoke(7))
    await _until_busy(running)
    await running.clock.advance(10)
    assert not revoking.done()
    assert running.has(b"other")
    await running.expiry.idle()
    assert revoking.done()
    assert not running.has(b"other")
    assert running.store.revision == 4


async def test_long_leases_are_written_down_by_themselves() -> None:
    leased = LeasedStore(LeaseRules(checkpoints=True))
    leased.expiry.start()
    for lease_id in range(1, 1002):
        leased.grant(lease_id, 1000)
    await leased.clock.advance(299.9)
    assert {lease.RemainingTTL for lease in leased.stored().values()} == {0}
    await leased.clock.advance(0.1)
    assert {lease.RemainingTTL for lease in leased.stored().values()} == {700}
    await leased.expiry.close()


async def test_once_closed_it_does_nothing_by_itself(running: LeasedStore) -> None:
    running.grant(7, 10)
    await running.expiry.close()
    running.grant(8, 10)
    await running.clock.advance(60)
    assert {lease.lease_id for lease in running.keeper.lessor} == {7, 8}


async def test_closed_in_the_middle_it_lets_a_revocation_end(running: LeasedStore) -> None:
    running.grant(7, 10)
    changes = running.store.begin()
    for number in range(20_000):
        changes.put(b"%06d" % number, b"", 7)
    changes.commit()
    await running.clock.advance(10)
    await _until_busy(running)
    await running.expiry.close()
    await running.writer.idle()
    assert 7 not in running.keeper.lessor


def _count_looks(leased: LeasedStore) -> list[float]:
    """Return the list that the moments of all looks from now on are added to."""
    looks: list[float] = []
    take = leased.keeper.take_expired

    def taken(now: float) -> Any:
        if not looks or looks[-1] != now:
            looks.append(now)
        return take(now)

    leased.keeper.take_expired = taken  # type: ignore[method-assign]
    return looks


async def test_lease_lasts_until_a_client_that_counts_from_the_answer_sees_its_end(
    running: LeasedStore,
) -> None:
    running.clock.transit = 0.25
    running.grant(7, 10)
    await running.clock.advance(10.24)
    assert 7 in running.keeper.lessor
    await running.clock.advance(0.02)
    assert 7 not in running.keeper.lessor


async def test_who_has_moved_the_clock_need_not_wait_for_the_next_look(
    running: LeasedStore,
) -> None:
    running.grant(1, 10)
    running.grant(2, 10)
    await running.clock.advance(10)
    running.grant(3, 2)
    # The look before was less than half a second ago when this one is due.
    running.keeper.lessor._leases[3].deadline = running.clock.monotonic() + 0.1
    running.keeper.lessor._leases[3].due = running.clock.monotonic() + 0.1
    running.keeper.lessor._rebuild()
    await running.clock.advance(0.2)
    assert 3 in running.keeper.lessor
    await running.expiry.look_now()
    assert list(running.keeper.lessor) == []
    await running.expiry.close()
    await running.expiry.look_now()
