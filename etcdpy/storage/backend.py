"""
The LMDB environment: one sub-database per bucket, one long-lived reader.

The loop thread reads through a transaction that ``refresh()`` moves to the
newest commit. Writes are one transaction each, whatever their size.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import lmdb

from etcdpy.storage.batch import Batch
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.datadir import PRIVATE_FILE, DataDir
from etcdpy.storage.errors import DataDirError, RowMissingError, StorageError

#: Address space, not memory: reserved so generously that no user meets the limit.
LARGEST_MAP = 1 << 40
#: Below this an environment is of no use; give up and say so.
SMALLEST_MAP = 1 << 24

_value = operator.itemgetter(1)


class Backend:
    """
    What is on disk. Reading belongs to the loop thread, ``write`` to the committer's.

    Rows not yet committed are not seen here: while a ``GroupCommit`` runs, ask it.
    """

    def __init__(self, directory: DataDir, env: lmdb.Environment) -> None:
        self._directory = directory
        self._env = env
        self._databases = {b: env.open_db(b.value.encode()) for b in Bucket}
        self._key = self._databases[Bucket.KEY]
        self._read = env.begin(db=self._key)
        self._cursor = self._read.cursor()
        self._commits = 0

    @classmethod
    def open(cls, path: Path, *, fsync: bool = True, map_size: int = LARGEST_MAP) -> Backend:
        """
        Open the data directory ``path``, creating it if needed.

        Args:
            path: The data directory (``--data-dir``).
            fsync: ``False`` lets a power failure take recent writes (``--unsafe-no-fsync``).
            map_size: Address space to ask for; halved until the system grants it.

        Raises:
            DataDirLocked: If another server has it open.
            DataDirError: If it cannot be used, or its content is not ours.

        """
        directory = DataDir.open(path)
        try:
            return cls(directory, _open_environment(directory, fsync, map_size))
        except lmdb.Error as error:
            directory.close()
            raise DataDirError(f"cannot open the database in {path}: {error}") from error
        except BaseException:
            directory.close()
            raise

    # Reading: the loop thread, at the newest refreshed commit.

    def get(self, bucket: Bucket, key: bytes) -> bytes | None:
        """Return the value of ``key``, or ``None``."""
        return self._read.get(key, db=self._databases[bucket])

    def items(self, bucket: Bucket) -> Iterator[tuple[bytes, bytes]]:
        """Return all pairs of a bucket in key order, read as of now."""
        with self._read.cursor(self._databases[bucket]) as cursor:
            return iter(list(cursor))

    def row(self, row_key: bytes) -> bytes | None:
        """Return one row of the key bucket, or ``None``."""
        return self._read.get(row_key)

    def rows(self, row_keys: Sequence[bytes]) -> list[bytes]:
        """
        Return the rows of ``row_keys``, in that order, in one call into LMDB.

        Raises:
            RowMissingError: If one of them is not there.

        """
        found = self._cursor.getmulti(row_keys)
        if len(found) != len(row_keys):
            missing = set(row_keys) - {key for key, _ in found}
            raise RowMissingError(f"no row {min(missing).hex()}" if missing else "rows missing")
        return list(map(_value, found))

    def scan_rows(self, start: bytes, stop: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """
        Yield rows from ``start`` up to, not including, ``stop`` (``None``: to the end).

        The caller may pause for as long as it likes: when a commit came in
        between, the scan goes on in the newer one, behind the last row given.
        """
        seen = -1
        cursor = self._cursor
        position = start
        while True:
            if seen != self._commits:
                seen = self._commits
                cursor = self._read.cursor()
                more = cursor.set_range(position)
                if more and position is not start and cursor.key() == position:
                    more = cursor.next()
            else:
                more = cursor.next()
            if not more:
                return
            item = cursor.item()
            position = item[0]
            if stop is not None and position >= stop:
                return
            yield item

    def refresh(self) -> None:
        """Move reading on to the newest commit."""
        self._read.abort()
        self._read = self._env.begin(db=self._key)
        self._cursor = self._read.cursor()
        self._commits += 1

    def size(self) -> int:
        """Return the bytes of the file in use at its high-water mark (etcd: dbSize)."""
        return int((self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"])

    def size_in_use(self) -> int:
        """Return ``size()`` without the pages that wait for reuse (etcd: dbSizeInUse)."""
        stats = [self._read.stat(db) for db in self._databases.values()]
        stats.append(self._env.stat())
        pages = sum(s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"] for s in stats)
        return int((2 + pages) * stats[0]["psize"])  # 2: the meta pages

    # Writing: the committer's thread.

    def write(self, batches: Iterable[Batch]) -> None:
        """
        Apply the batches in one transaction; on disk when this returns.

        Raises:
            StorageError: If any of it failed; then none of it was applied.

        """
        try:
            with self._env.begin(db=self._key, write=True) as txn:
                for batch in batches:
                    self._apply(txn, batch)
        except lmdb.Error as error:
            raise StorageError(f"cannot write to the database: {error}") from error

    def _apply(self, txn: lmdb.Transaction, batch: Batch) -> None:
        if batch.rows:
            _, added = txn.cursor().putmulti(batch.rows.items(), append=True)
            if added != len(batch.rows):
                raise StorageError("rows are not in ascending order")
        for row_key in batch.drops:
            txn.delete(row_key)
        for (bucket, key), value in batch.puts.items():
            if value is None:
                txn.delete(key, db=self._databases[bucket])
            else:
                txn.put(key, value, db=self._databases[bucket])

    def close(self) -> None:
        """Close the environment and unlock the directory. Safe to call twice."""
        self._env.close()
        self._directory.close()


def _open_environment(directory: DataDir, fsync: bool, map_size: int) -> lmdb.Environment:
    while True:
        try:
            return lmdb.open(
                str(directory.lmdb),
                map_size=map_size,
                mode=PRIVATE_FILE,
                max_dbs=len(Bucket),
                # The loop's reader, a snapshot or two, and offline tools.
                max_readers=16,
                # One handle is kept so that refresh() renews instead of allocating.
                max_spare_txns=1,
                readahead=False,
                meminit=False,
                sync=fsync,
                metasync=fsync,
            )
        except (lmdb.MemoryError, MemoryError):
            # An address space limit (``ulimit -v``): make do with less.
            map_size //= 2
            if map_size < SMALLEST_MAP:
                raise
