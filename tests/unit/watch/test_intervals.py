"""Intervals, compared with looking at all of them."""

from __future__ import annotations

from random import Random
from typing import Any

from etcdpy.watch.intervals import Intervals

POINTS = [bytes((a, b)) for a in b"abcdef" for b in b"\0am\xff"]


def _holding(intervals: Intervals[Any], point: bytes) -> list[Any]:
    return [value for group in intervals.groups(point) for value in group]


def _random_interval(random: Random) -> tuple[bytes, bytes | None]:
    start, stop = sorted(random.sample(POINTS, 2))
    return start, None if random.random() < 0.2 else stop


def test_random_intervals_hold_what_a_look_at_all_of_them_finds() -> None:
    random = Random(1)
    intervals: Intervals[int] = Intervals()
    filed: dict[int, tuple[bytes, bytes | None]] = {}
    for number in range(3000):
        if filed and random.random() < 0.45:
            value = random.choice(list(filed))
            intervals.remove(*filed.pop(value), value)
        else:
            filed[number] = _random_interval(random)
            intervals.add(*filed[number], number)
        point = random.choice(POINTS)
        expected = {
            value
            for value, (start, stop) in filed.items()
            if start <= point and (stop is None or point < stop)
        }
        found = _holding(intervals, point)
        assert set(found) == expected
        assert len(found) == len(expected)
        assert bool(intervals) == bool(filed)


def test_values_of_one_interval_share_it() -> None:
    intervals: Intervals[str] = Intervals()
    for value in ("x", "y"):
        intervals.add(b"a", b"c", value)
    assert _holding(intervals, b"b") == ["x", "y"]
    intervals.remove(b"a", b"c", "x")
    assert _holding(intervals, b"b") == ["y"]
    intervals.remove(b"a", b"c", "y")
    assert not intervals


def test_the_tree_stays_shallow_however_intervals_come() -> None:
    intervals: Intervals[int] = Intervals()
    # In order, which makes a plain search tree a list; 20,000 deep would end in a RecursionError.
    for number in range(20_000):
        intervals.add(b"%06d" % number, b"%06d" % (number + 2), number)
    assert sorted(_holding(intervals, b"010000")) == [9_999, 10_000]
    for number in range(20_000):
        intervals.remove(b"%06d" % number, b"%06d" % (number + 2), number)
    assert not intervals
