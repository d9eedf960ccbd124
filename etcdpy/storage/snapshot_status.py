"""What is in a snapshot file, as ``snapshot status`` tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from google.protobuf.message import DecodeError
from google_crc32c import extend

from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.storage.bolt_read import BoltError, BoltReader
from etcdpy.storage.buckets import Bucket

_KEY = Bucket.KEY.value.encode()
_META = Bucket.META.value.encode()
_STORAGE_VERSION = b"storageVersion"
#: The row of a deletion has one byte more than others.
_TOMBSTONE_BYTES = 18
#: Entries between two reports of how far it is.
_OFTEN = 4096


class Status(NamedTuple):
    """
    A summary of a file.

    Attributes:
        hash: CRC-32C of all buckets: each one's name, then its keys and values.
        revision: Of the newest row, 0 if there is none.
        total_key: How many keys there are now.
        total_size: Bytes of all pages.
        version: The storage version written in it, or ``""``.

    """

    hash: int
    revision: int
    total_key: int
    total_size: int
    version: str


def read_status(
    reader: BoltReader, progress: Callable[[int, int], None] = lambda done, total: None
) -> Status:
    """
    Check a file whole and sum it up. Holds the keys (not the values) in memory.

    Args:
        reader: The file.
        progress: Called now and then with about how many bytes are done, and are to be.

    Raises:
        BoltError: If the file is damaged.

    """
    # It is gone through three times.
    third = reader.size
    reader.check()
    progress(third, 3 * third)
    crc = count = size = 0
    for name in reader.buckets:
        crc = extend(crc, name)
        for key, value in reader.entries(name):
            crc = extend(extend(crc, key), value)
            count += 1
            size += len(key) + len(value)
            if not count % _OFTEN:
                progress(third + size, 3 * third)
    progress(2 * third, 3 * third)
    revision, keys = _read_rows(reader)
    version = dict(reader.entries(_META)).get(_STORAGE_VERSION, b"")
    return Status(crc, revision, keys, reader.size, version.decode(errors="replace"))


def _read_rows(reader: BoltReader) -> tuple[int, int]:
    keys: set[bytes] = set()
    row_key = b""
    for row_key, row in reader.entries(_KEY):
        try:
            key = KeyValue.FromString(row).key
        except DecodeError as error:
            raise BoltError(f"row {row_key.hex()} is no key-value pair") from error
        # Rows come in the order in which they were written, so the last of a key decides.
        if len(row_key) == _TOMBSTONE_BYTES:
            keys.discard(key)
        else:
            keys.add(key)
    return int.from_bytes(row_key[:8], "big"), len(keys)
