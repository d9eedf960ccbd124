"""
Applying requests to the store: puts, deletions, and transactions of them.

A transaction is decided before it is applied (``txn_plan``), which leaves one path of operations.
That path is checked as a whole, so an error leaves nothing half done, and then runs in
order, each operation seeing what the earlier ones wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from etcdpy.cooperative import Pieces, Steps
from etcdpy.errors import (
    CompactedError,
    FutureRevisionError,
    KeyNotFoundError,
    LeaseNotFoundError,
)
from etcdpy.mvcc import replies
from etcdpy.mvcc.columns import Columns
from etcdpy.mvcc.gathered import Gathered
from etcdpy.mvcc.keyrange import Covered, bounds
from etcdpy.mvcc.plain_txn import PlainTxn
from etcdpy.mvcc.ranges import RangeResult, select
from etcdpy.mvcc.reply_size import weigh
from etcdpy.mvcc.slices import SLICE, Work
from etcdpy.mvcc.store import Store, WriteTxn
from etcdpy.mvcc.txn_plan import Path, Plan, decide, flattened, reads
from etcdpy.mvcc.txn_request import DELETE, PUT, RANGE, TXN, LongTxn, Op, Txn
from etcdpy.mvcc.walks import Hold, keys_at, rows_at
from etcdpy.mvcc.within import Deleted, Later, OpResult, TxnResult, Unread
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import DeleteRangeRequest, PutRequest
from etcdpy.pb.wire import delimited

LeaseExists = Callable[[int], bool]

#: Bytes that a transaction may read before it is found out how much the rest of it is.
READ_UNWEIGHED = 16 << 20

#: The header of a nested transaction's reply is there, and empty.
_EMPTY_HEADER = b"\x0a\x00"


def check_put(store: Store, request: PutRequest, lease_exists: LeaseExists) -> None:
    """
    Check what only the store can tell about a put.

    Raises:
        LeaseNotFoundError: If it names a lease that does not exist.
        KeyNotFoundError: If it keeps the value or lease of a key that is missing.

    """
    if request.lease and not lease_exists(request.lease):
        raise LeaseNotFoundError
    if request.ignore_value or request.ignore_lease:
        store.operations.ranges += 1
        if store.index.newest(request.key) is None:
            raise KeyNotFoundError


def put(store: Store, write: WriteTxn, request: PutRequest) -> bytes | None:
    """Apply a checked put; return the encoded previous KeyValue if it was asked for."""
    if reads(request):
        value, lease, previous = _looked_up(store, write, request)
        write.put(request.key, value, lease)
        return previous
    write.put(request.key, request.value, request.lease)
    return None


def _looked_up(
    store: Store, write: WriteTxn, request: PutRequest
) -> tuple[bytes, int, bytes | None]:
    """Return the value and the lease that a put writes, and what was there before if asked for."""
    key, previous = request.key, None
    if request.prev_kv or request.ignore_value:
        previous = store.get(key, write.revision)
        store.operations.ranges += 1
    value, lease = request.value, request.lease
    if request.ignore_value:
        assert previous is not None, "checked before"
        value = KeyValue.FromString(previous).value
    if request.ignore_lease:
        store.operations.ranges += previous is None
        lease = store.attachments.lease_of(key)
    return value, lease, previous if request.prev_kv else None


def delete_range(
    store: Store,
    write: WriteTxn,
    request: DeleteRangeRequest,
    hold: Hold | None = None,
    later: Later | None = None,
) -> Steps[Deleted]:
    """
    Apply a deletion.

    Args:
        store: What it is applied to.
        write: What it is a part of.
        request: What to delete.
        hold: Is told of the rows that are read; it may raise while nothing is deleted yet.
        later: Is told if there are rows, which it reads then.

    """
    keys = yield from keys_to_delete(store, write, request)
    rows, unread = list[bytes](), None
    if request.prev_kv and later is not None:
        later.note(write.revision)
        unread = Unread(keys.copy(), write.sub)
    elif request.prev_kv:
        rows = yield from rows_at(store, keys.copy(), write.revision, hold)
    number = len(keys)
    yield from write.delete_all(keys)
    return Deleted(number, rows, unread)


def keys_to_delete(
    store: Store, write: WriteTxn, request: DeleteRangeRequest
) -> Steps[list[bytes]]:
    """Return the keys that a deletion is of, and count it."""
    count_deletion(store, request)
    if request.range_end:
        start, stop = bounds(request.key, request.range_end)
        return (yield from keys_at(store, start, stop, write.revision, None))
    return [request.key] if store.index.newest(request.key) else []


def count_deletion(store: Store, request: DeleteRangeRequest) -> None:
    """Count a deletion, and what it reads."""
    operations = store.operations
    operations.deletes += 1
    operations.ranges += request.prev_kv


def is_read_only(request: Txn) -> bool:
    """Tell whether every operation of both branches is a Range (a nested Txn is not)."""
    if type(request) is PlainTxn:
        return request.only_reads
    if request.success_puts is not None:
        return False
    for kind, _ in request.success:
        if kind != RANGE:
            return False
    return all(kind == RANGE for kind, _ in request.failure)


def oldest_read(request: Txn, revision: int) -> int:
    """Return the oldest revision that a transaction that only reads may look at."""
    asked = (op.revision for _, op in (*request.success, *request.failure))
    return min((old for old in asked if 0 < old < revision), default=revision)


def read_txn(
    store: Store, request: Txn, revision: int, header: bytes, hold: Hold | None = None
) -> Steps[bytes | Pieces]:
    """Answer a transaction that only reads from the state at ``revision``, in slices."""
    compacted = store.compact_revision
    path = yield from decide(store, request, revision)
    store.operations.count_reads(path.compared + len(path.ops))
    yield from _check_all(store, flattened(path), revision, compacted, no_leases)
    responses: list[bytes | Pieces] = []
    size = 0
    for number, (_, asked) in enumerate(path.ops):
        if number and number % SLICE == 0:
            yield
        if hold is not None and size >= READ_UNWEIGHED:
            # What is left is weighed first: it may be a hundred times as much.
            yield from weigh(store, path.ops[number:], revision, hold)
            hold = None
        seen = asked.revision if asked.revision > 0 else revision
        result = yield from select(store, asked, seen, hold)
        response = yield from _range_op(revision, result)
        responses.append(response)
        size += len(response)
        if hold is not None and type(response) is bytes:
            # Of less than a slice it was not told.
            hold(len(response))
    return replies.long_txn_reply(header, path.succeeded, responses)


def apply_txn(
    store: Store,
    write: WriteTxn,
    request: Txn,
    lease_exists: LeaseExists,
    hold: Hold | None = None,
    known: Plan | None = None,
    later: Later | None = None,
) -> Steps[TxnResult]:
    """
    Apply a transaction.

    Args:
        store: What it is applied to.
        write: Takes its changes.
        request: What it is.
        lease_exists: Tells whether there is a lease.
        hold: Is told how large the reply will be, before anything is written.
        known: What was found out about it, and holds.
        later: Is told what of it is not read now, but by ``encode_result``; None to read all.

    Raises:
        EtcdError: If an operation of the chosen path is refused; nothing is written.

    """
    found = write.revision - 1
    operations = store.operations
    if known is None and isinstance(request, LongTxn):
        known = request.plan
    if known is None:
        path = yield from decide(store, request, found)
        checked, weighed = flattened(path), flattened(path)
    else:
        path, checked, weighed = known.path, iter(known.checked), iter(known.weighed)
    columns: Columns | None = None if known is None or later is None else known.columns
    if columns is not None and not columns.still_hold(store):
        columns = None
    before = operations.ranges
    operations.ranges += path.compared
    if columns is not None:
        columns.count_checks(store)
        checked = iter(columns.checked)
    try:
        yield from _check_all(store, checked, found, store.compact_revision, lease_exists)
    finally:
        # What was compared and checked is a transaction of its own. (etcd: apply.go, Txn)
        operations.txns += operations.ranges - before > 1
    if hold is not None:
        if known is not None and known.weight is not None:
            hold(known.weight)
        else:
            yield from weigh(store, weighed, found, hold)
    operations.txns += is_many(path)
    if columns is not None and later is not None:
        yield from columns.write(store, write, later)
        results = columns.results
    else:
        gathered = Gathered(store, write, later)
        results = yield from _run(store, write, path, gathered)
        yield from gathered.settle()
    if later is not None:
        later.done(write.sub)
    return TxnResult(write.shown, path.succeeded, results)


def encode_result(
    header: bytes, result: TxnResult, later: Later | None = None
) -> Steps[bytes | Pieces]:
    """
    Encode a TxnResponse around an encoded header field; the results are emptied on the way.

    Emptying matters: what a large reply is made of is not kept beside it.

    Args:
        header: The field.
        result: What it is to tell.
        later: Reads what was left to be read.

    """
    return (yield from _encode(header, result, Work(), later))


def _encode(
    header: bytes, result: TxnResult, work: Work, later: Later | None
) -> Steps[bytes | Pieces]:
    _, succeeded, results = result
    responses: list[bytes | Pieces] = []
    plain = b""  # of every put that tells of nothing before it
    results.reverse()
    while results:
        some = results[: -SLICE - 1 : -1]
        del results[-SLICE:]
        for kind, shown, found in some:
            if kind != PUT:
                responses.append((yield from _encode_op(kind, shown, found, work, later)))
            elif found is None:
                plain = plain or replies.plain_put_response(_shown(shown, later))
                responses.append(plain)
            else:
                if isinstance(found, Unread):
                    assert later is not None, "what it was told of"
                    (found,) = yield from later.rows(*found)
                shown = _shown(shown, later)
                put_reply = replies.put_reply(replies.revision_only(shown), found)
                responses.append(delimited(2, put_reply))
        yield from work.add(len(some))
    return replies.long_txn_reply(header, succeeded, responses)


def _encode_op(
    kind: str | None, shown: int, found: Any, work: Work, later: Later | None
) -> Steps[bytes | Pieces]:
    shown = _shown(shown, later)
    if kind == RANGE:
        if type(found) is not RangeResult:
            assert later is not None, "what it was told of"
            request, changes = found
            found = yield from later.range(request, changes)
        return (yield from _range_op(shown, found))
    if kind == DELETE:
        start = replies.deletion_start(replies.revision_only(shown), found.number)
        rows = found.rows
        if found.unread is not None:
            assert later is not None, "what it was told of"
            rows = yield from later.rows(*found.unread)
        reply = yield from replies.delete_reply(start, rows)
        return replies.field(3, reply)
    return replies.field(4, (yield from _encode(_EMPTY_HEADER, found, work, later)))


def _shown(shown: int, later: Later | None) -> int:
    return shown if later is None else later.shown(shown)


def no_leases(_: int) -> bool:
    """Tell that there is no lease, where none can be named."""
    return False


def _check_all(
    store: Store, ops: Iterator[Op], revision: int, compacted: int, lease_exists: LeaseExists
) -> Steps[None]:
    """Check operations of a path and of those in it, in slices."""
    deleted = Covered()
    while some := list(islice(ops, SLICE)):
        of_them = Path(True, some, {}, 0)
        check(store, of_them, revision, compacted, lease_exists, deleted)
        if len(some) == SLICE:
            yield


def check(
    store: Store,
    path: Path,
    revision: int,
    compacted: int,
    lease_exists: LeaseExists,
    deleted: Covered | None = None,
) -> None:
    """
    Check what only the store can tell about the operations of a path, which has none in it.

    Args:
        store: What it runs on.
        path: What is to run.
        revision: The newest that its reads may be of.
        compacted: The one below which there is nothing to read.
        lease_exists: Tells whether there is a lease.
        deleted: What operations before these have deleted, and these add to.

    Raises:
        EtcdError: Whatever is wrong first.

    """
    if path.puts is not None:
        return
    for kind, op in path.ops:
        if kind == RANGE:
            _check_read_revision(op.revision, revision, compacted)
        elif kind == PUT:
            _check_put_after(store, op, deleted, lease_exists)
        elif kind == DELETE:
            deleted = deleted or Covered()
            deleted.add(op.key, op.range_end)


def _check_read_revision(asked: int, revision: int, compacted: int) -> None:
    # Unlike a plain Range, a transaction takes a negative revision at its word: the
    # compact revision of a store never compacted is -1, so -1 passes there and -2 fails.
    if asked > revision:
        raise FutureRevisionError
    if asked and asked < compacted:
        raise CompactedError


def _check_put_after(
    store: Store,
    request: PutRequest,
    deleted: Covered | None,
    lease_exists: LeaseExists,
) -> None:
    check_put(store, request, lease_exists)
    if deleted and (request.ignore_value or request.ignore_lease) and request.key in deleted:
        raise KeyNotFoundError


def is_many(path: Path) -> bool:
    """Tell whether a path is of more than one operation, with what its operations read."""
    if path.puts is not None:
        return len(path.puts.keys) > 1
    number = 0
    for kind, op in flattened(path) if path.nested else path.ops:
        if kind == RANGE:
            number += 1
        elif kind == PUT:
            number += 2 if reads(op) else 1
        elif kind == DELETE:
            number += 2 if op.prev_kv else 1
        if number > 1:
            return True
    return False


def _run(store: Store, write: WriteTxn, path: Path, gathered: Gathered) -> Steps[list[OpResult]]:
    if path.puts is not None:
        yield from gathered.put_all(path.puts)
        return [(PUT, write.revision, None)] * len(path.puts.keys)
    results: list[OpResult] = []
    for i, (kind, op) in enumerate(path.ops):
        if kind == PUT:
            key, previous = op.key, None
            gathered.look_at(key)
            if reads(op):
                value, lease, previous = _looked_up(store, write, op)
                gathered.put(key, value, lease)
            else:
                gathered.put(key, op.value, op.lease)
            results.append((PUT, write.revision, previous))
        elif kind == DELETE and not op.range_end:
            deleted = _delete_one(store, write, op, gathered)
            results.append((DELETE, gathered.shown, deleted))
        elif kind == TXN:
            inner = path.nested[i]
            found = yield from _run(store, write, inner, gathered)
            shown = gathered.shown
            results.append((TXN, shown, TxnResult(shown, inner.succeeded, found)))
        elif kind == RANGE and gathered.later is not None:
            store.operations.ranges += 1
            gathered.later.note(write.revision, op.revision)
            results.append((RANGE, gathered.shown, (op, gathered.changes)))
        else:
            yield from gathered.settle()
            results.append((yield from _run_range(store, write, kind, op, gathered.later)))
        yield from gathered.did(1)
    return results


def _delete_one(
    store: Store, write: WriteTxn, request: DeleteRangeRequest, gathered: Gathered
) -> Deleted:
    count_deletion(store, request)
    key = request.key
    if not gathered.delete(key):
        return Deleted(0, [])
    if not request.prev_kv:
        return Deleted(1, [])
    row = store.get(key, write.revision)
    assert row is not None, "it is deleted when what is gathered is written"
    return Deleted(1, [row])


def _run_range(
    store: Store, write: WriteTxn, kind: str | None, request: Any, later: Later | None
) -> Steps[OpResult]:
    """Run an operation of a range, which has to find what was done before it."""
    if kind == RANGE:
        store.operations.ranges += 1
        newest = write.revision
        revision = request.revision if 0 < request.revision < newest else newest
        found = yield from select(store, request, revision)
        return RANGE, write.shown, found
    deleted = yield from delete_range(store, write, request, later=later)
    return DELETE, write.shown, deleted


def _range_op(shown: int, result: RangeResult) -> Steps[bytes | Pieces]:
    reply = yield from replies.range_reply_steps(replies.revision_only(shown), result)
    return replies.field(1, reply)
