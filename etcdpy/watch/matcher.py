"""
What is filed under a range of keys, by key.

Single keys and prefixes, nearly all that is ever watched, are found by dictionary: one
look-up for the key, and one for each length that a watched prefix has. Other ranges are
kept as intervals. So a look costs what it finds, not what there is.

All that is filed under one range is one *group*: a thousand watchers of a key are found,
and counted, as one. Where a key has but one it is filed itself, as a dictionary for it would
cost more than all the rest. (Not so where a revision may have many events for a group: they
are known to be for the same by its being the same object, while others join it.)
"""

from __future__ import annotations

from typing import Any, Generic, TypeAlias, TypeVar

from etcdpy.watch.intervals import Intervals

T = TypeVar("T")

#: Used as an ordered set. It is the matcher's own: what is added later is in it as well.
Many = dict[T, None]
#: What is found; one value alone is found in a tuple.
Group: TypeAlias = Many[T] | tuple[T]
#: What is filed. A value is no dictionary.
Filed: TypeAlias = Many[T] | T


def prefix_end(prefix: bytes) -> bytes | None:
    """Return where the keys that start with ``prefix`` end; None if nothing follows them."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None


class Matcher(Generic[T]):
    """Values filed under ranges [start, stop) of keys; a stop of None has no end."""

    __slots__ = ("_by_key", "_by_prefix", "_intervals", "_size")

    def __init__(self) -> None:
        self._by_key: dict[bytes, Filed[T]] = {}
        self._by_prefix: dict[int, dict[bytes, Many[T]]] = {}
        self._intervals: Intervals[T] = Intervals()
        self._size = 0

    def __len__(self) -> int:
        """Return the number of values."""
        return self._size

    def add(self, start: bytes, stop: bytes | None, value: T) -> None:
        """File ``value``, which is not filed, under a range, or with a stop ``b""`` a key."""
        self._size += 1
        if stop == b"" or stop == start + b"\0":
            filed = self._by_key.get(start)
            if filed is None:
                self._by_key[start] = value
            elif isinstance(filed, dict):
                filed[value] = None
            else:
                self._by_key[start] = {filed: None, value: None}
        elif stop == prefix_end(start):
            prefixes = self._by_prefix.setdefault(len(start), {})
            prefixes.setdefault(start, {})[value] = None
        else:
            self._intervals.add(start, stop, value)

    def remove(self, start: bytes, stop: bytes | None, value: T) -> None:
        """Take ``value``, which is filed under that range, out."""
        self._size -= 1
        if stop == b"" or stop == start + b"\0":
            filed = self._by_key[start]
            if not isinstance(filed, dict):
                del self._by_key[start]
            else:
                _remove(self._by_key, start, filed, value)
        elif stop == prefix_end(start):
            prefixes = self._by_prefix[len(start)]
            _remove(prefixes, start, prefixes[start], value)
            if not prefixes:
                del self._by_prefix[len(start)]
        else:
            self._intervals.remove(start, stop, value)

    def groups(self, key: bytes) -> list[Group[T]]:
        """Return the groups of the ranges that hold ``key``; none is empty."""
        exact = self._by_key.get(key)
        found: list[Group[T]] = []
        if exact is not None:
            found.append(exact if isinstance(exact, dict) else (exact,))
        for length, prefixes in self._by_prefix.items():
            group = prefixes.get(key[:length])
            if group is not None:
                found.append(group)
        if self._intervals:
            found += self._intervals.groups(key)
        return found


def _remove(table: dict[bytes, Any], key: bytes, group: Many[T], value: T) -> None:
    del group[value]
    if not group:
        del table[key]
