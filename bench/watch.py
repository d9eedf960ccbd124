"""What watches cost, and how fast they are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import count, cycle

from bench import requests as rq
from bench.http2 import (
    END_STREAM,
    HEADERS,
    Connection,
    LoadError,
    Request,
    methods,
    pack_stream_id,
)
from bench.load import READ_SIZE, Load, Sample
from bench.measure import Drive, LoadWorkload, Measurement, Metric, Workload, watched
from bench.servers import Server
from bench.watch_client import Watches, key_watch
from bench.watch_stalled import Stalled
from etcdpy.pb import rpc_pb2

#: Puts under way: what they cause fits the 128 responses that etcd queues for a stream, so that
#: each event comes in a response of its own from both.
WINDOW = 8
REST = 1.0


class Writer:
    """Puts one key again and again, without waiting for the replies."""

    def __init__(self, server: Server, key: bytes) -> None:
        (method,) = methods(server.authority, rq.PUT)
        message = rpc_pb2.PutRequest(key=key, value=rq.VALUE).SerializeToString()
        self._connection = Connection(server.address)
        self._connection.prime([(method, message)])
        self._request = method.request(message)
        self._unanswered = 0

    def put(self) -> None:
        connection, request = self._connection, self._request
        stream_id = pack_stream_id(connection.next_stream_id)
        connection.next_stream_id += 2
        connection.socket.sendall(
            b"".join((request.head, stream_id, request.middle, stream_id, request.tail))
        )
        self._unanswered += 1

    def confirm(self) -> None:
        """
        Read the replies to all Puts.

        Raises:
            LoadError: A Put failed, or the connection ended.

        """
        connection = self._connection
        while self._unanswered:
            for kind, flags, _, start, end in connection.frames(READ_SIZE):
                if kind == HEADERS:
                    connection.statuses.check(connection.buffer[start:end])
                    self._unanswered -= bool(flags & END_STREAM)

    def close(self) -> None:
        self._connection.close()


class Fanout(LoadWorkload):
    """
    One key, watched by all; a Put waits until every stream has the events of one some before it.

    Args:
        watches: Watches on each stream.
        streams: Streams, over ten connections.

    """

    def __init__(self, watches: int, streams: int, seconds: float) -> None:
        self._watches = watches
        self._streams = streams
        self.seconds = seconds
        self.name = f"watch/{watches * streams}"
        title = f"One key, {watches * streams:,} watches on {streams} streams"
        self.metrics = (Metric(title, "events/s"),)

    def prepare(self, server: Server) -> None:
        pass

    @contextmanager
    def connected(self, server: Server) -> Iterator[Drive]:
        creates = [[key_watch(b"watched")] * self._watches] * self._streams
        with (
            closing(Writer(server, b"watched")) as writer,
            Watches(server.address, server.authority, creates, 10) as watches,
        ):
            yield partial(self._drive, writer, watches)

    def _drive(self, writer: Writer, watches: Watches, seconds: float) -> Sample:
        everyone = self._watches * self._streams
        before = watches.fewest()
        sent = received = 0
        cpu_start, start = time.process_time(), time.perf_counter()
        while time.perf_counter() < start + seconds:
            told = (watches.fewest() - before) // self._watches
            for _ in range(told + WINDOW - sent):
                writer.put()
                sent += 1
            received += watches.wait(1.0)
        watches.wait_for(sent * everyone - received)
        writer.confirm()
        elapsed = time.perf_counter() - start
        return Sample(sent * everyone, elapsed, time.process_time() - cpu_start, [])


class Idle(Workload):
    """
    Watches of keys that nothing happens to, one on each stream.

    Put throughput is measured on other keys, before there are watches and with them.
    """

    CONNECTIONS = 100
    SHAPE = (10, 10)

    def __init__(self, watches: int, seconds: float) -> None:
        self._count = watches
        self._seconds = seconds
        self.name = f"watch-idle/{watches}"
        self.metrics = (
            Metric(f"Anonymous memory with {watches:,} idle watches", "MiB", False),
            Metric(f"Put rate with {watches:,} idle watches", "% of without"),
        )

    def prepare(self, server: Server) -> None:
        rq.fill(server, rq.KEYS)

    def round(self, server: Server) -> Measurement:
        alone = self._rate(server)
        creates = ([key_watch(b"idle/%d" % n)] for n in range(self._count))
        with Watches(server.address, server.authority, creates, self.CONNECTIONS):
            time.sleep(REST)
            memory = server.anonymous_memory() / 2**20
            share = 100 * self._rate(server) / alone
        return Measurement([memory, share])

    def _rate(self, server: Server) -> float:
        mix = rq.Mix([(rq.PUT, rq.put)], [100])
        requests: Iterator[Request] = cycle(mix.requests(server.authority))
        load = Load(server.address, *self.SHAPE, mix.prime(server.authority))
        try:
            load.drive(requests, self._seconds * 0.2)
            return load.drive(requests, self._seconds).rate
        finally:
            load.close()


class Crowd(Workload):
    """Very many watches of distinct keys on few streams; then some keys change."""

    CONNECTIONS = 10
    CHANGES = 2000

    def __init__(self, watches: int, streams: int) -> None:
        self._count = watches
        self._streams = streams
        self.name = f"watch-crowd/{watches}"
        what = f"{watches:,} watches on {streams} streams"
        self.metrics = (
            Metric(f"Creating {what}", "watches/s"),
            Metric(f"Anonymous memory with {what}", "MiB", False),
            Metric(f"Events of one watch in {watches:,}", "events/s"),
        )

    def prepare(self, server: Server) -> None:
        pass

    def round(self, server: Server) -> Measurement:
        keys = [b"crowd/%06d" % n for n in range(self._count)]
        share = self._count // self._streams
        creates = [
            [key_watch(key) for key in keys[first : first + share]]
            for first in range(0, self._count, share)
        ]
        with watched(server) as effort:
            watches = Watches(server.address, server.authority, creates, self.CONNECTIONS)
        with watches:
            time.sleep(REST)
            memory = server.anonymous_memory() / 2**20
            rate = self._change(server, watches, keys[:: self._count // self.CHANGES])
        values = [self._count / effort.seconds, memory, rate]
        return Measurement(values, cpu_per_operation=effort.per(self._count))

    def _change(self, server: Server, watches: Watches, keys: Sequence[bytes]) -> float:
        (method,) = methods(server.authority, rq.PUT)
        messages = [rpc_pb2.PutRequest(key=key).SerializeToString() for key in keys]
        load = Load(server.address, 10, 10, [(method, rq.put(0))])
        start = time.perf_counter()
        try:
            load.drive(iter([method.request(message) for message in messages]), 60.0)
            watches.wait_for(len(keys))
        finally:
            load.close()
        return len(keys) / (time.perf_counter() - start)


class Latency(Workload):
    """From sending a Put to receiving its event, at a steady hundred Puts a second."""

    RATE = 100

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.name = "watch-latency"
        what = f"Put to event, {self.RATE} Puts/s"
        self.metrics = (
            Metric(f"{what}, p50", "ms", False),
            Metric(f"{what}, p99", "ms", False),
        )

    def prepare(self, server: Server) -> None:
        pass

    def round(self, server: Server) -> Measurement:
        writer = Writer(server, b"timed")
        latencies: list[float] = []
        creates = [[key_watch(b"timed")]]
        with Watches(server.address, server.authority, creates, 1) as watches:
            start = time.perf_counter()
            for number in count():
                due = start + number / self.RATE
                if due > start + self._seconds:
                    break
                time.sleep(max(0.0, due - time.perf_counter()))
                sent = time.perf_counter()
                writer.put()
                if watches.wait(10.0) != 1:
                    raise LoadError("an event is missing")
                latencies.append(time.perf_counter() - sent)
        writer.close()
        latencies.sort()
        middle, high = (latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
        return Measurement([middle * 1000, high * 1000], p50=middle, p99=high)


def watch_workloads(seconds: float, crowd: int) -> list[Workload]:
    """The workloads of watches; rounds of load take this long."""
    return [
        Fanout(10, 100, seconds),
        Idle(10_000, seconds),
        Crowd(crowd, 100),
        Latency(2 * seconds),
        Stalled(5 * seconds),
    ]
