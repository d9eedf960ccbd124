"""How much history automatic compaction keeps."""

from __future__ import annotations

import pytest

from etcdpy.config import InvalidConfigError, load
from etcdpy.config.retention import parse_retention

HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    ("mode", "text", "retention"),
    [
        ("periodic", "0", 0),
        ("periodic", "", 0),
        ("periodic", "2", 2 * HOUR),
        ("periodic", "90m", HOUR * 3 // 2),
        ("periodic", "10s", 10 * 10**9),
        ("revision", "1000", 1000),
        ("revision", "+0001000", 1000),
        ("revision", str(2**63 - 1), 2**63 - 1),
        ("revision", "5m", 300_000_000_000),
    ],
)
def test_numbers_count_hours_or_revisions(mode: str, text: str, retention: int) -> None:
    assert parse_retention(mode, text) == retention


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1.5", 'time: missing unit in duration "1.5"'),
        ("-5", 'time: missing unit in duration "-5"'),
        ("abc", 'time: invalid duration "abc"'),
        ("s", 'time: invalid duration "s"'),
        ("5x", 'time: unknown unit "x" in duration "5x"'),
        ("5m3", 'time: missing unit in duration "5m3"'),
        (str(2**63), f'time: missing unit in duration "{2**63}"'),
    ],
)
def test_what_is_no_duration_is_refused_in_gos_words(text: str, why: str) -> None:
    with pytest.raises(InvalidConfigError) as refusal:
        parse_retention("periodic", text)
    assert str(refusal.value) == f"error parsing CompactionRetention: {why}"


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("", "undefined auto-compaction-mode"),
        ("foo", 'unknown auto-compaction-mode "foo"'),
    ],
)
def test_there_are_two_modes(mode: str, why: str) -> None:
    with pytest.raises(InvalidConfigError) as refusal:
        load([f"--auto-compaction-mode={mode}"], {}, lambda *_: None)
    assert str(refusal.value) == why
