"""What is answered at once, and what is handed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from etcdpy.cooperative import DeferredReply, outcome
from etcdpy.errors import LeaseNotFoundError
from etcdpy.mvcc.txn_request import Txn, decode_txn
from etcdpy.node.at_once import LARGE
from etcdpy.node.node import Node
from etcdpy.pb import rpc_pb2 as pb
from tests.unit.mvcc.fake_log import FakeLog
from tests.unit.mvcc.stores import new_store, settle
from tests.unit.node.nodes import ANYBODY, make_node


@pytest.fixture
async def opened() -> AsyncIterator[tuple[Node, FakeLog]]:
    async with new_store() as (store, log):
        yield make_node(store, log), log


@pytest.fixture
def node(opened: tuple[Node, FakeLog]) -> Node:
    return opened[0]


@pytest.fixture
def log(opened: tuple[Node, FakeLog]) -> FakeLog:
    return opened[1]


def put(value: bytes = b"", **fields: Any) -> pb.PutRequest:
    return pb.PutRequest(key=b"a", value=value, **fields)


def txn(*ops: pb.RequestOp) -> Txn:
    return decode_txn(pb.TxnRequest(success=ops).SerializeToString())


async def test_one_key_is_read_at_once(node: Node) -> None:
    assert isinstance(node.range(pb.RangeRequest(key=b"a"), ANYBODY), bytes)
    every = node.range(pb.RangeRequest(key=b"a", range_end=b"b"), ANYBODY)
    assert isinstance(every, Coroutine)
    await every


@pytest.mark.parametrize("kind", ["put", "txn"])
async def test_write_has_its_reply_at_once_and_holds_it_back(
    kind: str, node: Node, log: FakeLog
) -> None:
    if kind == "put":
        answer = node.put(put(), ANYBODY)
    else:
        answer = node.txn(txn(pb.RequestOp(request_put=put())), ANYBODY)
    assert isinstance(answer, DeferredReply)
    assert answer.ready is not None
    assert not answer.ready.done()
    await settle(log)
    assert answer.ready.done()


async def test_transaction_that_reads_one_key_is_answered_at_once(node: Node) -> None:
    one, every = pb.RangeRequest(key=b"a"), pb.RangeRequest(key=b"a", range_end=b"b")
    assert isinstance(node.txn(txn(pb.RequestOp(request_range=one)), ANYBODY), bytes)
    answer = node.txn(txn(pb.RequestOp(request_range=every)), ANYBODY)
    assert isinstance(answer, Coroutine)
    await answer


@pytest.mark.parametrize("kind", ["put", "txn"])
async def test_write_that_comes_behind_a_long_one_has_its_turn_later(
    kind: str, node: Node, log: FakeLog
) -> None:
    node.parts.writer.hold_back()
    if kind == "put":
        answer = node.put(put(), ANYBODY)
    else:
        answer = node.txn(txn(pb.RequestOp(request_put=put())), ANYBODY)
    assert isinstance(answer, Coroutine)
    assert node.parts.store.revision == 1
    waiting = asyncio.ensure_future(answer)
    node.parts.writer.go_on()
    assert isinstance(await waiting, DeferredReply)
    assert node.parts.store.revision == 2
    await settle(log)


async def test_write_that_the_store_refuses_changes_nothing(node: Node, log: FakeLog) -> None:
    answer = asyncio.ensure_future(outcome(node.put(put(lease=7), ANYBODY)))
    await settle(log)
    with pytest.raises(LeaseNotFoundError):
        await answer
    assert node.parts.store.revision == 1


async def test_large_reply_is_put_to_an_account_while_it_waits(node: Node, log: FakeLog) -> None:
    node.put(put(bytes(LARGE)), ANYBODY)
    await settle(log)
    assert node.parts.memory.used == 0
    node.put(put(prev_kv=True), ANYBODY)
    assert node.parts.memory.used > LARGE
    await settle(log)
    assert node.parts.memory.used == 0
