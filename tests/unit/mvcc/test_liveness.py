"""The log of births and deaths against a plain list of them."""

from __future__ import annotations

import sys

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


@given(ENTRIES, st.integers(0, 60))
def test_what_is_compacted_is_forgotten_and_nothing_above_it(
    steps: list[tuple[int, bytes, int]], compacted: int
) -> None:
    log, plain = logged(steps)
    while log.compact(compacted):
        pass
    assert log.floor == compacted
    for revision in range(compacted, 70):
        after = [(key, change) for main, key, change in plain if main > revision]
        assert log.net(b"", None, revision) == sum(change for _, change in after)
        assert log.keys(b"", None, revision, 99) == sorted({key for key, _ in after})


def test_no_trace_is_left_of_what_was_compacted() -> None:
    log = LivenessLog()
    gone = [bytes(100 + number) for number in range(10)]
    for main, key in enumerate(gone):
        log.add(main, key, 1)
    del key
    while log.compact(9):
        pass
    # One is the list's, and one is for the time of the call.
    assert [sys.getrefcount(gone[at]) for at in range(10)] == [2] * 10


def test_much_is_forgotten_in_parts() -> None:
    log, _ = logged([(1, b"a", 1)] * (2 * liveness.BLOCK * liveness.BLOCKS_FORGOTTEN + 1))
    assert [log.compact(1000) for _ in range(3)] == [True, True, False]


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


@pytest.mark.parametrize("number", [0, 1, 3, 4, 9])
@pytest.mark.parametrize("before", [0, 2, 21])
def test_many_are_noted_as_one_by_one(before: int, number: int) -> None:
    steps = [(1, b"%02d" % (place % 7), 1 if place % 3 else -1) for place in range(before)]
    together, single = logged(steps)[0], logged(steps)[0]
    keys = [b"%02d" % place for place in range(number)]
    together.add_all(200, keys, -1)
    for key in keys:
        single.add(200, key, -1)
    for log in (together, single):
        log.add(201, b"a", 1)
    for revision in (together.floor, 10, 199, 200, 201):
        assert together.net(b"", None, revision) == single.net(b"", None, revision)
        assert together.keys(b"", b"05", revision, 9) == single.keys(b"", b"05", revision, 9)
    for log in (together, single):
        log.forget(1000)
    assert together.newest == single.newest
    for revision in (max(together.floor, single.floor), 199, 200, 201):
        assert together.net(b"", None, revision) == single.net(b"", None, revision)
