"""The asyncio shell of an HTTP/2 connection: it reads the clock, writes, and closes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, cast

from etcdpy.clock import Clock, stopwatch
from etcdpy.memory import Account, Budget
from etcdpy.transport.aio.patience import Patience
from etcdpy.transport.aio.turns import FIRST_PIECE, PIECE, SMALLEST_PIECE, Turns, is_brief
from etcdpy.transport.grpc.connection import Connection
from etcdpy.transport.grpc.dispatcher import Dispatcher
from etcdpy.transport.grpc.request_head_cache import RequestHeadCache
from etcdpy.transport.limits import LINGER_SECONDS, STALLED_WRITE_SECONDS, ServerOptions

_WRITE_BUFFER: Final = 64 << 10
"""Bytes that TCP may leave untaken before we stop reading: each request means more output."""


class Host(Protocol):
    """The server, as its connections see it."""

    clock: Clock
    options: ServerOptions
    dispatcher: Dispatcher
    head_cache: RequestHeadCache
    memory: Budget
    connections: set[Http2Protocol]
    turns: Turns

    def forget(self, connection: Http2Protocol) -> None:
        """Note that a connection is gone."""

    def flush_soon(self, connection: Http2Protocol) -> None:
        """Have a connection write what nobody waits for, if it has not done so by then."""


class Http2Protocol:
    """
    One connection, from the first byte of its preface on.

    It is an ``asyncio.Protocol`` by what it has, not by inheritance, so that it can be compiled.
    """

    __slots__ = (
        "_acknowledge",
        "_connection",
        "_host",
        "_is_closing",
        "_is_held",
        "_is_paused",
        "_is_scheduled",
        "_is_writing",
        "_loop",
        "_monotonic",
        "_patience",
        "_pending",
        "_piece",
        "_position",
        "_stalled",
        "_transport",
        "_turns",
    )

    def __init__(self, host: Host) -> None:
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._monotonic = host.clock.monotonic
        self._is_scheduled = False
        self._is_writing = False
        self._is_closing = False
        self._is_paused = False
        self._stalled: tuple[int, float] | None = None
        self._turns = host.turns
        # What has arrived and waits for a turn, how much of the first was read, how much of it is
        # read at once, and whether for that reason nothing more is taken from the system.
        self._pending: deque[bytes] = deque()
        self._position = 0
        self._piece = FIRST_PIECE
        self._patience = Patience(host.clock, self.go_on)
        self._is_held = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        host = self._host
        self._connection = Connection(
            host.dispatcher,
            host.head_cache,
            host.options,
            self._monotonic(),
            peer=peer_name(transport),
            is_secure=transport.get_extra_info("ssl_object") is not None,
            certificate_name=transport.get_extra_info("certificate_name"),
            driver=self,
        )
        self._connection.join(host.memory)
        _set_user_timeout(transport, host.options)
        self._acknowledge = quick_acknowledgement(transport)
        host.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            # After the last GOAWAY bytes are read only to be dropped; see _close().
            return
        now, turns = self._monotonic(), self._turns
        is_long = len(data) > PIECE and not self._is_brief(data)
        if is_long or (now > turns.open_until and not turns.reopen(now)):
            self._wait_for_turn(data, is_long=is_long)
            return
        # Fast path (bench: range/100x1): as in _receive(), which would be a fiftieth of the cost.
        connection = self._connection
        connection.receive(data, now)
        if connection.awaits_rest:
            connection.awaits_rest = False
            self._acknowledge()
        sender = connection.sender
        if sender.acks and not sender.out and sender.is_clear and not connection.is_finished:
            self._host.flush_soon(self)
        else:
            self.flush()

    def _receive(self, data: bytes, now: float) -> None:
        connection = self._connection
        connection.receive(data, now)
        if connection.awaits_rest:
            connection.awaits_rest = False
            self._acknowledge()
        sender = connection.sender
        if sender.acks and not sender.out and sender.is_clear and not connection.is_finished:
            self._host.flush_soon(self)
        else:
            self.flush()

    def _wait_for_turn(self, data: bytes, *, is_long: bool) -> None:
        self._pending.append(data)
        if not self._is_held and (is_long or len(self._pending) > 1):
            self._is_held = True
            self._transport.pause_reading()
        self._turns.wait(self)

    def take_turn(self) -> bool:
        """Work through what has arrived for a while, and tell whether something is left."""
        turns = self._turns
        now, each = stopwatch() + turns.charged, turns.each
        until = now + each
        connection = self._connection
        if self._is_closing:
            return self._lose_some(stopwatch() + each)
        # What is not written yet means that its client does not read: so is nothing of it read.
        while not (self._is_closing or self._is_paused):
            if connection.is_behind:
                connection.start_complete()
                self.flush()
            elif self._patience.is_waiting:
                return False
            elif self._pending:
                self._receive(self._next_piece(), self._monotonic())
            else:
                self._let_go()
                return False
            # Fast path (bench: range/1000x1): what had come was one piece, and has been read.
            if not (self._pending or self._is_held or self._is_closing or connection.complete):
                return False
            began, now = now, stopwatch() + turns.charged
            if now >= until:
                if now - began > each:
                    self._piece = max(self._piece // 2, SMALLEST_PIECE)
                return connection.is_behind or bool(self._pending) or self._is_held
            self._piece = min(self._piece * 2, PIECE)
        return self._is_closing and bool(connection.streams)

    def _lose_some(self, until: float) -> bool:
        """End calls of a connection that is gone, and tell whether there are more."""
        while self._connection.lost(1):
            if stopwatch() >= until:
                return True
        self._connection.leave()
        return False

    def _lose(self) -> None:
        """End the calls of a connection that is gone, in turns."""
        self._patience.end()
        if self._connection.lost(0):
            self._turns.wait(self)
        else:
            self._connection.leave()

    def _next_piece(self) -> bytes:
        data, start = self._pending[0], self._position
        if len(data) - start <= self._piece:
            self._position = 0
            return self._pending.popleft()[start:]
        end = start + max(self._piece, self._connection.missing)
        if end < len(data) and (start or not self._is_brief(data)):
            self._position = end
        else:
            self._position, end = 0, len(data)
            self._pending.popleft()
        return data[start:end]

    def _is_brief(self, data: bytes) -> bool:
        """Tell whether what has arrived is read in one piece, however long it is."""
        # Fast path (bench: txn-put/100x1): what is cut is joined again, and reading is stopped.
        return self._connection.is_between_frames and is_brief(data)

    def _let_go(self) -> None:
        """Take more from the system again."""
        if self._is_held:
            self._is_held = False
            if not (self._is_paused or self._transport.is_closing()):
                self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._pending.clear()
        self._host.forget(self)
        self._lose()

    def eof_received(self) -> bool:
        # asyncio: whoever says so has the transport close by itself.
        return False

    def pause_writing(self) -> None:
        self._is_paused = True
        self._connection.sender.pause()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_paused = False
        self._stalled = None
        self._connection.resume()
        if not self._is_held:
            self._transport.resume_reading()
        if self._pending or self._is_held:
            self._turns.wait(self)
        self.schedule()

    # What the connection and the server call.

    def flush(self) -> None:
        """Write what there is, some of it now if it is long, and close if that was all."""
        self._is_scheduled = False
        if self._is_closing:
            # The last of it was written, while some of its calls may still be ended in turns.
            return
        sender = self._connection.sender
        if (sender.out or sender.acks or not sender.is_clear) and not self._transport.is_closing():
            if output := sender.take():
                self._transport.write(output)
            if not sender.is_clear and sender.has_more and not self._is_writing:
                # Others have their turn first, and what comes until then may go before it.
                self._is_writing = True
                self._turns.wait_to_write(self)
                self._connection.start_complete()
        if self._connection.is_finished:
            self._close()

    def tick(self, now: float) -> None:
        """Look at the clock, about once a second."""
        if self._is_closing:
            return
        self._connection.tick(now)
        self.flush()
        if self._is_paused:
            self._check_progress(now)

    def shut_down(self) -> None:
        """Let the client finish what it has begun and then close."""
        self._connection.shut_down(self._monotonic())
        self.flush()

    def stop(self) -> None:
        """End every call now and close."""
        self._connection.stop()
        self.flush()

    def abort(self) -> None:
        """Close at once; what is not written yet is lost."""
        self._transport.abort()

    def write_more(self) -> None:
        """Write some of what there was not to be written at once."""
        self._is_writing = False
        self.flush()

    def schedule(self) -> None:
        """Write in the next turn of the loop or, if thousands do, in a later one; all at once."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._turns.wait_to_flush(self)

    def go_on(self) -> None:
        """Start what is complete, and was not for want of time, when it is this one's turn."""
        self._turns.wait(self)

    def read_later(self, account: Account) -> bool:
        """Read no more until there is room, but not for long; False if there was none lately."""
        if self._is_closing or not self._patience.wait(account):
            return False
        if not self._is_held:
            self._is_held = True
            self._transport.pause_reading()
        return True

    def _check_progress(self, now: float) -> None:
        """Give up a peer that takes no byte of what is to be written."""
        waiting = self._transport.get_write_buffer_size()
        if self._stalled is None or self._stalled[0] != waiting:
            self._stalled = (waiting, now)
        elif now - self._stalled[1] >= STALLED_WRITE_SECONDS:
            self._transport.abort()

    def _close(self) -> None:
        """Close, but read on for a moment: unread input makes TCP drop what was written last."""
        self._is_closing = True
        # Handlers learn now, not when the peer pleases.
        self._pending.clear()
        self._lose()
        # Else it would not be seen when the peer closes.
        if self._is_paused or self._is_held:
            self._transport.resume_reading()
        close_gently(self._transport, self._host.clock)


def close_gently(transport: asyncio.Transport, clock: Clock) -> None:
    """Say that no more will come, and drop what still arrives until the peer closes, too."""
    try:
        if transport.is_closing() or not transport.can_write_eof():
            transport.close()
            return
        transport.write_eof()
    except OSError:  # the peer is gone already
        transport.abort()
        return
    clock.wake_after(LINGER_SECONDS, transport.abort)


def peer_name(transport: asyncio.BaseTransport) -> str:
    """Return the address of the other side as gRPC writes it."""
    name = transport.get_extra_info("peername")
    if isinstance(name, tuple) and len(name) == 2:
        return f"ipv4:{name[0]}:{name[1]}"
    if isinstance(name, tuple):
        return f"ipv6:[{name[0]}]:{name[1]}"
    # A client's unix socket has no name of its own.
    return f"unix:{transport.get_extra_info('sockname') or ''}"


def quick_acknowledgement(transport: asyncio.BaseTransport) -> Callable[[], None]:
    """
    Return what has TCP acknowledge what was read at once, where it can; else it does nothing.

    A client that leaves Nagle's algorithm on and writes a request in two parts keeps the second
    back until the first is acknowledged (RFC 9293 3.7.4), and acknowledgements wait for a reply to
    go with, for 40 ms. Only we know that there will be none. It is no lasting setting (tcp(7)).
    """
    option = getattr(socket, "TCP_QUICKACK", None)
    peer = transport.get_extra_info("socket")
    if option is None or peer is None or peer.family not in (socket.AF_INET, socket.AF_INET6):
        return _nothing

    def acknowledge() -> None:
        with contextlib.suppress(OSError):  # the peer has gone already
            peer.setsockopt(socket.IPPROTO_TCP, option, 1)

    return acknowledge


def _nothing() -> None:
    pass


def _set_user_timeout(transport: asyncio.BaseTransport, options: ServerOptions) -> None:
    """Have the kernel notice a dead peer as fast as the keepalive would, where it can."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    peer = transport.get_extra_info("socket")
    if option is None or peer is None or not options.keepalive_interval:
        return
    # As grpc-go does; a unix socket has no such option.
    if peer.family in (socket.AF_INET, socket.AF_INET6):
        milliseconds = int(options.keepalive_timeout * 1000)
        peer.setsockopt(socket.IPPROTO_TCP, option, milliseconds)
