"""
Ranges in key order whose replies may be long: read from the first key to the last, and encoded.

Nothing is held of them but the reply, and of one that becomes too long not even that: it is read
through once to know how long it will be, which a message says before it begins, and once more as it
is taken. So a range can be read as often as it is needed; what it shows is that of one revision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from etcdpy.cooperative import Pieces, Steps
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.ranges import FIRST_READ, Hold, count_at
from etcdpy.mvcc.replies import KVS, PIECE_BYTES, range_end
from etcdpy.mvcc.slices import ROW_BYTES, SLICE_BYTES
from etcdpy.mvcc.store import Store
from etcdpy.pb.rpc_pb2 import RangeRequest

__all__ = ["Measured", "Reading", "encode"]

_SCANNED: Final = 256
"""Keys that are looked for at a time: their rows are read in the same slice."""

_FOUND_BYTES: Final = 384
"""What finding one counts for, and what encoding its row does, in bytes of rows."""


class Measured(NamedTuple):
    """
    A reply that was read through, and not kept.

    Attributes:
        size: Its bytes.
        end: What it ends with, behind its rows.

    """

    size: int
    end: bytes


class Reading:
    """
    What a range in key order reads.

    Args:
        store: From where.
        request: Checked; of what it asks for only the keys, the limit and the order are looked at.
        revision: When; to be pinned while it is read, or checked not to be compacted.

    Attributes:
        revision: As given.
        found: The keys that were read of those that ``slices`` went through last.
        is_over: Whether those have ended.
        has_all: Whether they have ended where the range does.

    """

    __slots__ = ("_limit", "_start", "_stop", "_store", "found", "has_all", "is_over", "revision")

    def __init__(self, store: Store, request: RangeRequest, revision: int) -> None:
        self._store = store
        self._start, self._stop = bounds(request.key, request.range_end)
        self._limit = max(request.limit, 0)
        self.revision = revision
        self.found = 0
        self.is_over = self.has_all = False

    def slices(self, first: int = FIRST_READ) -> Iterator[list[bytes]]:
        """
        Yield its rows, half a millisecond's work at a time; at least once.

        Args:
            first: Rows to read before it is known how large they are.

        Whoever empties a list has what was in it held no more while the next is not asked for.

        """
        index, log, revision = self._store.index, self._store.log, self.revision
        self.found, self.is_over = 0, False
        cursor: bytes | None = self._start
        rows: list[bytes] = []
        spent, size, left = 0, first, self._limit
        while cursor is not None and not self.is_over:
            wanted = min(_SCANNED, left) if left else _SCANNED
            keys, cursor = index.scan(cursor, self._stop, revision, wanted)
            names = index.row_keys_at(keys, revision)
            is_last = cursor is None
            # One that finds less than it may has looked at many keys that are dead.
            spent += len(keys) * _FOUND_BYTES if is_last or len(keys) == wanted else SLICE_BYTES
            self.found += len(keys)
            if left:
                left -= len(keys)
                is_last = is_last or not left
            at, number = 0, len(names)
            while at < number:
                some = log.rows(names[at : at + size])
                at += len(some)
                rows += some
                weight = sum(map(len, some)) + len(some) * ROW_BYTES
                spent += weight
                size = max(1, SLICE_BYTES * len(some) // weight)
                del some
                if spent >= SLICE_BYTES and at < number:
                    yield rows
                    rows, spent = [], 0
            self.is_over = is_last
            if is_last or spent >= SLICE_BYTES:
                self.has_all = cursor is None
                yield rows
                rows, spent = [], 0

    def total(self) -> Steps[int]:
        """Return how many keys there are in all, when the slices have ended."""
        if self.has_all:
            return self.found
        return (yield from count_at(self._store, self._start, self._stop, self.revision))

    def pieces(self) -> Iterator[bytes]:
        """Yield the encoded fields of its rows, a slice at a time; some may be none."""
        for rows in self.slices(1):
            piece = [b"".join(_fields(rows))]
            rows.clear()
            yield piece.pop()


def encode(
    reading: Reading,
    header: bytes,
    hold: Hold | None = None,
    is_too_long: Callable[[], bool] | None = None,
) -> Steps[bytes | Pieces | Measured]:
    """
    Encode the RangeResponse of a range.

    Args:
        reading: What it reads.
        header: The encoded header field.
        hold: Is told of each slice, if there is more than one; what it raises ends it.
        is_too_long: Asked after each of these; from when it says so nothing more is kept. None: all
            is kept.

    """
    pieces: list[bytes] = []
    parts = [header]
    gathered = size = len(header)
    is_kept = True
    for rows in reading.slices():
        fields = list(_fields(rows))
        rows.clear()
        weight = sum(map(len, fields))
        size += weight
        if is_kept:
            parts += fields
            gathered += weight
            if gathered >= PIECE_BYTES:
                pieces.append(b"".join(parts))
                parts, gathered = [], 0
        if reading.is_over:
            break
        if is_kept:
            if hold is not None:
                hold(weight)
            if is_too_long is not None and is_too_long():
                is_kept = False
                pieces.clear()
                parts.clear()
        fields.clear()
        yield
    total = yield from reading.total()
    end = range_end(more=total > reading.found, total=total)
    if not is_kept:
        return Measured(size + len(end), end)
    parts.append(end)
    last = b"".join(parts)
    if last:
        pieces.append(last)
    return Pieces(pieces) if len(pieces) > 1 else pieces[0]


def _fields(rows: list[bytes]) -> Iterator[bytes]:
    before = map(KVS.__getitem__, map(len, rows))
    return chain.from_iterable(zip(before, rows, strict=True))
