"""
Counting what happens, cheaply: figures are made of it only when somebody asks for them.

A histogram here is a list of numbers; observing costs a search in a tuple of a dozen bounds. What
is counted without being measured is a plain attribute of whoever does it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

__all__ = ["Histogram", "doubling"]


def doubling(first: float, number: int) -> tuple[float, ...]:
    """Return ``number`` bounds, each twice the one before (Prometheus: ExponentialBuckets)."""
    return tuple(first * 2**place for place in range(number))


class Histogram:
    """
    How often a value was at most each of some bounds. One thread at a time observes.

    Args:
        bounds: In ascending order; one without an end comes on top.

    Attributes:
        bounds: As given.
        counts: How many values were above the bound before and not above this one; the last are
            those above all bounds.
        total: The sum of all values.

    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts)
