"""The matcher, compared with asking every watcher."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from etcdpy.watch.matcher import Matcher, prefix_end
from etcdpy.watch.watcher import Watcher

KEYS = [b"", b"a", b"a\0", b"aa", b"ab", b"b", b"b/1", b"b/2", b"\xfe", b"\xff", b"\xff\xff"]
NO_STREAM: Any = None


@pytest.mark.parametrize(
    ("prefix", "end"),
    [(b"a", b"b"), (b"a\xff", b"b"), (b"b/", b"b0"), (b"\xff", None), (b"", None)],
)
def test_where_a_prefix_ends(prefix: bytes, end: bytes | None) -> None:
    assert prefix_end(prefix) == end


def test_random_watchers_are_found_by_exactly_the_keys_they_watch() -> None:
    random = Random(2)
    matcher = Matcher()
    watchers: list[Watcher] = []
    for _ in range(2000):
        if watchers and random.random() < 0.45:
            matcher.remove(watchers.pop(random.randrange(len(watchers))))
        else:
            start = random.choice(KEYS)
            stop = random.choice((start + b"\0", prefix_end(start), random.choice(KEYS), None))
            if stop is not None and stop <= start:
                continue
            watchers.append(Watcher(NO_STREAM, 0, start, stop))
            matcher.add(watchers[-1])
        key = random.choice(KEYS[1:])
        found = matcher.matching(key)
        expected = {w for w in watchers if w.start <= key and (w.stop is None or key < w.stop)}
        assert set(found) == expected
        assert len(found) == len(expected)
        assert len(matcher) == len(watchers)


def test_what_was_found_does_not_change_when_the_set_does() -> None:
    matcher = Matcher()
    watcher = Watcher(NO_STREAM, 0, b"a", b"a\0")
    matcher.add(watcher)
    found = matcher.matching(b"a")
    matcher.remove(watcher)
    assert list(found) == [watcher]
    assert not matcher.matching(b"a")
