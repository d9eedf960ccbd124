"""
Hashes of the store that equal a real etcd's, row for row.

``HashKV`` covers the rows of the key bucket up to a revision, leaving out what a compaction
there would take, so that members hash alike wherever their compactions stand
(etcd: server/storage/mvcc/hash.go, kvHasher)::

    crc(C, R, K) = CRC-32C over "key", then key and value of each row with main <= R, but
                   not of a row with main <= C that is outside K, unless K is empty,
                   not of a tombstone with main == C
    K            = for each key alive at R, the row that it has there

With ``C`` the compact revision (-1: never compacted). A compaction at R, the one before it
having been at P, is remembered as ``crc(P, R, K and the tombstones of R)`` over the rows
before they go: that is what ``HashKV`` at R was until then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

from google_crc32c import extend

from etcdpy.cooperative import Steps
from etcdpy.errors import CompactedError, FutureRevisionError
from etcdpy.mvcc.revision import MAX_REVISION, ROW_KEY_LENGTH, row_key
from etcdpy.mvcc.slices import SLICE_BYTES
from etcdpy.mvcc.store import CONSISTENT_INDEX, Store
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.commit_log import RowSource

#: Rows hashed in a slice, if they are small: less than a millisecond.
ROWS_PER_SLICE = 512
#: Compactions remembered (etcd: hash.go, hashStorageMaxSize).
MOST_REMEMBERED = 10

#: What ``hash_all`` leaves out of the meta bucket, as it differs between members (etcd:
#: schema/bucket.go, DefaultIgnores).
_IGNORED = {CONSISTENT_INDEX, b"term", b"storageVersion"}

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

    def hash_keys(self, revision: int) -> Steps[KeyHash]:
        """
        Hash the key bucket at ``revision``; 0 is the newest durable one.

        Compactions wait until it is done, or closed.

        Raises:
            CompactedError: If the revision was compacted away and is not remembered.
            FutureRevisionError: If it is not there yet.

        """
        # etcd: hash.go, HashByRev; kvstore.go, hashByRev
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
            crc = yield from self._crc(compacted, revision)
        return KeyHash(crc, compacted, revision)

    def before_compaction(self, revision: int, previous: int) -> Steps[KeyHash]:
        """Hash what a compaction at ``revision`` finds, before it takes anything."""
        crc = yield from self._crc(previous, revision, tombs=True)
        return KeyHash(crc, previous, revision)

    def remember(self, compaction: KeyHash) -> None:
        """Answer from the hash of a compaction, now that it is done, until ten newer ones are."""
        self._remembered.append(compaction)
        # Kept are those of the highest revisions, which nearly always are the latest.
        # (etcd: hash.go, hashStorage.Store)
        self._remembered.sort(key=lambda known: known.revision, reverse=True)
        del self._remembered[MOST_REMEMBERED:]

    def hash_all(self) -> Steps[int]:
        """
        Hash every bucket in the order of their names (etcd: backend.go, backend.Hash).

        Compactions wait until it is done, or closed.
        """
        crc: int = 0
        store = self._store
        with store.pinned(store.compact_revision):
            for bucket in sorted(Bucket, key=lambda bucket: bucket.value):
                rows = self._all_rows() if bucket is Bucket.KEY else self._rows.items(bucket)
                if not bucket.is_etcds:
                    first = next(rows, None)
                    if first is None:
                        continue  # as it is in no file
                    rows = chain((first,), rows)
                crc = extend(crc, bucket.value.encode())
                crc = yield from _extended(crc, rows, _is_shared if bucket is Bucket.META else None)
        return crc

    def _all_rows(self) -> Iterator[Row]:
        return self._rows.scan_rows(b"", row_key(self._store.durable_revision + 1, 0))

    def _crc(self, compacted: int, revision: int, *, tombs: bool = False) -> Steps[int]:
        """Return ``crc(compacted, revision, K)``; ``tombs`` puts tombstones into K as well."""
        crc: int = extend(0, b"key")
        if revision <= 0:
            return crc
        above = row_key(min(revision, MAX_REVISION) + 1, 0)
        # Rows up to the compaction are looked at one by one, the others are taken whole.
        middle = row_key(min(compacted, revision) + 1, 0) if compacted >= 0 else b""
        if middle:
            kept_only = yield from self._keeps_any(revision, tombs=tombs)
            older = self._rows.scan_rows(b"", middle)
            counts = partial(self._counts, compacted, revision, kept_only)
            crc = yield from _extended(crc, older, counts)
        return (yield from _extended(crc, self._rows.scan_rows(middle, above), None))

    def _counts(self, compacted: int, revision: int, kept_only: bool, row: Row) -> bool:
        """Tell whether a row at or below the compaction belongs into the hash."""
        # etcd: hash.go, kvHasher.WriteKeyValue
        key, value = row
        if len(key) > ROW_KEY_LENGTH:
            # K has no tombstone this old; without K all but those of the compaction count.
            return not kept_only and not key.startswith(row_key(compacted, 0)[:8])
        return not kept_only or self._store.index.row_key_at(_key_of(value), revision) == key

    def _keeps_any(self, revision: int, *, tombs: bool) -> Steps[bool]:
        """Tell whether ``K`` has anything in it (etcd: index.go, Keep)."""
        if tombs:
            rows = self._rows.scan_rows(row_key(revision, 0), row_key(revision + 1, 0))
            if any(len(key) > ROW_KEY_LENGTH for key, _ in rows):
                return True
        cursor: bytes | None = b""
        while cursor is not None:
            found, cursor = self._store.index.scan(cursor, None, revision, 1)
            if found:
                return True
            yield
        return False


def _extended(crc: int, rows: Iterator[Row], counts: Callable[[Row], bool] | None) -> Steps[int]:
    """Return ``crc`` extended by the rows that count, all of them if None says which."""
    part: list[bytes] = []
    each, work = SLICE_BYTES // ROWS_PER_SLICE, 0
    for row in rows:
        if counts is None or counts(row):
            part += row
        work += each + len(row[1])
        if work >= SLICE_BYTES:
            crc = extend(crc, b"".join(part))
            part.clear()
            work = 0
            yield
    return extend(crc, b"".join(part))  # type: ignore[no-any-return]  # it has no types


def _is_shared(row: Row) -> bool:
    """Tell whether members have a row of the meta bucket in common."""
    return row[0] not in _IGNORED


def _key_of(value: bytes) -> bytes:
    # Without decoding the row: the key is its first field, and mostly short (protobuf: tag 0x0a,
    # length).
    if len(value) > 1 and value[0] == 0x0A and value[1] < 0x80:
        return value[2 : 2 + value[1]]
    return KeyValue.FromString(value).key
