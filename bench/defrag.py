"""
Defragmentation of a store in use: how long reads and writes wait for it.

Each round puts the keys that are missing, deletes every second one and compacts: half of the
database is garbage. Then one client defragments while others read and write at a rate that
leaves both servers time: what is measured is who waits, not who is faster.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice

from bench import requests as rq
from bench.http2 import Connection, LoadError, Request, methods
from bench.load import Load
from bench.measure import Measurement, Metric, Workload
from bench.servers import Server
from etcdpy.pb import rpc_pb2

COMPACT = "/etcdserverpb.KV/Compact"
DEFRAGMENT = "/etcdserverpb.Maintenance/Defragment"
STATUS = "/etcdserverpb.Maintenance/Status"

#: What a key of these takes in the database.
ENTRY = 1024
VALUE = os.urandom(900)
#: Puts, and deletions, in one transaction, which fits one DATA frame and --max-txn-ops.
PUTS = 16
DELETIONS = 128
#: How long the load goes on before and behind.
MARGIN = 1.0
#: Requests a second, of each kind, sent in bursts this many seconds apart.
RATE = 2000
PACE = 0.005


class Defragment(Workload):
    """
    Args:
        size: Bytes of the database, half of it garbage.

    """

    #: Connections that read, and as many that write.
    CONNECTIONS = 8

    def __init__(self, size: int) -> None:
        self._count = size // ENTRY
        #: By server: its even or odd keys, those that the next round deletes.
        self._next: dict[str, int] = {}
        self.name = f"defrag/{size >> 20}m"
        what = f"defragmenting {size >> 20} MiB, half of it garbage"
        self.metrics = (
            Metric(f"Longest wait of a Range, {what}", "ms", more_is_better=False),
            Metric("Longest wait of a Put, meanwhile", "ms", False),
            Metric(f"Range, meanwhile, of {RATE:,} asked for", "op/s"),
            Metric(f"Put, meanwhile, of {RATE:,} asked for", "op/s"),
            Metric("Bursts of Puts refused, meanwhile", "", False),
            Metric("Defragment, from call to reply", "s", False),
            Metric("dbSize before", "MiB", False),
            Metric("dbSize afterwards", "MiB", False),
            Metric("Longest wait of a Range, in the second before", "ms", False),
            Metric("Longest wait of a Put, in the second before", "ms", False),
        )

    def prepare(self, server: Server) -> None:
        self._put(server, range(self._count))
        self._next[server.program.name] = 1

    def round(self, server: Server) -> Measurement:
        half = self._next[server.program.name]
        self._delete(server, range(half, self._count, 2))
        self._compact(server)
        size = _status(server).dbSize
        # Keys from all over the file.
        spread = max(1, self._count // rq.KEYS)
        with ThreadPoolExecutor(2) as threads:
            reading = _Stream(server, rq.RANGE, lambda number: rq.read(number * spread))
            writing = _Stream(server, rq.PUT, rq.put)
            ended = [threads.submit(stream.drive) for stream in (reading, writing)]
            try:
                time.sleep(MARGIN)
                quiet = [stream.cut() for stream in (reading, writing)]
                begin = time.perf_counter()
                _call(server, DEFRAGMENT, rpc_pb2.DefragmentRequest().SerializeToString())
                seconds = time.perf_counter() - begin
                left = _status(server).dbSize
                time.sleep(MARGIN)
            finally:
                for stream in (reading, writing):
                    stream.stop()
            for future in ended:
                future.result()
        self._put(server, range(half, self._count, 2))
        self._next[server.program.name] = 1 - half
        busy = [stream.cut() for stream in (reading, writing)]
        elapsed = seconds + MARGIN
        return Measurement(
            [
                *(1000 * max(latencies) for latencies in busy),
                *(len(latencies) / elapsed for latencies in busy),
                writing.refused,
                seconds,
                size / 2**20,
                left / 2**20,
                *(1000 * max(latencies) for latencies in quiet),
            ]
        )

    def _put(self, server: Server, numbers: range) -> None:
        def puts(numbers: range) -> bytes:
            request = rpc_pb2.TxnRequest()
            for number in numbers:
                put = rpc_pb2.PutRequest(key=rq.key(number), value=VALUE)
                request.success.add(request_put=put)
            return request.SerializeToString()

        _transact(server, puts, numbers, PUTS)

    def _delete(self, server: Server, numbers: range) -> None:
        def deletions(numbers: range) -> bytes:
            request = rpc_pb2.TxnRequest()
            for number in numbers:
                delete = rpc_pb2.DeleteRangeRequest(key=rq.key(number))
                request.success.add(request_delete_range=delete)
            return request.SerializeToString()

        _transact(server, deletions, numbers, DELETIONS)

    def _compact(self, server: Server) -> None:
        reply = _call(server, rq.RANGE, rq.read(0))
        revision = rpc_pb2.RangeResponse.FromString(reply).header.revision
        request = rpc_pb2.CompactionRequest(revision=revision, physical=True)
        _call(server, COMPACT, request.SerializeToString())


class _Stream:
    """Load of one method, at a rate, that goes on until it is stopped."""

    def __init__(self, server: Server, path: str, message: Callable[[int], bytes]) -> None:
        mix = rq.Mix([(path, message)], [100])
        self._requests = cycle(mix.requests(server.authority))
        prime = mix.prime(server.authority)
        self._connect = partial(Load, server.address, Defragment.CONNECTIONS, 1, prime)
        self._load = self._connect()
        #: Bursts in which a call was refused: etcd gives up on writes after seven seconds.
        self.refused = 0
        self._stopped = threading.Event()
        self._latencies: list[float] = []

    def drive(self) -> None:
        """Go on; for a thread of its own."""
        due = time.perf_counter()
        try:
            while not self._stopped.is_set():
                burst = islice(self._requests, int(RATE * PACE))
                self._burst(burst)
                due += PACE
                # What was missed while the server stood still is not made up for.
                due = max(due, time.perf_counter() - 10 * PACE)
                time.sleep(max(0.0, due - time.perf_counter()))
        finally:
            self._load.close()

    def _burst(self, requests: Iterator[Request]) -> None:
        begin = time.perf_counter()
        try:
            latencies = self._load.burst(requests)
        except LoadError:
            latencies = [time.perf_counter() - begin]
            self.refused += 1
            self._load.close()
            self._load = self._connect()
        self._latencies += latencies

    def stop(self) -> None:
        self._stopped.set()

    def cut(self) -> list[float]:
        """Return the latencies so far and begin anew."""
        latencies, self._latencies = self._latencies, []
        return latencies


def _transact(
    server: Server, message: Callable[[range], bytes], numbers: range, at_once: int
) -> None:
    """Send a transaction for each ``at_once`` of the numbers."""
    (method,) = methods(server.authority, rq.TXN)
    load = Load(server.address, 4, 1, [(method, message(numbers[:1]))])
    starts = range(0, len(numbers), at_once)
    requests = (method.request(message(numbers[start : start + at_once])) for start in starts)
    try:
        load.drive(requests, 3600.0)
    finally:
        load.close()


def _status(server: Server) -> rpc_pb2.StatusResponse:
    reply = _call(server, STATUS, rpc_pb2.StatusRequest().SerializeToString())
    return rpc_pb2.StatusResponse.FromString(reply)


def _call(server: Server, path: str, message: bytes) -> bytes:
    (method,) = methods(server.authority, path)
    connection = Connection(server.address)
    try:
        return connection.call(method.first_request(message))
    finally:
        connection.close()
