"""A watcher that stops reading while everybody writes: what it costs, and what it gets then."""

from __future__ import annotations

import time
from itertools import cycle

from bench import requests as rq
from bench.http2 import LoadError
from bench.load import Load
from bench.measure import Measurement, Metric, Workload
from bench.servers import Server
from bench.watch_client import WatchConnection
from etcdpy.pb import rpc_pb2

#: What the watcher lets the server send ahead: what gRPC clients begin with.
WINDOW = 65_535
#: How long the last events may take to come.
PATIENCE = 120.0


class Stalled(Workload):
    """
    Puts as fast as the server takes them, watched by one client that does not read.

    It is a gRPC client that does not ask for more: its HTTP/2 window closes, while TCP goes on.
    (Both servers take a connection on which nothing moves at all for dead after 20 s.)
    Writing itself takes memory, which is measured first, over as long a time.
    """

    SHAPE = (10, 10)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.name = "watch-stalled"
        what = f"not reading for {seconds:.0f} s"
        self.metrics = (
            Metric(f"Anonymous memory per 1,000 Puts, a watcher {what}", "KiB", False),
            Metric("The same, nobody watching", "KiB", False),
            Metric(f"Events received afterwards, {what}", "events/s"),
        )

    def prepare(self, server: Server) -> None:
        rq.fill(server, rq.KEYS)

    def round(self, server: Server) -> Measurement:
        alone, _ = self._write(server)
        watch = WatchConnection(server.address, server.authority)
        try:
            watch.limit_window(WINDOW)
            request = rpc_pb2.WatchCreateRequest(key=rq.PREFIX, range_end=rq.PREFIX_END)
            stream = watch.open_stream()
            watch.create(stream, [request])
            watched, puts = self._write(server)
            rate = self._read(watch, stream, puts)
        finally:
            watch.close()
        return Measurement([watched, alone, rate])

    def _write(self, server: Server) -> tuple[float, int]:
        """Return by how many KiB memory grew for each thousand Puts, and how many there were."""
        mix = rq.Mix([(rq.PUT, rq.put)], [100])
        before = server.anonymous_memory()
        load = Load(server.address, *self.SHAPE, mix.prime(server.authority))
        try:
            puts = load.drive(cycle(mix.requests(server.authority)), self._seconds).operations
        finally:
            load.close()
        grown = max(0, server.anonymous_memory() - before)
        return grown / 1024 / (puts / 1000), puts

    def _read(self, watch: WatchConnection, stream: int, puts: int) -> float:
        """Read as many events as there were Puts that were answered; check their order."""
        start = time.perf_counter()
        seen, last = 0, 0
        while seen < puts:
            if time.perf_counter() - start > PATIENCE:
                raise LoadError(f"{puts - seen} events are missing")
            for response in watch.read_messages(stream):
                for event in rpc_pb2.WatchResponse.FromString(response).events:
                    revision = event.kv.mod_revision
                    if last and revision != last + 1:
                        raise LoadError(f"revision {revision} came after {last}")
                    last = revision
                    seen += 1
        return seen / (time.perf_counter() - start)
