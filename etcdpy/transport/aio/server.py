"""A gRPC server on asyncio, with the registration surface of ``grpc.aio.Server``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from etcdpy.clock import Clock, SystemClock, Timer, stopwatch
from etcdpy.memory import Budget
from etcdpy.transport.aio.acceptor import Acceptor
from etcdpy.transport.aio.handshakes import Handshakes
from etcdpy.transport.aio.protocol import Http2Protocol
from etcdpy.transport.aio.security import Security
from etcdpy.transport.aio.sniffer import ProtocolFactory, Sniffer
from etcdpy.transport.aio.turns import Turns
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.dispatcher import Dispatcher, dispatcher_type
from etcdpy.transport.grpc.observer import Observer
from etcdpy.transport.grpc.request_head_cache import RequestHeadCache
from etcdpy.transport.grpc.routes import MethodHandler, RouteTable
from etcdpy.transport.grpc.status import Translate, untranslated
from etcdpy.transport.grpc.tally import CallCounts
from etcdpy.transport.http import HttpHandler, not_found
from etcdpy.transport.limits import (
    LINGER_SECONDS,
    LISTEN_BACKLOG,
    UNHURRIED_SECONDS,
    ServerOptions,
)

if TYPE_CHECKING:  # grpcio takes as long to import as all of the transport
    import grpc

    from etcdpy.transport.aio.handshake import Handshake
    from etcdpy.transport.aio.http1 import Http1Protocol

_TICK_SECONDS: Final = 1.0

#: How often the size of the process is looked at in that time, while anybody is connected.
_GLANCES: Final = 8

#: After so many new connections it is looked at as well: a crowd comes within a tenth of a second.
_AT_A_GLANCE: Final = 32

TICKING: Final = 0.002
"""Seconds for which connections look at the clock in one turn of the loop."""


class Traffic(NamedTuple):
    """
    What is spoken at a listener; connections that begin with anything else are closed.

    Attributes:
        grpc: Whether gRPC is, over HTTP/2.
        http: Whether HTTP/1.1 is.
        handler: Answers requests over HTTP/1.1, where it is not the server's own.

    """

    grpc: bool = True
    http: bool = True
    handler: HttpHandler | None = None


DEFAULT_TRAFFIC: Final = Traffic()


class Server:
    """
    Serves registered handlers on any number of addresses.

    Must be used on one event loop's thread. Register first, then listen, then stop, once.

    Attributes:
        clock: As given.
        options: As given.
        connections: Those that are open and speak HTTP/2.
        http1_connections: Those that began with HTTP/1.1.
        large_heads: Those of them on which the head of a request has become long.
        held_bodies: Bytes of bodies that they keep until all of them is there.
        head_cache: What their requests have in common.
        dispatcher: Runs their handlers, once the server listens.
        turns: Whose input is read next.
        counts: How many calls there were.
        memory: What they all hold.

    """

    dispatcher: Dispatcher

    def __init__(
        self,
        options: ServerOptions | None = None,
        *,
        http: HttpHandler = not_found,
        observer: Observer | None = None,
        translate: Translate = untranslated,
        clock: Clock | None = None,
        call_type: type[Context] = Context,
        counts: CallCounts | None = None,
        memory: Budget | None = None,
    ) -> None:
        """
        Make a server that listens nowhere yet.

        Args:
            options: Bounds and times.
            http: Answers requests that are not gRPC; see ``serve_http``.
            observer: Gets unary calls that have ended.
            translate: Says which status an exception of a handler stands for.
            clock: What all times are on; None for the machine's.
            call_type: What calls, and so the contexts of handlers, are made of.
            counts: Where calls are counted.
            memory: What all connections together may hold; None for no limit.

        """
        self.options = options or ServerOptions()
        self.clock = clock or SystemClock()
        self.connections: set[Http2Protocol] = set()
        self.http1_connections: set[Http1Protocol] = set()
        self.large_heads: set[Http1Protocol] = set()
        self.held_bodies = 0
        self.counts = counts or CallCounts()
        self.memory = memory or Budget()
        self._routes = RouteTable(self.counts)
        self.head_cache = RequestHeadCache(self._routes)
        self._http = http
        self.observer = observer or Observer()
        self._translate = translate
        self._call_type = call_type
        self.turns = Turns()
        self._sniffers: set[Sniffer] = set()
        self._handshakes = Handshakes()
        self._acceptor = Acceptor(
            self.clock, self.options.max_connections, partial(self._sniffer, DEFAULT_TRAFFIC)
        )
        self._unix_paths: list[str] = []
        self._emptied = asyncio.Event()
        self._ticker: Timer | None = None
        self._accepted = 0
        self._unhurried: set[Http2Protocol] = set()

    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]
    ) -> None:
        """Register handlers that are asked for each path that has no registered method."""
        self._routes.add_generic(generic_rpc_handlers)

    def add_registered_method_handlers(
        self,
        service_name: str,
        method_handlers: Mapping[str, MethodHandler | grpc.RpcMethodHandler[Any, Any]],
    ) -> None:
        """Register the methods of a service."""
        self._routes.add_methods(service_name, method_handlers)

    def serve_http(self, handler: HttpHandler) -> None:
        """Have requests that are not gRPC answered by ``handler``; before anything listens."""
        assert self._ticker is None
        self._http = handler

    async def listen_tcp(
        self,
        host: str,
        port: int,
        *,
        security: Security | None = None,
        traffic: Traffic = DEFAULT_TRAFFIC,
    ) -> int:
        """
        Accept connections on a TCP port and return which it is; port 0 picks a free one.

        With ``security`` they are over TLS, here and below.

        Raises:
            OSError: The address is in use or not ours.

        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=LISTEN_BACKLOG)
        self._listen(listener, security, traffic)
        return int(listener.getsockname()[1])

    async def listen_unix(self, path: str, *, security: Security | None = None) -> None:
        """
        Accept connections on a unix socket; one left behind by a dead server is replaced.

        Raises:
            OSError: It cannot be made there.

        """
        listener = socket.socket(socket.AF_UNIX)
        try:
            remove_dead_socket(path)
            listener.bind(path)
        except BaseException:
            listener.close()
            raise
        self._listen(listener, security, DEFAULT_TRAFFIC)
        self._unix_paths.append(path)

    async def listen_socket(
        self,
        bound: socket.socket,
        *,
        security: Security | None = None,
        traffic: Traffic = DEFAULT_TRAFFIC,
    ) -> None:
        """Accept connections on a socket that is bound already; ``stop`` closes it."""
        self._listen(bound, security, traffic)

    @property
    def listeners(self) -> list[socket.socket]:
        """The sockets that are listened on."""
        return self._acceptor.listeners

    def stop_listening(self) -> None:
        """Close the sockets that are listened on; connections stay, and it may listen again."""
        self._acceptor.close()

    def hold_listening(self) -> None:
        """Accept nobody until ``resume_listening``: whoever connects waits in the kernel."""
        self._acceptor.hold()

    def resume_listening(self) -> None:
        """Accept connections again."""
        self._acceptor.resume()

    def drop_connections(self) -> None:
        """Close every connection at once, as a process that is killed does."""
        self._handshakes.close()
        for sniffer in list(self._sniffers):
            sniffer.close()
        for connection in self._all():
            connection.abort()

    async def stop(self, grace: float | None = None) -> None:
        """
        Stop listening, let calls end, and close all connections.

        Args:
            grace: Seconds after which the remaining calls end with UNAVAILABLE; None is 0.

        """
        # First, so that a client that is told to go away does not come back to us.
        self._acceptor.close()
        for path in self._unix_paths:
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._unix_paths.clear()
        self._handshakes.close()
        for sniffer in list(self._sniffers):
            sniffer.close()
        if grace:
            for connection in self._all():
                # RFC 9113 6.8: a GOAWAY, and the end when the last call has ended.
                connection.shut_down()
            await self._all_closed(grace)
        for connection in self._all():
            connection.stop()
        # Each lingers for one of these after its last GOAWAY.
        await self._all_closed(2 * LINGER_SECONDS)
        for connection in self._all():
            connection.abort()
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
            await self.dispatcher.close()

    def _all(self) -> list[Http1Protocol | Http2Protocol]:
        return [*self.http1_connections, *self.connections]

    def _sniffer(self, traffic: Traffic) -> Sniffer:
        self._accepted += 1
        if self._accepted % _AT_A_GLANCE == 0:
            self.memory.glance()
        http = partial(self._http1, traffic.handler or self._http)
        return Sniffer(
            self.clock,
            cast(ProtocolFactory, partial(Http2Protocol, self)) if traffic.grpc else None,
            http if traffic.http else None,
            self._sniffers,
            self._acceptor.leave,
        )

    def _http1(self, handler: HttpHandler) -> Http1Protocol:
        from etcdpy.transport.aio.http1 import Http1Protocol

        return Http1Protocol(self, handler)

    def _handshake(self, security: Security, traffic: Traffic) -> Callable[[], Handshake]:
        # Here and not at the first connection, which would wait for it.
        from etcdpy.transport.aio.handshake import Handshake

        return partial(
            Handshake,
            self.clock,
            security,
            self._handshakes,
            partial(self._sniffer, traffic),
            self._acceptor.leave,
        )

    def _listen(self, bound: socket.socket, security: Security | None, traffic: Traffic) -> None:
        self._start()
        bound.listen(LISTEN_BACKLOG)
        bound.setblocking(False)
        if security is None:
            self._acceptor.listen(bound, partial(self._sniffer, traffic))
        else:
            self._acceptor.listen(bound, self._handshake(security, traffic))

    def _start(self) -> None:
        if self._ticker is None:
            self.dispatcher = dispatcher_type(self.observer)(
                asyncio.get_running_loop(),
                self._http,
                self.clock,
                observer=self.observer,
                translate=self._translate,
                call_type=self._call_type,
                on_task=self.turns.charge,
            )
            self._ticker = self.clock.wake_after(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._tick_some(iter(list(self.connections)))

    def _tick_some(self, connections: Iterator[Http2Protocol]) -> None:
        """Have connections look at the clock: thousands of them bit by bit."""
        if self._ticker is None:
            return
        now, until = self.clock.monotonic(), stopwatch() + TICKING
        for connection in connections:
            connection.tick(now)
            if stopwatch() >= until:
                asyncio.get_running_loop().call_soon(self._tick_some, connections)
                return
        self.memory.look()
        if self.connections or self.http1_connections:
            self._glance(_GLANCES)
        else:
            self._ticker = self.clock.wake_after(_TICK_SECONDS, self._tick)

    def _glance(self, rest: int) -> None:
        """Look so many times until the next tick: much may come in a second."""
        self.memory.glance(is_timed=True)
        then = partial(self._glance, rest - 1) if rest > 1 else self._tick
        self._ticker = self.clock.wake_after(_TICK_SECONDS / _GLANCES, then)

    def forget(self, connection: Http2Protocol) -> None:
        """Note that a connection is gone."""
        self.connections.discard(connection)
        self._unhurried.discard(connection)
        self._left()

    def flush_soon(self, connection: Http2Protocol) -> None:
        """Have a connection write what nobody waits for, if it has not done so by then."""
        if not self._unhurried:
            self.clock.wake_after(UNHURRIED_SECONDS, self._flush_unhurried)
        self._unhurried.add(connection)

    def _flush_unhurried(self) -> None:
        unhurried, self._unhurried = self._unhurried, set()
        for connection in unhurried:
            connection.flush()

    def forget_http1(self, connection: Http1Protocol) -> None:
        """Note that a connection is gone."""
        self.http1_connections.discard(connection)
        self.large_heads.discard(connection)
        self._left()

    def _left(self) -> None:
        self._acceptor.leave()
        if not self.connections and not self.http1_connections:
            self._emptied.set()

    async def _all_closed(self, seconds: float) -> None:
        """Wait for the connections to be gone, but no longer than that."""
        if self.connections or self.http1_connections:
            self._emptied.clear()
            await self.clock.wait(self._emptied, seconds)


def remove_dead_socket(path: str) -> None:
    """Remove a socket that a server has left behind; other files are left alone."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
