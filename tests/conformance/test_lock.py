"""The Lock service: who holds, who waits, who is told what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3lock_pb2 as lock
from tests.conformance.leasing import on_both, revoke, time_to_live
from tests.conformance.locking import SOON, Locks, call_of, key_of
from tests.conformance.messages import compact, delete, get, put
from tests.conformance.pair import Pair
from tests.conformance.peers import Call, Peer

SESSION_EXPIRED = ("UNKNOWN", "mutex: session is expired")
LEASE_NOT_FOUND = ("UNKNOWN", "etcdserver: requested lease not found")
NO_KEY = ("UNKNOWN", "etcdserver: key is not provided")
NO_SPACE = ("UNKNOWN", "etcdserver: mvcc: database space exceeded")
CORRUPT = ("UNKNOWN", "etcdserver: corrupt cluster")
TOO_LARGE = ("UNKNOWN", "etcdserver: request is too large")


@pytest.fixture
def locks(shared_pair: Pair) -> Iterator[Locks]:
    locks = Locks(shared_pair)
    yield locks
    locks.close()


# ------------------------------------------------------------------- holding


def test_free_lock_is_taken_at_once(locks: Locks) -> None:
    taken = locks.lock(b"a", 1)
    assert (taken.key, locks.rev(taken)) == (b"a/1", 2)
    (kv,) = locks.send(get(b"a/1")).kvs
    assert (kv.value, kv.lease) == (b"", 1)


def test_holder_may_lock_again(locks: Locks) -> None:
    first = locks.lock(b"a", 1)
    assert locks.lock(b"a", 1) == first
    assert locks.head() == 2


def test_holder_that_locks_again_is_told_the_current_revision(locks: Locks) -> None:
    locks.lock(b"a", 1)
    locks.send(put(b"other"))
    assert locks.rev(locks.lock(b"a", 1)) == 3


@pytest.mark.parametrize(
    ("name", "lease", "key"),
    [
        (b"", 1, b"/1"),
        (b"d/", 1, b"d//1"),
        (b"\xff\x00z", 1, b"\xff\x00z/1"),
        (b"neg", -5, b"neg/-5"),
        (b"big", 0x7FFF_FFFF_FFFF_FFFF, b"big/7fffffffffffffff"),
        (b"hex", 0xABCDEF, b"hex/abcdef"),
    ],
)
def test_key_is_the_name_and_the_lease_in_hexadecimal(
    locks: Locks, name: bytes, lease: int, key: bytes
) -> None:
    if lease != 1:
        locks.send(pb.LeaseGrantRequest(ID=lease, TTL=100))
    assert locks.lock(name, lease).key == key


@pytest.mark.parametrize("lease", [12345, -1])
def test_unknown_lease_is_refused(locks: Locks, lease: int) -> None:
    assert locks.refused(lock.LockRequest(name=b"b", lease=lease)) == LEASE_NOT_FOUND
    assert locks.head() == 1


def test_lock_without_a_lease_gets_one_of_a_minute(locks: Locks) -> None:
    def take(peer: Peer) -> tuple[int, list[bytes], bool]:
        reply = peer.send(call_of(lock.LockRequest(name=b"c"))).reply
        lease = int(reply.key.removeprefix(b"c/"), 16)
        told = time_to_live(peer, lease, keys=True)
        peer.send(Call.of(revoke(lease)))
        return told.grantedTTL, list(told.keys), list(told.keys) == [reply.key]

    for granted, keys, is_its_own in on_both(locks.pair, take):
        assert granted == 60
        assert len(keys) == 1
        assert is_its_own


# ------------------------------------------------------------------- waiting


def test_waiter_gets_the_lock_when_it_is_released(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    waiting = locks.queue_for_lock(b"a", 2)
    assert waiting.is_waiting
    released = locks.unlock(held.key)
    taken = waiting.reply()
    assert taken.key == b"a/2"
    assert locks.rev(taken) == locks.rev(released)


def test_waiters_are_served_one_by_one_in_their_order(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    second, third, fourth = (locks.queue_for_lock(b"a", lease) for lease in (3, 2, 4))
    locks.unlock(held.key)
    assert second.reply().key == b"a/3"
    assert third.is_waiting
    assert fourth.is_waiting
    locks.send(revoke(3))
    assert third.reply().key == b"a/2"
    assert fourth.is_waiting
    locks.unlock(b"a/2")
    assert fourth.reply().key == b"a/4"


def test_waiter_whose_key_was_deleted_learns_it_when_its_turn_comes(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    second, third = locks.queue_for_lock(b"a", 2), locks.queue_for_lock(b"a", 3)
    locks.send(delete(b"a/2"))
    assert second.is_waiting
    assert third.is_waiting
    locks.unlock(held.key)
    assert second.error() == SESSION_EXPIRED
    assert third.reply().key == b"a/3"


def test_waiter_whose_lease_was_revoked_learns_it_when_its_turn_comes(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    waiting = locks.queue_for_lock(b"a", 2)
    locks.send(revoke(2))
    assert waiting.is_waiting
    locks.unlock(held.key)
    assert waiting.error() == SESSION_EXPIRED


def test_put_to_the_holders_key_wakes_nobody_and_changes_no_order(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    second, third = locks.queue_for_lock(b"a", 2), locks.queue_for_lock(b"a", 3)
    locks.send(put(held.key, b"touched", lease=1))
    locks.send(put(b"a/2", b"touched", lease=2))
    assert second.is_waiting
    locks.unlock(held.key)
    assert second.reply().key == b"a/2"
    assert third.is_waiting


def test_key_deleted_and_made_again_goes_to_the_end(locks: Locks) -> None:
    locks.lock(b"a", 1)
    second, third = locks.queue_for_lock(b"a", 2), locks.queue_for_lock(b"a", 3)
    locks.send(delete(b"a/2"))
    locks.send(put(b"a/2", lease=2))
    locks.unlock(b"a/1")
    # Its place is that of the key it put itself, which is older than the third's.
    assert second.reply().key == b"a/2"
    assert third.reply().key == b"a/3"


def test_two_locks_of_one_lease_wait_and_are_served_together(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    first, second = locks.queue_for_lock(b"a", 2), locks.queue_for_lock(b"a", 2)
    assert second.is_waiting
    locks.unlock(held.key)
    assert first.reply() == second.reply()


def test_name_below_the_name_is_in_the_queue_too(locks: Locks) -> None:
    below = locks.lock(b"n/m", 1)
    waiting = locks.queue_for_lock(b"n", 2)
    assert waiting.is_waiting
    locks.unlock(below.key)
    assert waiting.reply().key == b"n/2"


def test_plain_key_below_the_name_is_in_the_queue_too(locks: Locks) -> None:
    locks.send(put(b"n/zzz"))
    waiting = locks.queue_for_lock(b"n", 1)
    assert waiting.is_waiting
    locks.send(delete(b"n/zzz"))
    assert waiting.reply().key == b"n/1"


def test_younger_plain_key_is_nobodys_predecessor(locks: Locks) -> None:
    held = locks.lock(b"n", 1)
    waiting = locks.queue_for_lock(b"n", 2)
    locks.send(put(b"n/aaa"))
    locks.unlock(held.key)
    assert waiting.reply().key == b"n/2"


def test_compaction_does_not_disturb_a_waiter(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    locks.wait_for_watchers_of_etcd(0)
    waiting = locks.queue_for_lock(b"a", 2)
    locks.wait_for_watchers_of_etcd(1)  # it, too, has read what came before
    assert waiting.is_waiting
    current = locks.send(put(b"other")).header.revision
    locks.send(compact(current))
    assert waiting.is_waiting
    locks.unlock(held.key)
    assert waiting.reply().key == b"a/2"


# ------------------------------------------------------------------ giving up


def test_cancelled_waiter_leaves_the_queue_and_keeps_its_lease(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    waiting = locks.queue_for_lock(b"a", 2)
    waiting.cancel()
    locks.wait_until_gone(b"a/2")
    assert waiting.outcome().code.name == "CANCELLED"
    assert locks.has(held.key)
    assert locks.time_to_live(2).grantedTTL == 100
    assert locks.head() == 4


def test_waiter_leaves_the_queue_at_its_deadline(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    waiting = locks.start(lock.LockRequest(name=b"a", lease=2), timeout=SOON)
    assert waiting.subject.outcome().code.name == "DEADLINE_EXCEEDED"
    waiting.reference.outcome()
    locks.wait_until_gone(b"a/2")
    assert locks.head() == 4, "it was in the queue"
    assert locks.has(held.key)


def test_waiter_behind_a_cancelled_one_waits_for_the_one_before(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    second, third = locks.queue_for_lock(b"a", 2), locks.queue_for_lock(b"a", 3)
    second.cancel()
    locks.wait_until_gone(b"a/2")
    assert third.is_waiting
    locks.unlock(held.key)
    assert third.reply().key == b"a/3"


def test_one_of_two_waiters_of_a_lease_that_gives_up_takes_the_key_of_both(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    stays = locks.queue_for_lock(b"a", 2)
    locks.start(lock.LockRequest(name=b"a", lease=2), timeout=SOON)
    locks.wait_until_gone(b"a/2")
    assert stays.is_waiting
    locks.unlock(held.key)
    assert stays.error() == SESSION_EXPIRED


# ------------------------------------------------------------------ unlocking


def test_unlocking_twice_is_no_error(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    first = locks.unlock(held.key)
    assert locks.unlock(held.key) == first


def test_any_key_can_be_unlocked(locks: Locks) -> None:
    locks.unlock(b"never/existed")
    locks.send(put(b"plain"))
    locks.unlock(b"plain")
    assert not locks.has(b"plain")


def test_unlocking_names_one_key_and_no_range(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    locks.unlock(b"a/")
    assert locks.has(held.key)


def test_unlocking_nothing_is_refused(locks: Locks) -> None:
    assert locks.refused(lock.UnlockRequest()) == NO_KEY


def test_unlocking_a_waiter_takes_it_out_of_the_queue(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    second, third = locks.queue_for_lock(b"a", 2), locks.queue_for_lock(b"a", 3)
    locks.unlock(b"a/2")
    locks.unlock(held.key)
    assert third.reply().key == b"a/3"
    assert second.error() == SESSION_EXPIRED


# --------------------------------------------------------------------- alarms


def _raise_alarm(locks: Locks, kind: pb.AlarmType.ValueType) -> None:
    locks.send(pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, memberID=1, alarm=kind))


def test_without_space_locks_can_only_be_released(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    waiting = locks.queue_for_lock(b"a", 2)
    _raise_alarm(locks, pb.NOSPACE)
    assert locks.refused(lock.LockRequest(name=b"a", lease=1)) == NO_SPACE
    assert locks.refused(lock.LockRequest(name=b"b", lease=1)) == NO_SPACE
    assert locks.refused(lock.LockRequest(name=b"b")) == NO_SPACE
    locks.unlock(held.key)
    assert waiting.reply().key == b"a/2"


def test_corruption_stops_locking_and_unlocking(locks: Locks) -> None:
    held = locks.lock(b"a", 1)
    _raise_alarm(locks, pb.CORRUPT)
    assert locks.refused(lock.LockRequest(name=b"b", lease=1)) == CORRUPT
    assert locks.refused(lock.UnlockRequest(key=held.key)) == CORRUPT


def test_name_may_be_as_long_as_a_request(locks: Locks) -> None:
    assert locks.refused(lock.LockRequest(name=b"n" * 800_000, lease=1)) == TOO_LARGE
    assert locks.lock(b"n" * 200_000, 1).key == key_of(b"n" * 200_000, 1)
