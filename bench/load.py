"""
The closed-loop load generator.

Every connection keeps a fixed number of requests under way, and sends the next one
when a reply is complete. Messages are not decoded: a reply is complete with the frame that
ends its stream, and it is an error when that is its first or tells of a failure.
"""

from __future__ import annotations

import gc
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Generic, TypeVar

from bench.clients import Clients
from bench.http2 import (
    END_STREAM,
    HEADERS,
    Address,
    Connection,
    LoadError,
    Method,
    Request,
    pack_stream_id,
)

#: Replies to small requests come a few hundred bytes each; one read takes many.
READ_SIZE = 1 << 16

R = TypeVar("R")


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector from interrupting what is measured."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


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


def total(samples: Sequence[Sample]) -> Sample:
    """Several stretches as one."""
    return Sample(
        sum(sample.operations for sample in samples),
        sum(sample.seconds for sample in samples),
        sum(sample.generator_cpu for sample in samples),
        sorted(chain.from_iterable(sample.latencies for sample in samples)),
    )


class ClosedLoop(Clients[Connection], ABC, Generic[R]):
    """
    Connections that each keep so many requests under way.

    ``drive`` may be called again and again; requests stay under way from one call
    to the next, so a first, short one serves as warm-up.
    """

    def __init__(self, under_way: int) -> None:
        super().__init__()
        self._most = under_way
        #: When each request under way on a connection was sent, oldest first.
        self._sent: dict[int, deque[float]] = {}
        self._under_way = 0

    def add(self, connection: Connection) -> Connection:
        self._sent[connection.socket.fileno()] = deque()
        return super().add(connection)

    @abstractmethod
    def send(self, connection: Connection, requests: Iterator[R], count: int) -> int:
        """Send up to ``count`` requests in one write; return how many there were to send."""

    @abstractmethod
    def count_replies(self, connection: Connection) -> int:
        """
        Read once; return how many replies that completed.

        Raises:
            LoadError: A call failed, or the connection ended.

        """

    def drive(self, requests: Iterator[R], seconds: float) -> Sample:
        """
        Send ``requests`` for this long, or until they end and all are answered.

        Raises:
            LoadError: A call failed, or a connection ended.

        """
        with uncollected():
            return self._drive(requests, seconds)

    def burst(self, requests: Iterator[R]) -> list[float]:
        """
        Send a few requests and return, sorted, how long each took: for load at a rate.

        Raises:
            LoadError: A call failed, or a connection ended.

        """
        return self._drive(requests, 3600.0).latencies

    def pace(self, requests: Iterator[R], rate: float, seconds: float) -> Sample:
        """
        Send ``rate`` requests a second, in turns on all connections, whatever the replies do.

        Raises:
            LoadError: A call failed, or a connection ended.

        """
        cpu_start = time.process_time()
        start = now = time.perf_counter()
        latencies: list[float] = []
        order = list(self.connections)
        sent = 0
        while now < start + seconds:
            for _ in range(int((now - start) * rate) - sent):
                number = order[sent % len(order)]
                self.send(self.connections[number], requests, 1)
                self._sent[number].append(now)
                sent += 1
            for number, _event in self.poll(0.001):
                done = self.count_replies(self.connections[number])
                now, waiting = time.perf_counter(), self._sent[number]
                latencies += [now - waiting.popleft() for _ in range(done)]
            now = time.perf_counter()
        self._under_way += sent - len(latencies)
        latencies.sort()
        return Sample(len(latencies), now - start, time.process_time() - cpu_start, latencies)

    def stretch(self, requests: Iterator[R], seconds: float) -> Sample:
        """
        Send for this long and wait for every reply: nothing is under way before and behind.

        Raises:
            LoadError: A call failed, or a connection ended.

        """
        return self._drive(requests, seconds, drain=True)

    def _drive(self, requests: Iterator[R], seconds: float, drain: bool = False) -> Sample:
        cpu_start = time.process_time()
        start = now = time.perf_counter()
        deadline = start + seconds
        latencies: list[float] = []
        wait, connections, sent = self.poller(), self.connections, self._sent
        send, count_replies = self.send, self.count_replies
        for number, connection in connections.items():
            count = send(connection, requests, self._most - len(sent[number]))
            sent[number] += [start] * count
            self._under_way += count
        while self._under_way:
            if now >= deadline:
                if not drain:
                    break
                requests = iter(())
            for number, _event in wait():
                connection = connections[number]
                done = count_replies(connection)
                if done:
                    waiting = sent[number]
                    now = time.perf_counter()
                    latencies += [now - waiting.popleft() for _ in range(done)]
                    count = send(connection, requests, done)
                    waiting += [now] * count
                    self._under_way += count - done
        latencies.sort()
        return Sample(len(latencies), now - start, time.process_time() - cpu_start, latencies)


class Load(ClosedLoop[Request]):
    """Unary calls, on connections of one shape to one server, primed and ready to be driven."""

    def __init__(
        self,
        address: Address,
        connections: int,
        streams: int,
        prime: Sequence[tuple[Method, bytes]],
    ) -> None:
        super().__init__(streams)
        try:
            for _ in range(connections):
                self.add(Connection(address)).prime(prime)
        except BaseException:
            self.close()
            raise

    def send(self, connection: Connection, requests: Iterator[Request], count: int) -> int:
        parts: list[bytes] = []
        number = connection.next_stream_id
        for head, middle, tail in islice(requests, count):
            stream_id = pack_stream_id(number)
            number += 2
            parts += (head, stream_id, middle, stream_id, tail)
        if not parts:
            return 0
        connection.socket.sendall(b"".join(parts))
        count = (number - connection.next_stream_id) >> 1
        connection.next_stream_id = number
        return count

    def count_replies(self, connection: Connection) -> int:
        half_answered, done = connection.half_answered, 0
        check = connection.statuses.check
        for kind, flags, _, start, end in connection.frames(READ_SIZE):
            if kind == HEADERS:
                check(connection.buffer[start:end])
                if flags & END_STREAM:
                    done += 1
                    half_answered -= 1
                    if half_answered < 0:
                        raise LoadError("a call failed: its reply is a status alone")
                else:
                    half_answered += 1
        connection.half_answered = half_answered
        return done
