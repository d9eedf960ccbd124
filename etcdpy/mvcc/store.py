"""
The multi-version store: the state machine every write goes through.

The event loop owns it. A write is applied to the index at once, gets its revision, and
its rows join the batch that the committer takes to the disk next; whoever acknowledges
the write waits for that batch. Between the two the store is ahead of the disk:

    compact_revision ... durable_revision ... revision
                         what reads see       what writes build on

A plain read runs at ``durable_revision`` and so never waits, and never shows what a crash
could take back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from struct import Struct
from typing import NamedTuple

from etcdpy.cooperative import Steps
from etcdpy.errors import CompactedError, FutureRevisionError
from etcdpy.mvcc import invariants
from etcdpy.mvcc.attachments import Attachments
from etcdpy.mvcc.index import Index
from etcdpy.mvcc.revision import (
    ROW_KEY_START,
    row_key,
    row_keys,
    tombstone_key,
    tombstone_keys,
)
from etcdpy.mvcc.rows import born_at, new_row, row, row_middles, rows_of, tombstone, tombstones
from etcdpy.mvcc.slices import FOUND_SLICE, SLICE, chunks, in_order
from etcdpy.storage.batch import Batch
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.commit_log import CommitLog

CONSISTENT_INDEX = b"consistent_index"


class Operations:
    """
    How many operations there were, those of transactions included.

    Attributes:
        ranges: Reads, also those that compare, or ask what was there before.
        puts: Puts.
        put_bytes: Bytes of their keys and values.
        deletes: Deletions, whatever number of keys each was of.
        txns: Transactions of more than one operation. (etcd: metrics_txn.go)

    """

    __slots__ = ("deletes", "put_bytes", "puts", "ranges", "txns")

    def __init__(self) -> None:
        self.ranges = self.puts = self.put_bytes = self.deletes = self.txns = 0

    def count_reads(self, number: int) -> None:
        """Count the reads of a transaction that only reads."""
        self.ranges += number
        self.txns += number > 1


#: Entries of etcd's raft log after the first start: the member, the term, the member's
#: attributes, and the version of the cluster (etcd: server/etcdserver/bootstrap.go and server.go).
FIRST_ENTRIES = 4
#: Entries that a start adds to what is there: the term and the member's attributes. (A store
#: restored from a snapshot begins with the member.)
RESTART_ENTRIES = 2

_U64 = Struct(">Q")


class Store:
    """Keys and values under multi-version concurrency control."""

    def __init__(self, log: CommitLog) -> None:
        self.log = log
        self.index = Index()
        self.attachments = Attachments()
        self.operations = Operations()
        #: The newest revision, which the next write builds on; 1 in an empty store (etcd:
        #: kvstore.go, NewStore).
        self.revision = 1
        #: The newest revision that a crash cannot take back.
        self.durable_revision = 1
        #: Reads below this are refused; -1 if the store was never compacted.
        self.compact_revision = -1
        #: Starts, write transactions and compactions applied so far: etcd's raft index.
        self.applied_index = 0
        #: Whether a large write goes on in slices, which others wait for before they begin.
        #: (``node.Writer`` sets it, and knows when it is over.)
        self.is_busy = False
        self._pins: dict[int, int] = {}
        self._on_unpin: list[Callable[[], None]] = []

    # ------------------------------------------------------------------ reading

    def read_revision(self, asked: int, newest: int) -> int:
        """
        Return the revision a read runs at, given the one the client asked for.

        Args:
            asked: 0 or less means ``newest``.
            newest: The revision that counts as the current one for this read.

        Raises:
            FutureRevisionError: If ``asked`` is above ``newest``.
            CompactedError: If ``asked`` is below the compact revision.

        """
        # etcd: kvstore_txn.go, rangeKeys
        if asked <= 0:
            return newest
        if asked > newest:
            raise FutureRevisionError
        if asked < self.compact_revision:
            raise CompactedError
        return asked

    def get(self, key: bytes, revision: int) -> bytes | None:
        """Return the encoded KeyValue that ``key`` had at ``revision``, or None."""
        found = self.index.row_key_at(key, revision)
        if found is None:
            return None
        row = self.log.row(found)
        assert row is not None, f"the index names a missing row: {found.hex()}"
        return row

    @contextmanager
    def pinned(self, revision: int) -> Iterator[None]:
        """Keep what ``revision`` shows from being compacted away while a read goes on."""
        pins = self._pins
        pins[revision] = pins.get(revision, 0) + 1
        try:
            yield
        finally:
            pins[revision] -= 1
            if not pins[revision]:
                del pins[revision]
                waiting, self._on_unpin = self._on_unpin, []
                for callback in waiting:
                    callback()

    def is_pinned_below(self, revision: int) -> bool:
        """Tell whether a read is going on at an older revision."""
        return any(pin < revision for pin in self._pins)

    def is_pinned_at(self, revision: int) -> bool:
        """Tell whether a read is going on at that revision."""
        return revision in self._pins

    def when_unpinned(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, when the next pin is taken away."""
        self._on_unpin.append(callback)

    # ------------------------------------------------------------------ writing

    def begin(self) -> WriteTxn:
        """Start a write transaction; no other one may begin until it is done."""
        assert not self.is_busy, "a write has to wait for its turn"
        return WriteTxn(self)

    def note_start(self) -> None:
        """Count what etcd would have put into its raft log by the time it serves."""
        known = self.applied_index
        self.applied_index = known + RESTART_ENTRIES if known else FIRST_ENTRIES

    def seal(self, batch: Batch) -> None:
        """Add to a batch, about to be written, how far it brings the store."""
        if invariants.switch.are_checked:
            invariants.check_batch(self.index, self.attachments, batch)
        batch.puts[Bucket.META, CONSISTENT_INDEX] = _U64.pack(self.applied_index)
        batch.revision = self.revision

    def made_durable(self, batch: Batch) -> None:
        """Note that ``batch`` is on the disk."""
        self.durable_revision = batch.revision
        self.index.made_durable(batch.revision)


class Made(NamedTuple):
    """
    A slice of changes, no two of them of one key, that are made but for their revision.

    Attributes:
        keys: Which.
        kinds: What becomes of each: ``rows.DELETED``, ``CHANGED`` or ``BORN``.
        creates: The create revisions, where they are known.
        versions: The numbers of the versions, 0 for a deletion.
        starts: What the rows begin with.
        ends: What they end with.
        suffixes: What their keys end with.
        leases: On which they hang, 0 for none; None if none does on any.
        puts: How many are put.
        put_bytes: Bytes of the keys and values of those.

    """

    keys: list[bytes]
    kinds: bytes
    creates: list[int]
    versions: list[int]
    starts: list[bytes]
    ends: list[bytes]
    suffixes: list[bytes]
    leases: list[int] | None
    puts: int
    put_bytes: int


class WriteTxn:
    """
    One write transaction: every change in it shares one main revision (etcd: storeTxnWrite).

    Reads inside it use ``revision``: before the first change that shows the state the
    transaction found, afterwards its own changes too.
    """

    __slots__ = (
        "_batch",
        "_born",
        "_index",
        "_store",
        "operations",
        "revision",
        "sub",
    )

    def __init__(self, store: Store) -> None:
        self._store = store
        self._index = store.index
        self._batch = store.log.batch
        self._born: bytes | None = None
        self.revision = store.revision + 1
        #: The number of changes so far, and the sub revision of the next.
        self.sub = 0
        #: The number of operations so far, those that change nothing included.
        self.operations = 0

    @property
    def shown(self) -> int:
        """The revision a reply names at this point: it rises with the first change."""
        return self.revision if self.sub else self.revision - 1

    def put(self, key: bytes, value: bytes, lease: int) -> None:
        """Write one key (etcd: kvstore_txn.go, put)."""
        main, sub = self.revision, self.sub
        create, version = self._index.put(key, main, sub)
        if version == 1 and not lease:
            born = self._born
            if born is None:
                born = self._born = born_at(main)
            encoded = new_row(key, value, born)
        else:
            encoded = row(key, value, lease, create, main, version)
        batch = self._batch
        batch.rows[row_key(main, sub)] = encoded
        batch.put_bytes += len(encoded)
        self.sub = sub + 1
        operations = self._store.operations
        operations.puts += 1
        operations.put_bytes += len(key) + len(value)
        attachments = self._store.attachments
        # Fast path (bench: put/100x1): a dictionary is asked, as most stores have no leases.
        if lease or attachments.leases:
            attachments.attach(key, lease)

    def put_all(self, keys: list[bytes], values: list[bytes]) -> None:
        """
        Write a slice of keys, no two of which are the same, without a lease.

        What is new among them is found by nobody before ``settle``.
        """
        main, sub, number, batch = self.revision, self.sub, len(keys), self._batch
        versions = self._index.put_all(keys, main, sub)
        rows = rows_of(keys, values, versions, main)
        batch.rows.update(zip(row_keys(main, sub, number), rows, strict=True))
        batch.put_bytes += sum(map(len, rows))
        self.sub = sub + number
        operations = self._store.operations
        operations.puts += number
        operations.put_bytes += sum(map(len, keys)) + sum(map(len, values))
        attachments = self._store.attachments
        if attachments.leases:
            attachments.detach_all(keys)

    def change_all(self, keys: list[bytes], values: list[bytes | None], leases: list[int]) -> None:
        """
        Do as ``put_all`` does where keys hang on leases (0: on none), or are deleted.

        Args:
            keys: Which.
            values: Theirs; None for one that is deleted, which is alive.
            leases: Theirs.

        """
        main, sub, number, batch = self.revision, self.sub, len(keys), self._batch
        are_put = [value is not None for value in values]
        versions = self._index.change_all(keys, are_put, main, sub)
        attachments, operations = self._store.attachments, self._store.operations
        born = born_at(main)
        for key, value, lease, known in zip(keys, values, leases, versions, strict=True):
            if value is None:
                batch.rows[tombstone_key(main, sub)] = tombstone(key)
            else:
                if known is None and not lease:
                    encoded = new_row(key, value, born)
                else:
                    encoded = row(key, value, lease, *_first_version(known, main))
                batch.rows[row_key(main, sub)] = encoded
                batch.put_bytes += len(encoded)
                operations.puts += 1
                operations.put_bytes += len(key) + len(value)
            if lease or attachments.leases:
                attachments.attach(key, lease)
            sub += 1
        self.sub += number

    def change_made(self, made: Made) -> None:
        """Do as ``change_all`` does with changes that are made."""
        main, number, batch = self.revision, len(made.keys), self._batch
        self._index.change_made(made.keys, made.kinds, made.creates, made.versions, main, self.sub)
        middles, start = row_middles(main), row_key(main, 0)[:ROW_KEY_START]
        parts = zip(made.starts, made.kinds, made.ends, strict=True)
        rows = [first + middles[kind] + last for first, kind, last in parts]
        names = [start + suffix for suffix in made.suffixes]
        batch.rows.update(zip(names, rows, strict=True))
        size = sum(map(len, rows))
        if made.puts < number:
            size -= sum([len(row) for row, kind in zip(rows, made.kinds, strict=True) if not kind])
        batch.put_bytes += size
        self.sub += number
        operations = self._store.operations
        operations.puts += made.puts
        operations.put_bytes += made.put_bytes
        attachments = self._store.attachments
        if made.leases is not None:
            for key, lease in zip(made.keys, made.leases, strict=True):
                attachments.attach(key, lease)
        elif attachments.leases:
            attachments.detach_all(made.keys)

    def settle(self) -> None:
        """Have what ``put_all`` and ``change_all`` have written found."""
        self._index.settle(self.revision)

    def settle_all(self) -> Steps[None]:
        """Do the same in slices, where that may be very much."""
        index = self._index
        if index.unsettled <= SLICE:
            index.settle(self.revision)
            return
        for keys, was_there, is_alive in index.take_unsettled():
            # Found by nobody, half of them, until this revision is durable.
            ordered = yield from in_order(keys)
            for chunk in chunks(ordered, FOUND_SLICE):
                index.settle_some(chunk, was_there, is_alive, self.revision)
                yield

    def delete_all(self, keys: list[bytes], rows: list[bytes] | None = None) -> Steps[None]:
        """
        Delete keys, all of them alive and in ascending order; the list is emptied.

        (etcd: kvstore_txn.go, delete)

        Args:
            keys: Which.
            rows: Of their deletions, if they have been made before; the list is emptied.

        """
        last = len(keys) <= SLICE
        made = None if rows is None else chunks(rows)
        for chunk in chunks(keys):
            self._delete(chunk, tombstones(chunk) if made is None else next(made))
            if not last:
                yield

    def delete(self, key: bytes) -> None:
        """Delete a key, which is alive."""
        self._delete([key], [tombstone(key)])

    def _delete(self, keys: list[bytes], deletions: list[bytes]) -> None:
        main, sub = self.revision, self.sub
        rows, attachments = self._batch.rows, self._store.attachments
        if len(keys) == 1:
            self._index.delete(keys[0], main, sub)
            rows[tombstone_key(main, sub)] = deletions[0]
        else:
            self._index.delete_all(keys, main, sub)
            rows.update(zip(tombstone_keys(main, sub, len(keys)), deletions, strict=True))
        if attachments.leases:
            attachments.detach_all(keys)
        self.sub = sub + len(keys)

    def commit(self) -> int:
        """
        End the transaction.

        Returns:
            The sequence of the batch that it is in or, without changes, of the newest one
            that it saw. Once ``log.until`` of it is resolved, a reply may tell of it.

        """
        store = self._store
        store.applied_index += 1
        # etcd: kvstore_txn.go, End: only what changes something takes a revision.
        # Fast path (bench: put/100x1): a number, where a future would have to be looked for.
        if self.sub:
            store.revision = self.revision
            store.log.flush_soon()
            return self._batch.sequence
        return store.log.written()


def _first_version(known: tuple[int, int] | None, main: int) -> tuple[int, int, int]:
    """Return the create revision, the revision and the number of a version, as a row has them."""
    create, number = known or (main, 1)
    return create, main, number
