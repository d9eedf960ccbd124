"""
Finding out by the first bytes which protocol a client speaks.

One port serves HTTP/2 and HTTP/1.1. A connection never changes from one to the other.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final, cast

from etcdpy.clock import Clock, Timer
from etcdpy.transport.aio.protocol import close_gently
from etcdpy.transport.http import NOT_FOUND_BODY
from etcdpy.transport.http2.frames import PREFACE
from etcdpy.transport.limits import FIRST_FRAMES_SECONDS

ProtocolFactory = Callable[[], asyncio.Protocol]

# As in etcd, which gives up on a first line that is longer.
_MAX_REQUEST_LINE: Final = 4096
_IS_REQUEST_LINE: Final = re.compile(rb"[!-~]+ [!-~\x80-\xff]+ HTTP/1\.[0-9]\r?").fullmatch
# What cannot become one is known before its newline, which may never come.
_MAY_BECOME_ONE: Final = re.compile(rb"[!-~]+( [!-~\x80-\xff]*( [HTP/1.0-9]{0,8}\r?)?)?").fullmatch


class Sniffer(asyncio.Protocol):
    """
    The first protocol of each connection, which hands it to another once it knows which.

    Args:
        clock: What the time for the first bytes is on.
        http2: Makes the protocol of a connection that begins with the preface of HTTP/2.
        http1: Makes that of one that begins with a request of HTTP/1.1.
        sniffers: Holds each while it does not know yet.
        leave: Called when a connection is lost that was not handed to HTTP/2.

    Attributes:
        is_connected: Whether there has been a connection.

    """

    def __init__(
        self,
        clock: Clock,
        http2: ProtocolFactory,
        http1: ProtocolFactory,
        sniffers: set[Sniffer],
        leave: Callable[[], None],
    ) -> None:
        self.is_connected = False
        self._clock = clock
        self._http2 = http2
        self._http1 = http1
        self._sniffers = sniffers
        self._leave = leave
        self._buffer = b""
        self._transport: asyncio.Transport
        self._timer: Timer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.is_connected = True
        self._transport = cast(asyncio.Transport, transport)
        self._sniffers.add(self)
        self._timer = self._clock.wake_after(FIRST_FRAMES_SECONDS, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        factory = self._decide()
        if factory is not None:
            self._done()
            protocol = factory()
            if factory is not self._http2:
                protocol = Departing(protocol, self._leave)
            self._transport.set_protocol(protocol)
            protocol.connection_made(self._transport)
            protocol.data_received(self._buffer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._done()
        self._leave()

    def close(self) -> None:
        """Close a connection that has not said what it wants."""
        self._transport.close()

    def _decide(self) -> ProtocolFactory | None:
        """Return who goes on, or None to wait or if the connection was closed."""
        if self._buffer.startswith(PREFACE):
            return self._http2
        # RFC 9113 3.4: all 24 bytes, and they may come one at a time.
        if PREFACE.startswith(self._buffer):
            return None
        line, newline, _ = self._buffer.partition(b"\n")
        if newline and len(line) <= _MAX_REQUEST_LINE and _IS_REQUEST_LINE(line):
            return self._http1
        if newline or len(line) > _MAX_REQUEST_LINE or not _MAY_BECOME_ONE(line):
            # As etcd does: there is no protocol in which to say why.
            self._transport.close()
        return None

    def _done(self) -> None:
        self._timer.cancel()
        self._sniffers.discard(self)


class Departing(asyncio.Protocol):
    """
    A protocol that is another one, and tells when its connection is lost.

    Args:
        inner: The other one.
        leave: Called behind its ``connection_lost``.

    """

    def __init__(self, inner: asyncio.Protocol, leave: Callable[[], None]) -> None:
        self._inner = inner
        self._leave = leave

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            self._inner.connection_lost(exc)
        finally:
            self._leave()


_ANSWER: Final = (
    b"HTTP/1.1 404 Not Found\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
    b"Connection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(NOT_FOUND_BODY), NOT_FOUND_BODY)
)


class NotFoundOverHttp1(asyncio.Protocol):
    """Answers each HTTP/1.1 request with 404, where nobody else speaks HTTP/1.1."""

    _MAX_HEAD: Final = 16384

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buffer = b""
        self._is_answered = False
        self._transport: asyncio.Transport
        self._timer: Timer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._timer = self._clock.wake_after(FIRST_FRAMES_SECONDS, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._is_answered:
            return
        self._buffer += data
        if b"\r\n\r\n" in self._buffer or len(self._buffer) > self._MAX_HEAD:
            self._is_answered = True
            self._timer.cancel()
            self._transport.write(_ANSWER)
            # Reading on keeps TCP from dropping the answer when a body is under way.
            close_gently(self._transport, self._clock)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
