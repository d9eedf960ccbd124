"""The hashes of random histories, with compactions, restarts and crashes, and of all that is kept.

``ETCDPY_SEED`` repeats a run, ``ETCDPY_HASH_COUNT`` sets how many hashes it compares.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from google.protobuf.message import Message

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import differences, errors
from tests.conformance.conftest import SUBJECTS, StartPair
from tests.conformance.messages import compact, delete, put, txn
from tests.conformance.pair import MismatchError, Pair
from tests.conformance.store import Store
from tests.support.seeds import SEED

COUNT = int(os.environ.get("ETCDPY_HASH_COUNT") or 250)

# Few enough that keys are deleted, made again and compacted in every state of theirs.
KEYS = [b"k%d" % number for number in range(12)] + [b"l" * 200]

# What is stored does not depend on how it is asked for.
ONE_TRANSPORT = pytest.mark.parametrize("start_pair", SUBJECTS[:1], indirect=True)

HASHES_PER_STEP = 5
STEPS_PER_LIFE = 20


class History:
    """Random changes to a pair, and what has to be known to ask for their hashes.

    Attributes:
        compacted: Where the store was compacted last, -1 if never.
        remembered: Where this life of the servers compacted it.
    """

    def __init__(self, pair: Pair, rng: Random) -> None:
        self._pair = pair
        self._rng = rng
        self.revision = 1
        self.compacted = -1
        self.remembered: list[int] = []

    def change(self) -> None:
        for _ in range(self._rng.randint(0, 8)):
            reply = self._pair.send(self._request()).reply
            self.revision = reply.header.revision

    def compact(self) -> None:
        if self.compacted == self.revision:
            return
        revision = self._rng.randint(max(self.compacted + 1, 1), self.revision)
        if self._rng.random() < 0.3:
            revision = self.revision
        self._pair.send(compact(revision, physical=True))
        self.compacted = revision
        self.remembered.append(revision)

    def begin_anew(self) -> None:
        """Start both servers again, after an orderly end or not."""
        if self._rng.random() < 0.5:
            self._pair.restart()
        else:
            self._pair.crash()
        self.remembered.clear()

    def revision_to_hash(self) -> int:
        kinds = [0, self._rng.randint(max(self.compacted + 1, 1), self.revision + 1)]
        if self.compacted > 1:
            kinds.append(self._rng.randint(1, self.compacted))
        if self.remembered:
            kinds.append(self._rng.choice(self.remembered))
        revision = self._rng.choice(kinds)
        return (
            0 if _is_forgotten(self._pair, revision, self.remembered, self.compacted) else revision
        )

    def _request(self) -> Message:
        rng = self._rng
        kind = rng.random()
        if kind < 0.5:
            return put(rng.choice(KEYS), rng.randbytes(rng.choice([0, 3, 300])))
        if kind < 0.7:
            return delete(rng.choice(KEYS))
        if kind < 0.75:
            return delete(*sorted(rng.sample(KEYS, 2)))
        # A key once at most: etcd loses one that a transaction deletes and puts again.
        keys = rng.sample(KEYS, rng.randint(2, 6))
        return txn(*[delete(key) if rng.random() < 0.4 else put(key, b"t") for key in keys])


def _is_forgotten(pair: Pair, revision: int, remembered: list[int], compacted: int) -> bool:
    """Whether an older server refuses, or hashes anew, what etcd 3.7 knows of a compaction."""
    if pair.version >= differences.REMEMBERS_HASHES:
        return False
    return revision == compacted or revision in remembered


@ONE_TRANSPORT
def test_random_histories_have_the_same_hashes(start_pair: StartPair) -> None:
    print(f"ETCDPY_SEED={SEED}")
    rng = Random(SEED)
    with start_pair() as pair:
        history = History(pair, rng)
        for step in range(-(-COUNT // HASHES_PER_STEP)):
            history.change()
            if rng.random() < 0.4:
                history.compact()
            if step % STEPS_PER_LIFE == STEPS_PER_LIFE - 1:
                history.begin_anew()
            for _ in range(HASHES_PER_STEP):
                request = pb.HashKVRequest(revision=history.revision_to_hash())
                try:
                    pair.send(request)
                except MismatchError as error:
                    state = f"seed {SEED}, step {step}, compacted at {history.compacted}"
                    pytest.fail(f"{state}, at {history.revision}: {error}", pytrace=False)


def test_a_compaction_of_a_tombstone_leaves_the_same_hashes(fresh: Pair) -> None:
    store = Store(fresh)
    store.send(delete(b"b"))
    store.send(txn(put(b"d", b"4"), delete(b"c"), put(b"e", b"5")))
    store.send(compact(store.rev(6), physical=True))
    for revision in (0, store.rev(5), store.rev(7), store.rev(8)):
        store.send(pb.HashKVRequest(revision=revision))
    fresh.restart()
    for revision in range(store.rev(9)):
        if not _is_forgotten(fresh, revision, [], store.rev(6)):
            store.send(pb.HashKVRequest(revision=revision))


def test_compactions_are_remembered_with_the_one_before(fresh: Pair) -> None:
    store = Store(fresh)
    if fresh.version < differences.REMEMBERS_HASHES:
        pytest.skip("this etcd does not remember what compactions found")
    for revision in (store.rev(3), store.rev(5)):
        store.send(compact(revision, physical=True))
    assert store.send(pb.HashKVRequest(revision=store.rev(3))).reply.compact_revision == -1
    again = store.send(pb.HashKVRequest(revision=store.rev(5))).reply
    assert again.compact_revision == store.rev(3)
    assert store.error(pb.HashKVRequest(revision=store.rev(4))) == errors.COMPACTED
    for _ in range(12):
        head = store.send(put(b"a")).reply.header.revision
        store.send(compact(head, physical=True))
    for revision in range(head + 2):
        store.send(pb.HashKVRequest(revision=revision))


def test_a_store_that_deleted_everything_has_the_same_hashes(fresh: Pair) -> None:
    store = Store(fresh)
    store.send(delete(b"a", b"z"))
    head = store.send(delete(b"a", b"z")).reply.header.revision
    store.send(compact(head, physical=True))
    fresh.restart()
    for revision in range(head + 2):
        if not _is_forgotten(fresh, revision, [], head):
            store.send(pb.HashKVRequest(revision=revision))


def test_the_hash_of_everything_that_is_stored(fresh: Pair) -> None:
    if fresh.version < differences.SAME_BUCKETS:
        pytest.skip("this etcd keeps other things beside the keys")
    store = Store(fresh)
    store.send(delete(b"b"))
    store.send(pb.HashRequest())
