"""
Work in slices: generators that yield between pieces and return their result.

A caller that owns the event loop lets others run at each yield; one that must be atomic (a
write transaction) runs straight through with ``finish``. Short work never yields.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from heapq import merge
from itertools import islice
from typing import Any

from etcdpy.cooperative import Steps, T

#: Keys handled between two yields: about half a millisecond of work.
SLICE = 512
#: Bytes of rows copied between two yields: half a millisecond where the memory for the copy is
#: the system's and has to be taken from it page by page, a tenth of that where it was in use.
SLICE_BYTES = 1 << 18
#: What a row costs besides its bytes, when it is read or put into a reply, in bytes copied: two
#: thousand rows that are all but empty are half a millisecond.
ROW_BYTES = 128
#: Rows read at once at the most: however small those before were, these may be a megabyte each.
MOST_READ = 32
#: Keys between two yields where no more is done than to find them, or the names of their rows.
FOUND_SLICE = 2048

#: Keys of each slice that are looked at to find out where to part many of them.
_SAMPLED = 8
#: Slices of keys that are put with their like, or sorted, in the time of one of other work.
_PUT_PER_SLICE = 4


class Work:
    """What was done since others had their turn, where much is done in little pieces."""

    __slots__ = ("_done",)

    def __init__(self) -> None:
        self._done = 0

    def add(self, work: int) -> Steps[None]:
        """Note some, in units of which ``SLICE`` are a slice, and yield if that is enough."""
        self._done += work
        if self._done >= SLICE:
            self._done = 0
            yield


def chunks(items: list[T], size: int | None = None) -> Iterator[list[T]]:
    """
    Cut a list into lists of up to ``size`` items (None: ``SLICE``), emptying it on the way.

    Emptying matters: what a long list holds is freed as the work goes on, and not all at
    once at its end, which would hold up the loop by itself.
    """
    size = SLICE if size is None else size
    if len(items) <= size:
        if items:
            yield items
        return
    items.reverse()
    while items:
        chunk = items[-size:]
        del items[-size:]
        chunk.reverse()
        yield chunk


def by_size(keys: list[bytes]) -> list[list[bytes]]:
    """Cut a list where its keys would be more than ``SLICE_BYTES`` together; mostly nowhere."""
    if sum(map(len, keys)) <= SLICE_BYTES:
        return [keys]
    parts: list[list[bytes]] = []
    size = SLICE_BYTES
    for key in keys:
        if size >= SLICE_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(key)
        size += len(key)
    return parts


def in_order(keys: list[bytes]) -> Steps[list[bytes]]:
    """
    Return keys, no two of which are the same, in ascending order; the list is emptied.

    Every so many of them is looked at to find out where to part them: then each is put with its
    like, and those are sorted among themselves. That is a third of what it takes to sort some
    and to merge them.
    """
    if len(keys) <= SLICE:
        keys.sort()
        return keys
    bounds = sorted(keys[:: max(SLICE // _SAMPLED, 1)])[_SAMPLED::_SAMPLED]
    parts: list[list[bytes]] = [[] for _ in range(len(bounds) + 1)]
    for chunk in chunks(keys, SLICE * _PUT_PER_SLICE):
        for key in chunk:
            parts[bisect_right(bounds, key)].append(key)
        yield
    ordered: list[bytes] = []
    for number, part in enumerate(parts):
        part.sort()
        ordered += part
        if number % _PUT_PER_SLICE == 0:
            yield
    return ordered


def sort(
    items: list[T], key: Callable[[T], Any], descending: bool, limit: int | None
) -> Steps[list[T]]:
    """
    Return the first ``limit`` items in order (None: all of them); the list is emptied.

    Equal items keep their order, ascending and descending alike.
    """
    if len(items) <= SLICE:
        return sorted(items, key=key, reverse=descending)[:limit]
    runs: list[list[T]] = []
    for chunk in chunks(items):
        runs.append(sorted(chunk, key=key, reverse=descending))
        yield
    ordered: list[T] = []
    merged = merge(*runs, key=key, reverse=descending)
    while limit is None or len(ordered) < limit:
        part = list(islice(merged, SLICE if limit is None else min(SLICE, limit - len(ordered))))
        if not part:
            break
        ordered += part
        yield
    del merged
    while runs:
        del runs[-8:]
        yield
    return ordered
