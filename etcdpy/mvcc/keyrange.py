"""What a key and a range_end select (etcd: server/etcdserver/txn/util.go, mkGteRange)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

#: As range_end: every key from ``key`` on.
FROM_KEY = b"\0"


def bounds(key: bytes, range_end: bytes) -> tuple[bytes, bytes | None]:
    """
    Return the half-open interval [start, stop) that a request selects.

    An empty ``range_end`` selects one key, ``FROM_KEY`` everything from ``key`` on (stop
    is then None); a stop at or below start selects nothing, which is no error.
    """
    if not range_end:
        return key, key + b"\0"
    return key, None if range_end == FROM_KEY else range_end


class Ranges:
    """
    A union of half-open ranges, in order and apart: a key is looked up by bisection.

    A transaction of a megabyte can name 60,000 of them, and puts as many keys.
    """

    __slots__ = ("_starts", "_stops")

    def __init__(self) -> None:
        self._starts: list[bytes] = []
        self._stops: list[bytes] = []

    def add(self, start: bytes, stop: bytes) -> None:
        """Add [start, stop), which may be empty."""
        if stop <= start:
            return
        starts, stops = self._starts, self._stops
        # Those that the new one touches become part of it.
        first = bisect_left(stops, start)
        last = bisect_right(starts, stop)
        if first < last:
            start, stop = min(start, starts[first]), max(stop, stops[last - 1])
        starts[first:last] = [start]
        stops[first:last] = [stop]

    def __len__(self) -> int:
        """Return how many there are, joined where they touch."""
        return len(self._starts)

    def __contains__(self, key: bytes) -> bool:
        """Tell whether ``key`` is in one of the ranges."""
        place = bisect_right(self._starts, key)
        return place > 0 and key < self._stops[place - 1]

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over the ranges, joined where they touch."""
        return zip(self._starts, self._stops, strict=True)


class Covered:
    """The keys that the requests named so far select, of one key or of many."""

    __slots__ = ("_from", "_ranges")

    def __init__(self) -> None:
        self._ranges = Ranges()
        self._from: bytes | None = None

    def add(self, key: bytes, range_end: bytes) -> None:
        """Add what a request selects."""
        start, stop = bounds(key, range_end)
        if stop is not None:
            self._ranges.add(start, stop)
        elif self._from is None or start < self._from:
            self._from = start

    def __contains__(self, key: bytes) -> bool:
        """Tell whether ``key`` is selected by one of them."""
        return (self._from is not None and key >= self._from) or key in self._ranges
