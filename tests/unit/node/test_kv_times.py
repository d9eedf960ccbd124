"""The work of KV requests is timed: where it is long, or all of it if that is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from etcdpy import errors
from etcdpy.cooperative import outcome
from etcdpy.mvcc import slices
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node.slow_requests import CLOSE, SlowRequests
from etcdpy.pb import rpc_pb2 as pb
from tests.unit.mvcc.fake_log import FakeLog
from tests.unit.mvcc.stores import new_store, settle, worked_example
from tests.unit.node.nodes import ANYBODY, make_node

EVERYTHING = pb.RangeRequest(key=b"\0", range_end=b"\0")
READ = Txn.of(pb.TxnRequest(success=[pb.RequestOp(request_range=EVERYTHING)]))
WRITE = Txn.of(pb.TxnRequest(success=[pb.RequestOp(request_put=pb.PutRequest(key=b"t"))]))
PUT = pb.PutRequest(key=b"x")
DELETE = pb.DeleteRangeRequest(key=b"\0", range_end=b"\0")


class Times(SlowRequests):
    """Notes whose work was timed, and with which reply."""

    def __init__(self, limit: float) -> None:
        super().__init__(apply_limit=limit)
        self.found: list[tuple[Any, bytes]] = []

    def applied(self, request: Any, reply: object, took: float) -> None:
        assert 0 <= took < 60
        assert isinstance(reply, (bytes, bytearray))
        self.found.append((request, bytes(reply)))


async def ended(log: FakeLog, answer: Any) -> bytes:
    task = asyncio.ensure_future(outcome(answer))
    while not task.done():
        await settle(log)
    return bytes(task.result())


async def test_every_request_is_timed_where_the_limit_is_low() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        times = Times(CLOSE / 2)
        kv = make_node(store, log, slow=times)
        calls: list[tuple[Callable[..., Any], Any]] = [
            (kv.range, EVERYTHING),
            (kv.txn, READ),
            (kv.put, PUT),
            (kv.txn, WRITE),
            (kv.delete_range, DELETE),
        ]
        replies = [
            (request, await ended(log, method(request, ANYBODY))) for method, request in calls
        ]
        assert times.found == replies


async def test_short_reads_and_puts_are_not_timed_otherwise() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        times = Times(CLOSE)
        kv = make_node(store, log, slow=times)
        await ended(log, kv.range_in_slices(EVERYTHING, ANYBODY))
        await ended(log, kv.txn(READ, ANYBODY))
        await ended(log, kv.put(PUT, ANYBODY))
        assert not times.found


async def test_long_reads_are_timed_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        times = Times(CLOSE)
        kv = make_node(store, log, slow=times)
        monkeypatch.setattr(slices, "SLICE", 1)  # a key is long
        sorted_ = pb.RangeRequest(
            key=b"\0",
            range_end=b"\0",
            sort_target=pb.RangeRequest.VALUE,
            sort_order=pb.RangeRequest.DESCEND,
        )
        reply = await ended(log, kv.range_in_slices(sorted_, ANYBODY))
        assert times.found == [(sorted_, reply)]


async def test_what_is_refused_is_not_told_of() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        times = Times(-1)
        kv = make_node(store, log, slow=times)
        with pytest.raises(errors.FutureRevisionError):
            await kv.range_in_slices(pb.RangeRequest(key=b"a", revision=99), ANYBODY)
        assert not times.found
