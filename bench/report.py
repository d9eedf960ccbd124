"""A run's results, as Markdown tables and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from bench.load import Sample
from bench.measure import CPU, Measurement, Metric, Workload


@dataclass(frozen=True)
class Result:
    """
    All rounds of one workload, by the server's name: of two servers.

    Rounds of the same number were measured one right after the other, so their ratio is free of
    what disturbs the machine for longer. The ratio of a figure is the median of theirs.

    Args:
        workload: What was measured.
        rounds: By the server's name.
        plain: A ratio is the second server's figure over the first's, be that better or worse.

    """

    workload: Workload
    rounds: Mapping[str, Sequence[Measurement]]
    plain: bool = False

    @property
    def servers(self) -> list[str]:
        return list(self.rounds)

    def values(self, server: str, metric: int) -> list[float]:
        return [measurement.values[metric] for measurement in self.rounds[server]]

    def median(self, server: str, metric: int) -> float:
        return statistics.median(self.values(server, metric))

    def ratio(self, metric: int) -> float:
        what = self.workload.metrics[metric]
        return statistics.median(self._ratios(what, lambda m: m.values[metric]))

    @property
    def has_cpu(self) -> bool:
        """Whether it is known what an operation costs."""
        return all(m.cpu_per_operation for measured in self.rounds.values() for m in measured)

    def cpu(self, server: str) -> list[float]:
        """What an operation cost the server, in microseconds of CPU time, in each round."""
        return [measurement.cpu_per_operation * 1e6 for measurement in self.rounds[server]]

    def cpu_ratios(self) -> list[float]:
        """The ratio of that in each round."""
        return self._ratios(CPU, lambda m: m.cpu_per_operation)

    def _ratios(self, metric: Metric, get: Callable[[Measurement], float]) -> list[float]:
        if self.plain:
            metric = Metric(metric.title, metric.unit)
        pairs = zip(*self.rounds.values(), strict=True)
        return [metric.ratio(get(first), get(second)) for first, second in pairs]

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
    """One row for each figure."""
    rows = [
        [
            metric.title,
            metric.unit,
            *(_figure(result.values(name, index)) for name in result.servers),
            f"{result.ratio(index):.2f}",
        ]
        for result in results
        for index, metric in enumerate(result.workload.metrics)
    ]
    return _table(["workload", "unit", *results[0].servers, "ratio"], rows)


def cpu_table(results: Sequence[Result]) -> str:
    """
    The server's CPU time for one operation: what other work on the machine disturbs least.

    A row for each server and one for their ratio, with all rounds behind the median. Empty when
    no workload was a load.
    """
    rows = []
    for result in results:
        if not result.has_cpu:
            continue
        title = result.workload.metrics[0].title
        for name in result.servers:
            rounds = result.cpu(name)
            rows.append([f"{title}: {name}", *map(_rate, [statistics.median(rounds), *rounds])])
        ratios = result.cpu_ratios()
        rows.append([f"{title}: ratio", _ratio(ratios), *(f"{ratio:.2f}" for ratio in ratios)])
    if not rows:
        return ""
    numbers = map(str, range(1, len(rows[0]) - 1))
    return _table(["us CPU/op", "median", *numbers], rows)


def detail_table(results: Sequence[Result]) -> str:
    """
    Who was busy, and how long clients waited.

    Empty when no workload was a load: starts and sizes are none.
    """
    rows = []
    for result in results:
        if not any(m.server_cpu for measured in result.rounds.values() for m in measured):
            continue
        row = [result.workload.metrics[0].title]
        for name in result.servers:
            row += [
                _cores(result.middle(name, lambda m: m.server_cpu)),
                _cores(result.middle(name, lambda m: m.generator_cpu)),
                _milliseconds(result.middle(name, lambda m: m.p50)),
                _milliseconds(result.middle(name, lambda m: m.p99)),
            ]
        rows.append(row)
    if not rows:
        return ""
    columns = ("cores", "generator cores", "p50 ms", "p99 ms")
    names = results[0].servers
    return _table(["workload", *(f"{n}: {c}" for n in names for c in columns)], rows)


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
                "cpu_ratios": result.cpu_ratios() if result.has_cpu else [],
                "rounds": {n: [asdict(m) for m in ms] for n, ms in result.rounds.items()},
            }
            for result in results
        ],
    }


def _figure(values: Sequence[float]) -> str:
    middle = statistics.median(values)
    spread = (max(values) - min(values)) / 2 / middle if middle else 0.0
    return f"{_rate(middle)} ±{spread:.0%}" if len(values) > 1 and spread else _rate(middle)


def _ratio(rounds: Sequence[float]) -> str:
    """The median of some ratios, and its standard error where there are enough to tell."""
    median = f"{statistics.median(rounds):.3f}"
    if len(rounds) < 5:
        return median
    # Of normal values' median; the mean's is smaller by this factor, the root of pi / 2.
    error = 1.25 * statistics.stdev(rounds) / len(rounds) ** 0.5
    return f"{median} ±{error:.3f}"


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
