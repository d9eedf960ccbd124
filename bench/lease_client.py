"""
Keep-alive streams for benchmarks: one a connection, raw frames, replies counted.

A request and its reply are one message in one DATA frame each, from either server.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType

from bench.http2 import (
    DATA,
    END_HEADERS,
    FRAME_HEADER_SIZE,
    HEADERS,
    Connection,
    LoadError,
    answer_control,
    frame,
    methods,
    read_frame_header,
)
from bench.load import Load, Sample
from bench.servers import Server
from etcdpy.pb import rpc_pb2

GRANT = "/etcdserverpb.Lease/LeaseGrant"
KEEP_ALIVE = "/etcdserverpb.Lease/LeaseKeepAlive"
READ_SIZE = 1 << 16


def grant(lease: int, ttl: int) -> bytes:
    return rpc_pb2.LeaseGrantRequest(ID=lease, TTL=ttl).SerializeToString()


def keep_alive_frame(lease: int) -> bytes:
    """Encode a request on the only stream of a connection."""
    message = rpc_pb2.LeaseKeepAliveRequest(ID=lease).SerializeToString()
    return frame(DATA, 0, 1, b"\0" + len(message).to_bytes(4, "big") + message)


class KeepAlives:
    """
    Keep-alive streams, each on a connection of its own; a context manager.

    Args:
        server: Who renews.
        streams: How many.

    """

    def __init__(self, server: Server, streams: int) -> None:
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        #: When each request under way was sent, oldest first.
        self._sent: dict[int, deque[float]] = {}
        (method,) = methods(server.authority, KEEP_ALIVE)
        for _ in range(streams):
            connection = Connection(server.address)
            connection.socket.sendall(frame(HEADERS, END_HEADERS, 1, method.first))
            number = connection.socket.fileno()
            self._connections[number] = connection
            self._sent[number] = deque()
            self._epoll.register(number, select.EPOLLIN)

    def __enter__(self) -> KeepAlives:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for connection in self._connections.values():
            connection.close()
        self._epoll.close()

    def drive(self, requests: Iterator[bytes], seconds: float) -> Sample:
        """Keep one request under way on each stream for so long."""
        cpu = time.process_time()
        start = now = time.perf_counter()
        latencies: list[float] = []
        for number in self._connections:
            if not self._sent[number]:
                self._send(number, next(requests), now)
        while now < start + seconds:
            for number, _ in self._epoll.poll():
                replies = self._read(number)
                now = time.perf_counter()
                for _ in range(replies):
                    latencies.append(now - self._sent[number].popleft())
                    self._send(number, next(requests), now)
        latencies.sort()
        return Sample(len(latencies), now - start, time.process_time() - cpu, latencies)

    def pace(self, requests: Iterator[bytes], rate: float, seconds: float) -> Sample:
        """Send ``rate`` requests a second, in turns on all streams, whatever the replies do."""
        cpu = time.process_time()
        start = now = time.perf_counter()
        latencies: list[float] = []
        order = list(self._connections)
        sent = 0
        while now < start + seconds:
            for _ in range(int((now - start) * rate) - sent):
                self._send(order[sent % len(order)], next(requests), now)
                sent += 1
            for number, _ in self._epoll.poll(0.001):
                replies = self._read(number)
                now = time.perf_counter()
                latencies += [now - self._sent[number].popleft() for _ in range(replies)]
            now = time.perf_counter()
        latencies.sort()
        return Sample(len(latencies), now - start, time.process_time() - cpu, latencies)

    def _send(self, number: int, request: bytes, now: float) -> None:
        self._connections[number].socket.sendall(request)
        self._sent[number].append(now)

    def _read(self, number: int) -> int:
        """Read once; return how many replies that completed."""
        connection = self._connections[number]
        buffer = connection.socket.recv(READ_SIZE)
        if not buffer:
            raise LoadError("the server closed the connection")
        if connection.rest:
            buffer = connection.rest + buffer
        position, size, replies = 0, len(buffer), 0
        while size - position >= FRAME_HEADER_SIZE:
            word, flags, _ = read_frame_header(buffer, position)
            end = position + FRAME_HEADER_SIZE + (word >> 8)
            if end > size:
                break
            kind = word & 0xFF
            if kind == DATA:
                replies += 1
            elif kind == HEADERS:
                if flags & 1:
                    raise LoadError("a keep-alive stream ended")
            elif answer := answer_control(kind, flags, buffer[position + 9 : end]):
                connection.socket.sendall(answer)
            position = end
        connection.rest = buffer[position:]
        return replies


def grant_all(server: Server, leases: Sequence[int], ttl: int) -> None:
    """Grant leases, many at a time, and ten that are no matter."""
    (method,) = methods(server.authority, GRANT)
    load = Load(server.address, 10, 20, [(method, grant(0, ttl))])
    try:
        load.drive((method.request(grant(lease, ttl)) for lease in leases), 3600.0)
    finally:
        load.close()
