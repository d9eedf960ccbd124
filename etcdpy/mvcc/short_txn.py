"""
Transactions that cannot be long: each of their compares and operations is of one key.

Most are such: an update guarded by a revision, a lock released, a few puts that belong together.
They are decided, applied and answered in one go, in half of the time of what could go in slices
(``txn``), whose rules they follow; the tests hold one to the other.
"""

from __future__ import annotations

from typing import Final

from etcdpy.cooperative import Pieces, finish
from etcdpy.mvcc import replies
from etcdpy.mvcc.compare import holds_for_key, key_holds
from etcdpy.mvcc.plain_txn import PUT_STEP, RANGE_STEP, PlainTxn, Test
from etcdpy.mvcc.ranges import names_newest_of_one
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.store import Store, WriteTxn
from etcdpy.mvcc.txn import (
    LeaseExists,
    check,
    delete_range,
    is_many,
    no_leases,
    put,
)
from etcdpy.mvcc.txn_plan import Path
from etcdpy.mvcc.txn_request import DELETE, PUT, RANGE, Op, Puts, Txn
from etcdpy.pb.rpc_pb2 import DeleteRangeRequest
from etcdpy.pb.wire import delimited

__all__ = ["apply_short", "is_short", "read_short"]

#: Operations and compares of each kind.
_MOST: Final = 128
#: Operations whose replies have rows: each may be as large as a request.
_MOST_ROWS: Final = 4


def is_short(request: Txn) -> bool:
    """Tell whether a transaction is one that is applied, or read, in one go."""
    if type(request) is PlainTxn:
        return True
    if len(request.compare) > _MOST:
        return False
    for compare in request.compare:
        if compare.range_end:
            return False
    puts = request.success_puts
    is_short = _are_short(request.success) if puts is None else len(puts.keys) <= _MOST
    return is_short and (not request.failure or _are_short(request.failure))


def _are_short(ops: list[Op]) -> bool:
    if len(ops) > _MOST:
        return False
    rows = 0
    for kind, op in ops:
        if kind == PUT:
            rows += op.prev_kv
        elif kind == RANGE:
            if not names_newest_of_one(op):
                return False
            rows += 1
        elif kind == DELETE:
            if op.range_end:
                return False
            rows += op.prev_kv
        else:
            return False
    return rows <= _MOST_ROWS


def read_short(store: Store, request: Txn, revision: int, header: bytes) -> bytes:
    """
    Answer a short transaction that only reads from the state at ``revision``.

    Returns:
        An encoded TxnResponse.

    """
    if type(request) is PlainTxn:
        return _read_plain(store, request, revision, header)
    path = _decide(store, request, revision)
    store.operations.count_reads(path.compared + len(path.ops))
    check(store, path, revision, store.compact_revision, no_leases)
    shown = replies.revision_only(revision)
    responses = [
        delimited(1, replies.one_key_reply(shown, store.get(op.key, revision)))
        for _, op in path.ops
    ]
    return replies.txn_reply(header, path.succeeded, responses)


def apply_short(
    store: Store, write: WriteTxn, request: Txn, lease_exists: LeaseExists, headers: Headers
) -> bytes:
    """
    Apply a short transaction.

    Returns:
        An encoded TxnResponse.

    Raises:
        EtcdError: If an operation of the chosen path is refused; nothing is written.

    """
    if type(request) is PlainTxn:
        return _apply_plain(store, write, request, headers)
    operations = store.operations
    found = write.revision - 1
    path = _decide(store, request, found)
    before = operations.ranges
    operations.ranges += path.compared
    try:
        check(store, path, found, store.compact_revision, lease_exists)
    finally:
        # What was compared and checked is a transaction of its own. (etcd: apply.go, Txn)
        operations.txns += operations.ranges - before > 1
    operations.txns += is_many(path)
    if path.puts is not None:
        return _put_together(write, path.puts, succeeded=path.succeeded, headers=headers)
    responses = _run(store, write, path.ops)
    return replies.txn_reply(headers.at(write.shown), path.succeeded, responses)


def _read_plain(store: Store, request: PlainTxn, revision: int, header: bytes) -> bytes:
    succeeded, compared = _tested(store, request.tests, revision)
    steps = request.steps if succeeded else request.other_steps
    store.operations.count_reads(compared + len(steps))
    shown = replies.revision_only(revision)
    fields = [replies.one_key_field(shown, store.get(key, revision)) for _, key, _ in steps]
    return replies.fields_reply(header, succeeded, fields)


def _apply_plain(store: Store, write: WriteTxn, request: PlainTxn, headers: Headers) -> bytes:
    # Fast path (bench: txn-put/100x1, txn-mixed/100x1): the store has nothing against any of it.
    operations = store.operations
    succeeded = True
    if request.tests:
        succeeded, compared = _tested(store, request.tests, write.revision - 1)
        operations.ranges += compared
        # A transaction of its own, as in ``apply_short``.
        operations.txns += compared > 1
    steps = request.steps if succeeded else request.other_steps
    operations.txns += len(steps) > 1
    puts = request.success_puts
    if succeeded and puts is not None:
        return _put_together(write, puts, succeeded=True, headers=headers)
    fields: list[bytes] = []
    for kind, key, value in steps:
        if kind == PUT_STEP:
            write.put(key, value, 0)
            fields.append(replies.put_field(write.revision))
        elif kind == RANGE_STEP:
            operations.ranges += 1
            shown = replies.revision_only(write.shown)
            fields.append(replies.one_key_field(shown, store.get(key, write.revision)))
        else:
            operations.deletes += 1
            is_there = store.index.newest(key) is not None
            if is_there:
                write.delete(key)
            shown = replies.revision_only(write.shown)
            fields.append(replies.deletion_field(replies.deletion_start(shown, is_there)))
    return replies.fields_reply(headers.at(write.shown), succeeded, fields)


def _tested(store: Store, tests: list[Test], revision: int) -> tuple[bool, int]:
    """Tell whether all compares hold, and how many were looked at to find that out."""
    compared = 0
    for key, result, place, operand in tests:
        compared += 1
        if not key_holds(store, key, result, place, operand, revision):
            return False, compared
    return True, compared


def _put_together(write: WriteTxn, puts: Puts, *, succeeded: bool, headers: Headers) -> bytes:
    keys, values = puts
    if len(keys) == 1:
        write.put(keys[0], values[0], 0)
    else:
        write.put_all(keys, values)
        write.settle()
    return replies.puts_reply(headers.at(write.revision), succeeded, write.revision, len(keys))


def _decide(store: Store, request: Txn, revision: int) -> Path:
    succeeded, compared = True, 0
    for compare in request.compare:
        compared += 1
        if not holds_for_key(store, compare, revision):
            succeeded = False
            break
    if not succeeded:
        return Path(False, request.failure, {}, compared, request.failure_puts)
    puts = request.success_puts
    return Path(True, request.success if puts is None else [], {}, compared, puts)


def _run(store: Store, write: WriteTxn, ops: list[Op]) -> list[bytes]:
    responses: list[bytes] = []
    plain = b""  # of every put that tells of nothing before it
    for kind, op in ops:
        if kind == PUT:
            if (previous := put(store, write, op)) is None:
                plain = plain or _put_response(write, None)
                responses.append(plain)
            else:
                responses.append(_put_response(write, previous))
        elif kind == RANGE:
            store.operations.ranges += 1
            row = store.get(op.key, write.revision)
            shown = replies.revision_only(write.shown)
            responses.append(delimited(1, replies.one_key_reply(shown, row)))
        else:
            responses.append(_delete(store, write, op))
    return responses


def _put_response(write: WriteTxn, previous: bytes | None) -> bytes:
    if previous is None:
        return replies.plain_put_response(write.revision)
    shown = replies.revision_only(write.revision)
    return delimited(2, replies.put_reply(shown, previous))


def _delete(store: Store, write: WriteTxn, request: DeleteRangeRequest) -> bytes:
    deleted = finish(delete_range(store, write, request))
    shown = replies.revision_only(write.shown)
    start = replies.deletion_start(shown, deleted.number)
    reply = finish(replies.delete_reply(start, deleted.rows))
    return delimited(3, bytes(reply) if isinstance(reply, Pieces) else reply)
