"""
Range: which key-value pairs a request selects, in which order, and how many.

The order of steps is etcd's (server/etcdserver/txn/range.go, executeRange): fetch in key order,
filter by revision, sort, cut. All of it is done in slices (see ``slices``).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from etcdpy.cooperative import Steps
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.order import CREATE, MOD, VERSION, by_number, by_value
from etcdpy.mvcc.slices import SLICE, by_size, chunks
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.walks import (
    Hold,
    count_at,
    keys_at,
    rows_at,
    rows_without_values,
    walk,
    without_value,
)
from etcdpy.pb.rpc_pb2 import RangeRequest


class RangeResult(NamedTuple):
    """A page of encoded KeyValues, whether it was cut, and how many keys there are in all."""

    rows: list[bytes]
    more: bool
    total: int


class Chosen(NamedTuple):
    """The keys of such a page, in order; the rest is the same."""

    keys: list[bytes]
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
    keys, more, total = yield from choose(store, request, revision, hold)
    return RangeResult((yield from read_chosen(store, request, keys, revision, hold)), more, total)


def choose(
    store: Store, request: RangeRequest, revision: int, hold: Hold | None = None
) -> Steps[Chosen]:
    """
    Choose the keys that ``request`` selects at ``revision``, in its order; read no rows of them.

    Args:
        store: What is read.
        request: What is asked for.
        revision: When.
        hold: Is told of what is held meanwhile, and of the keys; what it raises ends it.

    """
    start, stop = bounds(request.key, request.range_end)
    if request.count_only:
        return Chosen([], False, (yield from count_at(store, start, stop, revision)))
    if _asks_for_one_by_creation(request):
        return (yield from _one_by_creation(store, request, revision))
    limit = max(request.limit, 0)
    fetched = limit + 1 if limit and _cut_while_fetching(request) else None
    keys = yield from keys_at(store, start, stop, revision, fetched, hold)
    if fetched is None or len(keys) < fetched:
        count = len(keys)
    else:
        count = yield from count_at(store, start, stop, revision)
    if _has_filters(request):
        keys = yield from _filtered(store, keys, request, revision)
    more = 0 < limit < len(keys)
    cut = limit if more else None
    descends = request.sort_order == RangeRequest.DESCEND
    if request.sort_target == RangeRequest.KEY:
        if descends:
            keys.reverse()
        del keys[cut or len(keys) :]
    elif request.sort_target == RangeRequest.VALUE:
        keys = yield from by_value(store, keys, revision, descends, cut, hold)
    else:
        place = NUMBERS[request.sort_target]
        keys = yield from by_number(store, keys, revision, place, descends, cut, hold)
    return Chosen(keys, more, count)


NUMBERS: Final[dict[int, int]] = {
    RangeRequest.MOD: MOD,
    RangeRequest.CREATE: CREATE,
    RangeRequest.VERSION: VERSION,
}
"""What keys are sorted by, by their targets."""


def is_of_index(request: RangeRequest) -> bool:
    """Tell whether rows are made of what the index has, and none is read."""
    return request.keys_only and request.sort_target != RangeRequest.VALUE


def read_chosen(
    store: Store,
    request: RangeRequest,
    keys: list[bytes],
    revision: int,
    hold: Hold | None = None,
) -> Steps[list[bytes]]:
    """Return what a reply has of keys that were chosen; the list is emptied."""
    if not is_of_index(request):
        rows = yield from rows_at(store, keys, revision, hold)
        if not request.keys_only:
            return rows
        keys = rows
    made: list[bytes] = []
    for number, chunk in enumerate(chunks(keys)):
        if number:
            yield
        if not is_of_index(request):
            made += map(without_value, chunk)
            continue
        for part, some in enumerate(by_size(chunk)):
            if part:
                yield
            made += rows_without_values(store, some, revision)
    return made


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
    return has_many(request) and _is_plain(request)


def has_many(request: RangeRequest) -> bool:
    """Tell whether a request asks for more than one key."""
    return bool(request.range_end) and not request.count_only


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


def _one_by_creation(store: Store, request: RangeRequest, revision: int) -> Steps[Chosen]:
    """
    Find the key created first, or last, without putting all into that order.

    Each of thousands who wait for one lock asks for it in a transaction.
    """
    descends = request.sort_order == RangeRequest.DESCEND
    oldest, youngest = request.min_create_revision, request.max_create_revision
    best, chosen, total, matching = 0, b"", 0, 0
    start, stop = bounds(request.key, request.range_end)
    for keys, is_work in walk(store, start, stop, revision, SLICE):
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
    return Chosen([chosen] if best else [], matching > 1, total)


def _filtered(
    store: Store, keys: list[bytes], request: RangeRequest, revision: int
) -> Steps[list[bytes]]:
    """Return the keys that the revision filters leave; the list is emptied."""
    # etcd: range.go, filterRangeResults
    wanted = [
        (MOD, request.min_mod_revision, request.max_mod_revision),
        (CREATE, request.min_create_revision, request.max_create_revision),
    ]
    kept: list[bytes] = []
    for number, chunk in enumerate(chunks(keys)):
        if number:
            yield
        for place, least, most in wanted:
            if least or most:
                found = store.index.numbers_at(chunk, revision, place)
                chunk = [
                    key
                    for key, at in zip(chunk, found, strict=True)
                    if not (most and at > most) and not (least and at < least)
                ]
        kept += chunk
    return kept
