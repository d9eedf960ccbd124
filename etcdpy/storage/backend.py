"""
What is on disk: the LMDB environment, one sub-database a bucket, and its journal.

The loop thread reads through one long-lived transaction that ``refresh()``
moves to the newest commit.
"""

from __future__ import annotations

import contextlib
import logging
import operator
import os
import secrets
import struct
import weakref
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import lmdb

from etcdpy.storage.buckets import Bucket
from etcdpy.storage.datadir import PRIVATE_FILE, DataDir
from etcdpy.storage.errors import DataDirError, RowMissingError, StorageError
from etcdpy.storage.journal import SEGMENT_BYTES, Journal
from etcdpy.storage.pin import Pin
from etcdpy.storage.record import Record, decode
from etcdpy.storage.transaction import Changes, MapFullError, WriteTransaction

log = logging.getLogger(__name__)

#: Address space, not memory: reserved so generously that no user meets the limit.
LARGEST_MAP = 1 << 40
#: Below this an environment is of no use; give up and say so.
SMALLEST_MAP = 1 << 24
#: Most of the journal to bring in with one transaction.
REPLAY_BYTES = 4 << 20

#: With less room than this on the disk a write that failed may have failed for that.
LEAST_ROOM = 1 << 20

#: A scan reads ahead by this much: the first time, at most, and in bytes of values.
FIRST_CHUNK = 16
LARGEST_CHUNK = 512
CHUNK_BYTES = 256 << 10

# In LMDB's main table, beside the names of the others: which database this is, and
# the journal frame up to which it is complete. Not in a bucket: those are etcd's.
_STATE_KEY = b"etcdpy"
_STATE = struct.Struct("<QQ")

_value = operator.itemgetter(1)


class Backend:
    """
    The database on disk. Everything belongs to the loop thread, save what says otherwise.

    What is not yet in LMDB is not seen here: while a ``GroupCommit`` runs, ask it.
    """

    def __init__(
        self, directory: DataDir, env: lmdb.Environment, *, fsync: bool, segment_bytes: int
    ) -> None:
        self._directory = directory
        self._env = env
        self._main = env.open_db()
        with env.begin(write=True) as txn:
            self._databases = {b: env.open_db(b.value.encode(), txn=txn) for b in Bucket}
            state = txn.get(_STATE_KEY, db=self._main)
            if state is None:
                state = _STATE.pack(secrets.randbits(64), 0)
                txn.put(_STATE_KEY, state, db=self._main)
        self._database, applied = _STATE.unpack(state)
        self._read = env.begin(db=self._databases[Bucket.KEY])
        self._cursor = self._read.cursor()
        self._size = 0
        self._in_use = 0
        self._pins: weakref.WeakSet[Pin] = weakref.WeakSet()
        #: Where batches become durable before they come here.
        self.journal = Journal(
            directory.journal, self._database, applied, fsync=fsync, segment_bytes=segment_bytes
        )

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        fsync: bool = True,
        map_size: int = LARGEST_MAP,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> Backend:
        """
        Open the data directory ``path``, creating it if needed, and replay its journal.

        Args:
            path: The data directory (``--data-dir``).
            fsync: ``False`` lets a power failure take recent writes (``--unsafe-no-fsync``).
            map_size: Address space to ask for; halved until the system grants it.
            segment_bytes: Size of a segment of the journal.

        Raises:
            DataDirLocked: If another server has it open.
            DataDirError: If it cannot be used, is damaged, or its content is not ours.

        """
        with contextlib.ExitStack() as opened:
            directory = DataDir.open(path)
            opened.callback(directory.close)
            try:
                env = _open_environment(directory, fsync, map_size)
                opened.callback(env.close)
                backend = cls(directory, env, fsync=fsync, segment_bytes=segment_bytes)
                opened.callback(backend.journal.close)
                directory.sync()
                backend._replay()
            except (lmdb.Error, OSError) as error:
                raise DataDirError(f"cannot open the database in {path}: {error}") from error
            opened.pop_all()
        return backend

    def _replay(self) -> None:
        """Bring into LMDB what an unclean end left in the journal."""
        records: list[Record] = []
        size = 0
        sequence = 0
        for frame in self.journal.replay():
            records += map(decode, frame.batches)
            size += sum(map(len, frame.batches))
            sequence = frame.sequence
            if size >= REPLAY_BYTES:
                self.write(records, sequence)
                records, size = [], 0
        if records:
            self.write(records, sequence)
        self.journal.clear()
        if sequence:
            log.info("replayed the journal up to frame %d", sequence)

    def write(self, batches: Sequence[Changes], sequence: int) -> None:
        """
        Apply batches up to journal frame ``sequence`` at once, on this thread alone.

        Raises:
            StorageError: If any of it failed; then none of it was applied.

        """
        while True:
            txn = self.begin()
            try:
                for _ in txn.fill(batches, sequence):
                    pass
                txn.commit()
                break
            except MapFullError:
                txn.abort()
                self.enlarge()
            except BaseException:
                txn.abort()
                raise
        self.refresh()

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
        Return the rows of ``row_keys``, in that order.

        Raises:
            RowMissingError: If one of them is not there.

        """
        # Measured: half the time of one getmulti, which makes a pair of each.
        get = self._read.get
        found = [get(row_key) for row_key in row_keys]
        if None in found:
            raise RowMissingError(f"no row {row_keys[found.index(None)].hex()}")
        return found  # type: ignore[return-value]  # just checked

    def scan_rows(self, start: bytes, stop: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """
        Yield rows from ``start`` up to, not including, ``stop`` (``None``: to the end).

        The caller may pause for as long as it likes: when a commit came in
        between, the scan goes on in the newer one, behind what it has read.
        """
        position = start
        count = FIRST_CHUNK
        cursor = self._read.cursor()
        while cursor.set_range(position):
            chunk = list(islice(cursor.iternext(), count))
            for item in chunk:
                if stop is not None and item[0] >= stop:
                    return
                yield item
            position = chunk[-1][0] + b"\0"
            size = sum(map(len, map(_value, chunk)))
            count = min(LARGEST_CHUNK, CHUNK_BYTES * len(chunk) // (size + 1) + 1)
            cursor = self._read.cursor()

    def last_row(self) -> bytes:
        """Return the highest row key, or ``b""``."""
        return self._cursor.key() if self._cursor.last() else b""

    def pin(self) -> Pin:
        """Return a view of the newest commit that stays as it is; the caller closes it."""
        pin = Pin(self._env, self._databases)
        self._pins.add(pin)
        return pin

    def refresh(self) -> None:
        """Move reading on to the newest commit."""
        self._read.abort()
        del self._read, self._cursor  # Only unreferenced can it be renewed.
        self._read = self._env.begin(db=self._databases[Bucket.KEY])
        self._cursor = self._read.cursor()
        self._size = self._in_use = 0

    def size(self) -> int:
        """Return the bytes of the file in use at its high-water mark (etcd: dbSize)."""
        if not self._size:  # asked before each write, and changed by checkpoints only
            self._size = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        return self._size

    def size_in_use(self) -> int:
        """Return ``size()`` without the pages that wait for reuse (etcd: dbSizeInUse)."""
        if not self._in_use:
            self._in_use = self._count_in_use()
        return self._in_use

    def disk_is_full(self) -> bool:
        """Tell whether the disk has hardly any room left for the database."""
        room = os.statvfs(self._directory.lmdb)
        return room.f_bavail * room.f_frsize < LEAST_ROOM

    def _count_in_use(self) -> int:
        stats = [self._read.stat(db) for db in self._databases.values()]
        stats.append(self._env.stat())
        pages = sum(s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"] for s in stats)
        return int((2 + pages) * stats[0]["psize"])  # 2: the meta pages

    # Writing: see WriteTransaction for which thread does what.

    def begin(self) -> WriteTransaction:
        """
        Begin a write transaction; waits for the one before it to end.

        Raises:
            StorageError: If the database refuses.

        """
        return WriteTransaction(self._env, self._databases, self._set_state)

    def enlarge(self) -> None:
        """
        Double the map after a ``MapFullError``. Loop thread, no write transaction open.

        Raises:
            StorageError: If the system has no more address space for us.

        """
        size = 2 * self._env.info()["map_size"]
        log.warning("the database has outgrown its map: enlarging to %d bytes", size)
        # The map moves: nothing may look into it. A paused scan seeks anew anyway.
        self._read.abort()
        for pin in self._pins:
            pin.close()
        try:
            self._env.set_mapsize(size)
        except (lmdb.Error, MemoryError) as error:
            raise StorageError(f"cannot enlarge the database to {size} bytes: {error}") from error
        self.refresh()

    def _set_state(self, txn: lmdb.Transaction, sequence: int) -> None:
        txn.put(_STATE_KEY, _STATE.pack(self._database, sequence), db=self._main)

    def close(self) -> None:
        """Close the environment and unlock the directory. Safe to call twice."""
        for pin in self._pins:
            pin.close()
        self.journal.close()
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
