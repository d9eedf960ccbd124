"""Histograms, which are lists of numbers."""

from __future__ import annotations

import pytest

from etcdpy.counters import Histogram, doubling


def test_bounds_double() -> None:
    assert doubling(0.5, 4) == (0.5, 1.0, 2.0, 4.0)


@pytest.mark.parametrize(
    ("value", "place"), [(0.0, 0), (1.0, 0), (1.5, 1), (2.0, 1), (4.0, 2), (4.1, 3), (1e9, 3)]
)
def test_value_counts_where_it_is_not_above_the_bound(value: float, place: int) -> None:
    histogram = Histogram((1.0, 2.0, 4.0))
    histogram.observe(value)
    assert histogram.counts.index(1) == place
    assert (histogram.count, histogram.total) == (1, value)


def test_values_add_up() -> None:
    histogram = Histogram(doubling(1, 3))
    for value in (0.5, 3.0, 100.0):
        histogram.observe(value)
    assert histogram.counts == [1, 0, 1, 1]
    assert (histogram.count, histogram.total) == (3, 103.5)
