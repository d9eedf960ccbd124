"""
Range: which key-value pairs a request selects, in which order, and how many.

The order of steps is etcd's (server/etcdserver/txn/range.go, executeRange): fetch in key order,
filter by revision, sort, cut. All of it is done in slices (see ``slices``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from etcdpy.cooperative import Steps
from etcdpy.mvcc.index import Found
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.revision import row_key
from etcdpy.mvcc.slices import FOUND_SLICE, ROW_BYTES, SLICE, SLICE_BYTES, chunks, sort
from etcdpy.mvcc.store import Store
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import RangeRequest

#: Is told of bytes that will be held until the reply is made, and may raise to have no more read.
Hold = Callable[[int], None]

#: Scans for which only create revisions are looked at, which takes a fifth of the time.
SCANS_PER_SLICE = 4

#: Rows read before it is known how large they are.
FIRST_READ = 2


class RangeResult(NamedTuple):
    """A page of encoded KeyValues, whether it was cut, and how many keys there are in all."""

    rows: list[bytes]
    more: bool
    total: int


def names_newest_of_one(request: RangeRequest) -> bool:
    """Tell whether a request asks for one key at the newest revision, and nothing else."""
    return bool(request.key) and not (
        request.range_end
        or request.revision
        or request.sort_order
        or request.sort_target
        or request.keys_only
        or request.count_only
        or _has_filters(request)
    )


def select(
    store: Store, request: RangeRequest, revision: int, hold: Hold | None = None
) -> Steps[RangeResult]:
    """
    Answer ``request`` from the state at ``revision``.

    Args:
        store: What is read.
        request: What is asked for.
        revision: When.
        hold: Is told of each slice of rows that was read, if there is more than one; what it raises
            ends it.

    """
    plain = _is_plain(request)
    if plain and not request.range_end and not request.count_only:
        row = store.get(request.key, revision)
        return RangeResult([], False, 0) if row is None else RangeResult([row], False, 1)
    start, stop = bounds(request.key, request.range_end)
    if request.count_only:
        return RangeResult([], False, (yield from count_at(store, start, stop, revision)))
    if _asks_for_one_by_creation(request):
        return (yield from _one_by_creation(store, request, revision))
    limit = max(request.limit, 0)
    fetched = limit + 1 if limit and _cut_while_fetching(request) else None
    keys = yield from keys_at(store, start, stop, revision, fetched)
    if fetched is None or len(keys) < fetched:
        count = len(keys)
    else:
        count = yield from count_at(store, start, stop, revision)
    if plain:
        more = 0 < limit < len(keys)
        rows = yield from rows_at(store, keys[:limit] if more else keys, revision, hold)
        return RangeResult(rows, more, count)
    found = yield from _versions(store, keys, request, revision)
    more = 0 < limit < len(found)
    cut = limit if more else None
    if request.sort_target == RangeRequest.VALUE:
        return RangeResult((yield from _by_value(store, found, request, cut, hold)), more, count)
    found = yield from _sorted(found, request, cut)
    if request.keys_only:
        return RangeResult((yield from _without_values(found)), more, count)
    return RangeResult((yield from _rows_of(store, found, hold)), more, count)


def _cut_while_fetching(request: RangeRequest) -> bool:
    # etcd: range.go, rangeLimit. It fetches limit + 1 keys only when nothing later can drop or
    # move a key; that a target other than KEY with no order is sorted all the same, after the
    # cut, is etcd's (sortRangeResults).
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


def is_in_key_order(request: RangeRequest) -> bool:
    """Tell whether a request asks for all keys of a range, or the first so many, and their rows."""
    return bool(request.range_end) and not request.count_only and _is_plain(request)


def _is_plain(request: RangeRequest) -> bool:
    return (
        request.sort_target == RangeRequest.KEY
        and request.sort_order != RangeRequest.DESCEND
        and not request.keys_only
        and not _has_filters(request)
    )


def _asks_for_one_by_creation(request: RangeRequest) -> bool:
    """Tell whether a request is what clients' locks ask for: the key created first, or last."""
    return (
        request.limit == 1
        and request.sort_target == RangeRequest.CREATE
        and request.sort_order != RangeRequest.NONE
        and not (request.min_mod_revision or request.max_mod_revision)
    )


def _one_by_creation(store: Store, request: RangeRequest, revision: int) -> Steps[RangeResult]:
    """
    Find the key created first, or last, without putting all into that order.

    Each of thousands who wait for one lock asks for it in a transaction.
    """
    descends = request.sort_order == RangeRequest.DESCEND
    oldest, youngest = request.min_create_revision, request.max_create_revision
    best, chosen, total, matching = 0, b"", 0, 0
    start, stop = bounds(request.key, request.range_end)
    for keys, is_work in _walk(store, start, stop, revision, SLICE):
        total += len(keys)
        created = store.index.created_at(keys, revision)
        found = created
        if oldest or youngest:
            found = [c for c in created if oldest <= c and not 0 < youngest < c]
        matching += len(found)
        if found:
            # The first of those that were created together, as where all are sorted.
            extreme = max(found) if descends else min(found)
            if not best or (extreme > best if descends else extreme < best):
                best, chosen = extreme, keys[created.index(extreme)]
        if is_work:
            yield
    more = matching > 1
    if not best:
        return RangeResult([], more, total)
    if request.keys_only:
        found_one = store.index.versions_at([chosen], revision)
        return RangeResult((yield from _without_values(found_one)), more, total)
    return RangeResult((yield from rows_at(store, [chosen], revision)), more, total)


def count_at(store: Store, start: bytes, stop: bytes | None, revision: int) -> Steps[int]:
    """Return how many keys of [start, stop) were alive at ``revision``."""
    known = store.index.count(start, stop, revision)
    if known is not None:
        return known
    count = 0
    for found, is_work in _walk(store, start, stop, revision, FOUND_SLICE):
        count += len(found)
        if is_work:
            yield
    return count


def keys_at(
    store: Store, start: bytes, stop: bytes | None, revision: int, limit: int | None
) -> Steps[list[bytes]]:
    """Return the first ``limit`` keys of [start, stop) that were alive at ``revision``."""
    keys: list[bytes] = []
    for found, is_work in _walk(store, start, stop, revision, FOUND_SLICE, limit):
        keys += found
        if is_work:
            yield
    return keys


def _walk(
    store: Store,
    start: bytes,
    stop: bytes | None,
    revision: int,
    size: int,
    limit: int | None = None,
) -> Iterator[tuple[list[bytes], bool]]:
    """
    Iterate over the keys of [start, stop) that were alive at ``revision``, the first ``limit``.

    They come ``size`` at a time, with whether that was a slice's work and more will follow.
    """
    cursor: bytes | None = start
    scans = 0
    while cursor is not None:
        most = size if limit is None else min(size, limit)
        found, cursor = store.index.scan(cursor, stop, revision, most)
        if limit is not None:
            limit -= len(found)
            if not limit:
                cursor = None
        # One that finds less than it may has looked at many keys that are dead.
        scans += 1 if len(found) == most else SCANS_PER_SLICE
        is_work = cursor is not None and scans >= SCANS_PER_SLICE
        if is_work:
            scans = 0
        yield found, is_work


def _versions(
    store: Store, keys: list[bytes], request: RangeRequest, revision: int
) -> Steps[list[Found]]:
    """Look up the versions of keys, and drop those that the revision filters exclude."""
    filtered = _has_filters(request)
    kept: list[Found] = []
    for number, chunk in enumerate(chunks(keys)):
        if number:
            yield
        found = store.index.versions_at(chunk, revision)
        kept += _filtered(found, request) if filtered else found
    return kept


def _filtered(found: list[Found], request: RangeRequest) -> list[Found]:
    # etcd: range.go, filterRangeResults
    min_mod, max_mod = request.min_mod_revision, request.max_mod_revision
    min_create, max_create = request.min_create_revision, request.max_create_revision
    return [
        item
        for item in found
        if not (max_mod and item[1] > max_mod)
        and not (min_mod and item[1] < min_mod)
        and not (max_create and item[3] > max_create)
        and not (min_create and item[3] < min_create)
    ]


_SORT_KEYS: dict[int, Callable[[Found], Any]] = {
    RangeRequest.MOD: lambda item: item[1],
    RangeRequest.CREATE: lambda item: item[3],
    RangeRequest.VERSION: lambda item: item[4],
}


def _sorted(found: list[Found], request: RangeRequest, limit: int | None) -> Steps[list[Found]]:
    descending = request.sort_order == RangeRequest.DESCEND
    if request.sort_target == RangeRequest.KEY:
        return (found[::-1] if descending else found)[:limit]
    return (yield from sort(found, _SORT_KEYS[request.sort_target], descending, limit))


def _by_value(
    store: Store,
    found: list[Found],
    request: RangeRequest,
    limit: int | None,
    hold: Hold | None,
) -> Steps[list[bytes]]:
    rows = yield from _rows_of(store, found, hold)
    pairs: list[tuple[bytes, bytes]] = []
    for number, some in enumerate(chunks(rows)):
        if number:
            yield
        pairs += [(KeyValue.FromString(row).value, row) for row in some]
    descending = request.sort_order == RangeRequest.DESCEND
    ordered = yield from sort(pairs, lambda pair: pair[0], descending, limit)
    rows = []
    for number, chunk in enumerate(chunks(ordered)):
        if number:
            yield
        rows += [_emptied(row) if request.keys_only else row for _, row in chunk]
    return rows


def _emptied(row: bytes) -> bytes:
    kv = KeyValue.FromString(row)
    kv.ClearField("value")
    return kv.SerializeToString()


def _without_values(found: list[Found]) -> Steps[list[bytes]]:
    # Answered from the index, as etcd does (kvstore_txn.go, rangeKeys), which is why the lease
    # is missing.
    rows: list[bytes] = []
    for number, chunk in enumerate(chunks(found)):
        if number:
            yield
        rows += [
            KeyValue(
                key=key, create_revision=create, mod_revision=main, version=version
            ).SerializeToString()
            for key, main, _, create, version in chunk
        ]
    return rows


def rows_at(
    store: Store, keys: list[bytes], revision: int, hold: Hold | None = None
) -> Steps[list[bytes]]:
    """Return the rows of keys that were alive at ``revision``; the list is emptied."""
    row_keys: list[bytes] = []
    for number, chunk in enumerate(chunks(keys, FOUND_SLICE)):
        if number:
            yield
        row_keys += store.index.row_keys_at(chunk, revision)
    return (yield from _read(store, row_keys, hold))


def _rows_of(store: Store, found: list[Found], hold: Hold | None) -> Steps[list[bytes]]:
    row_keys: list[bytes] = []
    for number, chunk in enumerate(chunks(found)):
        if number:
            yield
        row_keys += [row_key(main, sub) for _, main, sub, _, _ in chunk]
    return (yield from _read(store, row_keys, hold))


def _read(store: Store, row_keys: list[bytes], hold: Hold | None) -> Steps[list[bytes]]:
    """Read rows, yielding after as many as have been half a millisecond's work."""
    rows: list[bytes] = []
    row_keys.reverse()
    size, spent = FIRST_READ, 0
    while row_keys:
        if spent >= SLICE_BYTES:
            if hold is not None:
                hold(spent)
            yield
            spent = 0
        chunk = store.log.rows(row_keys[: -size - 1 : -1])
        del row_keys[-size:]
        rows += chunk
        weight = sum(map(len, chunk)) + len(chunk) * ROW_BYTES
        spent += weight
        size = max(1, SLICE_BYTES * len(chunk) // weight)
    return rows
