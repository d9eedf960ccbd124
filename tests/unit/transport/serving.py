"""Handlers, served on a connection in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from etcdpy.transport import ServerOptions, SlowCalls
from etcdpy.transport.grpc.call import Call
from etcdpy.transport.grpc.connection import Connection
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.dispatcher import Dispatcher
from etcdpy.transport.grpc.request_head_cache import RequestHeadCache
from etcdpy.transport.grpc.routes import RouteTable
from etcdpy.transport.http import not_found
from etcdpy.transport.http2 import frames

from .peer import Peer

Handler = Callable[[bytes, Context], Any]


def serving(
    handler: Handler, options: ServerOptions | None = None, slow: SlowCalls | None = None
) -> Peer:
    """Return a peer whose ``/test.Echo/Unary`` is a handler."""
    table = RouteTable()
    table.add_methods("test.Echo", {"Unary": grpc.unary_unary_rpc_method_handler(handler)})
    return connected(table, options, slow)


def connected(
    table: RouteTable,
    options: ServerOptions | None = None,
    slow: SlowCalls | None = None,
    settings: Sequence[tuple[int, int]] = (),
) -> Peer:
    """Return a peer, which has sent these settings, of a connection with these routes."""
    peer = Peer(hello=False)
    dispatcher: Any = Dispatcher(asyncio.get_running_loop(), not_found, slow)
    peer.call_handler = dispatcher
    peer.connection = Connection(
        dispatcher, RequestHeadCache(table), options or ServerOptions(), peer.now, driver=peer
    )
    peer.send(frames.PREFACE + frames.settings(settings))
    return peer


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Told:
    """What is said of slow calls."""

    def __init__(self, limit: float) -> None:
        self.calls: list[tuple[bytes, bytes | None, float]] = []
        self.slow = SlowCalls(limit, self._note)

    def _note(self, call: Call, request: bytes, response: bytes | None, took: float) -> None:
        self.calls.append((request, response, took))
