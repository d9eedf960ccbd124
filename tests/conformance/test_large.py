"""Thousands of keys and many revisions of each: pages, counts, deletes and compactions of them.

``ETCDPY_SEED`` repeats a run.
"""

from __future__ import annotations

from random import Random

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.conftest import SUBJECTS, StartPair
from tests.conformance.messages import ALL, EVERYTHING, Operation, compact, delete, get, put, txn
from tests.conformance.pair import Pair
from tests.conformance.peers import RANGE_STREAM, Call
from tests.support.seeds import SEED

# What is stored does not depend on how it is asked for.
ONE_TRANSPORT = pytest.mark.parametrize("start_pair", SUBJECTS[:1], indirect=True)

KEYS = 6000
BATCH = 120
ROUNDS = 4
LIMITS = (0, 1, 2, 99, 511, 512, 513, 1000, 1023, 2047, 2048, 2049, 4097, KEYS, -1)


def key(number: int) -> bytes:
    return b"/registry/%05d" % number


@ONE_TRANSPORT
def test_many_keys_come_and_go(start_pair: StartPair) -> None:
    print(f"ETCDPY_SEED={SEED}")
    rng = Random(SEED)
    with start_pair() as pair:
        low = 1
        for start in range(0, KEYS, BATCH):
            pair.send(txn(*(put(key(n), b"first") for n in range(start, start + BATCH))))
        for number in range(ROUNDS):
            high = _change(pair, rng)
            _read(pair, rng, low, high)
            if number % 2:
                low = rng.randint(low + 1, high)
                pair.send(compact(low, physical=rng.random() < 0.5))
                _read(pair, rng, low, high)
        pair.crash()
        _read(pair, rng, low, high)


def _change(pair: Pair, rng: Random) -> int:
    """Put and delete keys here and there, and a range of them; return the revision after it."""
    for _ in range(20):
        numbers = rng.sample(range(KEYS), BATCH)
        operations: list[Operation] = [
            delete(key(n), prev_kv=True) if rng.random() < 0.5 else put(key(n), b"%d" % n)
            for n in numbers
        ]
        pair.send(txn(*operations))
    start = rng.randrange(KEYS)
    gone = delete(key(start), key(start + rng.choice([10, 600, 1500])), prev_kv=True)
    revision: int = pair.send(gone).reply.header.revision
    return revision


def _read(pair: Pair, rng: Random, low: int, high: int) -> None:
    for _ in range(25):
        request = _range(rng, low, high)
        pair.send(request)
        request.ClearField("sort_order")
        request.ClearField("sort_target")
        pair.send(Call(RANGE_STREAM, request))
    for revision in (low - 1, low, (low + high) // 2, high, high + 1):
        pair.send(get(*EVERYTHING, revision=revision, limit=500))
        pair.send(get(*EVERYTHING, revision=revision, count_only=True))
    _walk(pair, limit=rng.choice([300, 512, 2048]))


def _range(rng: Random, low: int, high: int) -> pb.RangeRequest:
    first, last = (rng.randrange(KEYS) for _ in range(2))
    end = rng.choice([ALL, key(max(first, last)), key(first + rng.choice([511, 513, 2049]))])
    request = get(key(min(first, last)), end, limit=rng.choice(LIMITS))
    request.revision = rng.choice([0, 0, low, high, rng.randint(low, high)])
    request.keys_only = rng.random() < 0.4
    if rng.random() < 0.2:
        request.sort_order = rng.choice([pb.RangeRequest.ASCEND, pb.RangeRequest.DESCEND])
        request.sort_target = rng.choice(pb.RangeRequest.SortTarget.values())
    if rng.random() < 0.2:
        request.min_mod_revision = rng.randint(low, high)
    return request


def _walk(pair: Pair, limit: int) -> None:
    """Read everything page by page at one revision, as an informer lists, while others write."""
    start, revision = key(0), 0
    while True:
        page = pair.send(get(start, ALL, limit=limit, revision=revision)).reply
        if not page.more:
            return
        start, revision = page.kvs[-1].key + b"\0", page.header.revision
        pair.send(put(key(KEYS), b"walked"))


@ONE_TRANSPORT
def test_many_revisions_of_one_key(start_pair: StartPair) -> None:
    with start_pair() as pair:
        pair.send(put(b"b"))
        for number in range(400):
            pair.send(put(b"a", b"%d" % number))
            if number % 97 == 96:
                pair.send(delete(b"a"))
        high = pair.send(get(b"a")).reply.header.revision
        for floor in (0, 50, 200, high - 3, high):
            if floor:
                pair.send(compact(floor, physical=True))
            for revision in range(max(1, floor - 1), high + 2, 1 if floor else 7):
                pair.send(get(b"a", revision=revision))
            pair.send(get(b"a", ALL))
        pair.restart()
        for revision in range(high - 4, high + 2):
            pair.send(get(b"a", ALL, revision=revision))
