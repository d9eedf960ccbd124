"""The bytes of one connection, with TLS or without, and what HTTP/1.1 makes of them."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Final

#: What a socket says that can do no more now.
_LATER: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

#: Bytes read or written at once.
_AT_ONCE: Final = 1 << 20


class Pipe:
    """
    One connection.

    Args:
        address: ``host:port``.
        tls: What it is secured by, if it is.
        reads: See below.
        room: Bytes that the system holds of what has arrived, if not as many as it likes.

    Attributes:
        out: What is to be sent.
        ended: How many requests were answered.
        received: Bytes that were taken.
        is_open: Whether the server has not closed it.
        reads: Whether it takes what arrives.

    """

    def __init__(
        self,
        address: str,
        *,
        tls: ssl.SSLContext | None = None,
        reads: bool = True,
        room: int | None = None,
    ) -> None:
        host, _, port = address.rpartition(":")
        raw = socket.socket()
        if room is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        raw.settimeout(30)
        raw.connect((host, int(port)))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = raw if tls is None else tls.wrap_socket(raw, server_hostname=host)
        self.socket.setblocking(False)
        self._is_secure = tls is not None
        self.out = bytearray()
        self.reads = reads
        self.ended = self.received = 0
        self.is_open = True

    @property
    def unanswered(self) -> int:
        """How many requests were sent and are not answered."""
        return 0

    def write(self) -> None:
        """Send what can be sent."""
        with suppress(*_LATER):
            while self.out:
                # OpenSSL wants to be given the same again, and no less.
                most = 1 << 14 if self._is_secure else _AT_ONCE
                sent = self.socket.send(memoryview(self.out)[:most])
                del self.out[:sent]

    def read(self) -> None:
        """Take what has arrived."""
        with suppress(*_LATER):
            taken = 0
            while taken < _AT_ONCE:
                arrived = self.socket.recv(_AT_ONCE)
                if not arrived:
                    self.is_open = False
                    return
                self.take(arrived)
                taken += len(arrived)
                if not self._is_secure:
                    return

    def take(self, arrived: bytes) -> None:
        """Look at what was read."""
        self.received += len(arrived)

    def close(self) -> None:
        self.socket.close()


class Talk(Pipe):
    """
    A connection that HTTP/1.1 is spoken on.

    Attributes:
        asked: How many requests were sent.
        statuses: How many answers had each status.

    """

    def __init__(self, address: str, **options: object) -> None:
        super().__init__(address, **options)  # type: ignore[arg-type]
        self.asked = 0
        self.statuses: dict[bytes, int] = {}
        self._tail = b""

    def ask(self, method: str, path: str, body: bytes = b"", *fields: str) -> None:
        """Send a request."""
        self.asked += 1
        self.out += request(method, path, body, *fields)

    @property
    def unanswered(self) -> int:
        return self.asked - self.ended

    def take(self, arrived: bytes) -> None:
        super().take(arrived)
        heads = (self._tail + arrived).split(b"HTTP/1.1 ")
        for head in heads[1:]:
            if len(head) >= 3:
                self.ended += 1
                self.statuses[head[:3]] = self.statuses.get(head[:3], 0) + 1
        last = heads[-1]
        # A head may be cut in two.
        self._tail = b"HTTP/1.1 " + last if len(heads) > 1 and len(last) < 3 else last[-9:]


def request(method: str, path: str, body: bytes = b"", *fields: str) -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: a", *fields]
    if body or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
