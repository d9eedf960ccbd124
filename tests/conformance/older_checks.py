"""The checks of a transaction's chosen path in etcd 3.7's order, from an etcd with another.

Older servers look at all puts first and at the ranges then, and at a put's key before its lease.
"""

from __future__ import annotations

from collections.abc import Iterator

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.messages import get, put, txn
from tests.conformance.peers import METHODS, Ask, Call, Outcome

Error = tuple[str, str]

_CHECKS = (errors.LEASE_NOT_FOUND, errors.KEY_NOT_FOUND, errors.FUTURE, errors.COMPACTED)

# Ends a transaction that must not run, whatever comes of the put before it.
_FAILS = get(b"\0", revision=2**63 - 1)


def is_txn(call: Call) -> bool:
    return isinstance(call.request, pb.TxnRequest)


def in_order(ask: Ask, call: Call) -> Outcome:
    """Find the first operation that fails by asking for each alone; none of it is run."""
    outcome = ask(call)
    request = call.request
    if outcome.error not in _CHECKS or not isinstance(request, pb.TxnRequest):
        return outcome
    branches = ask(Call(METHODS[pb.TxnRequest], _only_compares(request)))
    if branches.error:
        return outcome  # an operation with no member set: the request never got to the checks
    found = (_error(ask, op) for op in _chosen(request, branches.reply))
    return Outcome.failed(call.method, next(error for error in found if error))


def _only_compares(request: pb.TxnRequest) -> pb.TxnRequest:
    """Return a transaction that takes the same branches and does nothing in them."""
    bare = pb.TxnRequest(compare=request.compare)
    for ops, bare_ops in ((request.success, bare.success), (request.failure, bare.failure)):
        for op in ops:
            bare_op = bare_ops.add()
            if op.HasField("request_txn"):
                bare_op.request_txn.CopyFrom(_only_compares(op.request_txn))
            elif op.WhichOneof("request"):
                bare_op.request_range.key = b"\0"
    return bare


def _chosen(request: pb.TxnRequest, branches: pb.TxnResponse) -> Iterator[pb.RequestOp]:
    ops = request.success if branches.succeeded else request.failure
    for op, answer in zip(ops, branches.responses, strict=True):
        if op.HasField("request_txn"):
            yield from _chosen(op.request_txn, answer.response_txn)
        else:
            yield op


def _error(ask: Ask, op: pb.RequestOp) -> Error | None:
    if op.HasField("request_range"):
        return ask(Call.of(txn(op.request_range))).error
    if not op.HasField("request_put"):
        return None
    lease = put(op.request_put.key, lease=op.request_put.lease)
    key = put(op.request_put.key, ignore_value=op.request_put.ignore_value)
    if op.request_put.ignore_lease:
        key.ignore_lease = True
    found = (ask(Call.of(txn(request, _FAILS))).error for request in (lease, key))
    return next((error for error in found if error != errors.FUTURE), None)
