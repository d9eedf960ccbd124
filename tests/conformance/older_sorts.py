"""Sorting as etcd 3.7 does it, worked out from an etcd that sorts otherwise or dies of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from etcdpy.pb import kv_pb2 as mvccpb
from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.peers import Ask, Call, Outcome, operations, ranges

# -------------------- sort options that are no members of their enums


def has_unknown_sort(call: Call) -> bool:
    return any(_unknown_sort(request) for request in ranges(call.request))


def _unknown_sort(request: pb.RangeRequest) -> bool:
    # An empty key is refused before the sort options are looked at.
    known = request.sort_order in (0, 1, 2) and request.sort_target in (0, 1, 2, 3, 4)
    return bool(request.key) and not known


def refuse_unknown_sort(ask: Ask, call: Call) -> Outcome:
    if isinstance(call.request, pb.RangeRequest):
        return Outcome.failed(call.method, errors.INVALID_SORT)
    # Whatever else is wrong with a transaction may come first. So ask twice, each time with
    # another mistake in place of the unknown sort: if the answer follows, it came first.
    as_empty_key = ask(_without_unknown_sort(call, lambda op: op.request_range.Clear()))
    as_empty_op = ask(_without_unknown_sort(call, lambda op: op.Clear()))
    if (as_empty_key.error, as_empty_op.error) == (errors.NO_KEY, errors.KEY_NOT_FOUND):
        return Outcome.failed(call.method, errors.INVALID_SORT)
    return as_empty_key


def _without_unknown_sort(call: Call, replace: Callable[[pb.RequestOp], None]) -> Call:
    request = pb.TxnRequest()
    assert isinstance(call.request, pb.TxnRequest)
    request.CopyFrom(call.request)
    for op in operations(request):
        if op.HasField("request_range") and _unknown_sort(op.request_range):
            replace(op)
    return Call(call.method, request)


# -------------------- the order of equals

# Up to this many keys every version of Go sorts equals stably.
FEW = 6

_TARGETS: dict[int, Callable[[mvccpb.KeyValue], Any]] = {
    pb.RangeRequest.VERSION: lambda kv: kv.version,
    pb.RangeRequest.CREATE: lambda kv: kv.create_revision,
    pb.RangeRequest.MOD: lambda kv: kv.mod_revision,
    pb.RangeRequest.VALUE: lambda kv: kv.value,
}


def may_have_ties(call: Call) -> bool:
    return any(request.sort_target in _TARGETS for request in ranges(call.request))


def in_stable_order(ask: Ask, call: Call) -> Outcome:
    """Put equals in key order.

    In a transaction that can only be done to a range that is whole: one with no limit, and with
    the values if it is sorted by them.
    """
    outcome = ask(call)
    if outcome.error:
        return outcome
    if isinstance(call.request, pb.RangeRequest):
        if outcome.reply.count <= FEW:
            return outcome
        rows = _rows(ask, call.request)
        return outcome.map(lambda reply: _replace(reply, rows))
    return outcome.map(lambda reply: _reorder(call.request, reply))


def _rows(ask: Ask, request: pb.RangeRequest) -> list[mvccpb.KeyValue]:
    """Read what ``request`` would in key order; sort and cut it here."""
    whole = pb.RangeRequest()
    whole.CopyFrom(request)
    whole.ClearField("sort_order")
    whole.ClearField("sort_target")
    if request.sort_target == pb.RangeRequest.VALUE:
        whole.keys_only = False  # they are needed here
    # etcd: without order or filters the limit acts, and leaves one key too many, before the sort.
    early = request.limit > 0 and request.sort_order == pb.RangeRequest.NONE
    cut = early and not has_filters(request)
    whole.limit = min(request.limit, 2**63 - 2) + 1 if cut else 0
    rows = _sorted(request, ask(Call.of(whole)).reply.kvs)
    if request.keys_only:
        for kv in rows:
            kv.ClearField("value")
    return rows[: request.limit] if request.limit > 0 else rows


def has_filters(request: pb.RangeRequest) -> bool:
    mod_bounds = request.min_mod_revision or request.max_mod_revision
    return bool(mod_bounds or request.min_create_revision or request.max_create_revision)


def _sorted(request: pb.RangeRequest, kvs: Any) -> list[mvccpb.KeyValue]:
    in_key_order = sorted(kvs, key=lambda kv: kv.key)
    descending = request.sort_order == pb.RangeRequest.DESCEND
    return sorted(in_key_order, key=_TARGETS[request.sort_target], reverse=descending)


def _reorder(request: Any, reply: Any) -> None:
    for op, answer in zip(
        request.success if reply.succeeded else request.failure, reply.responses, strict=True
    ):
        if op.HasField("request_txn"):
            _reorder(op.request_txn, answer.response_txn)
        elif op.HasField("request_range") and op.request_range.sort_target in _TARGETS:
            kvs = answer.response_range.kvs
            _replace(answer.response_range, _sorted(op.request_range, kvs))


def _replace(reply: pb.RangeResponse, rows: list[mvccpb.KeyValue]) -> None:
    copies = [mvccpb.KeyValue.FromString(kv.SerializeToString()) for kv in rows]
    del reply.kvs[:]
    reply.kvs.extend(copies)
