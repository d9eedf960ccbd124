"""What a workload is, and what a round of it gives."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from bench.load import Sample, total, uncollected
from bench.servers import Server

#: Part of a round that goes by before it is measured.
WARM_UP = 0.2

#: Makes load for so many seconds, and until all that was sent is answered.
Drive = Callable[[float], Sample]


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


#: The figure of every load, beside its own.
CPU = Metric("Server CPU", "us/op", more_is_better=False)


@dataclass(slots=True)
class Measurement:
    """
    What one round saw.

    ``values`` belong to the workload's metrics, in order. CPU is in cores: 1.0 is one
    core busy all the time. Latencies, and the CPU time that the server spent on each of the
    operations that succeeded, are in seconds, 0 where they were not taken.
    """

    values: list[float]
    generator_cpu: float = 0.0
    server_cpu: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    cpu_per_operation: float = 0.0


@dataclass(slots=True)
class Effort:
    """CPU and time that went by in a ``watched`` block, known when it ends."""

    seconds: float = 0.0
    generator_cpu: float = 0.0
    server_cpu: float = 0.0

    def per(self, operations: int) -> float:
        """The CPU seconds that the server spent on each of so many operations."""
        return self.server_cpu * self.seconds / operations


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


class LoadWorkload(Workload):
    """
    A rate, which a round measures for ``seconds`` on connections of its own.

    On connections that stay, ``in_turns`` measures several servers.
    """

    seconds: float

    @abstractmethod
    def connected(self, server: Server) -> AbstractContextManager[Drive]:
        """Connections to a server that are ready to be driven, until the block ends."""

    def round(self, server: Server) -> Measurement:
        with self.connected(server) as drive, uncollected():
            drive(self.seconds * WARM_UP)
            (measurement,) = in_turns([(server, drive)], self.seconds, self.seconds)
        return measurement


def in_turns(
    sides: Sequence[tuple[Server, Drive]], seconds: float, turn: float
) -> list[Measurement]:
    """
    Drive each server for ``seconds`` in all, a short turn at a time.

    Where turns take longer, on a busy machine, there are not fewer of them: how precise the
    result is depends on their number.

    All CPU time that a server uses meanwhile is for its own operations, and counted, also what
    it uses when it is not its turn. That of the generator counts for whom it is driven.

    Raises:
        LoadError: A call failed, or a connection ended.

    """
    before = [server.cpu_seconds() for server, _ in sides]
    samples: list[list[Sample]] = [[] for _ in sides]
    for _ in range(max(1, round(seconds / turn))):
        for taken, (_, drive) in zip(samples, sides, strict=True):
            taken.append(drive(turn))
    used = [server.cpu_seconds() - start for (server, _), start in zip(sides, before, strict=True)]
    return [_measurement(total(taken), cpu) for taken, cpu in zip(samples, used, strict=True)]


def _measurement(sample: Sample, server_cpu: float) -> Measurement:
    return Measurement(
        [sample.rate],
        sample.generator_cores,
        server_cpu / sample.seconds,
        sample.latency(0.5),
        sample.latency(0.99),
        server_cpu / sample.operations,
    )
