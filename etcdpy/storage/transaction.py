"""
One write transaction of LMDB, filled in slices.

Why slices: putting a row costs a microsecond, but py-lmdb lets go of the
interpreter lock around each, and a thread that has to win the lock back from a
busy loop can wait for milliseconds every time. So the *loop* thread puts rows,
a slice a turn, while the transaction is begun and committed, which waits for
the disk, on another thread. LMDB needs begin and end on one thread (the writer
mutex has an owner); in between it asks only for one user at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Protocol

import lmdb

from etcdpy.cooperative import Steps
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.errors import DiskFullError, MapFullError, StorageError

#: LMDB's limit (MDB_MAXKEYSIZE as py-lmdb builds it).
LARGEST_KEY = 511

#: Longest piece of work on the loop: 500 rows or deletions, about a millisecond,
#: or as many as have this many bytes, for values are copied.
SLICE_ROWS = 500
SLICE_BYTES = 256 << 10


class WriteSet(Protocol):
    """What a batch and a journal record have in common."""

    @property
    def rows(self) -> Mapping[bytes, bytes]: ...

    @property
    def puts(self) -> Mapping[tuple[Bucket, bytes], bytes | None]: ...

    @property
    def drops(self) -> list[bytes]: ...


class WriteTransaction:
    """
    One write transaction: all of it or nothing, durable once ``commit`` returned.

    Begin, ``commit`` and ``abort`` on one thread; ``fill`` on any, one at a time.
    """

    def __init__(
        self,
        env: lmdb.Environment,
        databases: Mapping[Bucket, lmdb._Database],
        state: Callable[[lmdb.Transaction, int], None],
    ) -> None:
        self._databases = databases
        self._state = state
        with _translated():
            self._txn = env.begin(write=True, db=databases[Bucket.KEY])

    def fill(self, batches: Iterable[WriteSet], sequence: int) -> Steps[None]:
        """
        Apply batches up to journal frame ``sequence``, one slice in each step.

        Raises:
            MapFullError: If there is no room; ``abort``, enlarge, and start over.
            StorageError: If it cannot be done at all.

        """
        puts: dict[tuple[Bucket, bytes], bytes | None] = {}
        with _translated():
            for batch in batches:
                yield from self._append(batch.rows)
                yield from self._drop(batch.drops)
                puts.update(batch.puts)
            # Nobody sees a state between the batches, so the last value counts.
            yield from self._put(puts)
            self._state(self._txn, sequence)

    def commit(self) -> None:
        """Make it durable, or raise; the transaction is over either way."""
        with _translated():
            self._txn.commit()

    def abort(self) -> None:
        """Undo everything. Safe after a failed ``commit``."""
        self._txn.abort()

    def _append(self, rows: Mapping[bytes, bytes]) -> Steps[None]:
        if not rows:
            return
        cursor = self._txn.cursor()
        items = iter(rows.items())
        size = _slice_size(rows)
        appended = 0
        while appended < len(rows):
            # MDB_APPEND: rows go behind the last, fill their pages, and are refused out of order.
            consumed, added = cursor.putmulti(islice(items, size), append=True)
            if added != consumed or not consumed:
                raise StorageError("rows are not in ascending order")
            appended += added
            yield

    def _drop(self, row_keys: list[bytes]) -> Steps[None]:
        for start in range(0, len(row_keys), SLICE_ROWS):
            for row_key in row_keys[start : start + SLICE_ROWS]:
                # One that is not there is no mistake: a compaction that was cut short runs again.
                self._txn.delete(row_key)
            yield

    def _put(self, puts: Mapping[tuple[Bucket, bytes], bytes | None]) -> Steps[None]:
        for number, ((bucket, key), value) in enumerate(puts.items(), 1):
            if value is None:
                self._txn.delete(key, db=self._databases[bucket])
            else:
                self._txn.put(key, value, db=self._databases[bucket])
            if number % SLICE_ROWS == 0:
                yield


def _slice_size(rows: Mapping[bytes, bytes]) -> int:
    """Return how many rows make a slice, judged by the average."""
    average = sum(map(len, rows.values())) // len(rows) + 1
    return max(1, min(SLICE_ROWS, SLICE_BYTES // average))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except lmdb.MapFullError as error:
        raise MapFullError(str(error)) from error
    except lmdb.DiskError as error:
        raise DiskFullError(f"cannot write to the database: {error}") from error
    except lmdb.Error as error:
        raise StorageError(f"cannot write to the database: {error}") from error
