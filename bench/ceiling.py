"""
The load generator's own ceiling: the rate it reaches against a server that does nothing.

That server is a process of its own and answers every request with the same reply, so the
ceiling counts everything that a round of load costs except the work of a real server.
"""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle

from bench import requests as rq
from bench.http2 import (
    ACK,
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    FRAME_HEADER_SIZE,
    HEADERS,
    PREFACE,
    SETTINGS,
    WINDOW,
    WINDOW_UPDATE,
    Address,
    frame,
    frame_start,
    pack_stream_id,
    read_frame_header,
)
from bench.load import Load, Sample

#: As long as the reply to a Range of one key.
REPLY_SIZE = 320


def measure(shape: tuple[int, int], seconds: float) -> Sample:
    """Drive Range requests at this shape against a server that does nothing."""
    mix = rq.Mix([(rq.RANGE, rq.read)], [100])
    with _idle_server() as address:
        authority = f"{address[0]}:{address[1]}"
        requests = cycle(mix.requests(authority))
        load = Load(Address(*address), *shape, mix.prime(authority))
        try:
            load.drive(requests, seconds / 5)
            return load.drive(requests, seconds)
        finally:
            load.close()


@contextmanager
def _idle_server() -> Iterator[tuple[str, int]]:
    process = subprocess.Popen([sys.executable, "-m", "bench.ceiling"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield "127.0.0.1", int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


class _Peer:
    """A connection of the server that does nothing."""

    def __init__(self, accepted: socket.socket) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # An acknowledgement too many does no harm to our own client.
        accepted.sendall(
            frame(SETTINGS, 0, 0)
            + frame(SETTINGS, ACK, 0)
            + frame(WINDOW_UPDATE, 0, 0, pack_stream_id(WINDOW - DEFAULT_WINDOW))
        )
        self.socket = accepted
        self._rest = b""
        self._preface = len(PREFACE)

    def answer(self) -> bool:
        """Read once and answer what was asked; false when the client has gone."""
        try:
            read = self.socket.recv(1 << 16)
        except ConnectionResetError:
            return False
        buffer = (self._rest + read)[self._preface :]
        # A client's preface comes in one piece on this machine.
        self._preface = 0
        position, size = 0, len(buffer)
        out: list[bytes] = []
        while size - position >= FRAME_HEADER_SIZE:
            word, flags, number = read_frame_header(buffer, position)
            end = position + FRAME_HEADER_SIZE + (word >> 8)
            if end > size:
                break
            position = end
            if word & 0xFF == DATA and flags & END_STREAM:
                stream_id = pack_stream_id(number)
                out += (_HEAD, stream_id, _BODY, stream_id, _MESSAGE, stream_id, _TRAILERS)
        self._rest = buffer[position:]
        if out:
            self.socket.sendall(b"".join(out))
        return bool(read)


def _serve() -> None:
    """Print the port, then answer every request until killed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    epoll = select.epoll()
    epoll.register(listener.fileno(), select.EPOLLIN)
    peers: dict[int, _Peer] = {}
    while True:
        for number, _ in epoll.poll():
            if number == listener.fileno():
                accepted, _ = listener.accept()
                peers[accepted.fileno()] = _Peer(accepted)
                epoll.register(accepted.fileno(), select.EPOLLIN)
            elif not peers[number].answer():
                epoll.unregister(number)
                peers.pop(number).socket.close()


# A reply, cut where the stream id of each of its three frames belongs. Its header blocks
# are a reply's usual fields as literals that enter no table.
_HEADER_BLOCK = b"\x88\x0f\x10\x10application/grpc"
_TRAILER_BLOCK = b"\x00\x0bgrpc-status\x010"
_HEAD = frame_start(len(_HEADER_BLOCK), HEADERS, END_HEADERS)
_BODY = _HEADER_BLOCK + frame_start(5 + REPLY_SIZE, DATA, 0)
_MESSAGE = (
    struct.pack(">BI", 0, REPLY_SIZE)
    + bytes(REPLY_SIZE)
    + frame_start(len(_TRAILER_BLOCK), HEADERS, END_HEADERS | END_STREAM)
)
_TRAILERS = _TRAILER_BLOCK

if __name__ == "__main__":
    _serve()
