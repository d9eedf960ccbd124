"""Put and DeleteRange."""

from __future__ import annotations

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.messages import ALL, EVERYTHING, delete, get, put, txn
from tests.conformance.store import Store

NO_LEASE = 99


def test_a_put_needs_a_key(store: Store) -> None:
    assert store.error(put(b"", b"v")) == errors.NO_KEY


def test_a_put_bumps_the_revision_even_if_nothing_changes(store: Store) -> None:
    store.send(put(b"a", b"9"))
    kv = store.send(get(b"a")).reply.kvs[0]
    assert (kv.create_revision, kv.mod_revision, kv.version) == (store.rev(2), store.rev(6), 3)


def test_ignore_value_or_lease_needs_the_key(store: Store) -> None:
    assert store.error(put(b"x", ignore_value=True)) == errors.KEY_NOT_FOUND
    assert store.error(put(b"x", ignore_lease=True)) == errors.KEY_NOT_FOUND
    store.send(delete(b"a"))
    assert store.error(put(b"a", ignore_value=True)) == errors.KEY_NOT_FOUND


def test_ignore_value_keeps_the_value(store: Store) -> None:
    reply = store.send(put(b"a", ignore_value=True, prev_kv=True)).reply
    assert reply.prev_kv.value == b"9"
    assert store.send(get(b"a")).reply.kvs[0].value == b"9"
    store.send(put(b"a", ignore_value=True, ignore_lease=True))
    store.send(put(b"b", b"new", ignore_lease=True))
    store.send(get(*EVERYTHING))


def test_ignore_lease_keeps_the_lease_and_a_put_without_it_does_not(store: Store) -> None:
    lease = store.send(pb.LeaseGrantRequest(ID=19, TTL=600)).reply.ID
    store.send(put(b"a", b"leased", lease=lease))
    store.send(put(b"a", b"still leased", ignore_lease=True))
    store.send(txn(put(b"a", ignore_value=True, ignore_lease=True), put(b"b", lease=lease)))
    assert [kv.lease for kv in store.send(get(*EVERYTHING)).reply.kvs] == [lease, lease, 0]
    assert store.send(put(b"a", ignore_value=True, prev_kv=True)).reply.prev_kv.lease == lease
    assert store.send(get(b"a")).reply.kvs[0].lease == 0
    store.send(pb.LeaseRevokeRequest(ID=lease))
    assert [kv.key for kv in store.send(get(*EVERYTHING)).reply.kvs] == [b"a", b"c"]


def test_an_unknown_lease_is_refused_before_a_missing_key(store: Store) -> None:
    assert store.error(put(b"x", lease=NO_LEASE)) == errors.LEASE_NOT_FOUND
    missing = put(b"x", ignore_value=True, lease=NO_LEASE)
    assert store.error(missing) == errors.LEASE_NOT_FOUND
    assert store.error(put(b"x", lease=-1)) == errors.LEASE_NOT_FOUND
    assert store.error(put(b"x", lease=2**63 - 1)) == errors.LEASE_NOT_FOUND
    assert store.head() == 5


@pytest.mark.parametrize("key", [b"", b"a"])
@pytest.mark.parametrize("value", [b"", b"v"])
@pytest.mark.parametrize("lease", [0, NO_LEASE])
def test_flags_are_checked_in_etcds_order(
    store: Store, key: bytes, value: bytes, lease: int
) -> None:
    for flags in range(4):
        request = put(key, value, lease=lease)
        request.ignore_value, request.ignore_lease = bool(flags & 1), bool(flags & 2)
        store.send(request)


def test_everything_wrong_at_once_is_a_value_too_many(store: Store) -> None:
    request = put(b"a", b"v", ignore_value=True, ignore_lease=True, lease=NO_LEASE)
    assert store.error(request) == errors.VALUE_PROVIDED
    request.value = b""
    assert store.error(request) == errors.LEASE_PROVIDED
    request.key = b""
    assert store.error(request) == errors.NO_KEY


def test_prev_kv_is_the_previous_key_or_absent(store: Store) -> None:
    reply = store.send(put(b"a", b"10", prev_kv=True)).reply
    previous = reply.prev_kv
    assert (previous.create_revision, previous.mod_revision) == (store.rev(2), store.rev(5))
    assert (previous.version, previous.value) == (2, b"9")
    assert reply.header.revision == store.rev(6)
    assert not store.send(put(b"new", prev_kv=True)).reply.HasField("prev_kv")


def test_a_key_begins_anew_after_its_deletion(store: Store) -> None:
    store.send(delete(b"b"))
    assert not store.send(put(b"b", b"new", prev_kv=True)).reply.HasField("prev_kv")
    kv = store.send(get(b"b")).reply.kvs[0]
    assert (kv.create_revision, kv.mod_revision, kv.version) == (store.rev(7), store.rev(7), 1)


def test_a_delete_needs_a_key(store: Store) -> None:
    assert store.error(delete(b"")) == errors.NO_KEY
    assert store.error(delete(b"", ALL)) == errors.NO_KEY


@pytest.mark.parametrize(
    ("first", "end"), [(b"nope", b""), (b"c", b"a"), (b"c", b"c"), (b"d", ALL)]
)
def test_deleting_nothing_bumps_nothing(store: Store, first: bytes, end: bytes) -> None:
    for prev_kv in (False, True):
        reply = store.send(delete(first, end, prev_kv=prev_kv)).reply
        assert (reply.deleted, reply.header.revision) == (0, store.rev(5))


def test_a_range_is_deleted_at_one_revision_in_key_order(store: Store) -> None:
    reply = store.send(delete(b"b", ALL, prev_kv=True)).reply
    assert (reply.deleted, [kv.key for kv in reply.prev_kvs]) == (2, [b"b", b"c"])
    assert reply.header.revision == store.rev(6)
    store.send(put(b"b", b"new"))
    kv = store.send(get(b"b")).reply.kvs[0]
    assert (kv.create_revision, kv.version) == (store.rev(7), 1)
    assert store.send(get(b"b", revision=store.rev(5))).reply.kvs[0].value == b"2"
    assert store.send(get(b"b", revision=store.rev(6))).reply.count == 0


def test_the_zero_byte_range_deletes_everything(store: Store) -> None:
    reply = store.send(delete(*EVERYTHING)).reply
    assert (reply.deleted, len(reply.prev_kvs)) == (3, 0)
    assert store.send(delete(*EVERYTHING)).reply.deleted == 0
    assert store.send(get(*EVERYTHING)).reply.count == 0
