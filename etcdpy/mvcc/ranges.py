"""
Range: which key-value pairs a request selects, in which order, and how many.

Everything here is a generator that yields between slices of work and returns its result:
a caller that owns the event loop lets others run at each yield, one that must be atomic
(a write transaction) runs straight through with ``finish``. A short range never yields.

The order of steps is etcd's: fetch in key order, filter by revision, sort, cut.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from etcdpy.mvcc.history import Version
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.revision import row_key
from etcdpy.mvcc.store import Store
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import RangeRequest

#: Keys handled between two yields: about half a millisecond of work.
SLICE = 512

T = TypeVar("T")
Steps = Generator[None, None, T]


class RangeResult(NamedTuple):
    """A page of encoded KeyValues, whether it was cut, and how many keys there are in all."""

    rows: list[bytes]
    more: bool
    total: int


class _Found(NamedTuple):
    key: bytes
    version: Version


def finish(steps: Steps[T]) -> T:
    """Run steps to their end without a pause and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


def select(store: Store, request: RangeRequest, revision: int) -> Steps[RangeResult]:
    """Answer ``request`` from the state at ``revision``."""
    plain = _is_plain(request)
    if plain and not request.range_end and not request.count_only:
        row = store.get(request.key, revision)
        return RangeResult([], False, 0) if row is None else RangeResult([row], False, 1)
    start, stop = bounds(request.key, request.range_end)
    if request.count_only:
        return RangeResult([], False, (yield from _count(store, start, stop, revision)))
    limit = max(request.limit, 0)
    fetched = limit + 1 if limit and _cut_while_fetching(request) else None
    keys = yield from _keys(store, start, stop, revision, fetched)
    if fetched is None or len(keys) < fetched:
        count = len(keys)
    else:
        count = yield from _count(store, start, stop, revision)
    if plain:
        more = 0 < limit < len(keys)
        rows = yield from _rows(store, keys[:limit] if more else keys, revision)
        return RangeResult(rows, more, count)
    found = yield from _versions(store, keys, revision)
    found = yield from _filtered(found, request)
    more = 0 < limit < len(found)
    if request.sort_target == RangeRequest.VALUE:
        rows = yield from _by_value(store, found, request, limit if more else None)
        return RangeResult(rows, more, count)
    found = yield from _sorted(found, request, limit if more else None)
    if request.keys_only:
        return RangeResult((yield from _without_values(found)), more, count)
    return RangeResult((yield from _rows_of(store, found)), more, count)


def _cut_while_fetching(request: RangeRequest) -> bool:
    # etcd fetches limit + 1 keys only when nothing later can drop or move a key; that a
    # target other than KEY with no order is sorted all the same, after the cut, is etcd's.
    if _has_filters(request):
        return False
    if request.sort_order == RangeRequest.NONE:
        return True
    return request.sort_target == RangeRequest.KEY and request.sort_order == RangeRequest.ASCEND


def _has_filters(request: RangeRequest) -> bool:
    return bool(
        request.max_mod_revision
        or request.min_mod_revision
        or request.max_create_revision
        or request.min_create_revision
    )


def _is_plain(request: RangeRequest) -> bool:
    return (
        request.sort_target == RangeRequest.KEY
        and request.sort_order != RangeRequest.DESCEND
        and not request.keys_only
        and not _has_filters(request)
    )


def _count(store: Store, start: bytes, stop: bytes | None, revision: int) -> Steps[int]:
    count = store.index.count(start, stop, revision)
    if count is None:
        count = len((yield from _keys(store, start, stop, revision, None)))
    return count


def _keys(
    store: Store, start: bytes, stop: bytes | None, revision: int, limit: int | None
) -> Steps[list[bytes]]:
    keys: list[bytes] = []
    cursor = start
    while True:
        size = SLICE if limit is None else min(SLICE, limit - len(keys))
        found, following = store.index.scan(cursor, stop, revision, size)
        keys += found
        if following is None or len(keys) == limit:
            return keys
        cursor = following
        yield


def _versions(store: Store, keys: list[bytes], revision: int) -> Steps[list[_Found]]:
    found: list[_Found] = []
    for chunk in _chunks(keys):
        if found:
            yield
        for key in chunk:
            version = store.index.at(key, revision)
            assert version is not None
            found.append(_Found(key, version))
    return found


def _filtered(found: list[_Found], request: RangeRequest) -> Steps[list[_Found]]:
    if not _has_filters(request):
        return found
    min_mod, max_mod = request.min_mod_revision, request.max_mod_revision
    min_create, max_create = request.min_create_revision, request.max_create_revision
    kept: list[_Found] = []
    for number, chunk in enumerate(_chunks(found)):
        if number:
            yield
        kept += [
            item
            for item in chunk
            if not (max_mod and item.version.main > max_mod)
            and not (min_mod and item.version.main < min_mod)
            and not (max_create and item.version.create > max_create)
            and not (min_create and item.version.create < min_create)
        ]
    return kept


_SORT_KEYS: dict[int, Callable[[_Found], Any]] = {
    RangeRequest.KEY: lambda item: item.key,
    RangeRequest.VERSION: lambda item: item.version.version,
    RangeRequest.CREATE: lambda item: item.version.create,
    RangeRequest.MOD: lambda item: item.version.main,
}


def _sorted(found: list[_Found], request: RangeRequest, limit: int | None) -> Steps[list[_Found]]:
    descending = request.sort_order == RangeRequest.DESCEND
    if request.sort_target == RangeRequest.KEY:
        return (found[::-1] if descending else found)[:limit]
    return (yield from sort(found, _SORT_KEYS[request.sort_target], descending, limit))


def _by_value(
    store: Store, found: list[_Found], request: RangeRequest, limit: int | None
) -> Steps[list[bytes]]:
    rows = yield from _rows_of(store, found)
    pairs: list[tuple[bytes, bytes]] = []
    for chunk in _chunks(rows):
        pairs += [(KeyValue.FromString(row).value, row) for row in chunk]
        if len(rows) > SLICE:
            yield
    descending = request.sort_order == RangeRequest.DESCEND
    ordered = yield from sort(pairs, lambda pair: pair[0], descending, limit)
    if request.keys_only:
        return [_emptied(row) for _, row in ordered]
    return [row for _, row in ordered]


def _emptied(row: bytes) -> bytes:
    kv = KeyValue.FromString(row)
    kv.ClearField("value")
    return kv.SerializeToString()


def sort(
    items: list[T], key: Callable[[T], Any], descending: bool, limit: int | None
) -> Steps[list[T]]:
    """Sort in slices; equal items keep their order in both directions, as etcd shows it."""
    runs: list[list[T]] = []
    for chunk in _chunks(items, SLICE * 4):
        runs.append(sorted(chunk, key=key, reverse=descending))
        if len(items) > SLICE * 4:
            yield
    if len(runs) <= 1:
        return runs[0][:limit] if runs else []
    merged: Iterator[T] = merge(*runs, key=key, reverse=descending)
    ordered: list[T] = []
    while limit is None or len(ordered) < limit:
        size = SLICE if limit is None else min(SLICE, limit - len(ordered))
        part = list(islice(merged, size))
        if not part:
            break
        ordered += part
        yield
    return ordered


def _without_values(found: list[_Found]) -> Steps[list[bytes]]:
    # Answered from the index, as etcd does, which is why the lease is missing.
    rows: list[bytes] = []
    for chunk in _chunks(found):
        if rows:
            yield
        rows += [
            KeyValue(
                key=key,
                create_revision=version.create,
                mod_revision=version.main,
                version=version.version,
            ).SerializeToString()
            for key, version in chunk
        ]
    return rows


def _rows(store: Store, keys: list[bytes], revision: int) -> Steps[list[bytes]]:
    rows: list[bytes] = []
    for chunk in _chunks(keys):
        if rows:
            yield
        rows += store.log.rows(store.index.row_keys_at(chunk, revision))
    return rows


def _rows_of(store: Store, found: list[_Found]) -> Steps[list[bytes]]:
    rows: list[bytes] = []
    for chunk in _chunks(found):
        if rows:
            yield
        rows += store.log.rows([row_key(item.version.main, item.version.sub) for item in chunk])
    return rows


def _chunks(items: list[T], size: int = SLICE) -> Iterable[list[T]]:
    if len(items) <= size:
        return (items,) if items else ()
    return (items[i : i + size] for i in range(0, len(items), size))
