"""Compact: what is refused, and what is left."""

from __future__ import annotations

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import differences, errors
from tests.conformance.messages import EVERYTHING, compact, delete, get, put, txn
from tests.conformance.pair import Pair
from tests.conformance.store import Store


@pytest.mark.parametrize("physical", [False, True])
def test_a_new_store_may_be_compacted_at_zero_once(fresh: Pair, physical: bool) -> None:
    store = Store(fresh)
    assert store.error(compact(-1, physical=physical)) == errors.COMPACTED
    assert store.error(compact(0, physical=physical)) is None
    assert store.error(compact(0, physical=physical)) == errors.COMPACTED
    assert store.error(compact(store.rev(6), physical=physical)) == errors.FUTURE
    assert store.error(compact(store.rev(5), physical=physical)) is None
    assert store.error(get(b"a", revision=store.rev(4))) == errors.COMPACTED
    assert store.send(get(b"a", revision=store.rev(5))).reply.count == 1


def test_a_compaction_answers_with_the_current_revision(store: Store) -> None:
    assert store.send(compact(store.rev(3))).reply.header.revision == store.rev(5)


def test_a_second_compaction_must_be_later(store: Store) -> None:
    store.send(compact(store.rev(4)))
    for number in (1, 3, 4):
        assert store.error(compact(store.rev(number))) == errors.COMPACTED
    assert store.error(compact(-(2**63))) == errors.COMPACTED
    assert store.error(compact(2**63 - 1)) == errors.FUTURE
    assert store.error(compact(store.rev(5))) is None


@pytest.mark.parametrize("physical", [False, True])
@pytest.mark.parametrize("number", range(2, 11))
def test_every_later_revision_reads_as_before(store: Store, number: int, physical: bool) -> None:
    store.send(delete(b"a"))
    store.send(txn(put(b"b"), put(b"d"), delete(b"c")))
    store.send(put(b"a", b"again"))
    store.send(delete(b"b"))
    store.send(delete(b"d"))
    store.send(compact(store.rev(number), physical=physical))
    for revision in range(store.rev(1), store.rev(12)):
        store.send(get(*EVERYTHING, revision=revision))
        store.send(get(b"a", revision=revision))
        store.send(get(b"b", revision=revision))
    store.send(put(b"c", b"new", prev_kv=True))
    store.send(get(*EVERYTHING))


@pytest.mark.parametrize("how", ["restart", "crash"])
def test_a_start_keeps_everything_and_adds_one_to_the_term(fresh: Pair, how: str) -> None:
    store = Store(fresh)
    before = store.send(compact(store.rev(4), physical=True)).reply.header
    for starts in (1, 2):
        getattr(fresh, how)()
        after = store.send(get(*EVERYTHING)).reply
        assert after.count == 3
        assert after.header.revision == before.revision
        assert after.header.raft_term == before.raft_term + starts
        assert store.error(get(b"a", revision=store.rev(3))) == errors.COMPACTED
        assert store.error(compact(store.rev(4))) == errors.COMPACTED
        store.send(get(b"a", revision=store.rev(4)))
    assert store.send(put(b"a")).reply.header.revision == store.rev(6)


def test_a_revision_that_is_only_a_compacted_tombstone_survives_a_restart(fresh: Pair) -> None:
    store = Store(fresh)
    deleted = store.send(delete(b"a")).reply.header.revision
    store.send(compact(deleted, physical=True))
    fresh.restart()
    assert store.send(get(b"a")).reply.header.revision == deleted
    request = pb.WatchCreateRequest(key=b"a", start_revision=deleted)
    created, events = fresh.watch(request, responses=2, since=differences.KEEPS_TOMBSTONES)
    assert created.created
    assert [(event.type, event.kv.mod_revision) for event in events.events] == [(1, deleted)]
    assert store.send(put(b"a")).reply.header.revision == deleted + 1
