"""The Watch service: requests to watches, and responses to the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from etcdpy.cooperative import turn
from etcdpy.errors import EtcdError
from etcdpy.node.api import NodeApi
from etcdpy.node.watch_session import WatchSession
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.services.codes import text_of
from etcdpy.transport import EOF, JoinedMessages, endless
from etcdpy.transport.grpc.context import RequestIterator
from etcdpy.watch.output import Joined

#: Requests of one stream handled between two turns of the loop: a client may send thousands.
REQUESTS_PER_TURN = 256


class WatchService:
    """Watch."""

    def __init__(self, node: NodeApi) -> None:
        self._node = node

    @endless
    async def Watch(self, requests: AsyncIterator[pb.WatchRequest], context: Any) -> None:
        """
        Serve a stream of watches until the client goes; its half-close ends nothing.

        A request without content is ignored, as in etcd.
        """
        writer = _NativeWriter(context) if hasattr(context, "try_write") else _PlainWriter(context)
        # Others may stand between the two, and want to see each request.
        is_direct = isinstance(requests, RequestIterator)
        session = self._node.watch(writer, context)
        take, take_encoded = partial(_take, session), session.create_encoded
        handled = 0
        try:
            passed_on = _passed_on(context, take, take_encoded) if is_direct else requests
            async for request in passed_on:
                # A client that does not read is not listened to either (D5).
                if session.output.is_full:
                    await session.output.room()
                if request.WhichOneof("request_union") == "progress_request":
                    await session.progress()
                else:
                    take(request)
                handled += 1
                if handled % REQUESTS_PER_TURN == 0:
                    await turn()
            # Half-closed: watches go on until the stream is reset. (etcd: v3rpc/watch.go, Watch)
            await asyncio.get_running_loop().create_future()
        finally:
            session.close()


async def _passed_on(
    context: Any, take: Callable[[pb.WatchRequest], bool], take_encoded: Callable[[bytes], bool]
) -> AsyncIterator[pb.WatchRequest]:
    """Yield the requests that have to wait for something; the others are taken as they come."""
    while (request := await context.pass_on(take, take_encoded)) is not EOF:
        yield request


def _take(session: WatchSession, request: pb.WatchRequest) -> bool:
    """Do what a request asks, unless that has to wait for something; return whether it did."""
    if session.output.is_full:
        return False
    kind = request.WhichOneof("request_union")
    if kind == "create_request":
        _create(session, request.create_request)
    elif kind == "cancel_request":
        session.cancel(request.cancel_request.watch_id)
    return kind != "progress_request"


def _create(session: WatchSession, request: pb.WatchCreateRequest) -> None:
    """Create a watch, or say on the stream, which goes on, why not."""
    try:
        session.create(request)
    except EtcdError as error:
        session.stream.reject(text_of(error))


class _NativeWriter:
    """Writes at once where there is room, without a task."""

    __slots__ = ("flush", "room", "try_write", "try_write_joined", "write")
    joined = JoinedMessages

    def __init__(self, context: Any) -> None:
        self.write = context.write_parts
        self.try_write = context.try_write
        self.try_write_joined = context.try_write_joined
        self.flush = context.flush
        self.room = context.room


class _PlainWriter:
    """Writes by what every ServicerContext has."""

    __slots__ = ("_write", "write")

    def __init__(self, context: Any) -> None:
        self._write = context.write
        self.write = getattr(context, "write_parts", self._write_joined)

    def joined(self, responses: list[tuple[bytes, bytes]]) -> Joined:
        return b""

    def try_write(self, start: bytes, body: bytes) -> bool:
        return False

    def try_write_joined(self, joined: Joined) -> bool:
        return False

    def flush(self) -> None:
        return

    async def _write_joined(self, start: bytes, body: bytes) -> None:
        await self._write(start + body)

    async def room(self) -> None:
        return
