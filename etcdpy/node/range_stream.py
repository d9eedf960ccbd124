"""
Streamed ranges: one Range in pages, each read when the one before it has been taken.

All pages are those of one revision and, one after the other, the reply of a Range: its keys in
its order, each once. By key that is what an index can go on with. By anything else it is the order
of the whole range, so that is made before the first page, of keys alone: no more of the values is
kept than tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final, NamedTuple, Protocol

from etcdpy.cooperative import Steps
from etcdpy.mvcc.index import Found
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.ranges import RangeResult, keys_at, rows_at, select
from etcdpy.mvcc.slices import SLICE, SLICE_BYTES, chunks, sort
from etcdpy.mvcc.store import Store
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import RangeRequest

__all__ = ["Page", "Pages", "open_pages"]

#: Bytes of values held at a time while they are sorted, or ``LEAST_PIECE`` a key where there are
#: very many. Comparing them is a few milliseconds' work at most.
VALUES_HELD: Final = 4 << 20
LEAST_PIECE: Final = 256

#: Keys whose values are read before it is known how large they are.
_FIRST_READ: Final = 16


class Page(NamedTuple):
    """
    A part of a streamed range.

    Attributes:
        is_last: Whether there is nothing left to read.
        result: Its rows; those of the last page with ``more`` and ``total`` of the whole range.

    """

    is_last: bool
    result: RangeResult


class Pages(Protocol):
    """A range that is being read."""

    def read(self, size: int) -> Steps[Page]:
        """Read the next page, of up to ``size`` keys."""


class _ByKey:
    """A range in key order."""

    def __init__(self, store: Store, request: RangeRequest, revision: int) -> None:
        self._store = store
        self._revision = revision
        self._limit = request.limit
        self._sent = 0
        self._left = RangeRequest()
        self._left.CopyFrom(request)
        _, stop = bounds(request.key, request.range_end)
        self._range_end = b"\0" if stop is None else stop

    def read(self, size: int) -> Steps[Page]:
        """Read the next page, of up to ``size`` keys."""
        self._left.limit = min(size, self._limit - self._sent) if self._limit else size
        result = yield from select(self._store, self._left, self._revision)
        before = self._sent
        self._sent += len(result.rows)
        if not result.more or self._sent == self._limit:
            # The count is that of the whole range, of which this page saw the end.
            return Page(True, result._replace(total=before + result.total))
        self._left.key = KeyValue.FromString(result.rows[-1]).key + b"\0"
        self._left.range_end = self._range_end
        return Page(False, result)


class _InOrder:
    """A range whose keys have been put in order."""

    def __init__(self, store: Store, request: RangeRequest, revision: int, count: int) -> None:
        self._store = store
        self._revision = revision
        self._count = count
        self._keys_only = request.keys_only
        # Answered from the index, as Range does: without the lease.
        self._from_index = request.keys_only and request.sort_target != RangeRequest.VALUE
        #: The keys that are left, the next one last.
        self.left: list[bytes] = []
        self.is_cut = False

    def read(self, size: int) -> Steps[Page]:
        """Read the next page, of up to ``size`` keys."""
        keys = self.left[: -size - 1 : -1]
        del self.left[-size:]
        rows: list[bytes] = []
        if self._from_index:
            for number, chunk in enumerate(chunks(keys)):
                if number:
                    yield
                found = self._store.index.versions_at(chunk, self._revision)
                rows += [_without_value(*one) for one in found]
        else:
            rows = yield from rows_at(self._store, keys, self._revision)
            if self._keys_only:
                rows = [_emptied(row) for row in rows]
        if self.left:
            return Page(False, RangeResult(rows, True, 0))
        return Page(True, RangeResult(rows, self.is_cut, self._count))


def open_pages(store: Store, request: RangeRequest, revision: int) -> Steps[Pages]:
    """
    Begin to read a range; a sort target without an order is ascending, as in etcd's Range.

    Args:
        request: Checked; it asks for keys, and its limit is not negative.
        revision: What it shows; not compacted while it is read.

    """
    if request.sort_target == RangeRequest.KEY:
        return _ByKey(store, request, revision)
    return (yield from _put_in_order(store, request, revision))


def _put_in_order(store: Store, request: RangeRequest, revision: int) -> Steps[Pages]:
    """
    Put the keys of a range in order; equals are in key order.

    A limit cuts the range before it is sorted, at one key more, and once more afterwards: that is
    etcd's Range (``range.go``, ``rangeLimit``).
    """
    start, stop = bounds(request.key, request.range_end)
    fetched = request.limit + 1 if request.limit else None
    keys = yield from keys_at(store, start, stop, revision, fetched)
    count = len(keys)
    if count == fetched:
        whole = RangeRequest(key=request.key, range_end=request.range_end, count_only=True)
        count = (yield from select(store, whole, revision)).total
    pages = _InOrder(store, request, revision, count)
    if request.sort_target == RangeRequest.VALUE:
        ordered = yield from _by_value(store, keys, revision)
    else:
        ordered = yield from _by_version(store, keys, revision, _NUMBERS[request.sort_target])
    if request.limit and len(ordered) > request.limit:
        ordered.pop()
        pages.is_cut = True
    ordered.reverse()
    pages.left = ordered
    return pages


_NUMBERS: Final[dict[int, Callable[[Found], Any]]] = {
    RangeRequest.MOD: itemgetter(1),
    RangeRequest.CREATE: itemgetter(3),
    RangeRequest.VERSION: itemgetter(4),
}


def _by_version(
    store: Store, keys: list[bytes], revision: int, number_of: Callable[[Found], Any]
) -> Steps[list[bytes]]:
    """Return keys by a number that the index has of each; the list is emptied."""
    pairs: list[tuple[int, bytes]] = []
    for chunk in chunks(keys):
        yield
        pairs += [(number_of(one), one[0]) for one in store.index.versions_at(chunk, revision)]
    return (yield from _keys_of((yield from sort(pairs, itemgetter(0), False, None))))


def _by_value(store: Store, keys: list[bytes], revision: int) -> Steps[list[bytes]]:
    """
    Return keys by their values; the list is emptied.

    Values are read and compared as far as ``VALUES_HELD`` allows; those that are alike so far are
    read again and compared from there on.
    """
    ordered: list[bytes] = []
    waiting = [_Alike(keys, 0, True)]
    while waiting:
        alike = waiting.pop()
        if alike.is_undecided:
            parts = yield from _split(store, alike, revision)
            waiting += reversed(parts)
        else:
            ordered += alike.keys
            yield
    return ordered


class _Alike(NamedTuple):
    """
    Keys whose values are alike up to byte ``start``.

    Attributes:
        is_undecided: Whether that may not be all of the values, so that they have to be sorted.

    """

    keys: list[bytes]
    start: int
    is_undecided: bool


def _split(store: Store, alike: _Alike, revision: int) -> Steps[list[_Alike]]:
    """Sort keys by some more bytes of their values."""
    stop = alike.start + max(LEAST_PIECE, VALUES_HELD // max(1, len(alike.keys)))
    parts: list[_Alike] = []
    pairs = yield from _pieces(store, alike.keys, revision, alike.start, stop)
    current: tuple[bytes, bool] | None = None
    group: list[bytes] = []
    for chunk in chunks((yield from sort(pairs, itemgetter(0), False, None))):
        yield
        for piece, key in chunk:
            if piece != current:
                _add(parts, group, stop, current)
                current, group = piece, []
            group.append(key)
    _add(parts, group, stop, current)
    return parts


def _add(
    parts: list[_Alike], group: list[bytes], stop: int, piece: tuple[bytes, bool] | None
) -> None:
    if piece is not None and piece[1] and len(group) > 1:
        parts.append(_Alike(group, stop, True))
    elif parts and not parts[-1].is_undecided and len(parts[-1].keys) < SLICE:
        parts[-1].keys.extend(group)
    elif group:
        parts.append(_Alike(group, stop, False))


def _pieces(
    store: Store, keys: list[bytes], revision: int, start: int, stop: int
) -> Steps[list[tuple[tuple[bytes, bool], bytes]]]:
    """Return bytes ``start`` to ``stop`` of each key's value, whether it goes on, and the key."""
    pairs: list[tuple[tuple[bytes, bool], bytes]] = []
    size, spent = _FIRST_READ, 0
    keys.reverse()
    while keys:
        some = keys[: -size - 1 : -1]
        del keys[-size:]
        rows = yield from rows_at(store, list(some), revision)
        weight = sum(map(len, rows)) + len(rows) * (SLICE_BYTES // SLICE)
        # Values that are alike are held once.
        held: dict[bytes, bytes] = {}
        for key, row in zip(some, rows, strict=True):
            value = KeyValue.FromString(row).value
            piece = value[start:stop]
            pairs.append(((held.setdefault(piece, piece), len(value) > stop), key))
        size = max(1, SLICE_BYTES * len(rows) // weight)
        spent += weight
        if spent >= SLICE_BYTES:
            yield
            spent = 0
    return pairs


def _keys_of(pairs: list[tuple[int, bytes]]) -> Steps[list[bytes]]:
    keys: list[bytes] = []
    for chunk in chunks(pairs):
        yield
        keys += [key for _, key in chunk]
    return keys


def _without_value(key: bytes, main: int, _sub: int, create: int, version: int) -> bytes:
    return KeyValue(
        key=key, create_revision=create, mod_revision=main, version=version
    ).SerializeToString()


def _emptied(row: bytes) -> bytes:
    kv = KeyValue.FromString(row)
    kv.ClearField("value")
    return kv.SerializeToString()
