"""How much memory a keyspace takes, and how long a restart on it."""

from __future__ import annotations

import time

from bench import requests as rq
from bench.measure import Measurement, Metric, Workload
from bench.servers import Server

#: Time for a server to come to rest (etcd: batched commits, a collection) before its
#: memory is read.
REST = 1.0


class Footprint(Workload):
    """
    Args:
        count: Keys, of 256-byte values, put one by one.

    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._after_load: dict[str, float] = {}
        self.name = f"footprint/{_short(count)}"
        self.metrics = (
            Metric(f"Anonymous memory after {count:,} Puts", "MiB", more_is_better=False),
            Metric(f"Anonymous memory after a restart, {count:,} keys", "MiB", False),
            Metric(f"Start-up with {count:,} keys, exec to first Range", "s", False),
        )

    def prepare(self, server: Server) -> None:
        rq.fill_singly(server, self._count)
        time.sleep(REST)
        self._after_load[server.program.name] = _memory(server)

    def round(self, server: Server) -> Measurement:
        server.stop()
        seconds = server.start()
        time.sleep(REST)
        return Measurement([self._after_load[server.program.name], _memory(server), seconds])


def _memory(server: Server) -> float:
    return server.anonymous_memory() / 2**20


def _short(count: int) -> str:
    return f"{count // 1_000_000}m" if count >= 1_000_000 else f"{count // 1000}k"
