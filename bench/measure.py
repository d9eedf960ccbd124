"""What a workload is, and what a round of it gives."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.servers import Server


@dataclass(frozen=True)
class Metric:
    """One figure of a workload, one row of the table."""

    title: str
    unit: str
    more_is_better: bool = True

    def ratio(self, etcd: float, etcdpy: float) -> float:
        """How many times better etcdpy's figure is than etcd's."""
        better, worse = (etcdpy, etcd) if self.more_is_better else (etcd, etcdpy)
        return better / worse if worse else float("inf")


@dataclass(slots=True)
class Measurement:
    """
    What one round saw.

    ``values`` belong to the workload's metrics, in order. CPU is in cores: 1.0 is one
    core busy all the time. Latencies are in seconds, 0 where they were not taken.
    """

    values: list[float]
    generator_cpu: float = 0.0
    server_cpu: float = 0.0
    p50: float = 0.0
    p99: float = 0.0


@dataclass(slots=True)
class Effort:
    """CPU and time that went by in a ``watched`` block, known when it ends."""

    seconds: float = 0.0
    generator_cpu: float = 0.0
    server_cpu: float = 0.0


@contextmanager
def watched(server: Server) -> Iterator[Effort]:
    """Measure how busy the generator and the server are meanwhile."""
    effort = Effort()
    server_start, generator_start = server.cpu_seconds(), time.process_time()
    start = time.perf_counter()
    yield effort
    effort.seconds = time.perf_counter() - start
    effort.generator_cpu = (time.process_time() - generator_start) / effort.seconds
    effort.server_cpu = (server.cpu_seconds() - server_start) / effort.seconds


class Workload(ABC):
    """
    Something both servers are made to do.

    A workload has a fresh server of each program. ``prepare`` is called once for
    each; then ``round`` in turns.
    """

    #: Stands for the workload on the command line.
    name: str
    metrics: tuple[Metric, ...]

    @abstractmethod
    def prepare(self, server: Server) -> None:
        """Bring the server to where rounds can start."""

    @abstractmethod
    def round(self, server: Server) -> Measurement:
        """Measure once."""
