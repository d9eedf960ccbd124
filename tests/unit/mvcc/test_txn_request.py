"""Transactions are taken apart once, also those nested deeper than protobuf reads."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError

from etcdpy.errors import EmptyKeyError, TooManyOpsError
from etcdpy.mvcc.txn_request import PUT as PUT_OP
from etcdpy.mvcc.txn_request import TXN, Txn, decode_txn
from etcdpy.node.checks import check_txn
from etcdpy.pb.rpc_pb2 import Compare, PutRequest, RequestOp, TxnRequest
from etcdpy.pb.wire import delimited

PUT = TxnRequest(success=[RequestOp(request_put=PutRequest(key=b"k", value=b"v"))])


def nested(innermost: TxnRequest, levels: int) -> bytes:
    data = innermost.SerializeToString()
    for _ in range(levels):
        data = delimited(2, delimited(4, data))
    return data


@pytest.mark.parametrize("levels", [0, 1, 49, 50, 51, 100, 126])
def test_innermost_operation_of_a_nested_transaction_is_found(levels: int) -> None:
    txn = decode_txn(nested(PUT, levels))
    for _ in range(levels):
        [(kind, txn)] = txn.success
        assert kind == TXN
    assert txn.success == [(PUT_OP, PutRequest(key=b"k", value=b"v"))]


@pytest.mark.parametrize("levels", [3, 120])
def test_transaction_knows_its_encoded_size(levels: int) -> None:
    data = nested(PUT, levels)
    assert decode_txn(data).size == len(data)
    assert Txn.of(PUT).size == PUT.ByteSize()


@pytest.mark.parametrize("levels", [1, 60])
def test_compares_and_both_branches_are_kept(levels: int) -> None:
    compare = Compare(key=b"c", version=3)
    inner = delimited(4, nested(PUT, levels))
    data = delimited(1, compare.SerializeToString()) + delimited(3, inner)
    txn = decode_txn(data)
    assert list(txn.compare) == [compare]
    assert txn.success == []
    assert [kind for kind, _ in txn.failure] == [TXN]


def test_operation_without_content_has_no_kind() -> None:
    assert Txn.of(TxnRequest(success=[RequestOp()])).success == [(None, None)]


def test_127_levels_are_allowed_and_128_are_too_many() -> None:
    check_txn(decode_txn(nested(PUT, 127)), 128)
    with pytest.raises(TooManyOpsError):
        check_txn(decode_txn(nested(PUT, 128)), 128)


def test_thousands_of_levels_are_too_many_whatever_is_at_the_bottom() -> None:
    with pytest.raises(TooManyOpsError):
        check_txn(decode_txn(nested(PUT, 10_000)), 128)
    with pytest.raises(TooManyOpsError):
        check_txn(decode_txn(nested(PUT, 10_000)), 100_000)


def test_empty_key_in_a_deep_operation_is_found() -> None:
    empty = TxnRequest(success=[RequestOp(request_put=PutRequest())])
    with pytest.raises(EmptyKeyError):
        check_txn(decode_txn(nested(empty, 100)), 128)


@pytest.mark.parametrize("data", [b"\xff", b"\x22", b"\x12\x05\x22\x03ab", b"\x22\x01\x22\x80"])
def test_bytes_that_are_no_transaction_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_txn(data)


def test_damage_inside_a_deep_transaction_is_refused() -> None:
    data = nested(PUT, 80)
    with pytest.raises(DecodeError):
        decode_txn(data[:-1])


def test_every_truncation_of_a_deep_transaction_is_refused_or_read() -> None:
    data = nested(PUT, 60)
    for end in range(len(data)):
        try:
            txn = decode_txn(data[:end])
        except DecodeError:
            continue
        assert isinstance(txn, Txn)
