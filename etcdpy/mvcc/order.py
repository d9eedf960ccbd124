"""
Keys in another order than their own: by a number of their versions, or by their values.

No more is held than what tells them apart. A key is the index's, so a list of them takes eight
bytes for each; beside it is its number, or as much of its value as is compared with others at a
time. Whoever wants them in order reads their rows when it needs them.
"""

from __future__ import annotations

from operator import index, itemgetter
from typing import Final, NamedTuple

from etcdpy.cooperative import Steps
from etcdpy.mvcc.slices import SLICE, SLICE_BYTES, chunks, sort
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.walks import Hold, rows_at
from etcdpy.pb.kv_pb2 import KeyValue

__all__ = ["CREATE", "MOD", "VERSION", "by_number", "by_value"]

MOD: Final = 0
"""The places of numbers in a ``Version``."""
CREATE: Final = 2
VERSION: Final = 3

VALUES_HELD: Final = 4 << 20
"""
Bytes of values held at a time while they are sorted, or ``LEAST_PIECE`` a key where there are very
many. Comparing them is a few milliseconds' work at most.
"""
LEAST_PIECE: Final = 256

_GATHERED: Final = 2 * SLICE
"""What is gathered before it is looked at again which may be among the first."""

_NUMBER_BYTES: Final = 56
_PIECE_BYTES: Final = 136
"""What a number, or a piece of a value, takes besides itself while it is sorted."""

#: Keys whose values are read before it is known how large they are.
_FIRST_READ: Final = 16

#: For the places of keys in their list, so that those that are alike stay as they are.
_PLACE_BITS: Final = 40
_PLACES: Final = (1 << _PLACE_BITS) - 1


def by_number(
    store: Store,
    keys: list[bytes],
    revision: int,
    place: int,
    descending: bool = False,
    limit: int | None = None,
    hold: Hold | None = None,
) -> Steps[list[bytes]]:
    """
    Return keys by a number that the index has of each; those that are alike stay as they are.

    Args:
        store: What they are read from.
        keys: All alive at that revision.
        revision: When.
        place: Which number: ``MOD``, ``CREATE`` or ``VERSION``.
        descending: Whether the largest is first.
        limit: How many to return, None for all.
        hold: Is told of what is held meanwhile.

    """
    flip = _PLACES if descending else 0
    ranks: list[int] = []
    held = _Held(hold)
    for first in range(0, len(keys), SLICE):
        if first:
            yield
        numbers = store.index.numbers_at(keys[first : first + SLICE], revision, place)
        ranks += [number << _PLACE_BITS | (at ^ flip) for at, number in enumerate(numbers, first)]
        if limit is not None and len(ranks) >= limit + _GATHERED and limit <= SLICE:
            ranks.sort(reverse=descending)
            del ranks[limit:]
        held.update(len(ranks) * _NUMBER_BYTES)
    ranks = yield from sort(ranks, index, descending, limit)
    ordered: list[bytes] = []
    for chunk in chunks(ranks):
        if ordered:
            yield
        ordered += [keys[rank & _PLACES ^ flip] for rank in chunk]
    held.update(0)
    return ordered


def by_value(
    store: Store,
    keys: list[bytes],
    revision: int,
    descending: bool = False,
    limit: int | None = None,
    hold: Hold | None = None,
) -> Steps[list[bytes]]:
    """
    Return keys by their values; those that are alike stay as they are. The list is emptied.

    Values are read and compared as far as ``VALUES_HELD`` allows; those that are alike so far are
    read again and compared from there on.

    Args:
        store: What they are read from.
        keys: All alive at that revision.
        revision: When.
        descending: Whether the largest is first.
        limit: How many to return, None for all.
        hold: Is told of what is held meanwhile.

    """
    ordered: list[bytes] = []
    waiting = [_Alike(keys, 0, True)]
    values = _Values(store, revision, descending, hold)
    while waiting and (limit is None or len(ordered) < limit):
        alike = waiting.pop()
        if alike.is_undecided:
            left = None if limit is None else limit - len(ordered)
            parts = yield from values.split(alike, left)
            waiting += reversed(parts)
        else:
            ordered += alike.keys
            if waiting:
                yield
    return ordered if limit is None else ordered[:limit]


class _Held:
    """Tells of what is held at the moment, whatever it was before."""

    __slots__ = ("_hold", "_size")

    def __init__(self, hold: Hold | None) -> None:
        self._hold = hold
        self._size = 0

    def update(self, size: int) -> None:
        if self._hold is not None and size != self._size:
            self._hold(size - self._size)
            self._size = size


class _Alike(NamedTuple):
    """
    Keys whose values are alike up to byte ``start``.

    Attributes:
        is_undecided: Whether that may not be all of the values, so that they have to be sorted.

    """

    keys: list[bytes]
    start: int
    is_undecided: bool


#: A part of a value, and its key.
_Pair = tuple[bytes, bytes]
_PIECE: Final = itemgetter(0)


class _Values:
    """Puts keys in the order of a part of their values."""

    def __init__(self, store: Store, revision: int, descending: bool, hold: Hold | None) -> None:
        self._store = store
        self._revision = revision
        self._descending = descending
        self._held = _Held(hold)

    def split(self, alike: _Alike, limit: int | None) -> Steps[list[_Alike]]:
        """Sort keys by some more bytes of their values, the first ``limit`` of them at least."""
        size = max(LEAST_PIECE, VALUES_HELD // max(1, len(alike.keys)))
        stop = alike.start + size
        pairs = yield from self._pieces(alike, stop, limit)
        ordered = yield from sort(pairs, _PIECE, self._descending, None)
        parts: list[_Alike] = []
        current: bytes | None = None
        group: list[bytes] = []
        for number, chunk in enumerate(chunks(ordered)):
            if number:
                yield
            for piece, key in chunk:
                if piece != current:
                    _add(parts, group, stop, current is not None and len(current) == size)
                    current, group = piece, []
                group.append(key)
        _add(parts, group, stop, current is not None and len(current) == size)
        self._held.update(0)
        return parts

    def _pieces(self, alike: _Alike, stop: int, limit: int | None) -> Steps[list[_Pair]]:
        """
        Return the bytes up to ``stop`` of each key's value that are not known to be alike.

        Where few are wanted, those are left out that come behind so many others.
        """
        keys, start, _ = alike
        most = limit if limit is not None and limit <= SLICE else None
        pairs: list[_Pair] = []
        size, spent, held = _FIRST_READ, 0, 0
        keys.reverse()
        while keys:
            if spent >= SLICE_BYTES:
                yield
                spent = 0
            some = keys[: -size - 1 : -1]
            del keys[-size:]
            rows = yield from rows_at(self._store, list(some), self._revision)
            weight = sum(map(len, rows)) + len(rows) * (SLICE_BYTES // SLICE)
            # Values that are alike are held once.
            known: dict[bytes, bytes] = {}
            for key, row in zip(some, rows, strict=True):
                piece = KeyValue.FromString(row).value[start:stop]
                pairs.append((known.setdefault(piece, piece), key))
            held += sum(map(len, known)) + len(rows) * _PIECE_BYTES
            size = max(1, SLICE_BYTES * len(rows) // weight)
            spent += weight
            if most is not None and len(pairs) >= most + _GATHERED:
                pairs.sort(key=_PIECE, reverse=self._descending)
                _cut(pairs, most, stop - start)
                held = sum(len(piece) for piece, _ in pairs) + len(pairs) * _PIECE_BYTES
                if len(pairs) > _GATHERED:
                    most = None
            self._held.update(held)
        return pairs


def _cut(pairs: list[_Pair], limit: int, size: int) -> None:
    """Leave the first so many, and those that may turn out to be before the last of them."""
    last = pairs[limit - 1][0]
    if len(last) == size:
        while limit < len(pairs) and pairs[limit][0] == last:
            limit += 1
    del pairs[limit:]


def _add(parts: list[_Alike], group: list[bytes], stop: int, goes_on: bool) -> None:
    if goes_on and len(group) > 1:
        parts.append(_Alike(group, stop, True))
    elif parts and not parts[-1].is_undecided and len(parts[-1].keys) < SLICE:
        parts[-1].keys.extend(group)
    elif group:
        parts.append(_Alike(group, stop, False))
