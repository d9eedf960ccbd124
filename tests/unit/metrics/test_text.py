"""Prometheus' text format."""

from __future__ import annotations

import math

import pytest

from etcdpy.counters import Histogram
from etcdpy.metrics.names import Family
from etcdpy.metrics.text import SAMPLES_PER_STEP, histogram, number, page, sample_name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-1, "-1"),
        (524288.0, "524288"),
        (1048576.0, "1.048576e+06"),
        (2**31, "2.147483648e+09"),
        (8388608, "8.388608e+06"),
        (1_000_000, "1e+06"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-0.000015, "-1.5e-05"),
        (0.008, "0.008"),
        (52.4288, "52.4288"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_number_is_written_as_go_does(value: float, text: str) -> None:
    assert number(value) == text


def test_labels_are_escaped() -> None:
    assert sample_name("a", {}) == "a"
    assert sample_name("a", {"b": 'x"\\\n', "c": "y"}) == 'a{b="x\\"\\\\\\n",c="y"}'


def test_histogram_adds_up_its_buckets() -> None:
    values = Histogram((1.0, 2.0))
    for value in (0.5, 0.5, 3.0):
        values.observe(value)
    assert list(histogram("h", values, {"k": "v"})) == [
        ('h_bucket{k="v",le="1"}', 2),
        ('h_bucket{k="v",le="2"}', 2),
        ('h_bucket{k="v",le="+Inf"}', 3),
        ('h_sum{k="v"}', 4.0),
        ('h_count{k="v"}', 3),
    ]


def test_page_has_a_head_for_each_name() -> None:
    families = [
        ("a", Family("gauge", "one\\ two\nthree"), [("a", 1.0)]),
        ("b_total", Family("counter", "b"), [('b_total{x="1"}', 2.0), ('b_total{x="2"}', 3.0)]),
    ]
    assert "".join(page(families)) == (
        "# HELP a one\\\\ two\\nthree\n# TYPE a gauge\na 1\n"
        '# HELP b_total b\n# TYPE b_total counter\nb_total{x="1"} 2\nb_total{x="2"} 3\n'
    )


def test_page_comes_in_parts() -> None:
    samples = [(f"a{{n={n}}}", float(n)) for n in range(5 * SAMPLES_PER_STEP)]
    parts = list(page([("a", Family("gauge", "a"), samples)]))
    assert len(parts) > 4
    assert "".join(parts).count("\n") == len(samples) + 2
