"""Changes that are written together are those written one by one, in their order."""

from __future__ import annotations

from random import Random

import pytest

from etcdpy.cooperative import finish
from etcdpy.mvcc import gathered, slices, store
from etcdpy.mvcc.gathered import Gathered
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn import apply_txn
from etcdpy.mvcc.txn_request import Puts, Txn
from etcdpy.pb.rpc_pb2 import RequestOp, TxnRequest
from tests.unit.mvcc.stores import new_store
from tests.unit.mvcc.test_short_txn import (
    in_one_go,
    in_slices,
    lease_exists,
    random_request,
    remove,
    set_,
    told,
)

KEYS = [b"%c" % number for number in b"abcdefgh"]


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (slices, store, gathered):
        monkeypatch.setattr(module, "SLICE", 2)


def puts_of(request: Txn) -> tuple[Puts | None, Puts | None]:
    return request.success_puts, request.failure_puts


def found_in(store: Store) -> list[tuple[list[bytes], list[object]]]:
    """Return which keys there are, and what there is of each, at any revision there was."""
    index = store.index
    return [
        (index.scan(b"", None, revision, 100)[0], [index.at(key, revision) for key in KEYS])
        for revision in range(1, store.revision + 1)
    ]


@pytest.mark.parametrize("seed", range(4))
async def test_transactions_in_slices_come_to_what_they_come_to_in_one_go(seed: int) -> None:
    random = Random(seed)
    async with new_store() as (one, first), new_store() as (other, second):
        for _ in range(150):
            request = Txn.of(random_request(random))
            if any(puts and len(set(puts.keys)) < len(puts.keys) for puts in puts_of(request)):
                continue  # which is refused before
            assert told(in_one_go, one, request) == told(in_slices, other, request)
        assert first.batch.rows == second.batch.rows
        assert list(first.batch.rows) == list(second.batch.rows)
        assert found_in(one) == found_in(other)
        assert one.attachments.leases == other.attachments.leases


def wrapped(ops: list[RequestOp], random: Random) -> list[RequestOp]:
    """Put some of them, next to each other, into transactions of their own."""
    if len(ops) < 2:
        return ops
    first = random.randrange(len(ops) - 1)
    last = random.randrange(first + 1, len(ops))
    inner = TxnRequest(success=wrapped(ops[first:last], random))
    return [*ops[:first], RequestOp(request_txn=inner), *wrapped(ops[last:], random)]


def applied(store: Store, ops: list[RequestOp]) -> None:
    write = store.begin()
    finish(apply_txn(store, write, Txn.of(TxnRequest(success=ops)), lease_exists))
    write.commit()


async def test_what_is_put_in_one_transaction_may_be_deleted_in_the_next_of_the_same() -> None:
    async with new_store() as (store, log):
        puts = [set_(key) for key in KEYS]
        inner = [TxnRequest(success=puts), TxnRequest(success=[remove(key) for key in KEYS[:3]])]
        applied(store, [RequestOp(request_txn=one) for one in (*inner, inner[1], *inner)])
        assert len(log.batch.rows) == 8 + 3 + 8 + 3
        assert store.index.scan(b"", None, store.revision, 100)[0] == KEYS[3:]
        assert list(store.index.every_key()) == KEYS


@pytest.mark.parametrize("seed", range(4))
async def test_nested_changes_have_the_order_of_those_that_are_not(seed: int) -> None:
    random = Random(seed)
    async with new_store() as (one, first), new_store() as (other, second):
        for _ in range(60):
            ops = [
                set_(key, lease=7 * random.randrange(2)) if random.random() < 0.6 else remove(key)
                for key in random.sample(KEYS, random.randrange(1, len(KEYS)))
            ]
            applied(one, ops)
            applied(other, wrapped(ops, random))
        assert list(first.batch.rows.items()) == list(second.batch.rows.items())
        assert found_in(one) == found_in(other)


async def test_they_are_written_by_the_slice_and_found_when_all_are() -> None:
    async with new_store() as (store, log):
        write = store.begin()
        some = Gathered(store, write)
        steps = some.put_all(Puts(KEYS[:5], [b""] * 5))
        next(steps)
        assert (len(log.batch.rows), write.sub) == (2, 2)
        finish(steps)
        assert store.index.scan(b"", None, write.revision, 9)[0] == []
        assert not some.delete(b"h")
        assert some.delete(b"a")
        assert not some.delete(b"a")
        finish(some.settle())
        assert store.index.scan(b"", None, write.revision, 9)[0] == KEYS[1:5]
        assert (len(log.batch.rows), some.shown) == (6, write.revision)
        write.commit()
