"""
A batch as bytes: what the journal holds of it.

Columns instead of fields, so that encoding is a handful of C calls however
many rows there are; all integers little-endian::

    u64 revision | u32 rows | u32 puts | u32 drops | u32 zero
    u8  row key lengths  [rows]     u32 row value lengths [rows]
    u8  bucket numbers   [puts]     u32 key lengths [puts]     u32 value lengths [puts]
    u8  drop key lengths [drops]
    row keys | row values | put keys | put values | drop keys

A put that deletes has the value length ``0xffffffff`` and no value.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from etcdpy.storage.batch import Batch
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.errors import StorageError

_HEAD = struct.Struct("<QIIII")
_DELETED = 0xFFFFFFFF
# On disk a bucket is its place in this list: append only, never reorder.
_BUCKETS = (
    Bucket.KEY,
    Bucket.META,
    Bucket.LEASE,
    Bucket.ALARM,
    Bucket.AUTH,
    Bucket.AUTH_USERS,
    Bucket.AUTH_ROLES,
    Bucket.CLUSTER,
    Bucket.MEMBERS,
    Bucket.MEMBERS_REMOVED,
    Bucket.V2,
)
_NUMBERS = {bucket: number for number, bucket in enumerate(_BUCKETS)}


class Record(NamedTuple):
    """A decoded batch."""

    revision: int
    rows: dict[bytes, bytes]
    puts: dict[tuple[Bucket, bytes], bytes | None]
    drops: list[bytes]


class RowColumns:
    """The row columns of a batch that is still growing, encoded piece by piece."""

    def __init__(self) -> None:
        self._number = 0
        self._key_lengths = bytearray()
        self._value_lengths = bytearray()
        self._keys: list[bytes] = []
        self._values: list[bytes] = []

    def add(self, rows: dict[bytes, bytes]) -> None:
        """Encode the rows that came in since the last time."""
        # From the end: passing over the older ones each time would be quadratic.
        number = len(rows) - self._number
        keys = list(islice(reversed(rows), number))
        values = list(islice(reversed(rows.values()), number))
        keys.reverse()
        values.reverse()
        self._number = len(rows)
        self._key_lengths += bytes(map(len, keys))
        self._value_lengths += _u32(map(len, values))
        self._keys.append(b"".join(keys))
        self._values.append(b"".join(values))

    def columns(self) -> tuple[bytes | bytearray, bytes | bytearray, list[bytes], list[bytes]]:
        """Return the lengths of keys and of values, and both in pieces to be joined."""
        return self._key_lengths, self._value_lengths, self._keys, self._values


def encode(batch: Batch, prepared: RowColumns | None = None) -> bytes:
    """
    Return the batch as bytes; ``decode`` is the reverse.

    Args:
        batch: What to encode.
        prepared: Has encoded some of its rows already.

    """
    rows, puts, drops = batch.rows, batch.puts, batch.drops
    values = puts.values()
    key_lengths: bytes | bytearray
    value_lengths: bytes | bytearray
    row_keys: Iterable[bytes]
    row_values: Iterable[bytes]
    if prepared is None:
        key_lengths, value_lengths = bytes(map(len, rows)), _u32(map(len, rows.values()))
        row_keys, row_values = rows, rows.values()
    else:
        prepared.add(rows)
        key_lengths, value_lengths, row_keys, row_values = prepared.columns()
    return b"".join(
        (
            _HEAD.pack(batch.revision, len(rows), len(puts), len(drops), 0),
            key_lengths,
            value_lengths,
            bytes([_NUMBERS[bucket] for bucket, _ in puts]),
            _u32(len(key) for _, key in puts),
            _u32(_DELETED if value is None else len(value) for value in values),
            bytes(map(len, drops)),
            *row_keys,
            *row_values,
            *[key for _, key in puts],
            *[value for value in values if value is not None],
            *drops,
        )
    )


def decode(data: bytes) -> Record:
    """
    Return the batch that ``encode`` made ``data`` of.

    Raises:
        StorageError: If it cannot have made it.

    """
    try:
        return _decode(data)
    except (struct.error, ValueError, IndexError) as error:
        raise StorageError(f"not a batch: {error}") from error


def _decode(data: bytes) -> Record:
    revision, row_count, put_count, drop_count, zero = _HEAD.unpack_from(data)
    reader = _Reader(data, _HEAD.size)
    row_key_lengths = reader.take(row_count)
    row_value_lengths = reader.integers(row_count)
    buckets = reader.take(put_count)
    put_key_lengths = reader.integers(put_count)
    put_value_lengths = reader.integers(put_count)
    drop_lengths = reader.take(drop_count)
    rows = dict(
        zip(
            list(reader.strings(row_key_lengths)),  # all keys come before the first value
            reader.strings(row_value_lengths),
            strict=True,
        )
    )
    put_keys = list(reader.strings(put_key_lengths))
    puts: dict[tuple[Bucket, bytes], bytes | None] = {
        (_BUCKETS[number], key): None if length == _DELETED else reader.take(length)
        for number, key, length in zip(buckets, put_keys, put_value_lengths, strict=True)
    }
    drops = list(reader.strings(drop_lengths))
    if zero or reader.position != len(data) or len(rows) != row_count or len(puts) != put_count:
        raise ValueError("the parts do not add up")
    return Record(revision, rows, puts, drops)


class _Reader:
    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self.position = position

    def take(self, length: int) -> bytes:
        start, self.position = self.position, self.position + length
        if self.position > len(self._data):
            raise ValueError("cut short")
        return self._data[start : self.position]

    def integers(self, count: int) -> array[int]:
        return _native(array("I", self.take(4 * count)))

    def strings(self, lengths: Iterable[int]) -> Iterator[bytes]:
        return map(self.take, lengths)


def _u32(numbers: Iterable[int]) -> bytes:
    return _native(array("I", numbers)).tobytes()


def _native(numbers: array[int]) -> array[int]:
    """Swap between little-endian and the machine's order, which nearly always is the same."""
    assert numbers.itemsize == 4
    if sys.byteorder != "little":
        numbers.byteswap()
    return numbers
