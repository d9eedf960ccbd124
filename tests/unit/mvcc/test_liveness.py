"""The log of births and deaths against a plain list of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.mvcc import liveness
from etcdpy.mvcc.liveness import LivenessLog

KEYS = st.sampled_from([b"a", b"b", b"c", b"d", b"e"])
ENTRIES = st.lists(st.tuples(st.integers(0, 2), KEYS, st.sampled_from([1, -1])), max_size=60)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "BLOCK", 4)
    monkeypatch.setattr(liveness, "LOG_LENGTH", 12)


def logged(steps: list[tuple[int, bytes, int]]) -> tuple[LivenessLog, list[tuple[int, bytes, int]]]:
    """Log changes at revisions that go on by the steps given."""
    log, plain, main = LivenessLog(), [], 2
    for step, key, change in steps:
        main += step
        log.add(main, key, change)
        plain.append((main, key, change))
    return log, plain


@given(ENTRIES, KEYS, st.none() | KEYS, st.integers(0, 60), st.integers(1, 9))
def test_log_tells_what_moved_in_a_range_after_a_revision(
    steps: list[tuple[int, bytes, int]],
    start: bytes,
    stop: bytes | None,
    revision: int,
    most: int,
) -> None:
    log, plain = logged(steps)
    inside = [
        (key, change)
        for main, key, change in plain
        if main > revision and start <= key and (stop is None or key < stop)
    ]
    assert log.net(start, stop, revision) == sum(change for _, change in inside)
    assert log.keys(start, stop, revision, most) == sorted({key for key, _ in inside})[:most]


@given(ENTRIES, st.integers(0, 60))
def test_what_is_forgotten_is_durable_and_below_the_floor(
    steps: list[tuple[int, bytes, int]], durable: int
) -> None:
    log, plain = logged(steps)
    log.forget(durable)
    assert log.floor <= max(durable, 0)
    for revision in range(log.floor, 70):
        after = [change for main, _, change in plain if main > revision]
        assert log.net(b"", None, revision) == sum(after)


def test_log_stays_short_once_all_is_durable() -> None:
    log, _ = logged([(1, b"a", 1)] * 200)
    for _ in range(20):
        log.forget(1000)
    kept = len(log.keys(b"", None, log.floor, 1000)), 202 - log.floor
    assert kept[1] <= 12 + 4


def test_newest_tells_who_need_not_ask() -> None:
    log = LivenessLog(7)
    assert (log.newest, log.floor) == (7, 7)
    log.add(9, b"a", 1)
    assert log.newest == 9
