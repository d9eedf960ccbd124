"""
What can be told from a request alone: is it well formed?

Every check is made in etcd's order, so that of two mistakes the client hears of the same
one from either server.
"""

from __future__ import annotations

from collections.abc import Sequence

from etcdpy.errors import (
    CustomSortUnsupportedError,
    DuplicateKeyError,
    EmptyKeyError,
    InvalidSortOptionError,
    KeyNotFoundError,
    LeaseProvidedError,
    RevisionFilterUnsupportedError,
    TooManyOpsError,
    ValueProvidedError,
)
from etcdpy.pb.rpc_pb2 import (
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
)

_SORT_ORDERS = frozenset(RangeRequest.SortOrder.values())
_SORT_TARGETS = frozenset(RangeRequest.SortTarget.values())


def check_range(request: RangeRequest) -> None:
    """
    Check a Range.

    Raises:
        EmptyKeyError: If it names no key.
        InvalidSortOptionError: If the sort order or target does not exist.

    """
    if not request.key:
        raise EmptyKeyError
    if request.sort_order not in _SORT_ORDERS or request.sort_target not in _SORT_TARGETS:
        raise InvalidSortOptionError


def check_range_stream(request: RangeRequest) -> None:
    """
    Check a RangeStream: a Range whose result can be sent while it is being read.

    Raises:
        CustomSortUnsupportedError: If it asks for an order other than by key.
        RevisionFilterUnsupportedError: If it filters by revision.

    """
    check_range(request)
    if request.sort_order != RangeRequest.NONE and (
        request.sort_order != RangeRequest.ASCEND or request.sort_target != RangeRequest.KEY
    ):
        raise CustomSortUnsupportedError
    if (
        request.min_mod_revision
        or request.max_mod_revision
        or request.min_create_revision
        or request.max_create_revision
    ):
        raise RevisionFilterUnsupportedError


def check_put(request: PutRequest) -> None:
    """
    Check a Put.

    Raises:
        EmptyKeyError: If it names no key.
        ValueProvidedError: If it gives a value and asks to keep the old one.
        LeaseProvidedError: If it gives a lease and asks to keep the old one.

    """
    if not request.key:
        raise EmptyKeyError
    if request.ignore_value and request.value:
        raise ValueProvidedError
    if request.ignore_lease and request.lease:
        raise LeaseProvidedError


def check_delete_range(request: DeleteRangeRequest) -> None:
    """
    Check a DeleteRange.

    Raises:
        EmptyKeyError: If it names no key.

    """
    if not request.key:
        raise EmptyKeyError


def check_txn(request: TxnRequest, max_ops: int) -> None:
    """
    Check a Txn, those nested in it and all their operations, in both branches.

    Args:
        max_ops: What the longest list of each level, summed along any way down, may be.

    Raises:
        EtcdError: Whatever is wrong first.

    """
    _check_ops(request, max_ops)
    _check_branches_write_keys_once(request)


def _check_ops(request: TxnRequest, allowance: int) -> None:
    longest = max(len(request.compare), len(request.success), len(request.failure))
    if longest > allowance:
        raise TooManyOpsError
    for compare in request.compare:
        if not compare.key:
            raise EmptyKeyError
    for branch in (request.success, request.failure):
        for op in branch:
            _check_op(op, allowance - longest)


def _check_op(op: RequestOp, allowance: int) -> None:
    kind = op.WhichOneof("request")
    if kind == "request_range":
        check_range(op.request_range)
    elif kind == "request_put":
        check_put(op.request_put)
    elif kind == "request_delete_range":
        check_delete_range(op.request_delete_range)
    elif kind == "request_txn":
        _check_ops(op.request_txn, allowance)
    else:
        raise KeyNotFoundError


class _Writes:
    """The keys that a list of operations puts, and the ranges that it deletes."""

    __slots__ = ("deletes", "puts")

    def __init__(self) -> None:
        self.puts: set[bytes] = set()
        self.deletes: list[DeleteRangeRequest] = []

    def deletes_key(self, key: bytes) -> bool:
        """Tell whether a deletion hits ``key``, range_end taken as plain bytes."""
        # etcd compares range_end as it stands here: one that means "all keys from here
        # on" (a single zero byte) is below every key, so it never conflicts.
        return any(
            key == delete.key if not delete.range_end else delete.key <= key < delete.range_end
            for delete in self.deletes
        )


def _check_branches_write_keys_once(request: TxnRequest) -> tuple[_Writes, _Writes]:
    return _written(request.success), _written(request.failure)


def _written(ops: Sequence[RequestOp]) -> _Writes:
    """
    Return what one branch writes.

    Raises:
        DuplicateKeyError: If it could put a key twice, or put one that it deletes.

    """
    writes = _Writes()
    writes.deletes += [
        op.request_delete_range for op in ops if op.WhichOneof("request") == "request_delete_range"
    ]
    for op in ops:
        if op.WhichOneof("request") == "request_txn":
            _add_nested(writes, op.request_txn)
    for op in ops:
        if op.WhichOneof("request") == "request_put":
            key = op.request_put.key
            if key in writes.puts or writes.deletes_key(key):
                raise DuplicateKeyError
            writes.puts.add(key)
    return writes


def _add_nested(writes: _Writes, nested: TxnRequest) -> None:
    # Only one branch of the nested transaction runs, so both may put the same key.
    success, failure = _check_branches_write_keys_once(nested)
    for key in success.puts | failure.puts:
        if key in writes.puts or writes.deletes_key(key):
            raise DuplicateKeyError
    writes.puts |= success.puts | failure.puts
    writes.deletes += success.deletes + failure.deletes
