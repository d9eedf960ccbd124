"""The matcher, compared with looking at every range."""

from __future__ import annotations

from random import Random

import pytest

from etcdpy.watch.matcher import Matcher, prefix_end

KEYS = [b"", b"a", b"a\0", b"aa", b"ab", b"b", b"b/1", b"b/2", b"\xfe", b"\xff", b"\xff\xff"]


@pytest.mark.parametrize(
    ("prefix", "end"),
    [(b"a", b"b"), (b"a\xff", b"b"), (b"b/", b"b0"), (b"\xff", None), (b"", None)],
)
def test_where_a_prefix_ends(prefix: bytes, end: bytes | None) -> None:
    assert prefix_end(prefix) == end


def test_random_ranges_are_found_by_exactly_the_keys_they_hold() -> None:
    random = Random(2)
    matcher: Matcher[int] = Matcher()
    filed: dict[int, tuple[bytes, bytes | None]] = {}
    for number in range(2000):
        if filed and random.random() < 0.45:
            gone = random.choice(list(filed))
            matcher.remove(*filed.pop(gone), gone)
        else:
            start = random.choice(KEYS)
            stop = random.choice((start + b"\0", prefix_end(start), random.choice(KEYS), None))
            if stop is not None and stop <= start:
                continue
            filed[number] = start, stop
            matcher.add(start, stop, number)
        key = random.choice(KEYS[1:])
        groups = matcher.groups(key)
        assert all(groups)
        found = [value for group in groups for value in group]
        expected = {
            number
            for number, (start, stop) in filed.items()
            if start <= key and (stop is None or key < stop)
        }
        assert set(found) == expected
        assert len(found) == len(expected)
        assert len(matcher) == len(filed)


@pytest.mark.parametrize("stop", [b"a\0", b"b", b"c", None], ids=["key", "prefix", "range", "on"])
def test_a_group_is_all_that_is_filed_under_one_range(stop: bytes | None) -> None:
    matcher: Matcher[str] = Matcher()
    matcher.add(b"a", stop, "first")
    (alone,) = matcher.groups(b"a")
    assert list(alone) == ["first"]
    matcher.add(b"a", stop, "second")
    (group,) = matcher.groups(b"a")
    assert list(group) == ["first", "second"]
    matcher.remove(b"a", stop, "first")
    assert list(group) == ["second"]
    matcher.remove(b"a", stop, "second")
    assert not group
    assert matcher.groups(b"a") == []


def test_a_stop_of_nothing_stands_for_one_key() -> None:
    matcher: Matcher[str] = Matcher()
    matcher.add(b"a", b"", "short")
    matcher.add(b"a", b"a\0", "written out")
    (group,) = matcher.groups(b"a")
    assert list(group) == ["short", "written out"]
    assert matcher.groups(b"a\0") == []
    matcher.remove(b"a", b"a\0", "short")
    matcher.remove(b"a", b"", "written out")
    assert matcher.groups(b"a") == []
    assert len(matcher) == 0
