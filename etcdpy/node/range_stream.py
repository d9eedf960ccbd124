"""
Streamed ranges: one Range in pages, each read when the one before it has been taken.

All pages are those of one revision and, one after the other, the reply of a Range: its keys in
its order, each once. By key that is what an index can go on with. By anything else it is the order
of the whole range, so that is made before the first page, of keys alone: no more of the values is
kept than tells them apart.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from etcdpy.cooperative import Steps
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.order import by_number, by_value
from etcdpy.mvcc.ranges import NUMBERS, RangeResult, read_chosen, select
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.walks import keys_at
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import RangeRequest

__all__ = ["Page", "Pages", "open_pages"]


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
        self._request = request
        #: The keys that are left, the next one last.
        self.left: list[bytes] = []
        self.is_cut = False

    def read(self, size: int) -> Steps[Page]:
        """Read the next page, of up to ``size`` keys."""
        keys = self.left[: -size - 1 : -1]
        del self.left[-size:]
        rows = yield from read_chosen(self._store, self._request, keys, self._revision)
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
        ordered = yield from by_value(store, keys, revision)
    else:
        ordered = yield from by_number(store, keys, revision, NUMBERS[request.sort_target])
    if request.limit and len(ordered) > request.limit:
        ordered.pop()
        pages.is_cut = True
    ordered.reverse()
    pages.left = ordered
    return pages
