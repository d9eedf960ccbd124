"""
The changes of a long transaction, made before others have to wait for it.

A transaction of a megabyte puts, or deletes one by one, eighty thousand keys. All about them that
does not depend on its revision is found out before its turn, as is what its operations will come
to: the rows but for a few bytes, the versions, the order of changes. That holds unless somebody
else has changed one of its keys by then, which is looked at; and it is only for what puts no key
that it names once more. Ranges are read later.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from etcdpy.cooperative import Steps
from etcdpy.mvcc.index import Index
from etcdpy.mvcc.keyrange import Covered, bounds
from etcdpy.mvcc.revision import TOMBSTONE_MARK, row_key
from etcdpy.mvcc.rows import BORN, CHANGED, DELETED, row_end, row_start
from etcdpy.mvcc.slices import SLICE, Work
from etcdpy.mvcc.store import Made, Store, WriteTxn
from etcdpy.mvcc.txn_plan import Path, reads
from etcdpy.mvcc.txn_request import DELETE, PUT, RANGE, TXN, Op
from etcdpy.mvcc.within import Deleted, Later, OpResult, TxnResult, Unread
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import DeleteRangeRequest, PutRequest

__all__ = ["MOST_CHANGES", "Columns", "columns_of"]

MOST_CHANGES: Final = 8192
"""
Changes of others that are looked at to find out whether columns still hold. A large row counts for
several.
"""

MOST_KEYS: Final = 1 << 18
"""Changes of one transaction that are made before: they take some hundred bytes each."""

MOST_VALUE_BYTES: Final = 8 << 20
"""Bytes of values that its puts keep."""

_BYTES_OF_A_CHANGE: Final = 4096


_pack_sub = Struct(">Q").pack

_PUT_DONE: OpResult = (PUT, 1, None)


class Columns:
    """
    What is made of a transaction before its turn.

    Attributes:
        results: What its operations come to, with the number of changes in the place of the
            revision that is shown.
        checked: Those of its operations that still have to be checked.

    """

    __slots__ = ("_builder", "_revision", "_slices", "checked", "results")

    def __init__(
        self, revision: int, builder: _Builder, results: list[OpResult], slices: list[Made]
    ) -> None:
        self._revision = revision
        self._builder = builder
        self._slices = slices
        self.results = results
        self.checked = builder.checked

    def still_hold(self, store: Store) -> bool:
        """Tell whether surely nobody has changed one of the keys since."""
        revision = self._revision
        if store.revision == revision:
            return True
        if store.compact_revision > revision:
            return False  # there may have been changes of which no row is left
        named, ranges, work = self._builder.named, self._builder.deleted, 0
        for _, row in store.log.scan_rows(row_key(revision + 1, 0)):
            work += 1 + len(row) // _BYTES_OF_A_CHANGE
            if work > MOST_CHANGES:
                return False
            key = KeyValue.FromString(row).key
            if key in named or key in ranges:
                return False
        return True

    def count_checks(self, store: Store) -> None:
        """Count what was looked up to check it."""
        store.operations.ranges += self._builder.kept

    def write(self, store: Store, write: WriteTxn, later: Later) -> Steps[None]:
        """Write them, and have them found."""
        builder, operations = self._builder, store.operations
        operations.deletes += builder.deletes
        operations.ranges += builder.ranges
        if builder.is_read_later:
            later.note(write.revision, builder.oldest)
        later.count_from(write.revision - 1)
        for made in self._slices:
            write.change_made(made)
            yield
        yield from write.settle_all()


def columns_of(store: Store, path: Path) -> Steps[Columns | None]:
    """Make the changes of a path, as it would be applied now; None if it is not of that kind."""
    revision = store.revision
    builder = _Builder(store)
    try:
        results = yield from builder.look_through(path)
        yield from builder.finish()
    except _UnfitError:
        return None
    slices: list[Made] = []
    for first in range(0, len(builder.keys), SLICE):
        slices.append(builder.made(first, first + SLICE))
        yield
    return Columns(revision, builder, results, slices)


class _UnfitError(Exception):
    """A transaction has an operation that is not to be made before."""


class _Builder:
    """
    Looks through the operations of a transaction.

    Attributes:
        keys: Those that are changed, in order.
        values: Theirs; None for one that is deleted.
        leases: Theirs, 0 for none.
        named: All that are put or to be deleted, those that are not there included.
        deletes: How many deletions there are.
        ranges: How many reads there are, of what was there before included.
        kept: How many puts keep what is there.
        deleted: The ranges that are deleted.
        has_ranges: Whether there are any.
        checked: The operations that may be refused though no key has changed.
        is_read_later: Whether there are any.
        oldest: The oldest revision that a range asks for, 0 for none.

    """

    __slots__ = (
        "_gone",
        "_index",
        "_leases",
        "_put_keys",
        "_store",
        "_value_bytes",
        "_work",
        "checked",
        "deleted",
        "deletes",
        "has_ranges",
        "is_read_later",
        "kept",
        "keys",
        "leases",
        "named",
        "oldest",
        "ranges",
        "values",
    )

    def __init__(self, store: Store) -> None:
        self._store = store
        self._index: Index = store.index
        self._work = Work()
        # Those that are put, and those that are deleted, or were not there to be.
        self._put_keys: set[bytes] = set()
        self._gone: set[bytes] = set()
        # Leases that are checked, and bytes of values that are kept.
        self._leases: set[int] = set()
        self._value_bytes = 0
        self.kept = 0
        self.deleted = Covered()
        self.checked: list[Op] = []
        self.keys: list[bytes] = []
        self.values: list[bytes | None] = []
        self.leases: list[int] = []
        self.named: set[bytes] = set()
        self.has_ranges = False
        self.deletes = 0
        self.ranges = 0
        self.is_read_later = False
        self.oldest = 0

    def look_through(self, path: Path) -> Steps[list[OpResult]]:
        puts = path.puts
        if puts is not None:
            number = len(puts.keys)
            self._name(puts.keys)
            self.keys += puts.keys
            self.values += puts.values
            self.leases += [0] * number
            yield from self._work.add(1 + number // 8)
            return [_PUT_DONE] * number
        results: list[OpResult] = []
        for i, (kind, op) in enumerate(path.ops):
            if kind == PUT:
                results.append(self._put((kind, op)))
            elif kind == DELETE and not op.range_end:
                results.append(self._delete(op))
            elif kind == DELETE:
                results.append((yield from self._delete_range(op)))
            elif kind == RANGE:
                if op.revision:
                    self.checked.append((kind, op))
                self.ranges += 1
                self.is_read_later = True
                if op.revision > 0 and (not self.oldest or op.revision < self.oldest):
                    self.oldest = op.revision
                changes = len(self.keys)
                results.append((RANGE, changes, (op, changes)))
            elif kind == TXN:
                inner = path.nested[i]
                found = yield from self.look_through(inner)
                results.append((TXN, len(self.keys), TxnResult(0, inner.succeeded, found)))
            else:
                raise _UnfitError
            yield from self._work.add(1)
        return results

    def finish(self) -> Steps[None]:
        """Make sure that no key is put that is in a range which is deleted."""
        self.named = self._put_keys | self._gone
        if self.has_ranges:
            for key in self._put_keys:
                if key in self.deleted:
                    raise _UnfitError
                yield from self._work.add(1)

    def _name(self, keys: list[bytes]) -> None:
        put = self._put_keys
        number = len(put) + len(keys)
        put.update(keys)
        if len(put) < number or not self._gone.isdisjoint(keys):
            raise _UnfitError

    def _put(self, op: Op) -> OpResult:
        request: PutRequest = op[1]
        key, value, lease = request.key, request.value, request.lease
        self._name([key])
        previous: Unread | None = None
        if reads(request):
            self.ranges += 1
            if request.prev_kv and self._index.is_alive(key):
                previous = self._unread(key)
        if lease and lease not in self._leases:
            # Of all that hang on it the first says whether it is there.
            self._leases.add(lease)
            self.checked.append(op)
        if request.ignore_value or request.ignore_lease:
            self.kept += 1
            row = self._store.get(key, self._store.revision)
            if row is None:
                raise _UnfitError
            if request.ignore_value:
                value = KeyValue.FromString(row).value
                self._value_bytes += len(value)
                if self._value_bytes > MOST_VALUE_BYTES:
                    raise _UnfitError
            if request.ignore_lease:
                lease = self._store.attachments.lease_of(key)
        self.keys.append(key)
        self.values.append(value)
        self.leases.append(lease)
        return _PUT_DONE if previous is None else (PUT, 1, previous)

    def _delete(self, request: DeleteRangeRequest) -> OpResult:
        key = request.key
        self.deletes += 1
        self.ranges += request.prev_kv
        if key in self._put_keys:
            raise _UnfitError
        if key in self._gone or not self._index.is_alive(key):
            self._gone.add(key)
            return DELETE, len(self.keys), Deleted(0, [])
        unread = self._unread(key) if request.prev_kv else None
        self._remove([key])
        return DELETE, len(self.keys), Deleted(1, [], unread)

    def _delete_range(self, request: DeleteRangeRequest) -> Steps[OpResult]:
        self.deletes += 1
        self.ranges += request.prev_kv
        self.has_ranges = True
        self.deleted.add(request.key, request.range_end)
        store, gone = self._store, self._gone
        start, stop = bounds(request.key, request.range_end)
        keys: list[bytes] = []
        cursor: bytes | None = start
        while cursor is not None:
            found, cursor = store.index.scan(cursor, stop, store.revision, SLICE)
            keys += [key for key in found if key not in gone]
            yield from self._work.add(1 + len(found))
        if len(self.keys) + len(keys) > MOST_KEYS:
            raise _UnfitError
        unread: Unread | None = None
        if request.prev_kv:
            self.is_read_later = True
            unread = Unread(keys.copy(), len(self.keys))
        self._remove(keys)
        return DELETE, len(self.keys), Deleted(len(keys), [], unread)

    def _remove(self, keys: list[bytes]) -> None:
        self._gone.update(keys)
        self.keys += keys
        self.values += [None] * len(keys)
        self.leases += [0] * len(keys)

    def _unread(self, key: bytes) -> Unread:
        self.is_read_later = True
        return Unread([key], len(self.keys))

    def made(self, first: int, end: int) -> Made:
        """Make some of the changes."""
        keys, values = self.keys[first:end], self.values[first:end]
        leases = self.leases[first:end]
        kinds = bytearray()
        creates: list[int] = []
        versions: list[int] = []
        starts: list[bytes] = []
        ends: list[bytes] = []
        suffixes: list[bytes] = []
        put_bytes = 0
        self._index.expand(keys)
        known = self._index.last_numbers(keys)
        for sub, (key, value, lease) in enumerate(zip(keys, values, leases, strict=True), first):
            create, version = known[sub - first]
            if value is None:
                kind, create, version = DELETED, 0, 0
                suffixes.append(_pack_sub(sub) + TOMBSTONE_MARK)
                ends.append(b"")
            else:
                kind, version = (CHANGED if version else BORN), version + 1
                suffixes.append(_pack_sub(sub))
                ends.append(row_end(kind, version, value, lease))
                put_bytes += len(key) + len(value)
            starts.append(row_start(kind, key, create))
            kinds.append(kind)
            creates.append(create)
            versions.append(version)
        return Made(
            keys,
            bytes(kinds),
            creates,
            versions,
            starts,
            ends,
            suffixes,
            leases if any(leases) else None,
            len(kinds) - kinds.count(DELETED),
            put_bytes,
        )
