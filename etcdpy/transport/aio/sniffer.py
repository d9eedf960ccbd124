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
        http2: Makes the protocol of a connection that begins with the preface of HTTP/2; None if
            none is spoken there.
        http1: Makes that of one that begins with a request of HTTP/1.1, likewise.
        sniffers: Holds each while it does not know yet.
        leave: Called when a connection is lost that was handed to nobody.

    Attributes:
        is_connected: Whether there has been a connection.

    """

    def __init__(
        self,
        clock: Clock,
        http2: ProtocolFactory | None,
        http1: ProtocolFactory | None,
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
            return self._or_close(self._http2)
        # RFC 9113 3.4: all 24 bytes, and they may come one at a time.
        if PREFACE.startswith(self._buffer):
            return None
        line, newline, _ = self._buffer.partition(b"\n")
        if newline and len(line) <= _MAX_REQUEST_LINE and _IS_REQUEST_LINE(line):
            return self._or_close(self._http1)
        if newline or len(line) > _MAX_REQUEST_LINE or not _MAY_BECOME_ONE(line):
            # As etcd does: there is no protocol in which to say why.
            self._transport.close()
        return None

    def _or_close(self, factory: ProtocolFactory | None) -> ProtocolFactory | None:
        if factory is None:
            self._transport.close()
        return factory

    def _done(self) -> None:
        self._timer.cancel()
        self._sniffers.discard(self)
