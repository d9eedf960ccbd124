"""How large a write may be, and how large the store."""

from __future__ import annotations

import logging
from collections.abc import Callable

from etcdpy.cooperative import Steps
from etcdpy.errors import NoSpaceError, RequestTooLargeError
from etcdpy.mvcc.plain_txn import PUT_STEP, PlainTxn, Step
from etcdpy.mvcc.slices import Work
from etcdpy.mvcc.txn_request import PUT, TXN, LongTxn, Op, Puts, Txn
from etcdpy.node.alarms import Alarms
from etcdpy.pb.rpc_pb2 import NOSPACE, LeaseGrantRequest, PutRequest
from etcdpy.pb.wire import varint

logger = logging.getLogger(__name__)

#: What ``--quota-backend-bytes 0`` stands for. (etcd: ``storage.DefaultQuotaBytes``)
DEFAULT_QUOTA = 2 * 1024 * 1024 * 1024

#: What etcd allows for the record around a key-value pair when it weighs a put, in bytes.
#: (etcd: ``storage.kvOverhead``)
PUT_OVERHEAD = 256
#: What etcd's quota counts for a lease, in bytes. (etcd: ``storage.leaseOverhead``)
LEASE_COST = 64

#: Bytes that etcd's envelope adds beside the request's own length prefix: the tag of the
#: request, and the header field (tag of two bytes, length, tag and number of the id).
_ENVELOPE = 1 + 2 + 1 + 1


class Quota:
    """
    ``--quota-backend-bytes``, which bounds the database.

    Args:
        limit: In bytes; 0 or less is no quota.
        size: Returns the bytes that are compared with it.
        alarms: Where NOSPACE is raised.
        member_id: Whose alarm that is.

    """

    def __init__(self, limit: int, size: Callable[[], int], alarms: Alarms, member_id: int) -> None:
        self.limit = limit
        self._size = size
        self._alarms = alarms
        self._member_id = member_id
        #: Called with the alarm's name and member when it is raised, if it was not on.
        self.on_raised: Callable[[str, int], None] | None = None

    def check(self, cost: int) -> None:
        """
        Check that a write still fits; raise the NOSPACE alarm if it does not.

        Args:
            cost: What the write adds, in bytes; what adds nothing always fits.

        Raises:
            NoSpaceError: If it does not.

        """
        if cost and 0 < self.limit <= self._size() + cost:
            self._raise_alarm()
            raise NoSpaceError

    def disk_is_full(self) -> None:
        """Refuse what needs room from now on, until an operator has made some."""
        if not self._alarms.matching(NOSPACE):
            logger.error("the disk is full: raising the NOSPACE alarm, and waiting for room")
        self._raise_alarm()

    def _raise_alarm(self) -> None:
        is_new = (self._member_id, NOSPACE) not in self._alarms
        self._alarms.activate(self._member_id, NOSPACE)
        if is_new and self.on_raised is not None:
            self.on_raised("NOSPACE", self._member_id)


class RequestLimit:
    """
    ``--max-request-bytes``, which bounds a write as etcd would put it into its raft log.

    Args:
        max_bytes: The limit.
        member_id: etcd's request ids start with the member's lowest 16 bits, so the
            length of the id, and with it the largest value, depends on them.

    """

    def __init__(self, max_bytes: int, member_id: int) -> None:
        self._max = max_bytes
        self._fixed = _ENVELOPE + len(varint((member_id & 0xFFFF) << 48 | 1))
        # Whatever is this small passes, with the longest length prefix there is.
        self._surely = max_bytes - self._fixed - 5

    def check(self, size: int) -> None:
        """
        Check a write whose request is encoded in ``size`` bytes.

        Raises:
            RequestTooLargeError: If it is over the limit.

        """
        if size <= self._surely:
            return
        if size + self._fixed + len(varint(size)) > self._max:
            raise RequestTooLargeError


def put_cost(request: PutRequest) -> int:
    """Return the bytes that etcd's quota counts for a put."""
    return PUT_OVERHEAD + len(request.key) + len(request.value)


def txn_cost(request: Txn) -> int:
    """Return the bytes that etcd's quota counts for a transaction: its dearer branch."""
    if type(request) is LongTxn:
        return request.cost
    puts = request.success_puts
    if type(request) is PlainTxn:
        cost = _steps_cost(request.steps) if puts is None else _puts_cost(puts)
        return max(cost, _steps_cost(request.other_steps)) if request.other_steps else cost
    cost = _cost(request.success) if puts is None else _puts_cost(puts)
    return max(cost, _cost(request.failure)) if request.failure else cost


def lease_cost(request: LeaseGrantRequest) -> int:
    """Return the bytes that etcd's quota counts for a lease, whichever it is."""
    return LEASE_COST


def long_txn_cost(request: Txn) -> Steps[int]:
    """Return the same of a transaction that has just been read, in slices."""
    return (yield from _long_cost(request, Work()))


def _long_cost(request: Txn, work: Work) -> Steps[int]:
    costs = [0, 0]
    for branch, ops in enumerate((request.success, request.failure)):
        for kind, op in ops:
            yield from work.add(1)
            if kind == PUT:
                costs[branch] += put_cost(op)
            elif kind == TXN:
                costs[branch] += yield from _long_cost(op, work)
    return max(costs)


def _puts_cost(puts: Puts) -> int:
    # Fast path (bench: txn-put/100x1): what ``put_cost`` says of each of them.
    keys, values = puts
    return PUT_OVERHEAD * len(keys) + sum(map(len, keys)) + sum(map(len, values))


def _steps_cost(steps: list[Step]) -> int:
    # Fast path (bench: txn-mixed/100x1): the same of operations that are no messages.
    cost = 0
    for kind, key, value in steps:
        if kind == PUT_STEP:
            cost += PUT_OVERHEAD + len(key) + len(value)
    return cost


def _cost(ops: list[Op]) -> int:
    cost = 0
    for kind, op in ops:
        if kind == PUT:
            cost += put_cost(op)
        elif kind == TXN:
            cost += txn_cost(op)
    return cost
