"""Large writes: what can be done before does not hold others up, and is not trusted afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from etcdpy.cooperative import DeferredReply, outcome
from etcdpy.errors import MemoryBudgetError
from etcdpy.mvcc import compare, prepared, reply_size, slices, store, txn, txn_plan, walks
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn_request import Txn
from etcdpy.pb.rpc_pb2 import (
    CompactionRequest,
    Compare,
    DeleteRangeRequest,
    DeleteRangeResponse,
    PutRequest,
    RangeRequest,
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
    for module in (slices, store, prepared, compare, txn):
        monkeypatch.setattr(module, "SLICE", 3)
    monkeypatch.setattr(txn_plan, "MOST_LOOKED_AT", 3)
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


def reading(large: Large) -> asyncio.Task[object]:
    """Read everything in front of a put, and behind it."""
    read = RequestOp(request_range=RangeRequest(key=b"k", range_end=b"l"))
    change = RequestOp(request_put=PutRequest(key=b"k00", value=b"new"))
    request = TxnRequest(success=[read, change, read])
    return asyncio.ensure_future(outcome(large.node.txn(Txn.of(request), ANYBODY)))


async def test_others_write_while_what_a_transaction_reads_is_read(large: Large) -> None:
    task = reading(large)
    while large.store.revision < 3:
        await turns()
    for revision in range(4, 9):
        large.put(b"k01", b"newer")
        assert large.store.revision == revision
        await settle(large.log)
    assert not task.done()
    reply = TxnResponse.FromString(await large.ended(task))
    before, put_, behind = reply.responses
    assert put_.response_put.header.revision == 3
    for response, first in (before, b"old"), (behind, b"new"):
        found = [kv.value for kv in response.response_range.kvs]
        assert found == [first, *[b"old"] * 29]


async def test_what_a_transaction_reads_is_not_compacted_before(large: Large) -> None:
    task = reading(large)
    while large.store.revision < 3:
        await turns()
    large.put(b"k00", b"newest")
    compaction = CompactionRequest(revision=4, physical=True)
    compacting = asyncio.ensure_future(outcome(large.node.compact(compaction, ANYBODY)))
    reply = TxnResponse.FromString(await large.ended(task))
    before, _, behind = reply.responses
    assert [r.response_range.kvs[0].value for r in (before, behind)] == [b"old", b"new"]
    while not compacting.done():
        await settle(large.log)
    assert large.store.index.at(b"k00", 3) is None


async def test_a_reply_that_there_is_no_room_for_is_refused_before_anything_is_written(
    large: Large, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_size, "UNWEIGHED", 0)
    monkeypatch.setattr(reply_size, "SLICE_BYTES", 100)
    budget = large.node.parts.memory
    monkeypatch.setattr(budget, "limit", budget.used + 1000)
    task = reading(large)
    with pytest.raises(MemoryBudgetError):
        await large.ended(task)
    assert large.store.revision == 2
    assert budget.used == 0


async def test_changes_that_were_made_before_show_the_revision_of_their_turn(large: Large) -> None:
    compare = Compare(
        key=b"k", range_end=b"l", target=Compare.VALUE, result=Compare.EQUAL, value=b"old"
    )
    request = TxnRequest(
        compare=[compare],
        success=[
            RequestOp(request_delete_range=DeleteRangeRequest(key=key)) for key in (b"x", b"k01")
        ],
    )
    task = asyncio.ensure_future(outcome(large.node.txn(Txn.of(request), ANYBODY)))
    await turns(2)
    large.put(b"other")
    reply = TxnResponse.FromString(await large.ended(task))
    deleted = [response.response_delete_range for response in reply.responses]
    assert [(r.header.revision, r.deleted) for r in deleted] == [(3, 0), (4, 1)]
