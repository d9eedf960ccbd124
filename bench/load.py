"""
The closed-loop load generator.

Every connection keeps a fixed number of requests under way, and sends the next one
when a reply is complete. Frames are counted, not decoded: a reply is complete with the
frame that ends its stream, and it is an error when that frame is its first.
"""

from __future__ import annotations

import gc
import select
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from bench.http2 import (
    DATA,
    FRAME_HEADER_SIZE,
    HEADERS,
    Connection,
    LoadError,
    Method,
    Request,
    answer_control,
    pack_stream_id,
    read_frame_header,
)

#: Replies to small requests come a few hundred bytes each; one read takes many.
READ_SIZE = 1 << 16


@dataclass(slots=True)
class Sample:
    """What one stretch of load saw."""

    operations: int
    seconds: float
    #: CPU seconds that this process, the generator, spent.
    generator_cpu: float
    #: Seconds from sending to the complete reply, sorted.
    latencies: list[float] = field(repr=False)

    @property
    def rate(self) -> float:
        return self.operations / self.seconds

    @property
    def generator_cores(self) -> float:
        return self.generator_cpu / self.seconds

    def latency(self, share: float) -> float:
        """The time within which ``share`` of the operations were answered."""
        if not self.latencies:
            return 0.0
        return self.latencies[min(int(share * len(self.latencies)), len(self.latencies) - 1)]


class Load:
    """
    Connections of one shape to one server, primed and ready to be driven.

    ``drive`` may be called again and again; requests stay under way from one call
    to the next, so a first, short one serves as warm-up.
    """

    def __init__(
        self,
        address: tuple[str, int],
        connections: int,
        streams: int,
        prime: Sequence[tuple[Method, bytes]],
    ) -> None:
        self._streams = streams
        self._connections: dict[int, Connection] = {}
        #: When each request under way on a connection was sent, oldest first.
        self._sent: dict[int, deque[float]] = {}
        self._under_way = 0
        self._epoll = select.epoll(connections)
        try:
            for _ in range(connections):
                self._connect(address, prime)
        except BaseException:
            self.close()
            raise

    def _connect(self, address: tuple[str, int], prime: Sequence[tuple[Method, bytes]]) -> None:
        connection = Connection(address)
        number = connection.socket.fileno()
        self._connections[number] = connection
        self._sent[number] = deque()
        connection.prime(prime)
        self._epoll.register(number, select.EPOLLIN)

    def drive(self, requests: Iterator[Request], seconds: float) -> Sample:
        """
        Send ``requests`` for this long, or until they end and all are answered.

        Raises:
            LoadError: A call failed, or a connection ended.

        """
        gc.collect()
        gc.disable()
        try:
            return self._drive(requests, seconds)
        finally:
            gc.enable()

    def burst(self, requests: Iterator[Request]) -> list[float]:
        """
        Send a few requests and return, sorted, how long each took: for load at a rate.

        Raises:
            LoadError: A call failed, or a connection ended.

        """
        return self._drive(requests, 3600.0).latencies

    def _drive(self, requests: Iterator[Request], seconds: float) -> Sample:
        cpu_start = time.process_time()
        start = now = time.perf_counter()
        deadline = start + seconds
        latencies: list[float] = []
        wait, connections, sent = self._wait(), self._connections, self._sent
        for number, connection in connections.items():
            idle = self._streams - len(sent[number])
            self._under_way += _send(connection, sent[number], requests, idle, start)
        while self._under_way and now < deadline:
            for number, _event in wait():
                connection = connections[number]
                done = _count_replies(connection)
                if done:
                    waiting = sent[number]
                    now = time.perf_counter()
                    latencies += [now - waiting.popleft() for _ in range(done)]
                    self._under_way += _send(connection, waiting, requests, done, now) - done
        latencies.sort()
        return Sample(len(latencies), now - start, time.process_time() - cpu_start, latencies)

    def _wait(self) -> Callable[[], list[tuple[int, int]]]:
        """What gives the readable connections: with a single one, its read may as well wait."""
        if len(self._connections) == 1:
            ready = [(number, select.EPOLLIN) for number in self._connections]
            return lambda: ready
        return self._epoll.poll

    def close(self) -> None:
        """Close the connections, whatever is under way."""
        for connection in self._connections.values():
            connection.close()
        self._epoll.close()


def _send(
    connection: Connection,
    sent: deque[float],
    requests: Iterator[Request],
    count: int,
    now: float,
) -> int:
    """Send up to ``count`` requests in one write; return how many there were to send."""
    parts: list[bytes] = []
    number = connection.next_stream_id
    for head, middle, tail in islice(requests, count):
        stream_id = pack_stream_id(number)
        number += 2
        parts += (head, stream_id, middle, stream_id, tail)
        sent.append(now)
    if not parts:
        return 0
    connection.socket.sendall(b"".join(parts))
    count = (number - connection.next_stream_id) >> 1
    connection.next_stream_id = number
    return count


def _count_replies(connection: Connection) -> int:
    """Read once; return how many replies that completed."""
    buffer = connection.socket.recv(READ_SIZE)
    if not buffer:
        raise LoadError("the server closed the connection")
    if connection.rest:
        buffer = connection.rest + buffer
    half_answered = connection.half_answered
    position, size, done, data = 0, len(buffer), 0, 0
    while size - position >= FRAME_HEADER_SIZE:
        word, flags, _ = read_frame_header(buffer, position)
        end = position + FRAME_HEADER_SIZE + (word >> 8)
        if end > size:
            break
        kind = word & 0xFF
        if kind == DATA:
            data += word >> 8
        elif kind == HEADERS:
            if flags & 1:
                done += 1
                half_answered -= 1
                if half_answered < 0:
                    raise LoadError("a call failed: its reply is a status alone")
            else:
                half_answered += 1
        else:
            answer = answer_control(kind, flags, buffer[position + FRAME_HEADER_SIZE : end])
            if answer:
                connection.socket.sendall(answer)
        position = end
    connection.rest = buffer[position:]
    connection.half_answered = half_answered
    connection.take_credit(data)
    return done
