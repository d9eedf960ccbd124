"""Counting calls: what each kind of method adds up to."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from etcdpy.cooperative import DeferredReply
from etcdpy.transport.grpc.metadata import Metadatum
from etcdpy.transport.grpc.routes import RouteTable, inline, one_reply_per_request
from etcdpy.transport.grpc.status import CANCELLED, INTERNAL, OK, StatusError
from etcdpy.transport.grpc.tally import MAX_VERSIONS, CallCounts, MethodCounts
from etcdpy.transport.http2 import frames
from tests.unit.transport.peer import message
from tests.unit.transport.serving import connected, turns

PATH = "/test.Echo/Unary"


def version(text: str | bytes) -> tuple[Metadatum, ...]:
    pair: Any = ("client-api-version", text)
    return (pair,)


def counted(handler: Any) -> tuple[Any, MethodCounts]:
    counts = CallCounts()
    table = RouteTable(counts)
    table.add_methods("test.Echo", {"Unary": grpc.unary_unary_rpc_method_handler(handler)})
    return connected(table), counts.methods[PATH]


def test_versions_are_told_apart_but_not_without_end() -> None:
    method = MethodCounts(PATH)
    assert method.of(()) is method.of(version("unknown"))
    assert method.of(version("3.6")) is not method.of(())
    assert method.of(version(b"\xff")) is method.of(())
    for number in range(2 * MAX_VERSIONS):
        method.of(version(str(number))).started += 1
    assert len(method.by_version) <= MAX_VERSIONS + 1
    assert method.started == 2 * MAX_VERSIONS


def test_name_and_service_are_told_by_the_path() -> None:
    method = MethodCounts("/a.b.C/D")
    assert (method.service, method.name, method.kind) == ("a.b.C", "D", "unary")


@pytest.mark.parametrize(
    ("streams", "kind"),
    [
        ((False, False), "unary"),
        ((False, True), "server_stream"),
        ((True, False), "client_stream"),
        ((True, True), "bidi_stream"),
    ],
)
def test_kind_is_told_by_both_sides(streams: tuple[bool, bool], kind: str) -> None:
    counts = CallCounts()
    method = counts.of(PATH, request_streaming=streams[0], response_streaming=streams[1])
    assert method.kind == kind
    assert counts.of(PATH, request_streaming=streams[0], response_streaming=streams[1]) is method


def test_end_of_a_stream_was_read_like_a_request() -> None:
    counts = CallCounts(is_timed=True)
    method = counts.of(PATH, request_streaming=True, response_streaming=True)
    tally = method.of(())
    tally.started, tally.read, tally.written = 1, 2, 2
    assert method.read == 2
    method.count_end(CANCELLED, 7.0)
    assert (method.read, method.written) == (3, 2)
    assert method.handled[CANCELLED] == 1
    assert method.handling is not None
    assert method.handling.count == 1


def test_what_is_not_registered_is_not_timed() -> None:
    counts = CallCounts(is_timed=True)
    counts.count_time("/unknown", 1.0)
    assert counts.methods == {}


async def test_unary_calls_count_the_same_however_they_are_run() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def task(request: bytes, context: Any) -> bytes:
        return request + b"!"

    async def late(request: bytes) -> bytes:
        await future
        return request + b"!"

    handlers: list[Any] = [
        task,
        inline(lambda request, context: request + b"!"),
        inline(lambda request, context: late(request)),
        inline(lambda request, context: DeferredReply(request + b"!", future)),
    ]
    peers = [counted(handler) for handler in handlers]
    for peer, _ in peers:
        peer.call(b"hello")
    assert [method.started for _, method in peers[1:]] == [1, 1, 1]
    assert [sum(method.handled) for _, method in peers] == [0, 1, 0, 0]
    future.set_result(None)
    await turns()
    for _, method in peers:
        assert (method.started, method.handled[OK], sum(method.handled)) == (1, 1, 1)
        assert (method.read, method.written) == (1, 1)
        assert (method.of(()).received, method.of(()).sent) == (5, 6)


async def test_call_that_fails_counts_by_its_code() -> None:
    async def task(request: bytes, context: Any) -> bytes:
        raise StatusError(grpc.StatusCode.INTERNAL, "no")

    @inline
    def at_once(request: bytes, context: Any) -> bytes:
        raise StatusError(grpc.StatusCode.INTERNAL, "no")

    @inline
    async def late(request: bytes, context: Any) -> bytes:
        await asyncio.sleep(0)
        raise StatusError(grpc.StatusCode.INTERNAL, "no")

    for handler in (task, at_once, late):
        peer, method = counted(handler)
        peer.call(b"hello")
        await turns()
        assert (method.started, method.handled[INTERNAL], sum(method.handled)) == (1, 1, 1)
        # A message for the error, too. (go-grpc-middleware: reporter.go)
        assert (method.read, method.written) == (1, 1)


async def test_call_that_its_client_gives_up_is_cancelled() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @inline
    def handler(request: bytes, context: Any) -> Any:
        return DeferredReply(request, future)

    peer, method = counted(handler)
    stream = peer.call(b"hello")
    peer.send(frames.rst_stream(stream, frames.CANCEL))
    assert (method.started, method.handled[CANCELLED], sum(method.handled)) == (1, 1, 1)


async def test_request_that_cannot_be_read_never_started() -> None:
    def broken(message: bytes) -> Any:
        raise ValueError

    async def handler(request: bytes, context: Any) -> bytes:
        return request

    for marked in (handler, inline(handler)):
        counts = CallCounts()
        table = RouteTable(counts)
        method: Any = grpc.unary_unary_rpc_method_handler(marked, broken)
        table.add_methods("test.Echo", {"Unary": method})
        peer = connected(table)
        peer.call(b"hello")
        await turns()
        found = counts.methods[PATH]
        assert (found.started, sum(found.handled)) == (0, 0)


async def test_streams_count_each_message() -> None:
    async def echo(requests: Any, context: Any) -> None:
        async for request in requests:
            await context.write(request)

    @one_reply_per_request
    def answer(request: bytes, context: Any) -> bytes:
        return request

    for handler in (echo, answer):
        counts = CallCounts()
        table = RouteTable(counts)
        table.add_methods("test.Echo", {"Stream": grpc.stream_stream_rpc_method_handler(handler)})
        method = counts.methods["/test.Echo/Stream"]
        peer = connected(table)
        stream = peer.open()
        for body in (b"a", b"bc"):
            peer.data(stream, message(body))
            await turns()
        assert (method.started, method.read, method.written) == (1, 2, 2)
        assert (method.of(()).received, method.of(()).sent) == (3, 3)
        peer.data(stream, b"", end=True)
        await turns()
        assert (method.handled[OK], sum(method.handled), method.read) == (1, 1, 3)
