"""Requests are refused in etcd's order and for etcd's reasons."""

from __future__ import annotations

import time
from typing import Any

import pytest

from etcdpy import errors
from etcdpy.cooperative import finish
from etcdpy.mvcc.plain_txn import decode_plain
from etcdpy.mvcc.slices import SLICE
from etcdpy.mvcc.txn_request import LongTxn, Txn
from etcdpy.node import checks
from etcdpy.pb.rpc_pb2 import (
    Compare,
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
)


def put(key: bytes, **fields: Any) -> RequestOp:
    return RequestOp(request_put=PutRequest(key=key, **fields))


def remove(key: bytes, range_end: bytes = b"") -> RequestOp:
    return RequestOp(request_delete_range=DeleteRangeRequest(key=key, range_end=range_end))


def get(key: bytes, **fields: Any) -> RequestOp:
    return RequestOp(request_range=RangeRequest(key=key, **fields))


def nested(*success: RequestOp, failure: list[RequestOp] | None = None) -> RequestOp:
    return RequestOp(request_txn=TxnRequest(success=success, failure=failure or []))


def check_txn(*success: RequestOp, **fields: Any) -> None:
    """Check a transaction as messages and, where it can be read like that, without."""
    request = TxnRequest(success=success, **fields)
    plain = decode_plain(request.SerializeToString())
    if plain is None:
        checks.check_txn(Txn.of(request), 128)
        return
    try:
        checks.check_txn(Txn.of(request), 128)
    except errors.EtcdError as error:
        with pytest.raises(type(error)):
            checks.check_txn(plain, 128)
        raise
    checks.check_txn(plain, 128)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, errors.EmptyKeyError),
        ({"sort_order": 7}, errors.EmptyKeyError),
        ({"key": b"a", "sort_order": 7}, errors.InvalidSortOptionError),
        ({"key": b"a", "sort_order": -1}, errors.InvalidSortOptionError),
        ({"key": b"a", "sort_target": 5}, errors.InvalidSortOptionError),
    ],
)
def test_range_is_refused(fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        checks.check_range(RangeRequest(**fields))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"sort_order": RangeRequest.DESCEND}, errors.EmptyKeyError),
        ({"key": b"a", "sort_order": RangeRequest.DESCEND}, errors.CustomSortUnsupportedError),
        (
            {"key": b"a", "sort_order": RangeRequest.ASCEND, "sort_target": RangeRequest.MOD},
            errors.CustomSortUnsupportedError,
        ),
        ({"key": b"a", "min_mod_revision": 1}, errors.RevisionFilterUnsupportedError),
        ({"key": b"a", "max_create_revision": -1}, errors.RevisionFilterUnsupportedError),
    ],
)
def test_range_stream_is_refused(fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        checks.check_range_stream(RangeRequest(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"key": b"a"},
        {"key": b"a", "sort_target": RangeRequest.VALUE},
        {"key": b"a", "sort_order": RangeRequest.ASCEND},
    ],
)
def test_range_stream_in_key_order_passes(fields: dict[str, Any]) -> None:
    checks.check_range_stream(RangeRequest(**fields))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"value": b"v", "ignore_value": True}, errors.EmptyKeyError),
        (
            {"key": b"a", "value": b"v", "ignore_value": True, "lease": 1, "ignore_lease": True},
            errors.ValueProvidedError,
        ),
        ({"key": b"a", "lease": 1, "ignore_lease": True}, errors.LeaseProvidedError),
    ],
)
def test_put_is_refused(fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        checks.check_put(PutRequest(**fields))


def test_deletion_needs_a_key() -> None:
    with pytest.raises(errors.EmptyKeyError):
        checks.check_delete_range(DeleteRangeRequest(range_end=b"\0"))


def test_operations_are_counted_before_they_are_looked_at() -> None:
    check_txn(*[put(b"%d" % number) for number in range(128)])
    with pytest.raises(errors.TooManyOpsError):
        check_txn(*[put(b"")] * 129)
    with pytest.raises(errors.EmptyKeyError):
        check_txn(*[put(b"")] * 128)


def test_longest_list_of_a_level_counts() -> None:
    compares = [Compare(key=b"a")] * 129
    with pytest.raises(errors.TooManyOpsError):
        check_txn(compare=compares)


@pytest.mark.parametrize(("operations", "passes"), [(127, True), (128, False)])
def test_levels_share_one_allowance(operations: int, passes: bool) -> None:
    inner = nested(*[get(b"a")] * operations)
    if passes:
        check_txn(inner)
    else:
        with pytest.raises(errors.TooManyOpsError):
            check_txn(inner)


def test_allowance_is_for_each_way_down() -> None:
    check_txn(*[nested(*[get(b"a")] * 64)] * 64)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (TxnRequest(compare=[Compare()], success=[RequestOp()]), errors.EmptyKeyError),
        (TxnRequest(success=[RequestOp()]), errors.KeyNotFoundError),
        (TxnRequest(failure=[RequestOp()]), errors.KeyNotFoundError),
        (TxnRequest(success=[get(b"a", sort_order=7)]), errors.InvalidSortOptionError),
        (TxnRequest(failure=[remove(b"")]), errors.EmptyKeyError),
        (TxnRequest(success=[nested(put(b""))]), errors.EmptyKeyError),
        (TxnRequest(success=[put(b"a"), put(b"a"), put(b"")]), errors.EmptyKeyError),
        (TxnRequest(success=[put(b"a"), put(b"a")], failure=[put(b"")]), errors.EmptyKeyError),
    ],
)
def test_operations_are_checked_in_both_branches(
    request_: TxnRequest, error: type[Exception]
) -> None:
    with pytest.raises(error):
        checks.check_txn(Txn.of(request_), 128)


DUPLICATE = [
    [put(b"k"), put(b"k")],
    [put(b"k"), remove(b"k")],
    [remove(b"k"), put(b"k")],
    [put(b"k"), remove(b"a", b"z")],
    [remove(b"a", b"z"), put(b"k")],
    [nested(remove(b"k")), nested(put(b"k"))],
    [nested(remove(b"k")), put(b"k")],
    [nested(put(b"k")), put(b"k")],
    [nested(put(b"k")), nested(put(b"k"))],
    [nested(put(b"k")), remove(b"k")],
    [remove(b"k"), nested(put(b"k"))],
    [nested(failure=[put(b"k")]), put(b"k")],
    [nested(nested(put(b"k"))), put(b"k")],
]

DISTINCT = [
    [put(b"k"), put(b"l")],
    [put(b"k"), remove(b"j", b"k")],
    [put(b"k"), remove(b"k\0", b"z")],
    [put(b"k"), remove(b"j", b"\0")],
    [put(b"k"), remove(b"z", b"a")],
    [remove(b"a", b"z"), remove(b"a", b"z"), remove(b"k")],
    [put(b"k"), get(b"k"), get(b"a", range_end=b"z")],
    [nested(put(b"k")), nested(remove(b"k"))],
    [nested(put(b"k"), failure=[put(b"k")])],
    [nested(put(b"k"), failure=[remove(b"k")])],
]


@pytest.mark.parametrize("ops", DUPLICATE)
def test_key_written_twice_is_refused_in_either_branch(ops: list[RequestOp]) -> None:
    with pytest.raises(errors.DuplicateKeyError):
        check_txn(*ops)
    with pytest.raises(errors.DuplicateKeyError):
        check_txn(failure=ops)


@pytest.mark.parametrize("ops", DISTINCT)
def test_keys_written_once_pass(ops: list[RequestOp]) -> None:
    check_txn(*ops, failure=ops)


def test_puts_beside_many_deletions_are_looked_up_quickly() -> None:
    ops: list[RequestOp] = []
    for group in range(64):
        keys = [b"%02d%02d" % (group, number) for number in range(64)]
        ops.append(nested(*[remove(key) if i % 2 else put(key) for i, key in enumerate(keys)]))
    request = Txn.of(TxnRequest(success=[nested(*ops)]))
    took = []
    for _ in range(3):  # a host may take the processor away for a while, which counts as our time
        started = time.thread_time()
        checks.check_txn(request, 256)
        took.append(time.thread_time() - started)
    # One by one, 2,048 puts against as many deletions take ten times as long.
    assert min(took) < 0.1


def long_txn(request: TxnRequest) -> LongTxn:
    txn = LongTxn(request.SerializeToString())
    finish(txn.read(1000))
    return txn


def slices_of(request: TxnRequest) -> int:
    return 1 + sum(1 for _ in checks.check_long_txn(long_txn(request), 1000))


def test_long_transaction_is_refused_for_what_was_found_when_it_was_read() -> None:
    txn = long_txn(TxnRequest())
    checks.check_txn(txn, 128)
    txn.fault = errors.DuplicateKeyError
    with pytest.raises(errors.DuplicateKeyError):
        checks.check_txn(txn, 128)


@pytest.mark.parametrize("ops", [*DISTINCT])
def test_long_transaction_of_keys_written_once_passes(ops: list[RequestOp]) -> None:
    finish(checks.check_long_txn(long_txn(TxnRequest(success=ops, failure=ops)), 128))


def test_long_transaction_is_checked_in_slices() -> None:
    groups = [nested(*[put(b"%d.%d" % (g, n)) for n in range(100)]) for g in range(100)]
    assert slices_of(TxnRequest(success=groups)) > 10_000 // SLICE


def test_depth_makes_checking_no_dearer_than_what_is_at_the_bottom() -> None:
    def deep(levels: int) -> TxnRequest:
        bottom = [nested(*[put(b"%d.%d" % (g, n)) for n in range(100)]) for g in range(100)]
        request = TxnRequest(success=bottom)
        for level in range(levels):
            inner = RequestOp(request_txn=request)
            request = TxnRequest(success=[inner, put(b"%d" % level)], failure=[put(b"f")])
        return request

    assert slices_of(deep(40)) <= slices_of(deep(0)) + 2


def test_long_transaction_that_writes_a_key_twice_is_found_at_any_depth() -> None:
    for ops in (
        [nested(nested(put(b"a"))), nested(put(b"a"))],
        [nested(nested(put(b"a"))), remove(b"a")],
        [nested(nested(remove(b"a", b"c"))), put(b"b")],
        [nested(put(b"b"), failure=[remove(b"a", b"c")]), nested(failure=[put(b"b")])],
    ):
        with pytest.raises(errors.DuplicateKeyError):
            slices_of(TxnRequest(success=ops))


@pytest.mark.parametrize(
    ("ops", "is_refused"),
    [
        ([put(b"a"), put(b"b")], False),
        ([put(b"a"), put(b"a")], True),
        ([put(b"a"), remove(b"b"), get(b"a")], False),
        ([put(b"a"), get(b"b"), put(b"a")], True),
        ([remove(b"a"), put(b"a")], True),
        ([put(b"a"), remove(b"a")], True),
        ([remove(b"a"), remove(b"a"), put(b"b")], False),
    ],
)
def test_key_is_written_once_in_either_branch(ops: list[RequestOp], is_refused: bool) -> None:
    for request in (
        TxnRequest(success=ops),
        TxnRequest(failure=ops),
        TxnRequest(success=ops, failure=ops),
    ):
        for txn in (Txn.of(request), decode_plain(request.SerializeToString())):
            assert txn is not None
            if is_refused:
                with pytest.raises(errors.DuplicateKeyError):
                    checks.check_txn(txn, 128)
            else:
                checks.check_txn(txn, 128)


@pytest.mark.parametrize(
    "fields",
    [
        {"success": [put(b"a"), put(b"a")]},
        {"failure": [remove(b"a"), remove(b"b")]},
        {"compare": [Compare(key=b"a")] * 2},
    ],
)
def test_plain_operations_are_counted_first(fields: dict[str, Any]) -> None:
    plain = decode_plain(TxnRequest(**fields).SerializeToString())
    assert plain is not None
    with pytest.raises(errors.TooManyOpsError):
        checks.check_txn(plain, 1)
