"""
One LMDB environment: a ``data.mdb`` with a table for each bucket, and who still reads it.

LMDB's main table has the names of the others and one entry more: which database this is,
and the journal frame up to which it is complete. Not in a bucket: those are etcd's.
"""

from __future__ import annotations

import logging
import os
import secrets
import struct
import threading
from pathlib import Path
from typing import NamedTuple

import lmdb

from etcdpy.storage.buckets import Bucket
from etcdpy.storage.datadir import DATABASE, PRIVATE_FILE
from etcdpy.storage.errors import StorageError
from etcdpy.storage.pin import Pin
from etcdpy.storage.transaction import WriteTransaction

logger = logging.getLogger(__name__)

#: Address space, not memory: reserved so generously that no user meets the limit.
LARGEST_MAP = 1 << 40
#: Below this an environment is of no use; give up and say so.
SMALLEST_MAP = 1 << 24

#: Transactions that read at a time, of all processes: the loop's, those of a dozen snapshots, that
#: of a process that copies, and those of offline tools.
MOST_READERS = 16

#: What of a file without a name is freed at once, and the seconds to the next piece: freeing a
#: gigabyte in one piece holds up those who write to the same disk (measured: for 40 ms).
FREED_AT_ONCE = 32 << 20
FREE_PAUSE = 0.02

#: The pages of a new file: two metas, and one with the names of its tables.
NEW_PAGES = 3

STATE_KEY = b"etcdpy"
_STATE = struct.Struct("<QQ")


class State(NamedTuple):
    """
    What the main table notes beside the buckets.

    Attributes:
        database: Which database this is; a journal names the one it belongs to.
        applied: The newest frame of the journal that is in it.

    """

    database: int
    applied: int

    def encode(self) -> bytes:
        return _STATE.pack(*self)

    @classmethod
    def decode(cls, data: bytes) -> State:
        return cls(*_STATE.unpack(data))


class Environment:
    """
    An open environment. Made on any thread; then everything belongs to the loop thread,
    save what ``WriteTransaction`` says of itself.

    Attributes:
        lmdb: The environment itself.
        databases: Its tables.
        state: As it was when this was opened.

    """

    def __init__(self, env: lmdb.Environment, file: Path, *, create: bool = True) -> None:
        self.lmdb = env
        self._main = env.open_db()
        with env.begin(write=True) as txn:
            self.databases = {b: env.open_db(b.value.encode(), txn=txn) for b in Bucket}
            state = txn.get(STATE_KEY, db=self._main)
            if state is None:
                if not create:
                    raise StorageError(f"the database is damaged: {file} has lost its tables")
                state = State(secrets.randbits(64), 0).encode()
                txn.put(STATE_KEY, state, db=self._main)
        self.state = State.decode(state)
        self._pins: set[Pin] = set()
        self._is_retired = False
        self._closing: threading.Thread | None = None
        self._hurry = threading.Event()
        # Its file, whatever becomes of the name.
        self._descriptor = os.open(file, os.O_RDWR)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        create: bool = True,
        fsync: bool = True,
        map_size: int = LARGEST_MAP,
    ) -> Environment:
        """
        Open the environment in ``directory``, or make one, unless ``create`` is False.

        Raises:
            lmdb.Error: If it cannot be opened.
            StorageError: If it is none of ours, and none is to be made.

        """
        env = open_lmdb(directory, map_size, sync=fsync, metasync=fsync)
        try:
            return cls(env, directory / DATABASE, create=create)
        except BaseException:
            env.close()
            raise

    def newest_state(self) -> State:
        """Return the state as of the newest commit."""
        with self.lmdb.begin() as txn:
            return State.decode(txn.get(STATE_KEY, b"", db=self._main))

    def read(self) -> lmdb.Transaction[bytes]:
        """Return a transaction that reads the newest commit, the key bucket by default."""
        return self.lmdb.begin(db=self.databases[Bucket.KEY])

    def begin(self) -> WriteTransaction:
        """
        Begin a write transaction; waits for the one before it to end.

        Raises:
            StorageError: If the database refuses.

        """
        return WriteTransaction(self.lmdb, self.databases, self._set_applied)

    def wipe(self) -> None:
        """Empty all tables, in one transaction; which database it is stays."""
        with self.lmdb.begin(write=True) as txn:
            for database in self.databases.values():
                txn.drop(database, delete=False)
            self._set_applied(txn, 0)

    def pin(self) -> Pin:
        """Return a view of the newest commit that stays as it is; the caller closes it."""
        pin = Pin(self.lmdb, self.databases, self._unpinned)
        self._pins.add(pin)
        return pin

    def enlarge(self) -> None:
        """
        Double the map; no transaction is open, but pins are closed.

        Raises:
            StorageError: If the system has no more address space for us.

        """
        size = 2 * self.lmdb.info()["map_size"]
        logger.warning("the database has outgrown its map: enlarging to %d bytes", size)
        # LMDB: ``mdb_env_set_mapsize`` is for when no transaction is open in the process.
        self._close_pins()
        try:
            self.lmdb.set_mapsize(size)
        except (lmdb.Error, MemoryError) as error:
            raise StorageError(f"cannot enlarge the database to {size} bytes: {error}") from error

    def retire(self) -> None:
        """
        Close it as soon as its last pin is closed; nothing else looks into it any more.

        If its file has no name any more, for good, that is freed little by little.
        """
        self._is_retired = True
        self._close_unpinned()

    def is_unshared(self, directory: Path) -> bool:
        """Tell whether it has no pins, and could be opened as the one in ``directory``."""
        if self._pins:
            return False
        file = directory / DATABASE
        try:
            is_there = os.path.samestat(os.stat(file), os.fstat(self._descriptor))
        except OSError:
            return False
        return is_there and all(os.access(path, os.R_OK | os.W_OK) for path in (file, directory))

    @property
    def is_closed(self) -> bool:
        """Whether nothing of it is left open."""
        return self._closing is not None and not self._closing.is_alive()

    def close(self) -> None:
        """Close it now, its pins included. Safe to call twice."""
        self._is_retired = True
        self._hurry.set()
        self._close_pins()
        self._close_unpinned()
        if self._closing is not None:
            self._closing.join()

    def _set_applied(self, txn: lmdb.Transaction, sequence: int) -> None:
        state = State(self.state.database, sequence)
        txn.put(STATE_KEY, state.encode(), db=self._main)

    def _close_pins(self) -> None:
        for pin in list(self._pins):
            pin.close()

    def _unpinned(self, pin: Pin) -> None:
        self._pins.discard(pin)
        self._close_unpinned()

    def _close_unpinned(self) -> None:
        if self._is_retired and not self._pins and self._closing is None:
            # Unmapping takes a while, and freeing the blocks of a file a longer one (measured:
            # 0.4 s for 1.3 GB).
            self._closing = threading.Thread(target=self._close, name="unmap")
            self._closing.start()

    def _close(self) -> None:
        self.lmdb.close()
        try:
            status = os.fstat(self._descriptor)
            if status.st_nlink == 0:
                for size in range(status.st_size - FREED_AT_ONCE, 0, -FREED_AT_ONCE):
                    os.ftruncate(self._descriptor, size)
                    # For real: it is the disk that needs the pause, and this is a thread.
                    self._hurry.wait(FREE_PAUSE)
        finally:
            os.close(self._descriptor)


def open_lmdb(directory: Path, map_size: int = LARGEST_MAP, **options: bool) -> lmdb.Environment:
    """
    Open an environment of ours with as much address space as the system grants.

    Args:
        map_size: What to ask for first; halved until it is granted.
        options: Of ``lmdb.open``.

    Raises:
        lmdb.Error: If it cannot be opened.

    """
    while True:
        try:
            return lmdb.open(
                str(directory),
                map_size=map_size,
                mode=PRIVATE_FILE,
                max_dbs=len(Bucket),
                max_readers=MOST_READERS,
                # One handle is kept so that refresh() renews instead of allocating.
                max_spare_txns=1,
                # Unused parts of pages keep what was in memory; the file is private, and zeroing
                # them costs.
                meminit=False,
                # Rows are read at random: what is read ahead would push out what is used.
                **{"readahead": False, **options},
            )
        except (lmdb.MemoryError, MemoryError):
            # An address space limit (``ulimit -v``): make do with less.
            map_size //= 2
            if map_size < SMALLEST_MAP:
                raise
