"""Requests, written shortly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etcdpy.pb import rpc_pb2 as pb

Operation = pb.RangeRequest | pb.PutRequest | pb.DeleteRangeRequest | pb.TxnRequest | pb.RequestOp

# As a range_end: every key from `key` on. As a key with it: every key there is.
ALL = b"\0"

EVERYTHING = (ALL, ALL)

# An operation in which no member of the oneof is set.
EMPTY = pb.RequestOp()


def get(key: bytes, end: bytes = b"", **options: Any) -> pb.RangeRequest:
    return pb.RangeRequest(key=key, range_end=end, **options)


def put(key: bytes, value: bytes = b"", **options: Any) -> pb.PutRequest:
    return pb.PutRequest(key=key, value=value, **options)


def delete(key: bytes, end: bytes = b"", **options: Any) -> pb.DeleteRangeRequest:
    return pb.DeleteRangeRequest(key=key, range_end=end, **options)


def compact(revision: int, **options: Any) -> pb.CompactionRequest:
    return pb.CompactionRequest(revision=revision, **options)


def txn(
    *success: Operation,
    when: Sequence[pb.Compare] = (),
    otherwise: Sequence[Operation] = (),
) -> pb.TxnRequest:
    """Run the operations ``success`` if every compare of ``when`` holds, else ``otherwise``."""
    return pb.TxnRequest(
        compare=when,
        success=[operation(op) for op in success],
        failure=[operation(op) for op in otherwise],
    )


def operation(request: Operation) -> pb.RequestOp:
    if isinstance(request, pb.RequestOp):
        return request
    if isinstance(request, pb.RangeRequest):
        return pb.RequestOp(request_range=request)
    if isinstance(request, pb.PutRequest):
        return pb.RequestOp(request_put=request)
    if isinstance(request, pb.DeleteRangeRequest):
        return pb.RequestOp(request_delete_range=request)
    return pb.RequestOp(request_txn=request)


def compare(
    key: bytes, target: str | int, result: str | int, end: bytes = b"", **operand: Any
) -> pb.Compare:
    """Compare one field of ``key``: ``compare(b"k", "VERSION", "EQUAL", version=0)``."""
    # Any: numbers may be no members of the enums, which no type allows.
    fields: Any = {"target": target, "result": result, **operand}
    return pb.Compare(key=key, range_end=end, **fields)
