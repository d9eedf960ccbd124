"""
Hashes of the store that equal a real etcd's, row for row.

``HashKV`` covers the rows of the key bucket up to a revision, leaving out what a compaction
there would take, so that members hash alike wherever their compactions stand
(etcd: mvcc/hash.go, kvHasher)::

    crc(C, R, K) = CRC-32C over "key", then key and value of each row with main <= R, but
                   not of a row with main <= C that is outside K, unless K is empty,
                   not of a tombstone with main == C
    K            = for each key alive at R, the row that it has there

With ``C`` the compact revision (-1: never compacted). A compaction at R, the one before it
having been at P, is remembered as ``crc(P, R, K and the tombstones of R)`` over the rows
before they go: that is what ``HashKV`` at R was until then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

from google_crc32c import extend

from etcdpy.errors import CompactedError, FutureRevisionError
from etcdpy.mvcc.revision import MAX_REVISION, ROW_KEY_LENGTH, row_key
from etcdpy.mvcc.store import CONSISTENT_INDEX, Store
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.commit_log import RowSource

#: Rows hashed between two turns of the loop: less than a millisecond.
ROWS_PER_SLICE = 512
#: Compactions remembered (etcd: hashStorageMaxSize).
MOST_REMEMBERED = 10

#: What ``hash_all`` leaves out, as it differs between members (etcd: DefaultIgnores).
_IGNORED = {
    (Bucket.META, CONSISTENT_INDEX),
    (Bucket.META, b"term"),
    (Bucket.META, b"storageVersion"),
}

Row = tuple[bytes, bytes]


class KeyHash(NamedTuple):
    """A hash of the key bucket, and the revisions that it was made at."""

    hash: int
    compact_revision: int
    revision: int


class Hasher:
    """Hashes a store in slices, and remembers the hashes of the last compactions."""

    def __init__(self, store: Store, rows: RowSource) -> None:
        self._store = store
        self._rows = rows
        self._remembered: list[KeyHash] = []

    async def hash_keys(self, revision: int) -> KeyHash:
        """
        Hash the key bucket at ``revision``; 0 is the newest durable one.

        Raises:
            CompactedError: If the revision was compacted away and is not remembered.
            FutureRevisionError: If it is not there yet.

        """
        for known in self._remembered:
            if known.revision == revision:
                return known
        store = self._store
        if 0 < revision < store.compact_revision:
            raise CompactedError
        if revision > store.durable_revision:
            raise FutureRevisionError
        revision = revision or store.durable_revision
        compacted = store.compact_revision
        # A compaction begun meanwhile waits: it could take rows that belong in.
        with store.pinned(compacted):
            return KeyHash(await self._crc(compacted, revision), compacted, revision)

    async def before_compaction(self, revision: int, previous: int) -> KeyHash:
        """Hash what a compaction at ``revision`` finds, before it takes anything."""
        return KeyHash(await self._crc(previous, revision, tombs=True), previous, revision)

    def remember(self, compaction: KeyHash) -> None:
        """Answer from the hash of a compaction, now that it is done, until ten newer ones are."""
        self._remembered.append(compaction)
        # Kept are those of the highest revisions, which nearly always are the latest.
        self._remembered.sort(key=lambda known: known.revision, reverse=True)
        del self._remembered[MOST_REMEMBERED:]

    async def hash_all(self) -> int:
        """Hash every bucket in the order of their names (etcd: backend.Hash)."""
        crc: int = 0
        store = self._store
        with store.pinned(store.compact_revision):
            for bucket in sorted(Bucket, key=lambda bucket: bucket.value):
                crc = extend(crc, bucket.value.encode())
                rows = self._all_rows() if bucket is Bucket.KEY else self._rows.items(bucket)
                while part := list(islice(rows, ROWS_PER_SLICE)):
                    kept = [pair for pair in part if (bucket, pair[0]) not in _IGNORED]
                    crc = extend(crc, b"".join(chain.from_iterable(kept)))
                    await asyncio.sleep(0)
        return crc

    def _all_rows(self) -> Iterator[Row]:
        return self._rows.scan_rows(b"", row_key(self._store.durable_revision + 1, 0))

    async def _crc(self, compacted: int, revision: int, *, tombs: bool = False) -> int:
        """Return ``crc(compacted, revision, K)``; ``tombs`` puts tombstones into K as well."""
        crc: int = extend(0, b"key")
        if revision <= 0:
            return crc
        above = row_key(min(revision, MAX_REVISION) + 1, 0)
        # Rows up to the compaction are looked at one by one, the others are taken whole.
        middle = row_key(min(compacted, revision) + 1, 0) if compacted >= 0 else b""
        if middle:
            kept_only = await self._keeps_any(revision, tombs=tombs)
            rows = self._rows.scan_rows(b"", middle)
            while part := list(islice(rows, ROWS_PER_SLICE)):
                kept = [row for row in part if self._counts(row, compacted, revision, kept_only)]
                crc = extend(crc, b"".join(chain.from_iterable(kept)))
                await asyncio.sleep(0)
        rows = self._rows.scan_rows(middle, above)
        while part := list(islice(rows, ROWS_PER_SLICE)):
            crc = extend(crc, b"".join(chain.from_iterable(part)))
            await asyncio.sleep(0)
        return crc

    def _counts(self, row: Row, compacted: int, revision: int, kept_only: bool) -> bool:
        """Tell whether a row at or below the compaction belongs into the hash."""
        key, value = row
        if len(key) > ROW_KEY_LENGTH:
            # K has no tombstone this old; without K all but those of the compaction count.
            return not kept_only and not key.startswith(row_key(compacted, 0)[:8])
        return not kept_only or self._store.index.row_key_at(_key_of(value), revision) == key

    async def _keeps_any(self, revision: int, *, tombs: bool) -> bool:
        if tombs:
            rows = self._rows.scan_rows(row_key(revision, 0), row_key(revision + 1, 0))
            if any(len(key) > ROW_KEY_LENGTH for key, _ in rows):
                return True
        cursor: bytes | None = b""
        while cursor is not None:
            found, cursor = self._store.index.scan(cursor, None, revision, 1)
            if found:
                return True
            await asyncio.sleep(0)
        return False


def _key_of(value: bytes) -> bytes:
    # Fast path: the key is the first field, and mostly short (protobuf: tag 0x0a, length).
    if len(value) > 1 and value[0] == 0x0A and value[1] < 0x80:
        return value[2 : 2 + value[1]]
    return KeyValue.FromString(value).key
