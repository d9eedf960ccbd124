"""
What can be told from a request alone: is it well formed?

Every check is made in etcd's order, so that of two mistakes the client hears of the same
one from either server.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etcdpy.config.urls import UrlError, parse_urls
from etcdpy.cooperative import Steps, finish
from etcdpy.errors import (
    BadMemberUrlsError,
    CustomSortUnsupportedError,
    DuplicateKeyError,
    EmptyKeyError,
    InvalidAlarmActionError,
    InvalidSortOptionError,
    KeyNotFoundError,
    LeaseProvidedError,
    RevisionFilterUnsupportedError,
    TooManyOpsError,
    UnknownMethodError,
    ValueProvidedError,
)
from etcdpy.mvcc.keyrange import Ranges
from etcdpy.mvcc.plain_txn import DELETE_STEP, PUT_STEP, PlainTxn, Step
from etcdpy.mvcc.slices import Work
from etcdpy.mvcc.txn_request import DELETE, PUT, RANGE, TXN, LongTxn, Op, Txn
from etcdpy.pb.rpc_pb2 import (
    AlarmRequest,
    Compare,
    DeleteRangeRequest,
    DowngradeRequest,
    MemberAddRequest,
    PutRequest,
    RangeRequest,
)

#: What parsing a URL takes, in units of which a slice has 512.
_URL_WORK = 16

_SORT_ORDERS = frozenset(RangeRequest.SortOrder.values())
_SORT_TARGETS = frozenset(RangeRequest.SortTarget.values())
_ALARM_ACTIONS = frozenset(AlarmRequest.AlarmAction.values())
_DOWNGRADE_ACTIONS = frozenset(DowngradeRequest.DowngradeAction.values())


def check_range(request: RangeRequest) -> None:
    """
    Check a Range.

    Raises:
        EmptyKeyError: If it names no key.
        InvalidSortOptionError: If the sort order or target does not exist.

    """
    if not request.key:
        raise EmptyKeyError
    # The order first, then the target; the error is the same. (etcd: v3rpc/key.go,
    # checkRangeRequest)
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
    # (etcd: v3rpc/key.go, RangeStream)
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
    # (etcd: v3rpc/key.go, checkPutRequest)
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


def check_alarm(request: AlarmRequest) -> None:
    """
    Check an Alarm request.

    Raises:
        InvalidAlarmActionError: If its action does not exist. (etcd panics.)

    """
    if request.action not in _ALARM_ACTIONS:
        raise InvalidAlarmActionError


def check_downgrade(request: DowngradeRequest) -> None:
    """
    Check a Downgrade request.

    Raises:
        UnknownMethodError: If its action does not exist.

    """
    if request.action not in _DOWNGRADE_ACTIONS:
        raise UnknownMethodError


def peer_urls(request: MemberAddRequest) -> Steps[set[str]]:
    """
    Return the peer URLs of a new member, as they would be stored. (etcd: types.NewURLs)

    Raises:
        BadMemberUrlsError: If there are none, or one of them is none.

    """
    urls: set[str] = set()
    work = Work()
    try:
        for text in request.peerURLs:
            urls.update(map(str, parse_urls(text)))
            yield from work.add(_URL_WORK)
    except UrlError:
        raise BadMemberUrlsError from None
    if not urls:
        raise BadMemberUrlsError
    return urls


def check_txn(request: Txn, max_ops: int) -> None:
    """
    Check a Txn, those nested in it and all their operations, in both branches.

    Of a long one it is known from when it was read what is wrong with it.

    Args:
        max_ops: What the longest list of each level, summed along any way down, may be.

    Raises:
        EtcdError: Whatever is wrong first.

    """
    if type(request) is LongTxn:
        if request.fault is not None:
            raise request.fault()
        return
    if type(request) is PlainTxn:
        _check_plain(request, max_ops)
        return
    _check_ops(request, max_ops)
    for ops in (request.success, request.failure):
        # One operation is in nobody's way, unless there are more inside it.
        if len(ops) > 1 or (ops and ops[0][0] == TXN):
            _check_written(ops)


def check_long_txn(request: LongTxn, max_ops: int) -> Steps[None]:
    """
    Do what ``check_txn`` does with a transaction that has just been read, in slices.

    Raises:
        EtcdError: Whatever is wrong first.

    """
    yield from _check_ops_of(request, max_ops, Work())
    for ops in (request.success, request.failure):
        yield from _Writing().of(ops)


def _check_plain(request: PlainTxn, max_ops: int) -> None:
    # Fast path (bench: txn-put/100x1, txn-mixed/100x1): there is little that can be wrong.
    steps, others, puts = request.steps, request.other_steps, request.success_puts
    if max(len(request.tests), len(steps), len(others)) > max_ops:
        raise TooManyOpsError
    if puts is not None:
        _check_distinct(puts.keys)
    elif len(steps) > 1:
        _check_steps(steps)
    if len(others) > 1:
        _check_steps(others)


def _check_steps(steps: list[Step]) -> None:
    put: list[bytes] = []
    deleted: list[bytes] = []
    for kind, key, _ in steps:
        if kind == PUT_STEP:
            put.append(key)
        elif kind == DELETE_STEP:
            deleted.append(key)
    _check_distinct(put)
    if put and deleted and not set(put).isdisjoint(deleted):
        raise DuplicateKeyError


def _check_ops(request: Txn, allowance: int) -> None:
    most = max(len(request.success), len(request.failure))
    rest = allowance - _check_lists(request.compare, most, allowance)
    for kind, op in (*request.success, *request.failure):
        if kind == TXN:
            _check_ops(op, rest)
        else:
            _check_op(kind, op)


def _check_ops_of(request: Txn, allowance: int, work: Work) -> Steps[None]:
    most = max(len(request.success), len(request.failure))
    rest = allowance - _check_lists(request.compare, most, allowance)
    for kind, op in (*request.success, *request.failure):
        yield from work.add(1)
        if kind == TXN:
            yield from _check_ops_of(op, rest, work)
        else:
            _check_op(kind, op)


def _check_lists(compares: Sequence[Compare], ops: int, allowance: int) -> int:
    """Check how much there is of a transaction, and its compares; return the longest list."""
    longest = max(len(compares), ops)
    # The operations are counted before the keys are looked at. (etcd: v3rpc/key.go,
    # checkTxnRequest)
    if longest > allowance:
        raise TooManyOpsError
    for compare in compares:
        if not compare.key:
            raise EmptyKeyError
    return longest


def _check_op(kind: str | None, op: Any) -> None:
    if kind == RANGE:
        check_range(op)
    elif kind == PUT:
        check_put(op)
    elif kind == DELETE:
        check_delete_range(op)
    else:
        # An operation without content. (etcd: v3rpc/key.go, checkRequestOp)
        raise KeyNotFoundError


class _Writes:
    """The keys that a list of operations puts, and the ranges that it deletes."""

    __slots__ = ("deletes", "puts")

    def __init__(self) -> None:
        self.puts: set[bytes] = set()
        self.deletes = Ranges()

    def add_put(self, key: bytes) -> None:
        """
        Add a key that is put.

        Raises:
            DuplicateKeyError: If it is put, or deleted, by what was added before.

        """
        if key in self.puts or key in self.deletes:
            raise DuplicateKeyError
        self.puts.add(key)

    def add_delete(self, key: bytes, range_end: bytes) -> None:
        """Add a deletion."""
        # etcd takes range_end as it stands here: one that means "all keys from here on" (a
        # single zero byte) is below every key, so nothing conflicts with it.
        self.deletes.add(key, range_end or key + b"\0")


def _check_written(ops: list[Op]) -> None:
    # Fast path (bench: txn/100x1): where nothing but puts writes, their keys are all there is.
    keys: list[bytes] = []
    for kind, op in ops:
        if kind == PUT:
            keys.append(op.key)
        elif kind != RANGE:
            finish(_Writing().of(ops))
            return
    _check_distinct(keys)


def _check_distinct(keys: list[bytes]) -> None:
    """Check the keys of puts, where nothing else writes."""
    if len(keys) > 1 and len(set(keys)) < len(keys):
        raise DuplicateKeyError


class _Writing:
    """
    Finds out, in slices, what the operations of a branch write.

    What an inner transaction writes is what the outer one does, too. It is never copied: of two
    sets the smaller is added to the larger, so that depth costs next to nothing.
    """

    __slots__ = ("_work",)

    def __init__(self) -> None:
        self._work = Work()

    def of(self, ops: list[Op]) -> Steps[_Writes | None]:
        """
        Return what one branch writes; None if nothing.

        Raises:
            DuplicateKeyError: If it could put a key twice, or put one that it deletes.

        """
        writing = [op for op in ops if op[0] != RANGE]
        if not writing:
            return None
        writes = _Writes()
        yield from self._work.add(len(ops))
        for kind, op in writing:
            if kind == DELETE:
                writes.add_delete(op.key, op.range_end)
        for kind, op in writing:
            if kind == TXN:
                yield from self._add_nested(writes, op)
        for kind, op in writing:
            if kind == PUT:
                writes.add_put(op.key)
        return writes

    def _add_nested(self, writes: _Writes, nested: Txn) -> Steps[None]:
        success = yield from self.of(nested.success)
        failure = yield from self.of(nested.failure)
        if success is None or failure is None:
            inner = success or failure
            if inner is None:
                return
        else:
            # Only one branch of the nested transaction runs, so both may put the same key.
            inner = success
            inner.puts = yield from self._united(success.puts, failure.puts)
            inner.deletes = yield from self._joined(success.deletes, failure.deletes)
        if not writes.puts.isdisjoint(inner.puts):
            raise DuplicateKeyError
        if writes.deletes:
            for key in inner.puts:
                if key in writes.deletes:
                    raise DuplicateKeyError
                yield from self._work.add(1)
        writes.puts = yield from self._united(writes.puts, inner.puts)
        writes.deletes = yield from self._joined(writes.deletes, inner.deletes)

    def _united(self, some: set[bytes], others: set[bytes]) -> Steps[set[bytes]]:
        larger, smaller = (some, others) if len(some) > len(others) else (others, some)
        larger |= smaller
        yield from self._work.add(len(smaller) // _KEYS_PER_WORK)
        return larger

    def _joined(self, some: Ranges, others: Ranges) -> Steps[Ranges]:
        larger, smaller = (some, others) if len(some) > len(others) else (others, some)
        for start, stop in smaller:
            larger.add(start, stop)
            yield from self._work.add(1 + len(larger) // _RANGES_PER_WORK)
        return larger


#: How many keys are put into a set in the time in which an operation is looked at, and how many
#: ranges are moved to make room for another one.
_KEYS_PER_WORK = 8
_RANGES_PER_WORK = 4096
