"""
The figures of the process, as prometheus_client gathers them, and Python's own.

That package takes a tenth of a second to import, so it is when figures are asked for, on a thread:
``load``.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from etcdpy.metrics.names import Family
from etcdpy.metrics.text import Samples, sample_name

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

__all__ = ["ProcessFigures"]

#: Where the system counts what a process' network has carried. (proc(5); the namespace's, as in
#: Prometheus' client for Go)
_NETWORK = Path("/proc/self/net/netstat")


class ProcessFigures:
    """Gathers the figures of this process."""

    def __init__(self, collectors: list[Collector]) -> None:
        self._collectors = collectors

    @classmethod
    def load(cls) -> ProcessFigures:
        """Import what gathers them; on any thread."""
        from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
        from prometheus_client.registry import CollectorRegistry

        registry = CollectorRegistry()
        return cls(
            [
                ProcessCollector(registry=None),
                PlatformCollector(registry=None),
                GCCollector(registry=registry),
            ]
        )

    def figures(self) -> Iterator[tuple[str, Family, Samples]]:
        """Yield names, what they are, and their samples."""
        values: dict[str, float] = {}
        for collector in self._collectors:
            for metric in collector.collect():
                samples = [
                    (sample_name(sample.name, sample.labels), sample.value)
                    for sample in metric.samples
                ]
                # In this format a counter has the name of its samples.
                name = metric.samples[0].name if metric.type == "counter" else metric.name
                yield name, Family(metric.type, metric.documentation), samples
                values[name] = metric.samples[0].value
        yield from _more(values)


def _more(values: dict[str, float]) -> Iterator[tuple[str, Family, Samples]]:
    """Yield what Prometheus' client for Go tells beside those, and etcd again."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    unlimited = limit == resource.RLIM_INFINITY
    received, sent = _network_bytes()
    for name, kind, text, value in (
        (
            "process_virtual_memory_max_bytes",
            "gauge",
            "Maximum amount of virtual memory available in bytes.",
            float(2**64) if unlimited else limit,
        ),
        (
            "process_network_receive_bytes_total",
            "counter",
            "Number of bytes received by the process over the network.",
            received,
        ),
        (
            "process_network_transmit_bytes_total",
            "counter",
            "Number of bytes sent by the process over the network.",
            sent,
        ),
        ("os_fd_limit", "gauge", "The file descriptor limit.", values.get("process_max_fds", 0)),
        (
            "os_fd_used",
            "gauge",
            "The number of used file descriptors.",
            values.get("process_open_fds", 0),
        ),
    ):
        yield name, Family(kind, text), [(name, value)]


def _network_bytes() -> tuple[float, float]:
    try:
        lines = _NETWORK.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0, 0
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        row = dict(zip(names.split(), numbers.split(), strict=False))
        if "InOctets" in row:
            return float(row["InOctets"]), float(row["OutOctets"])
    return 0, 0
