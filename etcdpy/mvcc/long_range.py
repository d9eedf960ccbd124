"""
Ranges whose replies may be long: read from the first key to the last, and encoded.

Nothing is held of them but the reply, and of one that becomes too long not even that: it is read
through once to know how long it will be, which a message says before it begins, and once more as it
is taken. So a range can be read as often as it is needed; what it shows is that of one revision.

Keys in their own order are looked for as they are read. Those of any other range were chosen before
(``ranges.choose``), and of that the keys are kept, eight bytes each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from etcdpy.cooperative import Pieces, Steps
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.ranges import Chosen, is_of_index
from etcdpy.mvcc.replies import KVS, PIECE_BYTES, range_end
from etcdpy.mvcc.slices import MOST_READ, ROW_BYTES, SLICE, SLICE_BYTES, by_size
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.walks import (
    FIRST_READ,
    KEY_BYTES,
    Hold,
    count_at,
    rows_without_values,
    without_value,
)
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
    What a range reads.

    Args:
        store: From where.
        request: Checked.
        revision: When; to be pinned while it is read, or checked not to be compacted.
        chosen: Its keys, if they are not just the first so many in key order.

    Attributes:
        revision: As given.
        found: The keys that were read of those that ``slices`` went through last.
        is_over: Whether those have ended.

    """

    __slots__ = (
        "_chosen",
        "_cost",
        "_has_all",
        "_is_of_index",
        "_keys_only",
        "_limit",
        "_start",
        "_stop",
        "_store",
        "found",
        "is_over",
        "revision",
    )

    def __init__(
        self, store: Store, request: RangeRequest, revision: int, chosen: Chosen | None = None
    ) -> None:
        self._store = store
        self._start, self._stop = bounds(request.key, request.range_end)
        self._limit = max(request.limit, 0)
        self._chosen = chosen
        self._keys_only = request.keys_only
        self._is_of_index = is_of_index(request)
        self.revision = revision
        self.found = 0
        self.is_over = self._has_all = False
        # What finding the last keys counted for, in bytes of rows.
        self._cost = 0

    @property
    def held(self) -> int:
        """The bytes that it takes itself, for as long as it may be read."""
        return 0 if self._chosen is None else len(self._chosen.keys) * KEY_BYTES

    def slices(self, first: int = FIRST_READ) -> Iterator[list[bytes]]:
        """
        Yield its rows, half a millisecond's work at a time; at least once.

        Args:
            first: Rows to read before it is known how large they are.

        Whoever empties a list has what was in it held no more while the next is not asked for.

        """
        index, log, revision = self._store.index, self._store.log, self.revision
        self.found, self.is_over = 0, False
        rows: list[bytes] = []
        spent, size = 0, first
        for keys, is_last in self._scanned() if self._chosen is None else self._in_order():
            self.found += len(keys)
            spent += self._cost
            names: list[bytes] = []
            if self._is_of_index:
                for number, some in enumerate(by_size(keys)):
                    if number:
                        yield rows
                        rows, spent = [], 0
                    rows += rows_without_values(self._store, some, revision)
                    spent += len(some) * (SLICE_BYTES // SLICE)
            else:
                names = index.row_keys_at(keys, revision)
            at, number = 0, len(names)
            while at < number:
                some = log.rows(names[at : at + size])
                at += len(some)
                weight = sum(map(len, some)) + len(some) * ROW_BYTES
                spent += weight
                size = min(max(1, SLICE_BYTES * len(some) // weight), MOST_READ)
                rows += map(without_value, some) if self._keys_only else some
                del some
                if spent >= SLICE_BYTES and at < number:
                    yield rows
                    rows, spent = [], 0
            self.is_over = is_last
            if is_last or spent >= SLICE_BYTES:
                yield rows
                rows, spent = [], 0

    def _scanned(self) -> Iterator[tuple[list[bytes], bool]]:
        """Yield the first so many keys, some at a time, and whether they are the last."""
        cursor: bytes | None = self._start
        left = self._limit
        while cursor is not None:
            wanted = min(_SCANNED, left) if left else _SCANNED
            keys, cursor = self._store.index.scan(cursor, self._stop, self.revision, wanted)
            self._has_all = cursor is None
            # One that finds less than it may has looked at many keys that are dead.
            is_all = self._has_all or len(keys) == wanted
            self._cost = len(keys) * _FOUND_BYTES if is_all else SLICE_BYTES
            if left:
                left -= len(keys)
                if not left:
                    cursor = None
            yield keys, cursor is None

    def _in_order(self) -> Iterator[tuple[list[bytes], bool]]:
        """Yield the keys that were chosen, in the same way."""
        assert self._chosen is not None
        keys = self._chosen.keys
        for first in range(0, len(keys) or 1, _SCANNED):
            some = keys[first : first + _SCANNED]
            self._cost = len(some) * _FOUND_BYTES
            yield some, first + _SCANNED >= len(keys)

    def end(self) -> Steps[bytes]:
        """Return what its reply has behind the rows, when the slices have ended."""
        if self._chosen is not None:
            return range_end(more=self._chosen.more, total=self._chosen.total)
        total = self.found
        if not self._has_all:
            total = yield from count_at(self._store, self._start, self._stop, self.revision)
        return range_end(more=total > self.found, total=total)

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
    end = yield from reading.end()
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
