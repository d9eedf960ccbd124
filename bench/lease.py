"""What leases and locks cost, and how fast they are."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count, cycle

from bench.http2 import Connection, methods
from bench.lease_client import (
    KeepAlives,
    SingleKeepAlives,
    grant_all,
    keep_alive,
    keep_alive_frame,
)
from bench.measure import Drive, LoadWorkload, Measurement, Metric, Workload, watched
from bench.servers import Server
from etcdpy.pb import rpc_pb2, v3lock_pb2

RANGE = "/etcdserverpb.KV/Range"
LOCK, UNLOCK = "/v3lockpb.Lock/Lock", "/v3lockpb.Lock/Unlock"

#: Seconds that the leases live which are kept alive at half their time.
TTL = 60
LONG_TTL = 3600
REST = 1.0
#: Seconds between two looks whether a lock is waited for.
POLL = 0.001


class KeepAlive(LoadWorkload):
    """Streams that each renew a lease, again as soon as that is answered."""

    def __init__(self, streams: int, seconds: float) -> None:
        self._streams = streams
        self.seconds = seconds
        self.name = f"keepalive/{streams}"
        how_many = "one stream" if streams == 1 else f"{streams} connections, a stream each"
        self.metrics = (Metric(f"LeaseKeepAlive, {how_many}", "op/s"),)
        self._requests = [keep_alive_frame(lease) for lease in range(1, 1001)]

    def prepare(self, server: Server) -> None:
        grant_all(server, range(1, 1001), LONG_TTL)

    @contextmanager
    def connected(self, server: Server) -> Iterator[Drive]:
        requests = cycle(self._requests)
        with KeepAlives(server, self._streams) as streams:
            yield partial(streams.stretch, requests)


class KeepAliveOnce(LoadWorkload):
    """Connections that each renew a lease on a new stream, again as soon as that is answered."""

    def __init__(self, connections: int, seconds: float) -> None:
        self._connections = connections
        self.seconds = seconds
        self.name = f"keepalive-once/{connections}"
        self.metrics = (
            Metric(f"LeaseKeepAlive, {connections} connections, a new stream for each", "op/s"),
        )

    def prepare(self, server: Server) -> None:
        grant_all(server, range(1, 1001), LONG_TTL)

    @contextmanager
    def connected(self, server: Server) -> Iterator[Drive]:
        with SingleKeepAlives(server, self._connections) as calls:
            requests = [calls.method.open_request(keep_alive(lease)) for lease in range(1, 1001)]
            yield partial(calls.stretch, cycle(requests))


class HeldLeases(Workload):
    """Many leases, each renewed when half its time is over, over a hundred streams."""

    def __init__(self, leases: int, seconds: float) -> None:
        self._leases = leases
        self._seconds = seconds
        self.name = f"held/{leases}"
        title = f"{leases:,} leases kept alive at half their TTL"
        self.metrics = (
            Metric(f"CPU, {title}", "cores", more_is_better=False),
            Metric(f"Anonymous memory, {title}", "MiB", more_is_better=False),
        )

    def prepare(self, server: Server) -> None:
        grant_all(server, range(1, self._leases + 1), TTL)
        time.sleep(REST)

    def round(self, server: Server) -> Measurement:
        requests = cycle(keep_alive_frame(lease) for lease in range(1, self._leases + 1))
        with KeepAlives(server, 100) as streams, watched(server) as effort:
            sample = streams.pace(requests, self._leases / (TTL / 2), self._seconds)
        return Measurement(
            [effort.server_cpu, server.anonymous_memory() / 2**20],
            effort.generator_cpu,
            effort.server_cpu,
            sample.latency(0.5),
            sample.latency(0.99),
            effort.per(sample.operations),
        )


class HandOver(Workload):
    """
    From an Unlock to the answer of the Lock that waited for it.

    Args:
        waiters: How many wait; each that is served leaves and queues again.

    """

    def __init__(self, waiters: int, seconds: float) -> None:
        self._waiters = waiters
        self._seconds = seconds
        self.name = f"handover/{waiters}"
        title = f"Lock handed over, {waiters} waiting"
        self.metrics = (
            Metric(f"{title}, median", "ms", more_is_better=False),
            Metric(f"{title}, 99 %", "ms", more_is_better=False),
        )

    def prepare(self, server: Server) -> None:
        grant_all(server, range(1, self._waiters + 2), LONG_TTL)

    def round(self, server: Server) -> Measurement:
        # A name of its own: what etcd still deletes of the last round must not hit this one.
        queue = _Queue(server, b"bench%d" % next(_rounds), self._waiters + 1)
        taken: list[float] = []
        try:
            with watched(server) as effort:
                end = time.perf_counter() + self._seconds
                while time.perf_counter() < end:
                    taken.append(queue.hand_over())
        finally:
            queue.close()
        taken.sort()
        late = taken[int(len(taken) * 0.99)]
        median = statistics.median(taken)
        return Measurement(
            [median * 1000, late * 1000],
            effort.generator_cpu,
            effort.server_cpu,
            median,
            late,
            effort.per(len(taken)),
        )


_rounds = count()


class _Queue:
    """Clients in a queue for one lock; the first of them holds it."""

    def __init__(self, server: Server, name: bytes, clients: int) -> None:
        self._name = name
        self._control = Connection(server.address)
        read, unlock = methods(server.authority, RANGE, UNLOCK)
        self._control.prime([(read, _read(b"none")), (unlock, _unlock(b"none"))])
        self._read, self._unlock = read, unlock
        (self._lock,) = methods(server.authority, LOCK)
        self._waiting: list[tuple[int, Connection]] = []
        for lease in range(1, clients + 1):
            connection = Connection(server.address)
            connection.send(self._lock.first_request(self._lock_message(lease)))
            self._await_key(lease)
            self._waiting.append((lease, connection))
        self._holder, first = self._waiting.pop(0)
        first.receive()
        self._idle = first

    def hand_over(self) -> float:
        """Unlock, wait for the next holder, queue again; return the seconds until it held."""
        begun = time.perf_counter()
        self._control.send(self._unlock.request(_unlock(self._key(self._holder))))
        lease, connection = self._waiting.pop(0)
        connection.receive()
        taken = time.perf_counter() - begun
        self._control.receive()
        self._idle.send(self._lock.request(self._lock_message(self._holder)))
        self._await_key(self._holder)
        self._waiting.append((self._holder, self._idle))
        self._holder, self._idle = lease, connection
        return taken

    def _key(self, lease: int) -> bytes:
        return self._name + b"/%x" % lease

    def _lock_message(self, lease: int) -> bytes:
        return v3lock_pb2.LockRequest(name=self._name, lease=lease).SerializeToString()

    def _await_key(self, lease: int) -> None:
        """Wait until a lease has its place in the queue."""
        # Asked rarely: what is measured next must not suffer from the asking.
        while not self._has(lease):
            time.sleep(POLL)

    def _has(self, lease: int) -> bool:
        reply = self._control.call(self._read.request(_read(self._key(lease))))
        return rpc_pb2.RangeResponse.FromString(reply).count > 0

    def close(self) -> None:
        """Leave, from the last to the first, so that nobody is given the lock meanwhile."""
        for _, connection in self._waiting:
            connection.close()
        self._idle.close()
        for lease in [*(lease for lease, _ in reversed(self._waiting)), self._holder]:
            self._control.call(self._unlock.request(_unlock(self._key(lease))))
        self._control.close()


def _unlock(key: bytes) -> bytes:
    return v3lock_pb2.UnlockRequest(key=key).SerializeToString()


def _read(key: bytes) -> bytes:
    return rpc_pb2.RangeRequest(key=key).SerializeToString()


def lease_workloads(seconds: float, leases: int) -> list[Workload]:
    """The workloads of this module."""
    return [
        *(KeepAlive(streams, seconds) for streams in (1, 100)),
        KeepAliveOnce(100, seconds),
        *(HandOver(waiters, seconds) for waiters in (1, 50)),
        HeldLeases(leases, max(seconds, 4.0)),
    ]
