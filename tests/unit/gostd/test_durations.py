"""Durations are written as Go writes them."""

from __future__ import annotations

import pytest

from etcdpy.gostd.durations import go_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1e-9, "1ns"),
        (999e-9, "999ns"),
        (0.0000125, "12.5µs"),
        (0.000254039, "254.039µs"),
        (0.02, "20ms"),
        (0.001, "1ms"),
        (0.013642367, "13.642367ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9, "59.9s"),
        (90, "1m30s"),
        (3600, "1h0m0s"),
        (3600.000000001, "1h0m0.000000001s"),
        (-90, "-1m30s"),
    ],
)
def test_durations_are_written_as_go_does(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text
