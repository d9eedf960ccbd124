"""
How large the reply of a transaction will be, found out before it is applied.

Afterwards it could not be refused any more. What it is going to read is read and let go of again,
which costs as much as reading it; so that is only done where it may be much.
"""

from __future__ import annotations

from collections.abc import Iterable

from etcdpy.cooperative import Steps
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.slices import SLICE, SLICE_BYTES
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn_request import DELETE, PUT, RANGE, Op
from etcdpy.mvcc.walks import Hold

#: Keys whose rows are not weighed, in all: they are a few megabytes at the most.
UNWEIGHED = 16
#: What a row counts for besides its bytes.
ROW_OVERHEAD = 64


def weigh(store: Store, ops: Iterable[Op], revision: int, hold: Hold) -> Steps[None]:
    """
    Tell ``hold`` how many bytes the replies of operations will have, about.

    Each is weighed on what is there at ``revision``, and one with a limit as if it read the keys
    that come first. What a transaction puts itself is not counted where it reads it again.

    Args:
        store: What they are going to be applied to.
        ops: Those of one path, which has no transactions in it.
        revision: The newest there is.
        hold: Is called for each slice; what it raises ends it.

    """
    free, gathered, work = UNWEIGHED, 0, 0
    for op in ops:
        work += 1
        read = _read_by(op, revision)
        if read is not None:
            start, stop, seen, left = read
            cursor: bytes | None = start
            while cursor is not None and left:
                keys, cursor = store.index.scan(
                    cursor, stop, seen, SLICE if left < 0 else min(SLICE, left)
                )
                left -= len(keys)
                free -= len(keys)
                if free >= 0:
                    continue
                for key in keys:
                    row = store.get(key, seen)
                    gathered += ROW_OVERHEAD + (0 if row is None else len(row))
                    if gathered >= SLICE_BYTES:
                        hold(gathered)
                        gathered = work = 0
                        yield
                work += len(keys)
                if work >= SLICE:
                    work = 0
                    yield
        if work >= SLICE:
            work = 0
            yield
    if gathered:
        hold(gathered)


def is_answered_with_rows(op: Op) -> bool:
    """Tell whether there may be rows in the reply of an operation."""
    return _read_by(op, 0) is not None


def _read_by(op: Op, revision: int) -> tuple[bytes, bytes | None, int, int] | None:
    """Return the range whose rows are in an operation's reply, as of when, and how many at most."""
    kind, request = op
    if kind == RANGE:
        if request.count_only or request.keys_only:
            return None
        start, stop = bounds(request.key, request.range_end)
        seen = request.revision if 0 < request.revision < revision else revision
        return start, stop, seen, request.limit if request.limit > 0 else -1
    if kind == PUT and request.prev_kv:
        return (*bounds(request.key, b""), revision, 1)
    if kind == DELETE and request.prev_kv:
        return (*bounds(request.key, request.range_end), revision, -1)
    return None
