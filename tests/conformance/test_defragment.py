"""Defragment: an empty reply, and afterwards everything is as it was, but for the space."""

from __future__ import annotations

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.leasing import grant
from tests.conformance.messages import EVERYTHING, compact, delete, get, put, txn
from tests.conformance.pair import Pair
from tests.conformance.peers import Call, Peer
from tests.conformance.store import Store
from tests.conformance.watching import Watch

DEFRAGMENT = pb.DefragmentRequest()


def test_the_reply_is_empty(store: Store) -> None:
    for _ in range(2):
        assert store.send(DEFRAGMENT).payloads == (b"",)


def test_no_revision_and_no_key_changes(store: Store) -> None:
    store.send(txn(put(b"d", b"4"), delete(b"c"), put(b"e", b"x" * 10_000)))
    before = store.send(get(*EVERYTHING)).payloads
    store.send(DEFRAGMENT)
    assert store.send(get(*EVERYTHING)).payloads == before
    for revision in range(2, 6):
        store.send(get(*EVERYTHING, revision=store.rev(revision)))
    assert store.send(put(b"a", b"10")).reply.header.revision == store.rev(7)


def test_the_hash_stays_the_same(store: Store) -> None:
    for number in range(300):
        store.send(put(b"key%d" % (number % 100), b"%d" % number))
    for compacted in (None, 40, 250):
        if compacted is not None:
            store.send(compact(store.rev(compacted), physical=True))
        hashes = [store.send(pb.HashKVRequest(revision=r)).payloads for r in (0, store.rev(300))]
        store.send(DEFRAGMENT)
        again = [store.send(pb.HashKVRequest(revision=r)).payloads for r in (0, store.rev(300))]
        assert again == hashes


def test_watchers_stay(store: Store) -> None:
    with_history = Watch(store.pair)
    live = Watch(store.pair)
    live.create(*EVERYTHING)
    store.send(put(b"d", b"before"))
    live.receive()
    store.send(DEFRAGMENT)
    store.send(put(b"d", b"after"))
    assert [event.kv.value for event in live.receive().events] == [b"after"]
    with_history.create(*EVERYTHING, start_revision=store.rev(2))
    values = [event.kv.value for event in with_history.receive().events]
    assert values == [b"1", b"2", b"3", b"9", b"before", b"after"]
    for watch in (live, with_history):
        watch.close()


def test_leases_keep_their_keys(store: Store) -> None:
    store.send(grant(4711))
    store.send(put(b"leased", b"1", lease=4711))
    store.send(DEFRAGMENT)
    assert store.send(get(b"leased")).reply.kvs[0].lease == 4711
    store.send(put(b"leased too", b"1", lease=4711))
    store.send(pb.LeaseRevokeRequest(ID=4711))
    assert store.send(get(b"leased", b"leasee")).reply.count == 0


def test_alarms_stay_and_do_not_stop_it(store: Store) -> None:
    for alarm in (pb.NOSPACE, pb.CORRUPT):
        store.send(pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, memberID=42, alarm=alarm))
        assert store.send(DEFRAGMENT).payloads == (b"",)
        assert len(store.send(pb.AlarmRequest(alarm=alarm)).reply.alarms) == 1


def test_all_of_it_outlives_a_crash(fresh: Pair) -> None:
    store = Store(fresh)
    store.send(grant(4711))
    store.send(put(b"leased", b"1", lease=4711))
    store.send(compact(store.rev(4)))
    store.send(DEFRAGMENT)
    store.send(put(b"behind", b"1"))
    fresh.crash()
    assert store.send(get(*EVERYTHING)).reply.count == 5
    store.send(pb.LeaseRevokeRequest(ID=4711))
    assert store.send(get(b"leased")).reply.count == 0


def test_space_returns(etcdpy: Peer) -> None:
    for number in range(40):
        etcdpy.send(Call.of(put(b"large%d" % number, b"x" * 100_000)))
    etcdpy.send(Call.of(delete(b"large", b"largf")))
    revision = etcdpy.send(Call.of(put(b"small", b"1"))).reply.header.revision
    etcdpy.send(Call.of(compact(revision, physical=True)))
    etcdpy.send(Call.of(DEFRAGMENT))
    status = etcdpy.send(Call.of(pb.StatusRequest())).reply
    assert status.dbSizeInUse <= status.dbSize < 500_000
