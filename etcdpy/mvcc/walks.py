"""
Walks through a range: how many keys it has, which, and their rows, each in slices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from etcdpy.cooperative import Steps
from etcdpy.mvcc.slices import FOUND_SLICE, MOST_READ, ROW_BYTES, SLICE_BYTES, chunks
from etcdpy.mvcc.store import Store
from etcdpy.pb.kv_pb2 import KeyValue

Hold = Callable[[int], None]
"""
Is told of bytes that will be held until the reply is made, and may raise to have no more read; of
fewer than none when some are not held any more.
"""

KEY_BYTES: Final = 8
"""What a key takes in a list: it is the index's."""

#: Scans for which only create revisions are looked at, which takes a fifth of the time.
SCANS_PER_SLICE = 4

#: Rows read before it is known how large they are.
FIRST_READ = 2


def walk(
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


def count_at(store: Store, start: bytes, stop: bytes | None, revision: int) -> Steps[int]:
    """Return how many keys of [start, stop) were alive at ``revision``."""
    known = store.index.count(start, stop, revision)
    if known is not None:
        return known
    count = 0
    for found, is_work in walk(store, start, stop, revision, FOUND_SLICE):
        count += len(found)
        if is_work:
            yield
    return count


def keys_at(
    store: Store,
    start: bytes,
    stop: bytes | None,
    revision: int,
    limit: int | None,
    hold: Hold | None = None,
) -> Steps[list[bytes]]:
    """Return the first ``limit`` keys of [start, stop) that were alive at ``revision``."""
    keys: list[bytes] = []
    told = 0
    for found, is_work in walk(store, start, stop, revision, FOUND_SLICE, limit):
        keys += found
        if is_work:
            if hold is not None:
                hold((len(keys) - told) * KEY_BYTES)
                told = len(keys)
            yield
    return keys


def rows_at(
    store: Store, keys: list[bytes], revision: int, hold: Hold | None = None
) -> Steps[list[bytes]]:
    """
    Return the rows of keys that were alive at ``revision``; the list is emptied.

    Yields after as many as have been half a millisecond's work.
    """
    rows: list[bytes] = []
    size, spent = FIRST_READ, 0
    for chunk in chunks(keys):
        names = store.index.row_keys_at(chunk, revision)
        at, number = 0, len(names)
        while at < number:
            if spent >= SLICE_BYTES:
                if hold is not None:
                    hold(spent)
                yield
                spent = 0
            some = store.log.rows(names[at : at + size])
            at += len(some)
            rows += some
            weight = sum(map(len, some)) + len(some) * ROW_BYTES
            spent += weight
            size = min(max(1, SLICE_BYTES * len(some) // weight), MOST_READ)
    return rows


def rows_without_values(store: Store, keys: list[bytes], revision: int) -> list[bytes]:
    """
    Return rows of keys that were alive at ``revision`` with all but the values.

    They are made from the index, as etcd does (``kvstore_txn.go``, ``rangeKeys``), which is why the
    lease is missing.
    """
    return [
        KeyValue(
            key=key, create_revision=create, mod_revision=main, version=version
        ).SerializeToString()
        for key, main, _, create, version in store.index.versions_at(keys, revision)
    ]


def without_value(row: bytes) -> bytes:
    """Return a row with all but its value."""
    kv = KeyValue.FromString(row)
    kv.ClearField("value")
    return kv.SerializeToString()
