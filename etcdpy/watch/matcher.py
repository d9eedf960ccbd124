"""
What is filed under a range of keys, by key.

Single keys and prefixes, nearly all that is ever watched, are found by dictionary: one
look-up for the key, and one for each length that a watched prefix has. Other ranges are
kept as intervals. So a look costs what it finds, not what there is.

All that is filed under one range is one *group*: a thousand watchers of a key are found,
and counted, as one.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from etcdpy.watch.intervals import Intervals

T = TypeVar("T")

#: Used as an ordered set. It is the matcher's own: what is added later is in it as well.
Group = dict[T, None]


def prefix_end(prefix: bytes) -> bytes | None:
    """Return where the keys that start with ``prefix`` end; None if nothing follows them."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None


class Matcher(Generic[T]):
    """Values filed under ranges [start, stop) of keys; a stop of None has no end."""

    __slots__ = ("_by_key", "_by_prefix", "_intervals", "_size")

    def __init__(self) -> None:
        self._by_key: dict[bytes, Group[T]] = {}
        self._by_prefix: dict[int, dict[bytes, Group[T]]] = {}
        self._intervals: Intervals[T] = Intervals()
        self._size = 0

    def __len__(self) -> int:
        """Return the number of values."""
        return self._size

    def add(self, start: bytes, stop: bytes | None, value: T) -> None:
        """File ``value``, which is not filed, under a range."""
        self._size += 1
        if stop == start + b"\0":
            group = self._by_key.get(start)
            if group is None:
                self._by_key[start] = {value: None}
            else:
                group[value] = None
        elif stop == prefix_end(start):
            prefixes = self._by_prefix.setdefault(len(start), {})
            prefixes.setdefault(start, {})[value] = None
        else:
            self._intervals.add(start, stop, value)

    def remove(self, start: bytes, stop: bytes | None, value: T) -> None:
        """Take ``value``, which is filed under that range, out."""
        self._size -= 1
        if stop == start + b"\0":
            _remove(self._by_key, start, value)
        elif stop == prefix_end(start):
            prefixes = self._by_prefix[len(start)]
            _remove(prefixes, start, value)
            if not prefixes:
                del self._by_prefix[len(start)]
        else:
            self._intervals.remove(start, stop, value)

    def groups(self, key: bytes) -> list[Group[T]]:
        """Return the groups of the ranges that hold ``key``; none is empty."""
        exact = self._by_key.get(key)
        found = [] if exact is None else [exact]
        for length, prefixes in self._by_prefix.items():
            group = prefixes.get(key[:length])
            if group is not None:
                found.append(group)
        if self._intervals:
            found += self._intervals.groups(key)
        return found


def _remove(table: dict[bytes, Group[T]], key: bytes, value: T) -> None:
    group = table[key]
    del group[value]
    if not group:
        del table[key]
