"""Large writes: what can be done before does not hold others up, and is not trusted afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from etcdpy.cooperative import DeferredReply, outcome
from etcdpy.mvcc import compare, prepared, slices, store, txn, txn_plan, walks
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn_request import Txn
from etcdpy.pb.rpc_pb2 import (
    Compare,
    DeleteRangeRequest,
    DeleteRangeResponse,
    PutRequest,
    RequestOp,
    TxnRequest,
    TxnResponse,
)
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.mvcc.stores import new_store, put, settle
from tests.unit.node.nodes import ANYBODY, make_node

KEYS = [b"k%02d" % number for number in range(30)]


class Large:
    """A node over thirty keys, of which three are a slice."""

    def __init__(self, store: Store, log: FakeLog) -> None:
        self.store = store
        self.log = log
        self.node = make_node(store, log)

    def put(self, key: bytes, value: bytes = b"") -> None:
        """Put a key, which has to be done at once."""
        answer = self.node.put(PutRequest(key=key, value=value), ANYBODY)
        assert isinstance(answer, DeferredReply)

    async def ended(self, task: asyncio.Task[object]) -> bytes:
        while not task.done():
            await settle(self.log)
        reply = task.result()
        assert isinstance(reply, bytes)
        return reply


@pytest.fixture
async def large(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Large]:
    for module in (slices, store, prepared, compare, txn, txn_plan):
        monkeypatch.setattr(module, "SLICE", 3)
    monkeypatch.setattr(walks, "FOUND_SLICE", 1)
    async with new_store() as (opened, log):
        put(opened, *((key, b"old") for key in KEYS))
        await settle(log)
        yield Large(opened, log)


def deletion(large: Large) -> asyncio.Task[object]:
    request = DeleteRangeRequest(key=b"k", range_end=b"l")
    return asyncio.ensure_future(outcome(large.node.delete_range(request, ANYBODY)))


async def test_others_write_while_a_deletion_is_prepared(large: Large) -> None:
    task = deletion(large)
    await turns(2)
    large.put(b"k00", b"new")
    large.put(b"other")
    reply = DeleteRangeResponse.FromString(await large.ended(task))
    assert (reply.header.revision, reply.deleted) == (5, 30)
    assert large.store.index.scan(b"", None, 5, 100)[0] == [b"other"]


async def test_a_key_that_came_meanwhile_is_deleted_as_well(large: Large) -> None:
    task = deletion(large)
    await turns(2)
    large.put(b"k99")
    reply = DeleteRangeResponse.FromString(await large.ended(task))
    assert (reply.header.revision, reply.deleted) == (4, 31)


def transaction(large: Large) -> asyncio.Task[object]:
    """Put ``then`` if all values are old, and ``else`` if not."""
    all_old = Compare(
        key=b"k", range_end=b"l", target=Compare.VALUE, result=Compare.EQUAL, value=b"old"
    )
    request = TxnRequest(
        compare=[all_old],
        success=[RequestOp(request_put=PutRequest(key=b"then"))],
        failure=[RequestOp(request_put=PutRequest(key=b"else"))],
    )
    return asyncio.ensure_future(outcome(large.node.txn(Txn.of(request), ANYBODY)))


async def test_others_write_while_many_values_are_compared(large: Large) -> None:
    task = transaction(large)
    await turns(2)
    large.put(b"other")
    reply = TxnResponse.FromString(await large.ended(task))
    assert (reply.header.revision, reply.succeeded) == (4, True)


async def test_a_value_that_changed_meanwhile_is_compared_again(large: Large) -> None:
    task = transaction(large)
    await turns(2)
    large.put(b"k00", b"new")
    reply = TxnResponse.FromString(await large.ended(task))
    assert (reply.header.revision, reply.succeeded) == (4, False)


async def test_where_values_change_all_the_time_others_wait_in_the_end(large: Large) -> None:
    task = transaction(large)
    revision = large.store.revision
    while large.store.revision < revision + 8 and not large.store.is_busy:
        await turns(3)
        if large.node.parts.writer.busy is None:
            large.put(b"k29", b"old")
    reply = TxnResponse.FromString(await large.ended(task))
    assert reply.succeeded
    assert large.store.index.newest(b"then") is not None


async def test_more_changes_than_are_looked_at_have_all_compared_again(
    large: Large, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(txn_plan, "MOST_CHANGES", 2)
    task = transaction(large)
    await turns(2)
    put(large.store, *((b"other%d" % number, b"") for number in range(5)))
    reply = TxnResponse.FromString(await large.ended(task))
    assert (reply.header.revision, reply.succeeded) == (4, True)
