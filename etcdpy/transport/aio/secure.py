"""
TLS between a socket and a protocol, once both sides have agreed on it.

asyncio's and uvloop's own answer each write with a record and a system call, keep what is waiting
in buffers of their own, cannot close one direction, and say nothing of the client's certificate.
Here what a protocol writes is encrypted at once and waits, if it has to, where it waits without
TLS: in the socket's transport, whose limits hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

from etcdpy.cooperative import Trickle

__all__ = ["SecureTransport"]

_RECORD: Final = 16 << 10
"""Bytes in the largest record, RFC 8446 5.1: OpenSSL takes and gives one at a time."""

_AT_ONCE: Final = 4 * _RECORD
"""Bytes encrypted before they are handed on: buffers of OpenSSL keep the size they once had."""


_FIRST: Final = 64
"""Records read as they arrive. A read of the socket holds four large ones, and three thousand of a
byte each, which take five milliseconds."""

_LATER: Final = 256
"""Records read when it is the connection's turn: about half a millisecond's work."""

BEHIND: Final = 8
"""Connections that have their turn to do so in one turn of the loop."""

_NOBODY: Final = asyncio.Protocol()
"""The protocol above one that is lost."""


class SecureTransport(asyncio.BufferedProtocol, asyncio.Transport):
    """
    A protocol to the transport of a socket, and the transport of the protocol above.

    Args:
        raw: The socket's.
        session: Agreed on.
        incoming: What ``session`` reads.
        outgoing: What it writes.
        scratch: What the socket is read into; shared, as it is emptied at once.
        certificate_name: The client's, if its certificate says who it is.
        behind: Lets those read on who have sent many small records.

    """

    __slots__ = (
        "_behind",
        "_certificate_name",
        "_incoming",
        "_is_behind",
        "_is_closing",
        "_is_paused",
        "_is_written",
        "_outgoing",
        "_protocol",
        "_raw",
        "_scratch",
        "_session",
        "_write_raw",
    )

    def __init__(
        self,
        raw: asyncio.Transport,
        session: ssl.SSLObject,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        scratch: memoryview,
        certificate_name: str | None,
        behind: Trickle,
    ) -> None:
        self._raw = raw
        self._session = session
        self._incoming = incoming
        self._outgoing = outgoing
        self._scratch = scratch
        self._certificate_name = certificate_name
        self._protocol: asyncio.Protocol
        self._write_raw: Callable[[bytes], None] = raw.write
        self._is_paused = False
        self._behind = behind
        self._is_behind = False
        # Our side has said that it is done; and that nothing is to be read any more.
        self._is_written = False
        self._is_closing = False

    def begin(self, protocol: asyncio.Protocol) -> None:
        """Take over the socket's transport, and hand on what came behind the handshake."""
        self._protocol = protocol
        self._raw.set_protocol(self)
        protocol.connection_made(self)
        self._read()

    # What the socket's transport calls.

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        # What follows our own close_notify is read only to be dropped.
        if not self._is_written:
            self._incoming.write(self._scratch[:nbytes])
            self._read()

    def eof_received(self) -> bool | None:
        # Without a close_notify before it the end may be somebody else's doing. It is an end.
        return None if self._is_written else self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = self._is_written = True
        # Each has the other: whoever is gone is forgotten, or both would wait for the collector.
        protocol, self._protocol = self._protocol, _NOBODY
        protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    # What the protocol above calls.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "certificate_name":
            return self._certificate_name
        if name == "ssl_object":
            return self._session
        return self._raw.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def is_closing(self) -> bool:
        return self._is_closing or self._raw.is_closing()

    def is_reading(self) -> bool:
        return not self._is_paused

    def pause_reading(self) -> None:
        self._is_paused = True
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            if self._is_behind:
                return
            self._raw.resume_reading()
            if self._incoming.pending or self._session.pending():
                # Not within this call: whoever asks to read on is in the middle of something.
                asyncio.get_running_loop().call_soon(self._read)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_written:
            return
        if len(data) <= _RECORD:
            # Whole, for a record holds it: there is always room in memory.
            if data:
                done = self._session.write(data)
                if done != len(data):
                    self._encrypt(memoryview(data)[done:])
                self._write_raw(self._outgoing.read())
        else:
            self._write_much(memoryview(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return self._raw.can_write_eof()

    def write_eof(self) -> None:
        """Say that no more will come (RFC 8446 6.1), over TLS and over TCP."""
        self._say_goodbye()
        if not self._raw.is_closing():
            self._raw.write_eof()

    def close(self) -> None:
        """Say that no more will come, and close behind what is written."""
        self._say_goodbye()
        self._is_closing = True
        self._raw.close()

    def abort(self) -> None:
        self._is_closing = self._is_written = True
        self._raw.abort()

    def _write_much(self, data: memoryview) -> None:
        for begin in range(0, len(data), _AT_ONCE):
            self._encrypt(data[begin : begin + _AT_ONCE])
            self._write_raw(self._outgoing.read())

    def _encrypt(self, data: memoryview) -> None:
        # One record at a time, and a client may have asked for small ones (RFC 6066 4).
        while data:
            data = data[self._session.write(data) :]

    def _fall_behind(self) -> None:
        """Read on when it is this one's turn."""
        self._is_behind = True
        self._raw.pause_reading()
        self._behind.call(self._catch_up)

    def _catch_up(self) -> None:
        self._is_behind = False
        if not (self._is_paused or self._raw.is_closing()):
            self._raw.resume_reading()
            self._read(_LATER)

    def _read(self, most: int = _FIRST) -> None:
        """Hand on what has arrived, together: all of it, or so many records for now."""
        if self._is_paused or self._is_written or self._is_behind:
            return
        session, incoming = self._session, self._incoming
        parts: list[bytes] = []
        try:
            # Each gives one record. Asking once too often costs an exception.
            while incoming.pending or session.pending():
                data = session.read(_RECORD)
                if not data:
                    self._pass_on(parts)
                    self._peer_is_done()
                    return
                parts.append(data)
                if len(parts) == most:
                    self._fall_behind()
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            # RFC 8446 6.2: whatever it was, it was fatal, and OpenSSL has an alert for it.
            self._pass_on(parts)
            self._flush()
            self._is_written = True
            self.close()
            return
        if self._outgoing.pending:  # the answer to a KeyUpdate
            self._flush()
        self._pass_on(parts)

    def _pass_on(self, parts: list[bytes]) -> None:
        if parts:
            self._protocol.data_received(parts[0] if len(parts) == 1 else b"".join(parts))

    def _peer_is_done(self) -> None:
        """Answer a close_notify: as without TLS, a client that has said its last is let go."""
        if not self._is_written and not self._protocol.eof_received():
            self.close()

    def _say_goodbye(self) -> None:
        if self._is_written:
            return
        self._is_written = True
        with contextlib.suppress(ssl.SSLError):  # it would wait for the other side's
            self._session.unwrap()
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._raw.is_closing():
            self._write_raw(self._outgoing.read())
