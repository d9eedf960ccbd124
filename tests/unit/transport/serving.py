"""Handlers, served on a connection in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from etcdpy.transport import EndedCall, Observer, ServerOptions
from etcdpy.transport.grpc.connection import Connection
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.dispatcher import dispatcher_type
from etcdpy.transport.grpc.request_head_cache import RequestHeadCache
from etcdpy.transport.grpc.routes import RouteTable
from etcdpy.transport.http import HttpHandler, not_found
from etcdpy.transport.http2 import frames

from .checked import CALL_TYPE
from .peer import Peer

Handler = Callable[[bytes, Context], Any]


def serving(
    handler: Handler,
    options: ServerOptions | None = None,
    observer: Observer | None = None,
    deserializer: Any = None,
) -> Peer:
    """Return a peer whose ``/test.Echo/Unary`` is a handler."""
    table = RouteTable()
    method: Any = grpc.unary_unary_rpc_method_handler(handler, deserializer)
    table.add_methods("test.Echo", {"Unary": method})
    return connected(table, options, observer)


def connected(
    table: RouteTable,
    options: ServerOptions | None = None,
    observer: Observer | None = None,
    settings: Sequence[tuple[int, int]] = (),
    call_type: type[Context] = CALL_TYPE,
    http: HttpHandler = not_found,
    *,
    is_secure: bool = False,
) -> Peer:
    """Return a peer, which has sent these settings, of a connection with these routes."""
    peer = Peer(hello=False)
    observer = observer or Observer()
    dispatcher: Any = dispatcher_type(observer)(
        asyncio.get_running_loop(),
        http,
        peer.clock,
        observer=observer,
        call_type=call_type,
    )
    peer.call_handler = dispatcher
    peer.connection = Connection(
        dispatcher,
        RequestHeadCache(table),
        options or ServerOptions(),
        peer.now,
        driver=peer,
        is_secure=is_secure,
    )
    peer.send(frames.PREFACE + frames.settings(settings))
    return peer


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Heard:
    """
    What a listener hears.

    Attributes:
        observer: The one it listens to.
        calls: What it was told.

    """

    def __init__(self, slower_than: float = 0.0) -> None:
        self.observer = Observer()
        self.calls: list[EndedCall] = []
        self._is_told = asyncio.Event()
        self.observer.listen(self._hear, slower_than=slower_than)

    def _hear(self, call: EndedCall) -> None:
        self.calls.append(call)
        self._is_told.set()

    async def only_call(self) -> EndedCall:
        """Return the one call that has ended, or is about to: its client may know it before."""
        await self._is_told.wait()
        [call] = self.calls
        return call
