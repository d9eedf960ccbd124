"""Leases and their keys end together; the clock is a number and the disk writes when told to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from etcdpy.errors import CorruptError, LeaseNotFoundError
from etcdpy.lease import LeaseKeeper, LeaseRules
from etcdpy.mvcc.store import Store
from etcdpy.pb.lease_pb2 import Lease as StoredLease
from etcdpy.storage import Bucket
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.mvcc.stalls import probed

#: Longest that one turn of the loop may take, generously: it is half a millisecond as a rule.
LONGEST_TURN = 0.1


class House:
    """A keeper with a store, a clock to set and an alarm to raise."""

    def __init__(self, rules: LeaseRules | None = None) -> None:
        self.log = FakeLog()
        self.store = Store(self.log)
        self.log.serve(self.store)
        self.now = 1000.0
        self.is_corrupt = False
        self.keeper = LeaseKeeper(
            self.store, rules or LeaseRules(), lambda: self.now, self._check_revoke
        )

    def _check_revoke(self) -> None:
        if self.is_corrupt:
            raise CorruptError

    def put(self, key: bytes, lease: int) -> None:
        changes = self.store.begin()
        changes.put(key, b"v", lease)
        changes.commit()

    def has(self, key: bytes) -> bool:
        return self.store.get(key, self.store.revision) is not None

    def stored(self) -> dict[int, StoredLease]:
        """Return what is in the lease bucket on the disk."""
        self.log.flush()
        self.log.settle()
        rows = [StoredLease.FromString(row) for _, row in self.log.items(Bucket.LEASE)]
        return {row.ID: row for row in rows}

    async def restarted(self) -> House:
        """Return the keeper of a server that starts on what is on the disk."""
        after = House()
        after.now = self.now
        self.stored()
        after.keeper.restore(row for _, row in self.log.items(Bucket.LEASE))
        return after


@pytest.fixture
async def house() -> House:
    return House()


async def test_granted_lease_is_on_the_disk(house: House) -> None:
    house.keeper.grant(7, 60)
    assert house.stored() == {7: StoredLease(ID=7, TTL=60)}


async def test_chosen_ids_are_positive_and_differ(house: House) -> None:
    chosen = [house.keeper.grant(0, 60)[0].lease_id for _ in range(100)]
    assert len(set(chosen)) == 100
    assert all(0 < lease < 2**63 for lease in chosen)


async def test_revoked_lease_goes_with_its_keys_in_one_batch(house: House) -> None:
    house.keeper.grant(7, 60)
    house.put(b"b", 7)
    house.put(b"a", 7)
    house.stored()
    await house.keeper.revoke(7)
    assert not house.has(b"a")
    house.log.flush()
    (batch,) = house.log.on_their_way
    assert len(batch.rows) == 2
    assert house.stored() == {}


async def test_revoking_an_unknown_lease_is_refused(house: House) -> None:
    with pytest.raises(LeaseNotFoundError):
        await house.keeper.revoke(7)


async def test_lease_ends_at_its_deadline(house: House) -> None:
    house.keeper.grant(7, 10)
    house.put(b"a", 7)
    house.now += 9.99
    await house.keeper.expire_some()
    assert house.has(b"a")
    house.now += 0.01
    await house.keeper.expire_some()
    assert not house.has(b"a")
    assert 7 not in house.keeper.lessor


async def test_ended_lease_can_be_attached_to_until_it_is_revoked(house: House) -> None:
    house.keeper.grant(7, 10)
    house.now += 11
    assert 7 in house.keeper.lessor
    house.put(b"a", 7)
    await house.keeper.expire_some()
    assert not house.has(b"a")


async def test_each_ended_lease_has_a_revision_of_its_own(house: House) -> None:
    for lease in (1, 2, 3):
        house.keeper.grant(lease, 10)
        house.put(b"%d" % lease, lease)
    house.keeper.grant(4, 10)
    before = house.store.revision
    house.now += 10
    await house.keeper.expire_some()
    assert house.store.revision == before + 3


async def test_ended_lease_stays_while_nothing_may_be_written(house: House) -> None:
    lease, _ = house.keeper.grant(7, 10)
    house.put(b"a", 7)
    house.is_corrupt = True
    house.now += 12
    await house.keeper.expire_some()
    assert house.has(b"a")
    assert house.keeper.remaining(lease) == -2
    house.is_corrupt = False
    house.now += 6.9
    await house.keeper.expire_some()
    assert house.has(b"a")
    house.now += 0.1
    await house.keeper.expire_some()
    assert not house.has(b"a")


async def test_who_waits_for_the_end_is_told_of_it(house: House) -> None:
    lease, _ = house.keeper.grant(7, 10)
    house.now += 10
    first, second = (asyncio.ensure_future(house.keeper.ended(lease)) for _ in range(2))
    await turns()
    first.cancel()
    await turns()
    assert not second.done()
    await house.keeper.expire_some()
    await second


async def test_keys_of_one_lease_are_deleted_in_slices(house: House) -> None:
    house.keeper.grant(7, 10)
    changes = house.store.begin()
    for number in range(20_000):
        changes.put(b"%06d" % number, b"", 7)
    changes.commit()
    house.stored()
    revoking = asyncio.ensure_future(house.keeper.revoke(7))
    await turns(2)
    assert not revoking.done()
    longest = await _longest_turn_until(revoking)
    assert longest < LONGEST_TURN
    assert house.stored() == {}
    assert house.store.revision == 3


async def test_leases_end_no_faster_than_the_disk_takes_it(house: House) -> None:
    for lease in range(1, 121):
        house.keeper.grant(lease, 10)
    house.stored()
    house.now += 10
    expiring = asyncio.ensure_future(house.keeper.expire())
    left = []
    while not expiring.done():
        await turns(5)
        left.append(len(house.keeper.lessor))
        house.log.settle()
    await expiring
    assert sorted({*left}, reverse=True) == [70, 20, 0]


async def test_hundred_thousand_leases_end_in_slices(house: House) -> None:
    for lease in range(1, 100_001):
        house.keeper.grant(lease, 10)
    for number in range(1000):
        house.put(b"%d" % number, number * 100 + 1)
    house.now += 10
    longest = await _longest_turn_until(asyncio.ensure_future(_expire_all(house)))
    assert longest < LONGEST_TURN
    assert len(house.keeper.lessor) == 0
    assert house.store.revision == 1 + 2000
    assert house.stored() == {}


async def _expire_all(house: House) -> None:
    while await house.keeper.expire_some():  # noqa: ASYNC110 - what is waited for is a turn
        await asyncio.sleep(0)


async def _longest_turn_until(work: asyncio.Future[Any]) -> float:
    """Turn the loop until ``work`` is done; return the longest that others had to wait."""
    with probed() as probe:
        await work
    return probe.longest


# ------------------------------------------------------------- checkpoints


@pytest.fixture
async def checkpointing() -> House:
    return House(LeaseRules(checkpoints=True))


async def test_long_lease_is_written_down_and_restarts_from_there(checkpointing: House) -> None:
    house = checkpointing
    house.keeper.grant(7, 1000)
    house.now += 300
    assert not house.keeper.checkpoint_some()
    assert house.stored()[7].RemainingTTL == 700
    after = await house.restarted()
    lease = after.keeper.lessor.get(7)
    assert lease is not None
    assert (lease.ttl, after.keeper.remaining(lease)) == (1000, 701)


async def test_renewal_takes_the_checkpoint_back_and_waits_for_the_disk(
    checkpointing: House,
) -> None:
    house = checkpointing
    lease, _ = house.keeper.grant(7, 1000)
    assert house.keeper.renew_at_once(7) is lease
    house.now += 300
    house.keeper.checkpoint_some()
    assert house.stored()[7].RemainingTTL == 700
    assert house.keeper.renew_at_once(7) is None
    durable = house.keeper.renew(lease)
    assert durable is not None
    assert not durable.done()
    assert house.stored()[7].RemainingTTL == 0
    assert durable.done()
    assert house.keeper.renew_at_once(7) is lease


async def test_restarted_lease_is_written_down_five_minutes_later() -> None:
    house = House(LeaseRules(checkpoints=True))
    house.keeper.restore([StoredLease(ID=7, TTL=1000, RemainingTTL=800).SerializeToString()])
    house.now += 299
    house.keeper.checkpoint_some()
    assert house.stored() == {}
    house.now += 1
    house.keeper.checkpoint_some()
    assert house.stored()[7].RemainingTTL == 501


async def test_without_the_feature_nothing_is_written_down(house: House) -> None:
    house.keeper.grant(7, 1000)
    house.now += 500
    assert not house.keeper.checkpoint_some()
    assert house.stored()[7].RemainingTTL == 0


async def test_restart_gives_leases_their_time_and_a_second(house: House) -> None:
    house.keeper.grant(7, 60)
    house.now += 59
    after = await house.restarted()
    lease = after.keeper.lessor.get(7)
    assert lease is not None
    assert after.keeper.remaining(lease) == 61
