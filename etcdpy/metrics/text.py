"""
Prometheus' text format, version 0.0.4.

Written here, and in steps: prometheus_client writes a page in one, for which the loop would stand
still.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from etcdpy.counters import Histogram
from etcdpy.metrics.names import Family

__all__ = ["Sample", "Samples", "histogram", "number", "page", "sample_name"]

#: The name of a sample with its labels, and its value.
Sample = tuple[str, float]
Samples = list[Sample]

#: Samples written in one step: less than a tenth of a millisecond.
SAMPLES_PER_STEP = 100


def sample_name(name: str, labels: Mapping[str, str]) -> str:
    """Return a name with its labels."""
    if not labels:
        return name
    inner = ",".join([f'{key}="{_escaped(text)}"' for key, text in labels.items()])
    return f"{name}{{{inner}}}"


def histogram(
    name: str, values: Histogram, labels: Mapping[str, str] | None = None
) -> Iterator[Sample]:
    """Yield the samples of a histogram."""
    labels = labels or {}
    # At once: another thread may be counting.
    counts = values.counts.copy()
    below = 0
    for bound, count in zip((*values.bounds, math.inf), counts, strict=True):
        below += count
        yield sample_name(f"{name}_bucket", {**labels, "le": number(bound)}), below
    yield sample_name(f"{name}_sum", labels), values.total
    yield sample_name(f"{name}_count", labels), below


def number(value: float) -> str:
    """Return a number as Go's clients write it: with an exponent from a million on."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if abs(value) < 1_000_000 and float(value).is_integer():
        return str(int(value))
    if 1e-4 <= abs(value) < 1_000_000:
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    rest = "".join(map(str, digits[1:]))
    return f"{'-' * sign}{digits[0]}{'.' * bool(rest)}{rest}e{exponent + len(rest):+03d}"


def page(families: Iterable[tuple[str, Family, Samples]]) -> Iterator[str]:
    """Yield the text of all families, a part in each step."""
    lines: list[str] = []
    for name, (kind, text), samples in families:
        lines.append(f"# HELP {name} {_help(text)}\n# TYPE {name} {kind}\n")
        for start in range(0, len(samples), SAMPLES_PER_STEP):
            some = samples[start : start + SAMPLES_PER_STEP]
            lines += [f"{key} {number(value)}\n" for key, value in some]
            if len(lines) >= SAMPLES_PER_STEP:
                yield "".join(lines)
                lines.clear()
    yield "".join(lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
