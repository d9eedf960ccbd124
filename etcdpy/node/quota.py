"""How large a write may be, and how large the store."""

from __future__ import annotations

from etcdpy.errors import RequestTooLargeError
from etcdpy.mvcc.txn_request import PUT, TXN, Op, Txn
from etcdpy.pb.rpc_pb2 import PutRequest
from etcdpy.pb.wire import varint

#: What etcd allows for the record around a key-value pair when it weighs a put, in bytes.
PUT_OVERHEAD = 256

#: Bytes that etcd's envelope adds beside the request's own length prefix: the tag of the
#: request, and the header field (tag of two bytes, length, tag and number of the id).
_ENVELOPE = 1 + 2 + 1 + 1


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
    return max(_cost(request.success), _cost(request.failure))


def _cost(ops: list[Op]) -> int:
    cost = 0
    for kind, op in ops:
        if kind == PUT:
            cost += put_cost(op)
        elif kind == TXN:
            cost += txn_cost(op)
    return cost
