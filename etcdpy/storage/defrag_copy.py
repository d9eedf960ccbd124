"""
A copy of the database in full pages, made while the database is written to.

The first round puts every row behind the one before, which leaves no gap in any page. Each
round after it makes the copy what the database has become meanwhile: rows are appended and
never changed, so those behind the copy's last one are new, and if there are then more in the
copy than in the database, some were dropped. The other buckets are small, and compared whole.

Run as a process of its own, which has the interpreter for itself: on a thread of the server
each row would have to win the interpreter lock back from the loop. It makes one round for each
line that it reads, and answers each with one line of JSON; it ends when there is nothing more
to read, so also with the server::

    python -m etcdpy.storage.defrag_copy DATABASE COPY
    > round
    < {"written": 1048576}
    > round
    < {"error": "no space left on device"}
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from etcdpy.storage.buckets import Bucket
from etcdpy.storage.datadir import DATABASE
from etcdpy.storage.environment import SMALLEST_MAP, STATE_KEY, open_lmdb
from etcdpy.storage.errors import DiskFullError, StorageError

#: Written and synced at once. Little, for the journal's next write waits behind it.
PIECE_BYTES = 4 << 20
#: What a row costs beside its bytes: LMDB's node header and pointer.
ROW_BYTES = 10
#: What dropping a row costs: its page is written anew.
DROP_BYTES = 4096
#: Looked at in one transaction.
KEYS_AT_ONCE = 4096
#: Left on the disk for those who write meanwhile: what a full disk refuses is a defragmentation,
#: not them.
ROOM_LEFT = 16 << 20
#: Behind the server, which has clients waiting.
NICENESS = 10

_NOT_WANTED = "the copy is not wanted any more"

#: A table of the copy, a key and its value there; None deletes.
_Change = tuple[lmdb._Database, bytes | memoryview, bytes | memoryview | None]

_T = TypeVar("_T")


class Copy:
    """
    A copy of the database, which each ``catch_up`` makes what the database is by then.

    Args:
        source: The database. Others may write to it meanwhile.
        target: An empty directory.
        is_wanted: Asked between pieces; what is not wanted any more ends with a StorageError.

    Raises:
        StorageError: If the copy cannot be begun.

    """

    def __init__(
        self, source: lmdb.Environment, target: Path, is_wanted: Callable[[], bool] = lambda: True
    ) -> None:
        self._source = source
        self._directory = target
        self._is_wanted = is_wanted
        if not is_wanted():
            raise StorageError(_NOT_WANTED)
        # What is here counts once it is in place, so metas need no sync of their own. Where the
        # directory is gone the next server has removed it.
        with copy_errors():
            self._target = open_lmdb(target, sync=False, metasync=False, create=False)
            self._main = self._target.open_db()
            with self._target.begin(write=True) as txn:  # one, which frees no pages
                self._ours = {b: self._target.open_db(b.value.encode(), txn=txn) for b in Bucket}
            # Those that were empty when a round began: all that comes is behind the last.
            self._new: set[lmdb._Database] = set()
            self._theirs = {b: self._their_table(b) for b in Bucket}

    def catch_up(self) -> int:
        """
        Make the copy, durably, what the newest commit of the database is.

        Returns:
            About how many bytes this wrote.

        Raises:
            DiskFullError: If there is not enough room.
            StorageError: If it fails otherwise, or is not wanted any more.

        """
        with copy_errors(), self._newest() as newest:
            self._new = {table for table in self._ours.values() if not self._entries(table)}
            written = self._write_all(self._changes(newest))
            # Counted again, as the copy is to replace the database.
            if any(self._surplus(newest, bucket) for bucket in Bucket):
                raise StorageError("the copy is not what was copied")
        if written >= PIECE_BYTES:
            self._warm()
        return written

    def close(self) -> None:
        """Close the copy, not the database. Safe to call twice."""
        self._target.close()

    def _warm(self) -> None:
        """Have all of it in memory if there is room: soon reads go there, and wait for it."""
        descriptor = os.open(self._directory / DATABASE, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(descriptor)

    def _newest(self) -> lmdb.Transaction[memoryview]:
        return _while_it_grows(lambda: self._source.begin(buffers=True), self._map_more)

    def _their_table(self, bucket: Bucket) -> lmdb._Database:
        name = bucket.value.encode()
        return _while_it_grows(lambda: self._source.open_db(name, create=False), self._map_more)

    def _map_more(self) -> None:
        self._source.set_mapsize(2 * self._source.info()["map_size"])

    def _surplus(self, newest: lmdb.Transaction[memoryview], bucket: Bucket) -> int:
        """Return how many entries more the copy has than the database."""
        return self._entries(self._ours[bucket]) - int(newest.stat(self._theirs[bucket])["entries"])

    def _entries(self, table: lmdb._Database) -> int:
        with self._target.begin() as txn:
            return int(txn.stat(table)["entries"])

    def _changes(self, newest: lmdb.Transaction[memoryview]) -> Iterator[_Change]:
        """Yield what is to be changed; what was yielded is written sooner or later."""
        yield from self._new_rows(newest)
        for bucket in Bucket:
            if bucket is not Bucket.KEY:
                table = self._ours[bucket]
                with newest.cursor(self._theirs[bucket]) as cursor:
                    wanted = ((bytes(key), bytes(value)) for key, value in cursor)
                    for key, new in _differences(wanted, self._found(bucket, values=True)):
                        yield table, key, new
        state = bytes(newest.get(STATE_KEY, b"", db=self._source.open_db(None, txn=newest)))
        with self._target.begin() as txn:
            is_known = txn.get(STATE_KEY, db=self._main) == state
        if not is_known:
            yield self._main, STATE_KEY, state

    def _new_rows(self, newest: lmdb.Transaction[memoryview]) -> Iterator[_Change]:
        mine, theirs = self._ours[Bucket.KEY], self._theirs[Bucket.KEY]
        surplus = self._surplus(newest, Bucket.KEY)
        with self._target.begin() as txn, txn.cursor(mine) as cursor:
            start = cursor.key() + b"\0" if cursor.last() else b""
        with newest.cursor(theirs) as rows:
            if rows.set_range(start):
                for key, value in rows:
                    yield mine, key, value
                    surplus += 1
            if not surplus:
                return
            # Rows were dropped: what is here and not there. All that is there is here.
            rows.first()
            kept = map(bytes, rows.iternext(values=False))
            next_kept = next(kept, None)
            for key in self._found(Bucket.KEY, values=False):
                if key == next_kept:
                    next_kept = next(kept, None)
                else:
                    yield mine, key, None

    def _found(self, bucket: Bucket, *, values: bool) -> Iterator[Any]:
        """
        Yield the keys of a bucket of the copy, with or without values.

        Up to the one yielded last the copy may be changed in between.
        """
        start = b""
        while True:
            # Ended before anything is yielded: an open reader keeps LMDB from using freed pages
            # again.
            with self._target.begin() as txn, txn.cursor(self._ours[bucket]) as cursor:
                if not cursor.set_range(start):
                    return
                items: Iterator[Any] = (
                    cursor.iternext() if values else cursor.iternext(values=False)
                )
                found = list(islice(items, KEYS_AT_ONCE))
            yield from found
            start = (found[-1][0] if values else found[-1]) + b"\0"

    def _write_all(self, changes: Iterable[_Change]) -> int:
        piece: list[_Change] = []
        size = written = 0
        for change in changes:
            piece.append(change)
            _, key, value = change
            size += DROP_BYTES if value is None else ROW_BYTES + len(key) + len(value)
            if size >= PIECE_BYTES:
                self._write(piece, size)
                written += size
                piece, size = [], 0
        if piece:
            self._write(piece, size)
        return written + size

    def _write(self, piece: list[_Change], size: int) -> None:
        if not self._is_wanted():
            raise StorageError(_NOT_WANTED)
        disk = os.statvfs(self._directory)
        if disk.f_bavail * disk.f_frsize < size + ROOM_LEFT:
            raise DiskFullError("no space left on device")
        rows = self._ours[Bucket.KEY]
        while True:
            try:
                with self._target.begin(write=True) as txn:
                    for table, key, value in piece:
                        if value is None:
                            txn.delete(key, db=table)
                        else:
                            # Appended, entries fill their pages to the end.
                            append = table is rows or table in self._new
                            txn.put(key, value, append=append, db=table)
                break
            except lmdb.MapFullError:
                # The block has aborted its transaction: a map is resized only while there is none
                # (LMDB: ``mdb_env_set_mapsize``).
                self._target.set_mapsize(2 * self._target.info()["map_size"])
        # The environment itself does not sync: once for each piece is enough.
        self._target.sync(True)


@contextmanager
def copy_errors() -> Iterator[None]:
    """
    Translate what LMDB says of a copy.

    Raises:
        DiskFullError: There is not enough room.
        StorageError: It failed otherwise.

    """
    try:
        yield
    except lmdb.DiskError as error:
        raise DiskFullError(f"cannot write a copy of the database: {error}") from error
    except lmdb.Error as error:
        raise StorageError(f"cannot copy the database: {error}") from error


def _differences(
    wanted: Iterable[tuple[bytes, bytes]], found: Iterator[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield what makes the pairs of ``found`` those of ``wanted``; both ascend."""
    old = next(found, None)
    for new in wanted:
        while old is not None and old[0] < new[0]:
            yield old[0], None
            old = next(found, None)
        if old != new:
            yield new
        if old is not None and old[0] == new[0]:
            old = next(found, None)
    while old is not None:
        yield old[0], None
        old = next(found, None)


def main(source: Path, target: Path) -> None:
    """Make a round for each line of standard input, as the module says."""
    os.nice(NICENESS)
    copy: Copy | None = None
    for _ in sys.stdin:
        try:
            copy = copy or _begin(source, target)
            reply: dict[str, object] = {"written": copy.catch_up()}
        except (StorageError, OSError) as error:
            reply = {"error": str(error)}
        print(json.dumps(reply), flush=True)
    if copy is not None:
        copy.close()


def _begin(source: Path, target: Path) -> Copy:
    # Little address space: it takes what the file needs, and what remains is for the copy.
    with copy_errors():
        database = _while_it_grows(
            lambda: open_lmdb(source, SMALLEST_MAP, readonly=True, readahead=True)
        )
    return Copy(database, target, _is_wanted)


def _while_it_grows(attempt: Callable[[], _T], map_more: Callable[[], None] = lambda: None) -> _T:
    """
    Return what ``attempt`` returns; when the database has outgrown its map, make one more.

    The server goes on writing, and knows nothing of the map here: behind a commit that reaches
    beyond it no transaction begins. (LMDB: ``MDB_MAP_RESIZED``)

    Args:
        attempt: What begins a transaction.
        map_more: Enlarges the map, unless ``attempt`` makes one.

    """
    while True:
        try:
            return attempt()
        except lmdb.MapResizedError:
            map_more()


def _is_wanted() -> bool:
    # Nothing is sent during a round, so what can be read is the end.
    return not select.select([sys.stdin], [], [], 0)[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
