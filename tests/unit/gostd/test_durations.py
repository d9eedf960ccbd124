"""Durations are written and read as Go does."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.gostd.durations import DurationError, go_duration, parse_go_duration


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


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("+0", 0),
        ("-0", 0),
        ("00s", 0),
        ("5s", 5 * 10**9),
        ("1h30m", 5400 * 10**9),
        (".5s", 5 * 10**8),
        ("1.s", 10**9),
        ("-1m", -60 * 10**9),
        ("+3s", 3 * 10**9),
        ("1s2ms", 1_002_000_000),
        ("1us", 1000),
        ("1\u00b5s", 1000),
        ("1\u03bcs", 1000),
        ("100ns", 100),
        ("1.5h", 5400 * 10**9),
        ("0.3333333333333333333h", 1_199_999_999_999),
        ("9223372036854775807ns", 2**63 - 1),
        ("-9223372036854775808ns", -(2**63)),
        (f"{'0' * 9999}1s", 10**9),
        (f"0.{'0' * 9999}1s", 0),
    ],
)
def test_durations_are_read_as_go_does(text: str, nanoseconds: int) -> None:
    assert parse_go_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", 'invalid duration ""'),
        ("-", 'invalid duration "-"'),
        ("--1s", 'invalid duration "--1s"'),
        ("abc", 'invalid duration "abc"'),
        (".s", 'invalid duration ".s"'),
        (" 1s", 'invalid duration " 1s"'),
        ("9999999999h", 'invalid duration "9999999999h"'),
        ("9223372036854775808ns", 'invalid duration "9223372036854775808ns"'),
        (f"{'9' * 9999}s", f'invalid duration "{"9" * 9999}s"'),
        ("5", 'missing unit in duration "5"'),
        ("1.5", 'missing unit in duration "1.5"'),
        (str(2**63), f'missing unit in duration "{2**63}"'),
        (str(2**63 + 1), f'invalid duration "{2**63 + 1}"'),
        ("5m3", 'missing unit in duration "5m3"'),
        ("5d", 'unknown unit "d" in duration "5d"'),
        ("1e3s", 'unknown unit "e" in duration "1e3s"'),
        ("1s ", 'unknown unit "s " in duration "1s "'),
        ("5m-3s", 'unknown unit "m-" in duration "5m-3s"'),
    ],
)
def test_what_is_no_duration_is_refused_in_gos_words(text: str, why: str) -> None:
    with pytest.raises(DurationError) as refusal:
        parse_go_duration(text)
    assert str(refusal.value) == f"time: {why}"


@given(st.integers(-(10**15), 10**15))
def test_what_is_written_is_read_again(nanoseconds: int) -> None:
    assert parse_go_duration(go_duration(nanoseconds / 1e9)) == nanoseconds


@given(st.text(alphabet="0123456789.hmnsuµ+- é"))
def test_no_text_breaks_the_parser(text: str) -> None:
    with suppress(DurationError):
        parse_go_duration(text)
