"""
Many keys at once into a ``SortedList``, or out of it.

A sorted list is made of short lists, and of the last item of each::

    lists   [a b d e]  [g h k]  [m p q r]
    maxes    e          k        r

Key by key each costs two bisections, a call for each and what the library keeps up behind them:
1.5 µs. Keys that come in order mostly lie next to each other, so those of one short list are cut
out, or merged in, together: 0.1 µs. This is done inside of the library's structure, which is that
of every version it has had since 2014, and is checked by its own ``_check`` in tests.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

from sortedcontainers import SortedList

#: Keys of one short list that are taken out one by one: for more of them it is made anew.
FEW = 16


def add_all(ordered: SortedList[bytes], keys: list[bytes]) -> None:
    """Add keys in ascending order, none of which is there."""
    parts: Any = ordered
    lists, maxes = parts._lists, parts._maxes
    if not maxes:
        ordered.update(keys)
        return
    first = 0
    while first < len(keys):
        place = bisect_right(maxes, keys[first])
        if place == len(maxes):
            # Behind all others.
            place, end = place - 1, len(keys)
        else:
            end = bisect_left(keys, maxes[place], first)
        short = lists[place]
        is_behind = keys[first] > short[-1]
        short += keys[first:end]
        if not is_behind:
            short.sort()  # two ascending runs, which it merges
        maxes[place] = short[-1]
        _split(parts, place)
        first = end
    parts._len += len(keys)
    del parts._index[:]


def remove_all(ordered: SortedList[bytes], keys: list[bytes]) -> None:
    """
    Remove keys in ascending order, all of which are there.

    Raises:
        ValueError: If one is not; then nothing holds any more.

    """
    parts: Any = ordered
    lists, maxes = parts._lists, parts._maxes
    first = 0
    while first < len(keys):
        place = bisect_left(maxes, keys[first])
        if place == len(maxes):
            raise ValueError("a key is not in the list")
        end = bisect_right(keys, maxes[place], first)
        _cut(lists[place], keys[first:end])
        _mend(parts, place)
        first = end
    parts._len -= len(keys)
    del parts._index[:]


def _cut(short: list[bytes], keys: list[bytes]) -> None:
    """Take keys out of a list that has them."""
    first, number, length = bisect_left(short, keys[0]), len(keys), len(short)
    if short[first : first + number] == keys:
        del short[first : first + number]
    elif number <= FEW:
        for key in keys:
            place = bisect_left(short, key)
            if short[place] != key:
                raise ValueError("a key is not in the list")
            del short[place]
    else:
        gone = set(keys)
        short[:] = [key for key in short if key not in gone]
    if len(short) != length - number:
        raise ValueError("a key is not in the list")


def _mend(parts: Any, place: int) -> None:
    """Have no list that is empty or, next to others, short of what each has at least."""
    lists, maxes = parts._lists, parts._maxes
    short = lists[place]
    if short and (len(short) > parts._load >> 1 or len(lists) == 1):
        maxes[place] = short[-1]
        return
    if not short:
        del lists[place], maxes[place]
        return
    place = place or 1
    lists[place - 1] += lists[place]
    maxes[place - 1] = lists[place - 1][-1]
    del lists[place], maxes[place]
    _split(parts, place - 1)


def _split(parts: Any, place: int) -> None:
    """Have no list that is longer than each may be."""
    lists, maxes, load = parts._lists, parts._maxes, parts._load
    short = lists[place]
    if len(short) <= load << 1:
        return
    pieces = [short[start : start + load] for start in range(0, len(short), load)]
    if len(pieces[-1]) <= load >> 1:
        pieces[-2:] = [pieces[-2] + pieces[-1]]
    lists[place : place + 1] = pieces
    maxes[place : place + 1] = [piece[-1] for piece in pieces]
