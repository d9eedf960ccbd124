"""Sizes are counted as etcd counts them."""

from __future__ import annotations

import pytest

from etcdpy.errors import RequestTooLargeError
from etcdpy.mvcc.plain_txn import decode_txn
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node.quota import PUT_OVERHEAD, RequestLimit, put_cost, txn_cost
from etcdpy.pb.rpc_pb2 import DeleteRangeRequest, PutRequest, RequestOp, TxnRequest

#: The member whose first refused put of key ``big`` was seen on a real server.
MEMBER = 17767816877210000001


@pytest.mark.parametrize(("length", "passes"), [(1572837, True), (1572838, False)])
def test_largest_put_is_etcds_to_the_byte(length: int, passes: bool) -> None:
    size = PutRequest(key=b"big", value=b"v" * length).ByteSize()
    limit = RequestLimit(1536 * 1024, MEMBER)
    if passes:
        limit.check(size)
    else:
        with pytest.raises(RequestTooLargeError):
            limit.check(size)


def put(size: int) -> RequestOp:
    return RequestOp(request_put=PutRequest(key=b"key", value=b"v" * size))


DELETE = RequestOp(request_delete_range=DeleteRangeRequest(key=b"key"))


def test_put_costs_its_key_its_value_and_the_record_around_them() -> None:
    assert put_cost(PutRequest(key=b"key", value=b"value")) == PUT_OVERHEAD + 8 == 264


@pytest.mark.parametrize(
    ("request_", "cost"),
    [
        (TxnRequest(), 0),
        (TxnRequest(success=[DELETE], failure=[DELETE]), 0),
        (TxnRequest(success=[put(1), put(2)], failure=[put(9)]), 2 * 259 + 3),
        (TxnRequest(success=[put(1)], failure=[put(9)]), 268),
        (
            TxnRequest(
                success=[RequestOp(request_txn=TxnRequest(failure=[put(7), put(7)])), put(0)]
            ),
            2 * 266 + 259,
        ),
    ],
)
def test_transaction_costs_its_dearer_branch(request_: TxnRequest, cost: int) -> None:
    assert txn_cost(Txn.of(request_)) == cost
    assert txn_cost(decode_txn(request_.SerializeToString())) == cost
