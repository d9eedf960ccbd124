"""The KV service over a log in memory: order of checks, durability, streaming."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from etcdpy import errors
from etcdpy.cooperative import outcome
from etcdpy.mvcc import ranges, replies, slices, store
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node.node import Node
from etcdpy.pb.rpc_pb2 import (
    CORRUPT,
    NOSPACE,
    CompactionRequest,
    CompactionResponse,
    DeleteRangeRequest,
    DeleteRangeResponse,
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
    RangeStreamResponse,
    RequestOp,
    TxnRequest,
    TxnResponse,
)
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.mvcc.stores import new_store, settle, worked_example
from tests.unit.node.nodes import ANYBODY, IDENTITY, make_node


class Service:
    """A KV service over the worked example: a=1, b=2, c=3, a=9 at 2 to 5."""

    def __init__(self, node: Node, log: FakeLog) -> None:
        self.node = node
        self.store = node.parts.store
        self.log = log
        self.kv = node

    async def ended(self, answer: Any) -> bytes:
        """Let the disk do what a call waits for; return its reply."""
        task = asyncio.ensure_future(outcome(answer))
        for _ in range(1000):
            if task.done():
                break
            await settle(self.log)
        return bytes(task.result())

    async def put(self, key: bytes, **fields: Any) -> PutResponse:
        request = PutRequest(key=key, **fields)
        return PutResponse.FromString(await self.ended(self.kv.put(request, ANYBODY)))

    async def delete(self, key: bytes, range_end: bytes = b"") -> DeleteRangeResponse:
        request = DeleteRangeRequest(key=key, range_end=range_end)
        return DeleteRangeResponse.FromString(
            await self.ended(self.kv.delete_range(request, ANYBODY))
        )

    async def txn(self, *success: RequestOp, **fields: Any) -> TxnResponse:
        request = Txn.of(TxnRequest(success=success, **fields))
        return TxnResponse.FromString(await self.ended(self.kv.txn(request, ANYBODY)))

    async def range(self, key: bytes, range_end: bytes = b"", **fields: Any) -> RangeResponse:
        request = RangeRequest(key=key, range_end=range_end, **fields)
        return RangeResponse.FromString(bytes(await outcome(self.kv.range(request, ANYBODY))))

    async def stream(self, key: bytes, range_end: bytes, **fields: Any) -> list[RangeResponse]:
        request = RangeRequest(key=key, range_end=range_end, **fields)
        return [
            RangeStreamResponse.FromString(chunk).range_response
            async for chunk in self.kv.range_stream(request, ANYBODY)
        ]


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Service]:
    async with new_store() as (store, log):
        await worked_example(store, log)
        yield Service(make_node(store, log, **settings), log)


PUT = RequestOp(request_put=PutRequest(key=b"p"))
DELETE = RequestOp(request_delete_range=DeleteRangeRequest(key=b"p"))
GET = RequestOp(request_range=RangeRequest(key=b"a"))


# ---------------------------------------------------------------- large writes


async def test_what_was_deleted_is_read_while_others_write_and_compact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (slices, store, ranges, replies):
        monkeypatch.setattr(module, "SLICE", 3)
    monkeypatch.setattr(replies, "ROWS_TOGETHER", 1)
    monkeypatch.setattr(replies, "SLICE_BYTES", 3)
    async with serving() as service:
        keys = [b"many/%02d" % number for number in range(40)]
        for key in keys:
            await service.put(key, value=key)
        request = DeleteRangeRequest(key=b"many/", range_end=b"many0", prev_kv=True)
        deletion = asyncio.ensure_future(service.ended(service.kv.delete_range(request, ANYBODY)))
        await turns()
        while service.store.is_busy:
            await turns()
        deleted_at = service.store.revision
        put = asyncio.ensure_future(service.put(keys[0]))
        compaction = CompactionRequest(revision=deleted_at, physical=True)
        compacted = asyncio.ensure_future(service.ended(service.kv.compact(compaction, ANYBODY)))
        await turns()
        assert not deletion.done()
        assert (await put).header.revision == deleted_at + 1
        reply = DeleteRangeResponse.FromString(await deletion)
        assert [kv.value for kv in reply.prev_kvs] == keys
        assert (reply.deleted, reply.header.revision) == (len(keys), deleted_at)
        await compacted


# ---------------------------------------------------------------------- headers


async def test_every_reply_names_the_server_and_its_revision() -> None:
    async with serving() as service:
        replies: list[Any] = [
            await service.range(b"a", revision=2),
            await service.put(b"x"),
            await service.delete(b"x"),
            await service.delete(b"x"),
            await service.txn(PUT),
        ]
        assert [reply.header.revision for reply in replies] == [5, 6, 7, 7, 8]
        for reply in replies:
            assert reply.header.cluster_id == IDENTITY.cluster_id
            assert reply.header.member_id == IDENTITY.member_id
            assert reply.header.raft_term == IDENTITY.raft_term


# ------------------------------------------------------------------- durability


@pytest.mark.parametrize("kind", ["put", "delete", "txn", "compact"])
async def test_write_is_acknowledged_once_it_is_durable(kind: str) -> None:
    async with serving() as service:
        calls: dict[str, Callable[[], Any]] = {
            "put": lambda: service.kv.put(PutRequest(key=b"x"), ANYBODY),
            "delete": lambda: service.kv.delete_range(DeleteRangeRequest(key=b"a"), ANYBODY),
            "txn": lambda: service.kv.txn(Txn.of(TxnRequest(success=[PUT])), ANYBODY),
            "compact": lambda: service.kv.compact(CompactionRequest(revision=5), ANYBODY),
        }
        call = asyncio.ensure_future(outcome(calls[kind]()))
        await turns(10)
        assert not call.done()
        service.log.settle()
        await turns(2)
        assert call.done()


async def test_reads_see_what_is_durable_and_never_wait() -> None:
    async with serving() as service:
        write = asyncio.ensure_future(
            outcome(service.kv.put(PutRequest(key=b"a", value=b"new"), ANYBODY))
        )
        await turns()
        read = await service.range(b"a")
        assert (read.header.revision, read.kvs[0].value) == (5, b"9")
        answer = await outcome(service.kv.txn(Txn.of(TxnRequest(success=[GET])), ANYBODY))
        assert TxnResponse.FromString(bytes(answer)).header.revision == 5
        with pytest.raises(errors.FutureRevisionError):
            await service.range(b"a", revision=6)
        await settle(service.log)
        await write
        read = await service.range(b"a")
        assert (read.header.revision, read.kvs[0].value) == (6, b"new")


@pytest.mark.parametrize("kind", ["put", "txn", "deletion of nothing", "compact"])
async def test_reply_about_a_state_that_is_not_durable_waits_for_it(kind: str) -> None:
    async with serving() as service:
        deletion = DeleteRangeRequest(key=b"a", range_end=b"\0")
        first = asyncio.ensure_future(outcome(service.kv.delete_range(deletion, ANYBODY)))
        compaction = asyncio.ensure_future(
            service.kv.compact(CompactionRequest(revision=4), ANYBODY)
        )
        await turns()
        keep = PutRequest(key=b"a", ignore_value=True)
        calls: dict[str, Callable[[], Any]] = {
            "put": lambda: service.kv.put(keep, ANYBODY),
            "txn": lambda: service.kv.txn(
                Txn.of(TxnRequest(success=[RequestOp(request_put=keep)])), ANYBODY
            ),
            "deletion of nothing": lambda: service.kv.delete_range(deletion, ANYBODY),
            "compact": lambda: service.kv.compact(CompactionRequest(revision=4), ANYBODY),
        }
        call = asyncio.ensure_future(outcome(calls[kind]()))
        await turns(10)
        assert not call.done()
        service.log.settle()
        await turns(3)
        assert call.done()
        if kind != "deletion of nothing":
            assert isinstance(call.exception(), errors.KeyNotFoundError | errors.CompactedError)
        await settle(service.log)
        await asyncio.wait_for(asyncio.gather(first, compaction), 60)


# -------------------------------------------------------------- order of checks


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"key": b""}, errors.NoSpaceError),
        ({"key": b"x", "value": b"v", "ignore_value": True}, errors.NoSpaceError),
    ],
)
async def test_quota_comes_first(fields: dict[str, Any], error: type[Exception]) -> None:
    async with serving(quota=1000, size=lambda: 900) as service:
        with pytest.raises(error):
            await service.put(**fields)
        assert [a.alarm for a in service.node.parts.alarms.matching(NOSPACE)] == [NOSPACE]
        with pytest.raises(errors.EmptyKeyError):
            await service.delete(b"")


@pytest.mark.parametrize(("size", "passes"), [(744 - 2, True), (744 - 1, False)])
async def test_store_has_to_stay_below_its_quota(size: int, passes: bool) -> None:
    async with serving(quota=1000, size=lambda: size) as service:
        if passes:
            await service.put(b"x")
        else:
            with pytest.raises(errors.NoSpaceError):
                await service.put(b"x")


async def test_negative_quota_is_none() -> None:
    async with serving(quota=-1, size=lambda: 1 << 60) as service:
        await service.put(b"x")


@pytest.mark.parametrize("options", [{}, {"prev_kv": True}, {"ignore_value": True}])
async def test_put_is_checked_as_a_request_then_by_alarms_then_by_the_store(
    options: dict[str, bool],
) -> None:
    async with serving() as service:
        unknown_lease = {"lease": 99, **options}
        with pytest.raises(errors.LeaseNotFoundError):
            await service.put(b"x", **unknown_lease)
        with pytest.raises(errors.KeyNotFoundError):
            await service.put(b"x", ignore_value=True)
        service.node.parts.alarms.activate(1, NOSPACE)
        with pytest.raises(errors.NoSpaceError):
            await service.put(b"x", **unknown_lease)
        service.node.parts.alarms.activate(2, CORRUPT)
        with pytest.raises(errors.CorruptError):
            await service.put(b"x", **unknown_lease)
        with pytest.raises(errors.RequestTooLargeError):
            await service.put(b"x", value=b"v" * (1 << 21))
        with pytest.raises(errors.EmptyKeyError):
            await service.put(b"", value=b"v" * (1 << 21))


async def test_store_out_of_space_can_be_cleaned_up() -> None:
    async with serving() as service:
        service.node.parts.alarms.activate(1, NOSPACE)
        with pytest.raises(errors.NoSpaceError):
            await service.txn(failure=[PUT])
        assert (await service.delete(b"a")).deleted == 1
        assert (await service.txn(DELETE)).succeeded
        await service.ended(service.kv.compact(CompactionRequest(revision=6), ANYBODY))


async def test_corrupt_store_can_only_be_read() -> None:
    async with serving() as service:
        service.node.parts.alarms.activate(1, CORRUPT)
        assert (await service.range(b"a")).count == 1
        assert (await service.txn(GET)).succeeded
        assert (await service.txn()).succeeded
        nested = RequestOp(request_txn=TxnRequest(success=[GET]))
        for write in (
            lambda: service.delete(b"a"),
            lambda: service.txn(DELETE),
            lambda: service.txn(nested),
            lambda: service.ended(service.kv.compact(CompactionRequest(revision=99), ANYBODY)),
        ):
            with pytest.raises(errors.CorruptError):
                await write()


async def test_only_writing_transactions_are_bounded_in_size() -> None:
    async with serving() as service:
        huge = b"k" * (1 << 21)
        get = RequestOp(request_range=RangeRequest(key=huge))
        assert (await service.txn(get)).succeeded
        with pytest.raises(errors.RequestTooLargeError):
            await service.txn(RequestOp(request_txn=TxnRequest(success=[get])))
        assert (await service.range(huge)).count == 0


@pytest.mark.parametrize("key", [b"a", b"nobody's"])
async def test_one_key_is_read_at_once_and_as_any_others_are(key: bytes) -> None:
    async with serving() as service:
        request = RangeRequest(key=key)
        at_once = service.kv.range(request, ANYBODY)
        assert isinstance(at_once, bytes)
        assert at_once == await service.kv.range_in_slices(request, ANYBODY)
        assert RangeResponse.FromString(at_once).count == (key == b"a")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"key": b""}, errors.EmptyKeyError),
        ({"key": b"k", "sort_order": 7}, errors.InvalidSortOptionError),
        ({"key": b"k", "sort_target": -1}, errors.InvalidSortOptionError),
    ],
)
async def test_one_key_is_not_read_by_a_bad_request(
    fields: dict[str, Any], error: type[Exception]
) -> None:
    async with serving() as service:
        with pytest.raises(error):
            await service.range(**fields)


async def test_range_is_checked_before_its_revision() -> None:
    async with serving() as service:
        with pytest.raises(errors.EmptyKeyError):
            await service.range(b"", revision=99)
        with pytest.raises(errors.FutureRevisionError):
            await service.range(b"a", revision=6)
        assert (await service.range(b"a", revision=-1)).kvs[0].value == b"9"
        assert (await service.range(b"a", revision=1)).count == 0


# ---------------------------------------------------------------------- compact


async def test_compaction_refuses_older_reads_and_keeps_its_own_revision() -> None:
    async with serving() as service:
        await service.ended(service.kv.compact(CompactionRequest(revision=4), ANYBODY))
        with pytest.raises(errors.CompactedError):
            await service.range(b"a", revision=3)
        with pytest.raises(errors.CompactedError):
            await service.range(b"a", revision=3, count_only=True)
        assert (await service.range(b"a", revision=4)).kvs[0].value == b"1"


async def test_physical_compaction_is_answered_when_the_rows_are_gone() -> None:
    async with serving() as service:
        request = CompactionRequest(revision=5, physical=True)
        reply = CompactionResponse.FromString(
            await service.ended(service.kv.compact(request, ANYBODY))
        )
        assert reply.header.revision == 5
        assert len(service.log.disk.key_rows) == 3


async def test_caller_of_a_physical_compaction_may_give_up() -> None:
    async with serving() as service:
        request = CompactionRequest(revision=4, physical=True)
        call = asyncio.ensure_future(service.kv.compact(request, ANYBODY))
        await turns(3)
        service.log.settle()
        await turns()
        call.cancel()
        await turns()
        request = CompactionRequest(revision=5, physical=True)
        await service.ended(service.kv.compact(request, ANYBODY))
        assert len(service.log.disk.key_rows) == 3


# ----------------------------------------------------------------- range stream


async def test_short_stream_is_one_message() -> None:
    async with serving() as service:
        (reply,) = await service.stream(b"a", b"z", limit=2)
        assert [kv.key for kv in reply.kvs] == [b"a", b"b"]
        assert (reply.more, reply.count, reply.header.revision) == (True, 3, 5)


@pytest.mark.parametrize("fields", [{}, {"count_only": True, "limit": 1}])
async def test_stream_without_keys_is_one_message(fields: dict[str, Any]) -> None:
    async with serving() as service:
        (reply,) = await service.stream(b"x", b"z", **fields)
        assert (len(reply.kvs), reply.count, reply.header.revision) == (0, 0, 5)
        (counted,) = await service.stream(b"a", b"z", count_only=True, limit=1)
        assert (len(counted.kvs), counted.count, counted.more) == (0, 3, False)


async def sizes(service: Service, **fields: Any) -> list[int]:
    chunks = await service.stream(b"s", b"t", **fields)
    assert all(not c.HasField("header") and not c.more and not c.count for c in chunks[:-1])
    keys = [kv.key for chunk in chunks for kv in chunk.kvs]
    assert keys == sorted(set(keys))
    whole = await service.range(b"s", b"t", **fields)
    assert keys == [kv.key for kv in whole.kvs]
    last = chunks[-1]
    assert (last.header, last.more, last.count) == (whole.header, whole.more, whole.count)
    return [len(chunk.kvs) for chunk in chunks]


async def test_chunks_of_small_rows_double() -> None:
    async with serving() as service:
        ops = [RequestOp(request_put=PutRequest(key=b"s%03d" % n)) for n in range(100)]
        await service.txn(*ops)
        await service.txn(
            *[RequestOp(request_put=PutRequest(key=b"sx%03d" % n)) for n in range(100)]
        )
        assert await sizes(service) == [10, 20, 40, 80, 50]
        assert await sizes(service, limit=25) == [10, 15]
        assert await sizes(service, limit=30) == [10, 20]
        assert await sizes(service, limit=-1) == [200]


@pytest.mark.parametrize(
    ("length", "expected"), [(700, [10] * 4), (3000, [10, 5, 5, 5]), (30_000, [10, 5, 2, 1])]
)
async def test_chunks_of_large_rows_stay_or_shrink(length: int, expected: list[int]) -> None:
    async with serving(max_request_bytes=10_000) as service:
        for number in range(40):
            await service.put(b"s%03d" % number, value=b"v" * length)
        assert (await sizes(service))[:4] == expected


async def test_stream_stays_at_the_revision_it_began_at() -> None:
    async with serving() as service:
        await service.txn(*[RequestOp(request_put=PutRequest(key=b"s%02d" % n)) for n in range(30)])
        stream = service.kv.range_stream(RangeRequest(key=b"s", range_end=b"t"), ANYBODY)
        first = RangeStreamResponse.FromString(await anext(stream)).range_response
        await service.delete(b"s", b"t")
        rest = [RangeStreamResponse.FromString(chunk).range_response async for chunk in stream]
        assert len(first.kvs) + sum(len(chunk.kvs) for chunk in rest) == 30
        assert rest[-1].header.revision == 6


async def test_stream_ends_when_its_revision_is_compacted() -> None:
    async with serving() as service:
        await service.txn(*[RequestOp(request_put=PutRequest(key=b"s%02d" % n)) for n in range(30)])
        stream = service.kv.range_stream(RangeRequest(key=b"s", range_end=b"t"), ANYBODY)
        await anext(stream)
        await service.put(b"x")
        await service.ended(service.kv.compact(CompactionRequest(revision=7), ANYBODY))
        with pytest.raises(errors.CompactedError):
            await anext(stream)


async def test_stream_refuses_what_a_range_refuses() -> None:
    async with serving() as service:
        with pytest.raises(errors.FutureRevisionError):
            await service.stream(b"a", b"z", revision=6)
        with pytest.raises(errors.CustomSortUnsupportedError):
            await service.stream(b"a", b"z", sort_order=RangeRequest.DESCEND)
