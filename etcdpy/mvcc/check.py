"""
Is a stored database consistent? A check over a closed data directory.

Everything is computed a second time, in the plainest way, from the rows alone, and held
against what the store rebuilds from them: the rows against each other, the index against
the rows, the marks of compaction against both.

    python -m etcdpy.mvcc.check DATA_DIR
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from google.protobuf.message import DecodeError

from etcdpy.logs.progress import progress as shown
from etcdpy.mvcc.history import Version
from etcdpy.mvcc.restore import FINISHED_COMPACTION, SCHEDULED_COMPACTION, restore
from etcdpy.mvcc.revision import RowKey, parse_row_key
from etcdpy.mvcc.store import CONSISTENT_INDEX, Store
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.storage import Backend, Bucket, DataDirError, StorageError
from etcdpy.storage.batch import Batch
from etcdpy.storage.commit_log import RowSource

#: Findings reported; a store that is damaged throughout needs no longer list.
MOST_FINDINGS = 100

#: The key of the empty rows that bumping the revision leaves (etcdutl: --bump-revision), each
#: at a revision that is compacted from the first.
_BUMPED = b""

#: Rows between two reports of how far it is.
_OFTEN = 4096

#: Takes what is done and what there is to do.
Progress = Callable[[int, int], None]

_TERM = b"term"
#: What restoring a snapshot writes; the first start of a new store makes it 2.
_FIRST_TERM = 1


class InconsistentError(Exception):
    """
    The store contradicts itself.

    Attributes:
        findings: One sentence each, at most ``MOST_FINDINGS``.

    """

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("; ".join(findings))
        self.findings = list(findings)


@dataclass(frozen=True)
class CheckReport:
    """What a consistent store holds; ``keys`` counts those alive at ``revision``."""

    revision: int
    compact_revision: int
    consistent_index: int
    keys: int
    rows: int


def verify(
    data_dir: Path, *, fsync: bool = True, progress: Progress = lambda done, total: None
) -> CheckReport:
    """
    Check the store in a data directory that no server has open.

    Opens it as a server does, which brings what its journal still holds into the database.

    Args:
        data_dir: The data directory (``--data-dir``).
        fsync: Whether that is to survive a power failure.
        progress: Called now and then with the revision that the check is at, and the last.

    Raises:
        InconsistentError: If it contradicts itself.
        StorageError: If it cannot be opened.

    """
    if not (data_dir / "member").is_dir():
        raise DataDirError(f"no store in {data_dir}")
    backend = Backend.open(data_dir, fsync=fsync)
    try:
        last = backend.last_row()
        # However damaged it is: what is wrong with it is for the check to say.
        newest = int.from_bytes(last[:8], "big")
        return _Check(backend, lambda done: progress(done, newest)).run()
    finally:
        backend.close()


def verify_source(source: RowSource) -> CheckReport:
    """
    Check what ``source`` holds.

    Raises:
        InconsistentError: If it contradicts itself.

    """
    return _Check(source).run()


@dataclass(frozen=True)
class _Entry:
    """A row that reads well: ``version`` 0 and no other number for a tombstone."""

    main: int
    sub: int
    create: int
    version: int
    lease: int

    def __str__(self) -> str:
        kind = "put" if self.version else "deletion"
        return f"{kind} at {self.main}/{self.sub}"


class _Check:
    def __init__(self, source: RowSource, progress: Callable[[int], None] | None = None) -> None:
        self._source = source
        self._progress = progress
        self._findings: list[str] = []
        self._histories: dict[bytes, list[_Entry]] = {}
        self._finished = -1
        self._scheduled = -1

    def run(self) -> CheckReport:
        self._finished = self._mark(FINISHED_COMPACTION)
        self._scheduled = max(self._mark(SCHEDULED_COMPACTION), self._finished)
        rows, last = self._check_rows()
        for key, history in self._histories.items():
            self._check_history(key, history)
        self._stop_if_found()  # what follows relies on what was checked so far
        store = Store(_Closed(self._source))
        restore(store, self._source)
        self._check_store(store, last)
        self._check_meta(store.revision)
        self._stop_if_found()
        return CheckReport(
            revision=store.revision,
            compact_revision=store.compact_revision,
            consistent_index=store.applied_index,
            keys=len(store.index) - (_BUMPED in self._histories),
            rows=rows,
        )

    def _found(self, finding: str) -> None:
        self._findings.append(finding)
        if len(self._findings) == MOST_FINDINGS:
            self._stop_if_found()

    def _stop_if_found(self) -> None:
        if self._findings:
            raise InconsistentError(self._findings)

    def _mark(self, name: bytes) -> int:
        stored = self._source.get(Bucket.META, name)
        if stored is None:
            return -1
        try:
            main, sub, tombstone = parse_row_key(stored)
        except ValueError as error:
            self._found(f"{name.decode()}: {error}")
            return -1
        if sub or tombstone:
            self._found(f"{name.decode()}: {stored.hex()} is no plain revision")
        return main

    # ------------------------------------------------------------------- rows

    def _check_rows(self) -> tuple[int, int]:
        """Check each row, and that none is missing; return their number and the last main."""
        number = 0
        previous = RowKey(max(self._scheduled, 1), 0, False)
        position = (0, -1)
        for row_key, row in self._source.scan_rows(b""):
            number += 1
            try:
                place = parse_row_key(row_key)
            except ValueError as error:
                self._found(str(error))
                continue
            if (place.main, place.sub) <= position:
                self._found(f"row {row_key.hex()} does not come after the one before it")
            position = (place.main, place.sub)
            if self._progress is not None and not number % _OFTEN:
                self._progress(place.main)
            if place.main > self._scheduled:
                self._check_follows(previous, place)
                previous = place
            self._check_row(place, row)
        return number, position[0]

    def _check_follows(self, previous: RowKey, place: RowKey) -> None:
        # Nothing was compacted up here, so revisions and the changes in each are unbroken.
        main, sub, _ = previous
        following = ((main, sub + 1), (main + 1, 0))
        if (place.main, place.sub) not in following:
            self._found(f"rows are missing between {main}/{sub} and {place.main}/{place.sub}")

    def _check_row(self, place: RowKey, row: bytes) -> None:
        main, sub, tombstone = place
        if not row and not tombstone and main <= self._scheduled:
            self._histories.setdefault(_BUMPED, []).append(_Entry(main, sub, main, 1, 0))
            return
        where = f"row {main}/{sub}"
        try:
            kv = KeyValue.FromString(row)
        except DecodeError as error:
            self._found(f"{where}: no KeyValue: {error}")
            return
        if not kv.key:
            self._found(f"{where}: no key")
            return
        history = self._histories.setdefault(kv.key, [])
        if tombstone:
            if kv != KeyValue(key=kv.key):
                self._found(f"{where}: a tombstone with more than a key")
            history.append(_Entry(main, sub, 0, 0, 0))
            return
        if kv.mod_revision != main:
            self._found(f"{where}: mod_revision is {kv.mod_revision}")
        if not 0 < kv.create_revision <= main:
            self._found(f"{where}: create_revision is {kv.create_revision}")
        if kv.version < 1:
            self._found(f"{where}: version is {kv.version}")
        history.append(_Entry(main, sub, kv.create_revision, kv.version, kv.lease))

    # -------------------------------------------------------------- histories

    def _check_history(self, key: bytes, history: list[_Entry]) -> None:
        first = history[0]
        if first.main > self._scheduled:
            self._check_step(key, None, first)
        elif not first.version and first.main < self._finished:
            self._found(f"{key!r}: compaction left a {first}")
        old = [entry for entry in history if entry.main <= self._finished]
        if len(old) > 1:
            self._found(f"{key!r}: compaction left a {old[0]} before a {old[-1]}")
        if key == _BUMPED:
            return  # these have no numbers that could go on
        for previous, entry in pairwise(history):
            self._check_step(key, previous if previous.version else None, entry)

    def _check_step(self, key: bytes, live: _Entry | None, entry: _Entry) -> None:
        """Check an entry of a key that was ``live`` before it, or did not exist."""
        if not entry.version:
            if live is None:
                self._found(f"{key!r}: {entry} of a key that does not exist")
            return
        create, version = (live.create, live.version + 1) if live else (entry.main, 1)
        if (entry.create, entry.version) != (create, version):
            self._found(
                f"{key!r}: {entry} has create_revision {entry.create} and version "
                f"{entry.version}, not {create} and {version}"
            )

    # ------------------------------------------------------------------ store

    def _check_store(self, store: Store, last: int) -> None:
        """Check what a start makes of the rows."""
        if store.revision < last:
            self._found(f"the store is at revision {store.revision}, its last row at {last}")
        if store.compact_revision != self._scheduled:
            self._found(f"the store is compacted at {store.compact_revision}")
        index = store.index
        live = sorted(key for key, history in self._histories.items() if history[-1].version)
        if list(index.every_key()) != sorted(self._histories):
            self._found("the index holds other keys than the rows")
        if index.scan(b"", None, store.revision, len(live) + 1) != (live, None):
            self._found("the index finds other keys alive than the rows")
        if index.count(b"", None, store.revision) != len(live):
            self._found(f"the index counts {len(index)} keys, the rows {len(live)}")
        for key, history in self._histories.items():
            self._check_indexed(store, key, history)

    def _check_indexed(self, store: Store, key: bytes, history: list[_Entry]) -> None:
        if store.attachments.lease_of(key) != history[-1].lease:
            self._found(f"{key!r}: not attached to lease {history[-1].lease}")
        for entry, following in pairwise((*history, None)):
            assert entry is not None
            until = store.revision if following is None else following.main - 1
            if until < entry.main:
                continue  # a later change of the same revision hides it
            expected = None
            if entry.version:
                expected = Version(entry.main, entry.sub, entry.create, entry.version)
            for revision in {entry.main, until}:
                if store.index.at(key, revision) != expected:
                    self._found(f"{key!r}: the index is wrong about revision {revision}")

    # ------------------------------------------------------------------- meta

    def _check_meta(self, revision: int) -> None:
        if self._finished > self._mark(SCHEDULED_COMPACTION):
            self._found("a compaction finished that was never scheduled")
        index = self._number(CONSISTENT_INDEX)
        # It counts on from 1 in a store restored from a snapshot, so it may be behind.
        if not index and revision > 1:
            self._found(f"consistent_index is {index} at revision {revision}")
        term = self._number(_TERM)
        if term is not None and term < _FIRST_TERM:
            self._found(f"term is {term}")

    def _number(self, name: bytes) -> int | None:
        stored = self._source.get(Bucket.META, name)
        if stored is None:
            return None
        if len(stored) != 8:
            self._found(f"{name.decode()} is no 64-bit number: {stored.hex()}")
        return int.from_bytes(stored, "big")


class _Closed:
    """The log of a store that is only looked at."""

    batch: Batch

    def __init__(self, source: RowSource) -> None:
        self.row = source.row
        self.rows = source.rows
        self.scan_rows = source.scan_rows
        self.get = source.get
        self.items = source.items

    def written(self) -> int:
        return 0

    def until(self, sequence: int) -> None:
        return None

    def unsettled(self) -> None:
        return None

    def flush_soon(self) -> None:
        raise AssertionError("nothing is written here")

    hold = prepare = release = flush_soon

    def fail(self, error: StorageError) -> None:
        raise error


def main(arguments: Sequence[str]) -> int:
    """Check the store of a data directory; return 0, 1 if it is inconsistent, or 2."""
    if len(arguments) != 1:
        print("usage: python -m etcdpy.mvcc.check DATA_DIR", file=sys.stderr)
        return 2
    try:
        with shown("checking revisions", unit="") as show:
            report = verify(Path(arguments[0]), progress=show)
    except InconsistentError as error:
        print(*error.findings, sep="\n", file=sys.stderr)
        return 1
    except StorageError as error:
        print(error, file=sys.stderr)
        return 2
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
