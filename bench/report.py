"""A run's results, as Markdown tables and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from bench.load import Sample
from bench.measure import Measurement, Workload

NAMES = ("etcd", "etcdpy")


@dataclass(frozen=True)
class Result:
    """All rounds of one workload, by the server's name."""

    workload: Workload
    rounds: Mapping[str, Sequence[Measurement]]

    def values(self, server: str, metric: int) -> list[float]:
        return [measurement.values[metric] for measurement in self.rounds[server]]

    def median(self, server: str, metric: int) -> float:
        return statistics.median(self.values(server, metric))

    def ratio(self, metric: int) -> float:
        etcd, etcdpy = (self.median(name, metric) for name in NAMES)
        return self.workload.metrics[metric].ratio(etcd, etcdpy)

    def middle(self, server: str, get: Callable[[Measurement], float]) -> float:
        """The median of something else that each round tells."""
        return statistics.median(get(measurement) for measurement in self.rounds[server])


def facts_list(facts: Mapping[str, str]) -> str:
    return "\n".join(f"* {name}: {value}" for name, value in facts.items())


def ceiling_table(ceilings: Mapping[tuple[int, int], Sample]) -> str:
    """What the generator reaches when the server does nothing, and on a core to itself."""
    rows = [
        [
            f"{shape[0]} x {shape[1]}",
            _rate(sample.rate),
            _cores(sample.generator_cores),
            _rate(sample.rate / sample.generator_cores),
        ]
        for shape, sample in ceilings.items()
    ]
    return _table(["connections x streams", "op/s", "generator cores", "op/s on a core"], rows)


def main_table(results: Sequence[Result]) -> str:
    """One row for each figure. A ratio above 1 says that etcdpy does better."""
    rows = [
        [
            metric.title,
            metric.unit,
            *(_figure(result, name, index) for name in NAMES),
            f"{result.ratio(index):.2f}",
        ]
        for result in results
        for index, metric in enumerate(result.workload.metrics)
    ]
    return _table(["workload", "unit", *NAMES, "ratio"], rows)


def detail_table(results: Sequence[Result]) -> str:
    """
    Who was busy, and how long clients waited.

    The CPU that one operation costs is what other work on the machine disturbs least. Empty
    when no workload was a load: starts and sizes are none.
    """
    rows = []
    for result in results:
        if not any(m.server_cpu for measured in result.rounds.values() for m in measured):
            continue
        row = [result.workload.metrics[0].title]
        for name in NAMES:
            row += [
                _cores(result.middle(name, lambda m: m.server_cpu)),
                _rate(result.middle(name, lambda m: m.server_cpu / m.values[0] * 1e6)),
                _cores(result.middle(name, lambda m: m.generator_cpu)),
                _milliseconds(result.middle(name, lambda m: m.p50)),
                _milliseconds(result.middle(name, lambda m: m.p99)),
            ]
        rows.append(row)
    if not rows:
        return ""
    columns = ("cores", "us CPU/op", "generator cores", "p50 ms", "p99 ms")
    return _table(["workload", *(f"{n}: {c}" for n in NAMES for c in columns)], rows)


def as_json(
    facts: Mapping[str, str],
    ceilings: Mapping[tuple[int, int], Sample],
    results: Sequence[Result],
) -> dict[str, object]:
    """Everything that was measured, every round of it."""
    return {
        "facts": dict(facts),
        "ceilings": {f"{c}x{s}": sample.rate for (c, s), sample in ceilings.items()},
        "workloads": [
            {
                "name": result.workload.name,
                "metrics": [asdict(metric) for metric in result.workload.metrics],
                "ratios": [result.ratio(i) for i in range(len(result.workload.metrics))],
                "rounds": {n: [asdict(m) for m in ms] for n, ms in result.rounds.items()},
            }
            for result in results
        ],
    }


def _figure(result: Result, server: str, metric: int) -> str:
    values = result.values(server, metric)
    middle = statistics.median(values)
    spread = (max(values) - min(values)) / 2 / middle if middle else 0.0
    return f"{_rate(middle)} ±{spread:.0%}" if len(values) > 1 and spread else _rate(middle)


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cores(value: float) -> str:
    return f"{value:.2f}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.2f}" if seconds else "-"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that also reads well as text: the first column left, others right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(head), line(rule), *map(line, rows)])
