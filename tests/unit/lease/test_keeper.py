"""Leases and their keys end together; time is told, and the disk writes when told to."""

from __future__ import annotations

import pytest

from etcdpy.cooperative import finish
from etcdpy.lease import LeaseRules
from etcdpy.lease.keeper import EXPIRED_PER_SLICE
from etcdpy.mvcc.prepared import deletion_of
from etcdpy.pb.lease_pb2 import Lease as StoredLease
from tests.unit.lease.leased_store import LeasedStore


@pytest.fixture
async def leased() -> LeasedStore:
    return LeasedStore()


async def test_granted_lease_is_on_the_disk(leased: LeasedStore) -> None:
    leased.keeper.grant(7, 60, now=0)
    assert leased.stored() == {7: StoredLease(ID=7, TTL=60)}


async def test_chosen_ids_are_positive_and_differ(leased: LeasedStore) -> None:
    chosen = [leased.grant(0, 60).lease_id for _ in range(100)]
    assert len(set(chosen)) == 100
    assert all(0 < lease < 2**63 for lease in chosen)


async def test_grants_and_revocations_name_the_batch_they_are_in(leased: LeasedStore) -> None:
    _, granted = leased.keeper.grant(7, 60, now=0)
    assert granted == leased.log.batch.sequence
    leased.stored()
    _, revoked = leased.revoke(7)
    assert revoked == leased.log.batch.sequence == granted + 1


async def test_revoked_lease_goes_with_its_keys_in_one_batch(leased: LeasedStore) -> None:
    leased.grant(7, 60)
    leased.put(b"b", 7)
    leased.put(b"a", 7)
    leased.stored()
    leased.revoke(7)
    assert not leased.has(b"a")
    leased.log.flush()
    (batch,) = leased.log.on_their_way
    assert len(batch.rows) == 2
    assert leased.stored() == {}


@pytest.mark.parametrize(
    "ordered", [[b"a", b"b"], [b"a"], [b"a", b"c"], [b"a", b"b", b"c"], []], ids=str
)
async def test_a_deletion_that_was_prepared_is_of_the_keys_of_the_lease_or_not_used(
    leased: LeasedStore, ordered: list[bytes]
) -> None:
    leased.grant(7, 60)
    for key, of in ((b"b", 7), (b"a", 7), (b"c", 0)):
        leased.put(key, of)
    lease = leased.keeper.lessor.get(7)
    assert lease is not None
    leased.stored()
    prepared = finish(deletion_of(leased.keeper.store, ordered))
    finish(leased.keeper.revoke(lease, prepared))
    assert [leased.has(key) for key in (b"a", b"b", b"c")] == [False, False, True]
    leased.log.flush()
    assert list(leased.log.on_their_way[-1].rows.values()) == [b"\n\x01a", b"\n\x01b"]


async def test_those_that_ran_out_are_handed_out_in_slices(leased: LeasedStore) -> None:
    for lease_id in range(1, 2 * EXPIRED_PER_SLICE + 2):
        leased.keeper.grant(lease_id, 10, now=0)
    assert leased.keeper.take_expired(9.99) == []
    lengths = [len(leased.keeper.take_expired(10)) for _ in range(4)]
    assert lengths == [EXPIRED_PER_SLICE, EXPIRED_PER_SLICE, 1, 0]


# ---------------------------------------------------------------- when to look


async def test_without_leases_there_is_nothing_to_wait_for(leased: LeasedStore) -> None:
    assert leased.keeper.next_due() is None


async def test_the_next_look_is_when_the_first_lease_ends(leased: LeasedStore) -> None:
    leased.keeper.grant(1, 60, now=0)
    assert leased.keeper.next_due() == 60
    leased.keeper.grant(2, 10, now=0)
    assert leased.keeper.next_due() == 10
    leased.keeper.take_expired(10)
    assert leased.keeper.next_due() == 17, "its revocation may fail"
    leased.revoke(2)
    assert leased.keeper.next_due() == 60, "nobody is woken for what is no more"


async def test_the_next_look_is_no_later_than_a_checkpoint() -> None:
    leased = LeasedStore(LeaseRules(checkpoints=True))
    assert leased.keeper.next_due() is None
    leased.keeper.grant(1, 1000, now=0)
    assert leased.keeper.next_due() == 300
    leased.keeper.grant(2, 10, now=0)
    assert leased.keeper.next_due() == 10


async def test_whoever_waits_hears_of_what_may_be_due_sooner(leased: LeasedStore) -> None:
    heard: list[float | None] = []
    leased.keeper.on_sooner = lambda: heard.append(leased.keeper.next_due())
    leased.keeper.restore([StoredLease(ID=1, TTL=10).SerializeToString()], now=0)
    leased.keeper.grant(2, 60, now=0)
    assert heard == [11]
    leased.keeper.renew_at_once(1, 0.5)
    assert heard == [11, 10.5], "it had been given more than its time at the start"
    leased.keeper.renew_at_once(1, 5)
    assert heard == [11, 10.5]


# ----------------------------------------------------------------- checkpoints


@pytest.fixture
async def checkpointing() -> LeasedStore:
    return LeasedStore(LeaseRules(checkpoints=True))


async def test_long_lease_is_written_down_and_restarts_from_there(
    checkpointing: LeasedStore,
) -> None:
    leased = checkpointing
    leased.grant(7, 1000)
    await leased.clock.advance(300)
    assert not leased.keeper.checkpoint_some(leased.now)
    assert leased.stored()[7].RemainingTTL == 700
    after = leased.restarted()
    lease = after.keeper.lessor.get(7)
    assert lease is not None
    assert (lease.ttl, lease.remaining(after.now)) == (1000, 701)


async def test_renewal_takes_the_checkpoint_back_and_waits_for_the_disk(
    checkpointing: LeasedStore,
) -> None:
    leased = checkpointing
    lease = leased.grant(7, 1000)
    assert leased.keeper.renew_at_once(7, leased.now) is lease
    await leased.clock.advance(300)
    leased.keeper.checkpoint_some(leased.now)
    assert leased.stored()[7].RemainingTTL == 700
    assert leased.keeper.renew_at_once(7, leased.now) is None
    sequence = leased.keeper.renew(lease, leased.now)
    assert sequence is not None
    durable = leased.log.until(sequence)
    assert durable is not None
    assert not durable.done()
    assert leased.stored()[7].RemainingTTL == 0
    assert durable.done()
    assert leased.keeper.renew_at_once(7, leased.now) is lease


async def test_renewal_without_a_checkpoint_is_not_written(checkpointing: LeasedStore) -> None:
    lease = checkpointing.grant(7, 1000)
    assert checkpointing.keeper.renew(lease, checkpointing.now) is None


async def test_restarted_lease_is_written_down_five_minutes_later() -> None:
    leased = LeasedStore(LeaseRules(checkpoints=True))
    stored = StoredLease(ID=7, TTL=1000, RemainingTTL=800).SerializeToString()
    leased.keeper.restore([stored], now=0)
    leased.keeper.checkpoint_some(now=299)
    assert leased.stored() == {}
    leased.keeper.checkpoint_some(now=300)
    assert leased.stored()[7].RemainingTTL == 501


async def test_without_the_feature_nothing_is_written_down(leased: LeasedStore) -> None:
    leased.keeper.grant(7, 1000, now=0)
    assert not leased.keeper.checkpoint_some(now=500)
    assert leased.stored()[7].RemainingTTL == 0


async def test_restart_gives_leases_their_time_and_a_second(leased: LeasedStore) -> None:
    leased.grant(7, 60)
    await leased.clock.advance(59)
    after = leased.restarted()
    lease = after.keeper.lessor.get(7)
    assert lease is not None
    assert lease.remaining(after.now) == 61
