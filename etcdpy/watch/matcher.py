"""
Which watchers watch a key.

Watches of one key and watches of a prefix, nearly all there are, are found by dictionary:
one look-up for the key, and one for each length that a watched prefix has. Other ranges
are kept as intervals. So an event costs what its watchers cost, not what all of them do.
"""

from __future__ import annotations

from collections.abc import Collection

from etcdpy.watch.intervals import Intervals
from etcdpy.watch.watcher import Watcher


def prefix_end(prefix: bytes) -> bytes | None:
    """Return where the keys that start with ``prefix`` end; None if nothing follows them."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None


class Matcher:
    """A set of watchers, to be asked for those of a key."""

    __slots__ = ("_by_key", "_by_prefix", "_intervals", "_size")

    def __init__(self) -> None:
        self._by_key: dict[bytes, dict[Watcher, None]] = {}
        self._by_prefix: dict[int, dict[bytes, dict[Watcher, None]]] = {}
        self._intervals: Intervals[Watcher] = Intervals()
        self._size = 0

    def __len__(self) -> int:
        """Return the number of watchers."""
        return self._size

    def add(self, watcher: Watcher) -> None:
        """Add a watcher, which is not in the set."""
        self._size += 1
        start, stop = watcher.start, watcher.stop
        if stop == start + b"\0":
            self._by_key.setdefault(start, {})[watcher] = None
        elif stop == prefix_end(start):
            prefixes = self._by_prefix.setdefault(len(start), {})
            prefixes.setdefault(start, {})[watcher] = None
        else:
            self._intervals.add(start, stop, watcher)

    def remove(self, watcher: Watcher) -> None:
        """Remove a watcher, which is in the set."""
        self._size -= 1
        start, stop = watcher.start, watcher.stop
        if stop == start + b"\0":
            _remove(self._by_key, start, watcher)
        elif stop == prefix_end(start):
            prefixes = self._by_prefix[len(start)]
            _remove(prefixes, start, watcher)
            if not prefixes:
                del self._by_prefix[len(start)]
        else:
            self._intervals.remove(start, stop, watcher)

    def matching(self, key: bytes) -> Collection[Watcher]:
        """Return the watchers of ``key`` at this moment."""
        found: list[Watcher] = []
        exact = self._by_key.get(key)
        if exact is not None:
            found += exact
        for length, prefixes in self._by_prefix.items():
            watchers = prefixes.get(key[:length])
            if watchers is not None:
                found += watchers
        if self._intervals:
            found += self._intervals.holding(key)
        return found


def _remove(table: dict[bytes, dict[Watcher, None]], key: bytes, watcher: Watcher) -> None:
    watchers = table[key]
    del watchers[watcher]
    if not watchers:
        del table[key]
