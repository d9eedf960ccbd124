"""
Transactions nested deeper than the protobuf library reads.

The library stops at 100 messages one inside the other, which is 50 transactions; etcd
reads on, and then answers by its own rule, which allows about ``--max-txn-ops`` of them.
So a request that is refused for its depth is taken apart here, level by level, into
objects that have what the rest of the server looks at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import cast

from google.protobuf.message import DecodeError

from etcdpy.pb.rpc_pb2 import Compare, RequestOp, TxnRequest

#: Levels read. What is nested deeper counts as too many operations.
MAX_DEPTH = 200

_COMPARE, _SUCCESS, _FAILURE = 1, 2, 3
_REQUEST_TXN = 4
_LENGTH_DELIMITED = 2


class DeepTxn:
    """A TxnRequest whose nested transactions may be of this class too."""

    __slots__ = ("_size", "compare", "failure", "success")

    def __init__(self, size: int) -> None:
        self._size = size
        self.compare: list[Compare] = []
        self.success: list[RequestOp | DeepOp] = []
        self.failure: list[RequestOp | DeepOp] = []

    def ByteSize(self) -> int:
        """Return the encoded size in bytes."""
        return self._size


class DeepOp:
    """A RequestOp that holds a transaction."""

    __slots__ = ("request_txn",)

    def __init__(self, request_txn: DeepTxn) -> None:
        self.request_txn = request_txn

    def WhichOneof(self, _: str) -> str:
        """Return which operation it is."""
        return "request_txn"


def _bottom() -> DeepTxn:
    """Return what stands for everything below the deepest level: more than any limit allows."""
    txn = DeepTxn(0)
    txn.compare = cast(list[Compare], range(sys.maxsize))
    return txn


def decode_txn(data: bytes) -> TxnRequest:
    """
    Decode a TxnRequest, however deep.

    Returns:
        A TxnRequest, or a DeepTxn, which passes for one.

    Raises:
        DecodeError: If the bytes are no such message.

    """
    try:
        return TxnRequest.FromString(data)
    except DecodeError:
        if b"\x22" not in data:  # no nested transaction, so it is not the depth
            raise
        return cast(TxnRequest, _decode(data, MAX_DEPTH))


def _decode(data: bytes, depth: int) -> DeepTxn:
    if not depth:
        return _bottom()
    txn = DeepTxn(len(data))
    for field, value in _fields(data):
        if field == _COMPARE:
            txn.compare.append(Compare.FromString(value))
        elif field == _SUCCESS:
            txn.success.append(_decode_op(value, depth))
        elif field == _FAILURE:
            txn.failure.append(_decode_op(value, depth))
    return txn


def _decode_op(data: bytes, depth: int) -> RequestOp | DeepOp:
    fields = list(_fields(data))
    if len(fields) == 1 and fields[0][0] == _REQUEST_TXN:
        return DeepOp(_decode(fields[0][1], depth - 1))
    return RequestOp.FromString(data)


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
