"""A service with a method for each thing a handler may do; messages are plain bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import grpc
import grpc.aio

from etcdpy.cooperative import DeferredReply
from etcdpy.transport import EOF, StatusError, endless, inline, one_reply_per_request

UNARY = grpc.unary_unary_rpc_method_handler
SERVER_STREAM = grpc.unary_stream_rpc_method_handler
CLIENT_STREAM = grpc.stream_unary_rpc_method_handler
BIDI = grpc.stream_stream_rpc_method_handler


class Service:
    """
    The handlers.

    Attributes:
        started: Set when a handler that waits for ever has begun.
        cancelled: Set when it was cancelled.
        release: What ``Parked`` waits for.
        permission: What the responses of ``Held`` wait for.
        contexts: Those of all calls of ``Inspect``.
        callbacks: What done callbacks saw: whether the call was cancelled.
        called_back: Set by the first of them.

    """

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.release: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.permission: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.peers: list[str] = []
        self.remaining: list[float | None] = []
        self.metadata: list[tuple[str, str | bytes]] = []
        self.callbacks: list[bool] = []
        self.called_back = asyncio.Event()

    def register(self, server: Any) -> None:
        """Register every method as generated code does."""
        methods: dict[str, Any] = {
            "Inline": UNARY(self.at_once),
            "Task": UNARY(self.task),
            "Parked": UNARY(self.parked),
            "Held": UNARY(self.held),
            "Yields": UNARY(self.yields),
            "Fail": UNARY(self.fail),
            "Abort": UNARY(self.abort),
            "AbortCaught": UNARY(self.abort_caught),
            "SetCode": UNARY(self.set_code),
            "Raise": UNARY(self.raises),
            "Unimplemented": UNARY(self.unimplemented),
            "Forever": UNARY(self.forever),
            "ParkedForever": UNARY(self.parked_forever),
            "Metadata": UNARY(self.with_metadata),
            "Inspect": UNARY(self.inspect),
            "Count": SERVER_STREAM(self.count),
            "Write": SERVER_STREAM(self.write),
            "FailLate": SERVER_STREAM(self.fail_late),
            "StreamForever": SERVER_STREAM(self.stream_forever),
            "Join": CLIENT_STREAM(self.join),
            "Echo": BIDI(self.echo),
            "Read": BIDI(self.read),
            "Each": BIDI(self.each),
            "EchoThenMore": BIDI(self.echo_then_more),
            "Endless": BIDI(self.endless),
        }
        generic = grpc.method_handlers_generic_handler("test.Service", methods)
        server.add_generic_rpc_handlers((generic,))
        server.add_registered_method_handlers("test.Service", methods)

    @inline
    async def at_once(self, request: bytes, context: Any) -> bytes:
        return request

    async def task(self, request: bytes, context: Any) -> bytes:
        await asyncio.sleep(0)
        return request

    @inline
    async def parked(self, request: bytes, context: Any) -> bytes:
        self.started.set()
        return request + await self.release

    @inline
    def held(self, request: bytes, context: Any) -> DeferredReply:
        self.started.set()
        return DeferredReply(request, self.permission)

    @inline
    async def yields(self, request: bytes, context: Any) -> bytes:
        for _ in range(3):
            await asyncio.sleep(0)
        return request

    @inline
    async def fail(self, request: bytes, context: Any) -> bytes:
        raise StatusError(
            grpc.StatusCode.FAILED_PRECONDITION, request.decode(), (("x-why", "because"),)
        )

    async def abort(self, request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, request.decode(), (("x-why", "because"),))
        raise AssertionError("abort() raises")

    async def abort_caught(self, request: bytes, context: Any) -> bytes:
        try:
            await context.abort(grpc.StatusCode.NOT_FOUND, "stays")
        except Exception as error:
            raise RuntimeError("hidden") from error
        return request

    @inline
    async def set_code(self, request: bytes, context: Any) -> bytes:
        context.set_code(grpc.StatusCode.OUT_OF_RANGE)
        context.set_details(request.decode())
        context.set_trailing_metadata((("x-why", "because"),))
        return b"not sent"

    @inline
    async def raises(self, request: bytes, context: Any) -> bytes:
        raise ValueError(request.decode())

    async def unimplemented(self, request: bytes, context: Any) -> bytes:
        context.set_code(grpc.StatusCode.UNIMPLEMENTED)
        context.set_details("Method not implemented!")
        raise NotImplementedError("Method not implemented!")

    async def forever(self, request: bytes, context: Any) -> bytes:
        context.add_done_callback(self._note_end)
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b""

    @inline
    async def parked_forever(self, request: bytes, context: Any) -> bytes:
        self.started.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b""

    async def with_metadata(self, request: bytes, context: Any) -> bytes:
        self.metadata += [(key, value) for key, value in context.invocation_metadata()]
        await context.send_initial_metadata((("x-first", "1"), ("x-first-bin", b"\0\xff")))
        context.set_trailing_metadata((("x-last", "2"), ("x-last-bin", b"\1\xfe")))
        return request

    async def inspect(self, request: bytes, context: Any) -> bytes:
        context.add_done_callback(self._note_end)
        self.peers.append(context.peer())
        self.remaining.append(context.time_remaining())
        assert not context.done()
        assert not context.cancelled()
        return request

    def _note_end(self, context: Any) -> None:
        self.callbacks.append(context.cancelled())
        self.called_back.set()

    async def count(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        for number in range(int(request)):
            yield b"%d" % number

    async def write(self, request: bytes, context: Any) -> None:
        count, size = map(int, request.split())
        for _ in range(count):
            await context.write(bytes(size))

    async def fail_late(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        raise StatusError(grpc.StatusCode.DATA_LOSS, "after the first")

    async def stream_forever(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def join(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        return b" ".join([request async for request in requests])

    async def echo(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    async def read(self, requests: AsyncIterator[bytes], context: Any) -> None:
        while (request := await context.read()) not in (EOF, grpc.aio.EOF):
            await context.write(request)

    @one_reply_per_request
    def each(self, request: bytes, context: Any) -> bytes | Coroutine[Any, Any, bytes]:
        if request == b"fail":
            raise StatusError(grpc.StatusCode.DATA_LOSS, "asked for")
        return self.parked(request, context) if request == b"wait" else request

    @endless
    async def endless(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        try:
            async for request in requests:
                yield request
        finally:
            self.cancelled.set()

    async def echo_then_more(
        self, requests: AsyncIterator[bytes], context: Any
    ) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request
        yield b"after half-close"
