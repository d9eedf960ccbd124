"""
Revisions and their row keys.

Every change of the store has a revision ``(main, sub)``: ``main`` grows by one with each
write transaction, ``sub`` counts the changes inside it from 0. The row of a change is
stored under its revision, as etcd stores it (server/storage/mvcc/revision.go), so rows sort in
the order they happened:

    0        8   9        17  18
    +--------+---+--------+---+
    | main   | _ | sub    | t |      big endian; `t` only on the row of a deletion
    +--------+---+--------+---+
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

_ROW_KEY = Struct(">QcQ")
#: What ``row_key`` does, of main, ``SEPARATOR`` and sub: for where a call is too much.
pack_row_key = _ROW_KEY.pack
SEPARATOR = b"_"
_pack_put = Struct(">9sQ").pack
_pack_tombstone = Struct(">9sQc").pack

TOMBSTONE_MARK = b"t"
ROW_KEY_LENGTH = 17
#: Bytes of a row key that are those of its main revision.
ROW_KEY_START = 9

#: Largest revision a client can name (an int64 on the wire).
MAX_REVISION = (1 << 63) - 1


class RowKey(NamedTuple):
    """A row key, taken apart."""

    main: int
    sub: int
    tombstone: bool

    def encoded(self) -> bytes:
        """Return the key as bytes."""
        return (tombstone_key if self.tombstone else row_key)(self.main, self.sub)


def row_key(main: int, sub: int) -> bytes:
    """Return the key of the row that a put at ``(main, sub)`` writes."""
    return pack_row_key(main, SEPARATOR, sub)


def tombstone_key(main: int, sub: int) -> bytes:
    """Return the key of the row that a deletion at ``(main, sub)`` writes."""
    return pack_row_key(main, SEPARATOR, sub) + TOMBSTONE_MARK


def row_keys(main: int, sub: int, number: int) -> list[bytes]:
    """Return the same of so many puts, the first of which is at ``(main, sub)``."""
    start = pack_row_key(main, SEPARATOR, 0)[:9]
    return [_pack_put(start, place) for place in range(sub, sub + number)]


def tombstone_keys(main: int, sub: int, number: int) -> list[bytes]:
    """Return the same of so many deletions, the first of which is at ``(main, sub)``."""
    start = pack_row_key(main, SEPARATOR, 0)[:9]
    return [_pack_tombstone(start, place, TOMBSTONE_MARK) for place in range(sub, sub + number)]


def parse_row_key(key: bytes) -> RowKey:
    """
    Take a row key apart.

    Raises:
        ValueError: If the bytes are no row key.

    """
    tombstone = len(key) == ROW_KEY_LENGTH + 1 and key.endswith(TOMBSTONE_MARK)
    if (len(key) != ROW_KEY_LENGTH and not tombstone) or key[8] != 0x5F:
        raise ValueError(f"not a row key: {key!r}")
    main, _, sub = _ROW_KEY.unpack_from(key)
    return RowKey(main, sub, tombstone)
