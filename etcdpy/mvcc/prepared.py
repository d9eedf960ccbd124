"""
What of a large write is done before others have to wait for it.

It changes nothing that anybody could see, and is a guess: when the write has its turn it is looked
at whether it still holds, which takes a small part of making it.
"""

from __future__ import annotations

from typing import NamedTuple

from etcdpy.cooperative import Steps
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.rows import tombstones
from etcdpy.mvcc.slices import SLICE
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.walks import keys_at
from etcdpy.pb.rpc_pb2 import DeleteRangeRequest

__all__ = ["Deletion", "deletion_of", "is_large", "prepare_deletion", "still_holds"]


class Deletion(NamedTuple):
    """
    A deletion that is prepared.

    Attributes:
        keys: Which, in order.
        rows: Of their deletions, which are the same at any revision.
        revision: As of which they are all keys of a range.

    """

    keys: list[bytes]
    rows: list[bytes]
    revision: int = 0


def is_large(store: Store, request: DeleteRangeRequest) -> bool:
    """Tell whether a deletion is of more keys than a slice."""
    if not request.range_end:
        return False
    start, stop = bounds(request.key, request.range_end)
    number = store.index.count(start, stop, store.revision)
    return number is not None and number > SLICE


def prepare_deletion(store: Store, request: DeleteRangeRequest) -> Steps[Deletion]:
    """Prepare the deletion of a range, as it is now."""
    start, stop = bounds(request.key, request.range_end)
    revision = store.revision
    keys = yield from keys_at(store, start, stop, revision, None)
    made = yield from deletion_of(store, keys)
    return made._replace(revision=revision)


def still_holds(made: Deletion, store: Store, request: DeleteRangeRequest) -> bool:
    """Tell whether what was prepared for a request is what it asks for now."""
    return store.index.has_same_keys(*bounds(request.key, request.range_end), made.revision)


def deletion_of(store: Store, keys: list[bytes]) -> Steps[Deletion]:
    """Prepare the deletion of keys, in ascending order; the list is taken over."""
    rows: list[bytes] = []
    for first in range(0, len(keys), SLICE):
        if first:
            yield
        some = keys[first : first + SLICE]
        store.index.expand(some)
        rows += tombstones(some)
    return Deletion(keys, rows)
