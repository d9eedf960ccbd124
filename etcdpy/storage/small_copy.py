"""
A copy of a small database in full pages, made by the server itself.

A process of its own, which copies larger ones, takes longer to start than this takes. Checkpoints
are held meanwhile, so it is one transaction. As in ``transaction``, rows are put on the loop, where
nobody competes for the interpreter lock, while it is begun and ended, which waits for the disk, on
another thread.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from etcdpy.cooperative import Steps
from etcdpy.storage.backend import Backend
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.defrag_copy import copy_errors
from etcdpy.storage.environment import STATE_KEY, State, open_lmdb
from etcdpy.storage.errors import StorageError

#: Entries put in one step, in about a millisecond.
ENTRIES_AT_ONCE = 500


class SmallCopy:
    """
    A copy that is being made. All but ``fill`` belongs to one thread, which may wait.

    Args:
        target: An empty directory.

    Raises:
        StorageError: If the copy cannot be begun.

    """

    def __init__(self, target: Path) -> None:
        with copy_errors():
            # What is here counts once it is in place, so it is synced once, at the end.
            self._env = open_lmdb(target, sync=False, metasync=False, create=False)
            self._main = self._env.open_db()
            self._txn = self._env.begin(write=True)
            self._tables = {b: self._env.open_db(b.value.encode(), txn=self._txn) for b in Bucket}

    def fill(self, backend: Backend, state: State) -> Steps[None]:
        """
        Put everything there is, some of it in each step. Loop thread; nothing is written meanwhile.

        Raises:
            StorageError: If it cannot be done.

        """
        with copy_errors():
            for bucket, table in self._tables.items():
                entries = backend.scan_rows(b"") if bucket is Bucket.KEY else backend.items(bucket)
                cursor = self._txn.cursor(table)
                consumed = ENTRIES_AT_ONCE
                while consumed == ENTRIES_AT_ONCE:
                    # Appended, entries fill their pages to the end.
                    consumed, added = cursor.putmulti(islice(entries, consumed), append=True)
                    if added != consumed:
                        raise StorageError("the database is not in ascending order")
                    yield
            self._txn.put(STATE_KEY, state.encode(), db=self._main)

    def finish(self) -> None:
        """
        Make it durable.

        Raises:
            DiskFullError: If there is not enough room.
            StorageError: If it fails otherwise.

        """
        with copy_errors():
            self._txn.commit()
            self._env.sync(True)

    def close(self) -> None:
        """Close it; what is not finished is nothing. Safe to call twice."""
        self._txn.abort()
        self._env.close()
