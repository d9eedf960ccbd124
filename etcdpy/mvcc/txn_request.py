"""
Transactions as the server works with them.

A TxnRequest is looked at by several rules before it is applied, and every look at an
operation of a protobuf message builds new wrappers around it. So a request is taken apart
once, into plain lists. That is also how transactions are read that nest deeper than the
protobuf library reads: it stops at 100 messages one inside the other, which is 50
transactions, where etcd reads on and then applies its own limit, ``--max-txn-ops``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, cast

from google.protobuf.message import DecodeError

from etcdpy.pb.rpc_pb2 import Compare, RequestOp, TxnRequest
from etcdpy.pb.wire import varint

RANGE: Final = "request_range"
PUT: Final = "request_put"
DELETE: Final = "request_delete_range"
TXN: Final = "request_txn"

#: The kind of an operation (None if it is empty), and its request: for TXN a ``Txn``.
Op = tuple[str | None, Any]

#: Levels read. What is nested deeper counts as too many operations.
MAX_DEPTH = 200

# Field numbers of TxnRequest and of RequestOp.
_COMPARE, _SUCCESS, _FAILURE = 1, 2, 3
_REQUEST_TXN = 4
_LENGTH_DELIMITED = 2


class Txn:
    """
    A transaction.

    Attributes:
        size: Encoded bytes.
        compare: What must hold.
        success: What is done if it does.
        failure: What is done if it does not.

    """

    __slots__ = ("compare", "failure", "size", "success")

    def __init__(
        self, size: int, compare: Sequence[Compare], success: list[Op], failure: list[Op]
    ) -> None:
        self.size = size
        self.compare = compare
        self.success = success
        self.failure = failure

    @classmethod
    def of(cls, request: TxnRequest, size: int | None = None) -> Txn:
        """Take a request apart; ``size`` is its encoded size, if that is known."""
        return cls(
            request.ByteSize() if size is None else size,
            list(request.compare),
            _ops(request.success),
            _ops(request.failure),
        )

    @classmethod
    def built(cls, compare: list[Compare], success: list[Op], failure: list[Op]) -> Txn:
        """Return a transaction made of its parts, as the server's own callers have them."""
        txn = cls(0, compare, success, failure)
        txn.size = encoded_size(txn)
        return txn


def encoded_size(txn: Txn) -> int:
    """Return how many bytes a transaction has as a TxnRequest."""
    compares = sum(_field_size(compare.ByteSize()) for compare in txn.compare)
    ops = (_field_size(op_size(op)) for op in (*txn.success, *txn.failure))
    return compares + sum(ops)


def op_size(op: Op) -> int:
    """Return how many bytes an operation has as a RequestOp."""
    kind, request = op
    if kind is None:
        return 0
    return _field_size(encoded_size(request) if kind == TXN else request.ByteSize())


def _field_size(size: int) -> int:
    return 1 + len(varint(size)) + size


def _ops(ops: Iterable[RequestOp]) -> list[Op]:
    found: list[Op] = []
    for op in ops:
        kind = op.WhichOneof("request")
        if kind is None:
            found.append((None, None))
        elif kind == TXN:
            found.append((TXN, Txn.of(op.request_txn, 0)))
        else:
            found.append((kind, getattr(op, kind)))
    return found


def decode_txn(data: bytes) -> Txn:
    """
    Decode a TxnRequest, however deep.

    Raises:
        DecodeError: If the bytes are no such message.

    """
    try:
        return Txn.of(TxnRequest.FromString(data), len(data))
    except DecodeError:
        if b"\x22" not in data:  # no nested transaction, so it is not the depth
            raise
        return _decode(data, MAX_DEPTH)


def _decode(data: bytes, depth: int) -> Txn:
    txn = Txn(len(data), compare := [], [], [])
    if not depth:
        # Stands for all there is below: more than any limit allows.
        txn.compare = cast(Sequence[Compare], range(sys.maxsize))
        return txn
    for field, value in _fields(data):
        if field == _COMPARE:
            compare.append(Compare.FromString(value))
        elif field == _SUCCESS:
            txn.success.append(_decode_op(value, depth))
        elif field == _FAILURE:
            txn.failure.append(_decode_op(value, depth))
    return txn


def _decode_op(data: bytes, depth: int) -> Op:
    fields = list(_fields(data))
    if len(fields) == 1 and fields[0][0] == _REQUEST_TXN:
        return TXN, _decode(fields[0][1], depth - 1)
    return _ops([RequestOp.FromString(data)])[0]


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Iterate over the fields of a message that, like these, has only messages in it."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        length, position = _varint(data, position)
        end = position + length
        if tag & 7 != _LENGTH_DELIMITED or end > len(data):
            raise DecodeError("not a transaction")
        yield tag >> 3, data[position:end]
        position = end


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
    raise DecodeError("not a number")
