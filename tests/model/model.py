"""
What etcd's KV service does, in the plainest way: a full copy of the state per revision.

Nothing is shared with the server but its protocol messages and its table of errors. Slow,
and short enough to be compared with etcd's documentation line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from etcdpy import errors
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import (
    Compare,
    DeleteRangeRequest,
    DeleteRangeResponse,
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
    RequestOp,
    ResponseHeader,
    ResponseOp,
    TxnRequest,
    TxnResponse,
)

State = dict[bytes, KeyValue]
#: Leases that exist.
LEASES = frozenset({1, 2, 1 << 62})
MAX_TXN_OPS = 128


class Model:
    """``states[r]`` is everything there was at revision ``r``."""

    def __init__(self) -> None:
        self.states: list[State] = [{}, {}]
        self.compact_revision = -1

    @property
    def revision(self) -> int:
        return len(self.states) - 1

    def range(self, request: RangeRequest, newest: int) -> RangeResponse:
        check_range(request)
        revision = request.revision if request.revision > 0 else newest
        if revision > newest:
            raise errors.FutureRevisionError
        if request.revision > 0 and revision < self.compact_revision:
            raise errors.CompactedError
        reply = range_state(self.states[revision], request)
        reply.header.revision = newest
        return reply

    def put(self, request: PutRequest) -> PutResponse:
        check_put(request)
        transaction = _Transaction(self)
        transaction.check_put(request)
        reply = transaction.put(request)
        transaction.commit()
        return reply

    def delete_range(self, request: DeleteRangeRequest) -> DeleteRangeResponse:
        if not request.key:
            raise errors.EmptyKeyError
        transaction = _Transaction(self)
        reply = transaction.delete_range(request)
        transaction.commit()
        return reply

    def txn(self, request: TxnRequest, newest: int) -> TxnResponse:
        """Apply a transaction; one that only reads sees ``newest`` instead of the head."""
        check_ops(request, MAX_TXN_OPS)
        check_duplicates(request.success)
        check_duplicates(request.failure)
        ops = [*request.success, *request.failure]
        if all(op.WhichOneof("request") == "request_range" for op in ops):
            transaction = _Transaction(self, newest)
        else:
            transaction = _Transaction(self)
        transaction.check(request)
        reply = transaction.txn(request)
        transaction.commit()
        reply.header.revision = transaction.shown
        return reply

    def compact(self, revision: int) -> None:
        if revision <= self.compact_revision:
            raise errors.CompactedError
        if revision > self.revision:
            raise errors.FutureRevisionError
        self.compact_revision = revision


class _Transaction:
    def __init__(self, model: Model, found: int | None = None) -> None:
        self.model = model
        self.found = model.revision if found is None else found
        self.before = model.states[self.found]
        self.now = dict(self.before)
        self.changed = False

    @property
    def shown(self) -> int:
        return self.found + self.changed

    def commit(self) -> None:
        if self.changed:
            self.model.states.append(self.now)

    # Decisions: on the state before the transaction.

    def taken(self, request: TxnRequest) -> list[RequestOp]:
        succeeded = all(holds(self.before, compare) for compare in request.compare)
        return list(request.success if succeeded else request.failure)

    def check(self, request: TxnRequest) -> None:
        deleted: list[DeleteRangeRequest] = []
        self._check_path(request, deleted)

    def _check_path(self, request: TxnRequest, deleted: list[DeleteRangeRequest]) -> None:
        for op in self.taken(request):
            match op.WhichOneof("request"):
                case "request_range":
                    revision = op.request_range.revision
                    if revision > self.found:
                        raise errors.FutureRevisionError
                    if revision != 0 and revision < self.model.compact_revision:
                        raise errors.CompactedError
                case "request_put":
                    put = op.request_put
                    self.check_put(put)
                    gone = any(selects(d.key, d.range_end, put.key) for d in deleted)
                    if gone and (put.ignore_value or put.ignore_lease):
                        raise errors.KeyNotFoundError
                case "request_delete_range":
                    deleted.append(op.request_delete_range)
                case "request_txn":
                    self._check_path(op.request_txn, deleted)

    def check_put(self, request: PutRequest) -> None:
        if request.lease and request.lease not in LEASES:
            raise errors.LeaseNotFoundError
        if (request.ignore_value or request.ignore_lease) and request.key not in self.before:
            raise errors.KeyNotFoundError

    # Operations: in order, on the state as it is then.

    def put(self, request: PutRequest) -> PutResponse:
        old = self.now.get(request.key)
        self.changed = True
        new = KeyValue(
            key=request.key,
            create_revision=old.create_revision if old else self.shown,
            mod_revision=self.shown,
            version=old.version + 1 if old else 1,
            value=old.value if old and request.ignore_value else request.value,
            lease=old.lease if old and request.ignore_lease else request.lease,
        )
        self.now[request.key] = new
        reply = PutResponse(header=ResponseHeader(revision=self.shown))
        if old and request.prev_kv:
            reply.prev_kv.CopyFrom(old)
        return reply

    def delete_range(self, request: DeleteRangeRequest) -> DeleteRangeResponse:
        keys = [key for key in sorted(self.now) if selects(request.key, request.range_end, key)]
        removed = [self.now.pop(key) for key in keys]
        self.changed = self.changed or bool(keys)
        return DeleteRangeResponse(
            header=ResponseHeader(revision=self.shown),
            deleted=len(keys),
            prev_kvs=removed if request.prev_kv else [],
        )

    def txn(self, request: TxnRequest) -> TxnResponse:
        reply = TxnResponse(header=ResponseHeader())
        reply.succeeded = all(holds(self.before, compare) for compare in request.compare)
        for op in self.taken(request):
            reply.responses.append(self._op(op))
        return reply

    def _op(self, op: RequestOp) -> ResponseOp:
        match op.WhichOneof("request"):
            case "request_range":
                asked = op.request_range
                old = asked.revision > 0
                state = self.model.states[asked.revision] if old else self.now
                reply = range_state(state, asked)
                reply.header.revision = self.shown
                return ResponseOp(response_range=reply)
            case "request_put":
                return ResponseOp(response_put=self.put(op.request_put))
            case "request_delete_range":
                return ResponseOp(response_delete_range=self.delete_range(op.request_delete_range))
            case _:
                return ResponseOp(response_txn=self.txn(op.request_txn))


def selects(key: bytes, range_end: bytes, candidate: bytes) -> bool:
    if not range_end:
        return candidate == key
    return candidate >= key and (range_end == b"\0" or candidate < range_end)


def range_state(state: State, request: RangeRequest) -> RangeResponse:
    """Answer a range from one state; the header is left to the caller."""
    keys = [key for key in sorted(state) if selects(request.key, request.range_end, key)]
    reply = RangeResponse(header=ResponseHeader(), count=len(keys))
    if request.count_only:
        return reply
    kvs = [state[key] for key in keys]
    limit = request.limit if request.limit > 0 else len(kvs)
    filters = (
        request.max_mod_revision,
        request.min_mod_revision,
        request.max_create_revision,
        request.min_create_revision,
    )
    natural = request.sort_order == RangeRequest.NONE or (
        request.sort_target == RangeRequest.KEY and request.sort_order == RangeRequest.ASCEND
    )
    if natural and not any(filters):
        kvs = kvs[: limit + 1]
    max_mod, min_mod, max_create, min_create = filters
    if max_mod:
        kvs = [kv for kv in kvs if kv.mod_revision <= max_mod]
    if min_mod:
        kvs = [kv for kv in kvs if kv.mod_revision >= min_mod]
    if max_create:
        kvs = [kv for kv in kvs if kv.create_revision <= max_create]
    if min_create:
        kvs = [kv for kv in kvs if kv.create_revision >= min_create]
    kvs.sort(
        key=_SORT_KEYS[request.sort_target], reverse=request.sort_order == RangeRequest.DESCEND
    )
    reply.more = len(kvs) > limit
    reply.kvs.extend(kvs[:limit])
    if request.keys_only:
        for kv in reply.kvs:
            kv.ClearField("value")
            if request.sort_target != RangeRequest.VALUE:
                kv.ClearField("lease")
    return reply


_SORT_KEYS: dict[int, Callable[[KeyValue], Any]] = {
    RangeRequest.KEY: lambda kv: kv.key,
    RangeRequest.VERSION: lambda kv: kv.version,
    RangeRequest.CREATE: lambda kv: kv.create_revision,
    RangeRequest.MOD: lambda kv: kv.mod_revision,
    RangeRequest.VALUE: lambda kv: kv.value,
}


def holds(state: State, compare: Compare) -> bool:
    keys = [key for key in state if selects(compare.key, compare.range_end, key)]
    if not keys:
        return compare.target != Compare.VALUE and _compared(KeyValue(), compare)
    return all(_compared(state[key], compare) for key in keys)


def _compared(kv: KeyValue, compare: Compare) -> bool:
    have: Any
    want: Any
    match compare.target:
        case Compare.VERSION:
            have, want = kv.version, compare.version
        case Compare.CREATE:
            have, want = kv.create_revision, compare.create_revision
        case Compare.MOD:
            have, want = kv.mod_revision, compare.mod_revision
        case Compare.VALUE:
            have, want = kv.value, compare.value
        case Compare.LEASE:
            have, want = kv.lease, compare.lease
        case _:
            have, want = 0, 0
    match compare.result:
        case Compare.EQUAL:
            return bool(have == want)
        case Compare.NOT_EQUAL:
            return bool(have != want)
        case Compare.GREATER:
            return bool(have > want)
        case Compare.LESS:
            return bool(have < want)
        case _:
            return True


def check_range(request: RangeRequest) -> None:
    if not request.key:
        raise errors.EmptyKeyError
    if not 0 <= request.sort_order <= 2 or not 0 <= request.sort_target <= 4:
        raise errors.InvalidSortOptionError


def check_put(request: PutRequest) -> None:
    if not request.key:
        raise errors.EmptyKeyError
    if request.ignore_value and request.value:
        raise errors.ValueProvidedError
    if request.ignore_lease and request.lease:
        raise errors.LeaseProvidedError


def check_ops(request: TxnRequest, allowance: int) -> None:
    size = max(len(request.compare), len(request.success), len(request.failure))
    if size > allowance:
        raise errors.TooManyOpsError
    if any(not compare.key for compare in request.compare):
        raise errors.EmptyKeyError
    for op in (*request.success, *request.failure):
        match op.WhichOneof("request"):
            case "request_range":
                check_range(op.request_range)
            case "request_put":
                check_put(op.request_put)
            case "request_delete_range":
                if not op.request_delete_range.key:
                    raise errors.EmptyKeyError
            case "request_txn":
                check_ops(op.request_txn, allowance - size)
            case _:
                raise errors.KeyNotFoundError


def check_duplicates(ops: Iterable[RequestOp]) -> tuple[set[bytes], list[DeleteRangeRequest]]:
    """Refuse what could write a key twice; return the keys put and the ranges deleted."""
    ops = list(ops)
    puts: set[bytes] = set()
    deletes = [
        op.request_delete_range for op in ops if op.WhichOneof("request") == "request_delete_range"
    ]

    def hit(key: bytes) -> bool:
        # A range_end means nothing but its bytes here.
        return any(d.key <= key < d.range_end if d.range_end else d.key == key for d in deletes)

    for op in ops:
        if op.WhichOneof("request") == "request_txn":
            then_puts, then_deletes = check_duplicates(op.request_txn.success)
            else_puts, else_deletes = check_duplicates(op.request_txn.failure)
            if any(key in puts or hit(key) for key in then_puts):
                raise errors.DuplicateKeyError
            if any((key in puts and key not in then_puts) or hit(key) for key in else_puts):
                raise errors.DuplicateKeyError
            puts |= then_puts | else_puts
            deletes += then_deletes + else_deletes
    for op in ops:
        if op.WhichOneof("request") == "request_put":
            key = op.request_put.key
            if key in puts or hit(key):
                raise errors.DuplicateKeyError
            puts.add(key)
    return puts, deletes
