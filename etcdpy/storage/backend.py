"""
What is on disk: the LMDB environment, one sub-database a bucket, and its journal.

The loop thread reads through one long-lived transaction that ``refresh()``
moves to the newest commit.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import operator
from collections.abc import Iterator, Sequence
from pathlib import Path

import lmdb

from etcdpy.cooperative import finish
from etcdpy.storage import founding
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.datadir import DATABASE, DataDir
from etcdpy.storage.defrag_copy import Copy
from etcdpy.storage.environment import LARGEST_MAP, NEW_PAGES, Environment, State
from etcdpy.storage.errors import DataDirError, MapFullError, RowMissingError, StorageError
from etcdpy.storage.journal import SEGMENT_BYTES, Journal
from etcdpy.storage.pin import Pin
from etcdpy.storage.record import Record, decode
from etcdpy.storage.transaction import WriteSet, WriteTransaction

logger = logging.getLogger(__name__)

#: Most of the journal to bring in with one transaction.
REPLAY_BYTES = 4 << 20

#: With less room than this on the disk a write that failed may have failed for that.
LEAST_ROOM = 1 << 20

#: Up to this a file is mostly LMDB's own: a page at least for each of ten tables, and old ones of
#: each that the next commits need. Its entries are counted one by one, in a millisecond or two.
SMALL = 256 << 10

#: A file up to this is closed and opened again, while nobody is served: it takes some milliseconds
#: to unmap it, and half of one to open it.
LARGEST_RENEWED = 128 << 20

#: A scan reads ahead by this much: the first time, at most, and in bytes of values; and by so many
#: rows without a look at their size, as each may be a megabyte, and as many scans may go on.
FIRST_CHUNK = 16
LARGEST_CHUNK = 512
CHUNK_BYTES = 256 << 10
READ_AT_ONCE = 4

_value = operator.itemgetter(1)


class Backend:
    """
    The database on disk. Everything belongs to the loop thread, save what says otherwise.

    What is not yet in LMDB is not seen here: while a ``GroupCommit`` runs, ask it.
    """

    def __init__(
        self, directory: DataDir, environment: Environment, *, fsync: bool, segment_bytes: int
    ) -> None:
        self._environment = environment
        # Replaced, and still open for the pins on them.
        self._retired: list[Environment] = []
        self._databases = environment.databases
        self._read = environment.read()
        self._cursor = self._read.cursor()
        self._size = 0
        self._in_use = 0
        self._fsync = fsync
        self._segment_bytes = segment_bytes
        self.directory = directory
        #: Where batches become durable before they come here.
        self.journal = self._open_journal(environment.state)

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
                founding.found(directory, map_size)
                founding.fill_up(directory.lmdb / DATABASE)
                environment = Environment.open(
                    directory.lmdb, create=False, fsync=fsync, map_size=map_size
                )
                opened.callback(environment.close)
                backend = cls(directory, environment, fsync=fsync, segment_bytes=segment_bytes)
                opened.callback(backend.journal.close)
                # fsync(2): the new files' names have to be durable before anything in them counts.
                directory.sync()
                backend._replay()
            except (lmdb.Error, OSError) as error:
                raise DataDirError(f"cannot open the database in {path}: {error}") from error
            opened.pop_all()
        return backend

    def _open_journal(self, state: State) -> Journal:
        return Journal(
            self.directory.journal, *state, fsync=self._fsync, segment_bytes=self._segment_bytes
        )

    def wipe(self) -> None:
        """
        Begin anew without any data; nobody may have it in use.

        The file keeps its pages, which ``size`` counts. A crash in the middle may leave some of
        the data, so this is for data that nobody wants to keep.
        """
        self.journal.close()
        self._environment.wipe()
        self.refresh()
        self.journal = self._open_journal(self.state())
        self.journal.clear()

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
        # Last: a crash before it replays the same once more.
        self.journal.clear()
        if sequence:
            logger.info("replayed the journal up to frame %d", sequence)

    def write(self, batches: Sequence[WriteSet], sequence: int) -> None:
        """
        Apply batches up to journal frame ``sequence`` at once, on this thread alone.

        Raises:
            StorageError: If any of it failed; then none of it was applied.

        """
        while True:
            txn = self.begin()
            try:
                finish(txn.fill(batches, sequence))
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
        # Fast path (bench: large/10x1): half the time of one getmulti, which makes pairs.
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
            following = cursor.iternext()
            chunk = list(itertools.islice(following, min(count, READ_AT_ONCE)))
            size = sum(map(len, map(_value, chunk)))
            # However small those before were, the next may be a megabyte each.
            while len(chunk) < count and size < CHUNK_BYTES:
                more = list(itertools.islice(following, READ_AT_ONCE))
                if not more:
                    break
                chunk += more
                size += sum(map(len, map(_value, more)))
            for item in chunk:
                if stop is not None and item[0] >= stop:
                    return
                yield item
            position = chunk[-1][0] + b"\0"
            count = min(LARGEST_CHUNK, CHUNK_BYTES * len(chunk) // (size + 1) + 1)
            # ``refresh`` may have ended the transaction of the one before during the pause.
            cursor = self._read.cursor()

    def last_row(self) -> bytes:
        """Return the highest row key, or ``b""``."""
        return self._cursor.key() if self._cursor.last() else b""

    def pin(self) -> Pin:
        """Return a view of the newest commit that stays as it is; the caller closes it."""
        return self._environment.pin()

    def refresh(self) -> None:
        """Move reading on to the newest commit."""
        self._read.abort()
        del self._read, self._cursor  # Only unreferenced can it be renewed.
        self._read = self._environment.read()
        self._cursor = self._read.cursor()
        self._size = self._in_use = 0

    def size(self) -> int:
        """Return the bytes of the file in use at its high-water mark (etcd: backend.go, Size)."""
        if not self._size:  # asked before each write, and changed by checkpoints only
            self._size = self._pages() * self._environment.lmdb.stat()["psize"]
        return self._size

    def size_in_use(self) -> int:
        """
        Return ``size()`` without the pages that wait for reuse (etcd: backend.go, SizeInUse).

        A small database is counted by its entries, as is what is on its way to it: moving that
        in, or everything into a new file, makes it no larger.
        """
        if not self._in_use:
            self._in_use = self._count_in_use()
        return self._in_use

    def disk_is_full(self) -> bool:
        """Tell whether the disk has hardly any room left for the database."""
        return self.directory.room() < LEAST_ROOM

    def _pages(self) -> int:
        return int(self._environment.lmdb.info()["last_pgno"]) + 1

    def _count_in_use(self) -> int:
        if self.size() <= SMALL:
            entries = itertools.chain.from_iterable(map(self.items, Bucket))
            return self._environment.lmdb.stat()["psize"] * NEW_PAGES + sum(
                len(key) + len(value) for key, value in entries
            )
        stats = [self._read.stat(db) for db in self._databases.values()]
        stats.append(self._environment.lmdb.stat())
        pages = sum(s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"] for s in stats)
        return int((2 + pages) * stats[0]["psize"])  # 2: the meta pages

    # Writing: see WriteTransaction for which thread does what.

    def begin(self) -> WriteTransaction:
        """
        Begin a write transaction; waits for the one before it to end.

        Raises:
            StorageError: If the database refuses.

        """
        return self._environment.begin()

    def copy(self, target: Path) -> None:
        """
        Copy the database into an empty directory, on this thread alone.

        Raises:
            StorageError: If it cannot be done.

        """
        copy = Copy(self._environment.lmdb, target)
        try:
            copy.catch_up()
        finally:
            copy.close()

    def state(self) -> State:
        """Return which database this is, and the frame of the journal that it reaches."""
        return self._environment.newest_state()

    def open_copy(self, directory: Path) -> Environment:
        """
        Open what is to replace the database. Any thread, while nothing is written.

        Raises:
            StorageError: If it cannot be opened, or is not what the database is now.

        """
        map_size = self._environment.lmdb.info()["map_size"]
        try:
            copy = Environment.open(directory, fsync=self._fsync, map_size=map_size)
        except lmdb.Error as error:
            raise StorageError(f"cannot open the copy of the database: {error}") from error
        # A copy that lacks the newest commit would lose what was acknowledged.
        if copy.state != self._environment.newest_state():
            copy.close()
            raise StorageError("the copy of the database is not complete")
        return copy

    def replace(self, environment: Environment) -> None:
        """
        Go on in another environment with the same content. Loop thread, nothing is written.

        Pins stay on the one before, which is closed behind the last of them.
        """
        self._retired = [*(old for old in self._retired if not old.is_closed), self._environment]
        self._environment = environment
        self._databases = environment.databases
        self.refresh()
        # Last, as it unmaps the file: nothing may look into it by then.
        self._retired[-1].retire()

    def renew(self) -> bool:
        """
        Close the database and open it again, for the memory that LMDB keeps until then.

        It keeps every page that it has ever changed in a transaction, as many as the largest of
        them had (``me_dpages`` in LMDB's mdb.c), for the next one: 4.5 MB of a deletion of 100,000
        keys. Loop thread, nothing is written. What was committed is on the disk before as after.

        Returns:
            Whether it was done: not while others look into it, where it is large, nor if it could
            not be opened any more, as its file has been taken away.

        Raises:
            StorageError: If it could not be opened again: then it is closed.

        """
        before = self._environment
        if (
            self.size() > LARGEST_RENEWED
            # LMDB knows no file twice in a process, nor does it matter then.
            or not all(old.is_closed for old in self._retired)
            or not before.is_unshared(self.directory.lmdb)
        ):
            return False
        state, map_size = before.newest_state(), before.lmdb.info()["map_size"]
        self._read.abort()
        before.close()
        try:
            after = Environment.open(
                self.directory.lmdb, create=False, fsync=self._fsync, map_size=map_size
            )
        except (lmdb.Error, OSError) as error:
            raise StorageError(f"cannot open the database again: {error}") from error
        if after.state != state:
            after.close()
            raise StorageError("the database is not the same any more")
        self._retired = []
        self._environment = after
        self._databases = after.databases
        self.refresh()
        return True

    def forget_dead_readers(self) -> None:
        """Free the reader of a process that was killed."""
        self._environment.lmdb.reader_check()

    def enlarge(self) -> None:
        """
        Double the map after a ``MapFullError``. Loop thread, no write transaction open.

        Raises:
            StorageError: If the system has no more address space for us.

        """
        # The map moves: nothing may look into it. A paused scan seeks anew anyway.
        self._read.abort()
        self._environment.enlarge()
        self.refresh()

    def close(self) -> None:
        """Close the environment and unlock the directory. Safe to call twice."""
        self.journal.close()
        for environment in (*self._retired, self._environment):
            environment.close()
        self.directory.close()
