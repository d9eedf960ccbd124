"""Transactions are taken apart once, also those nested deeper than protobuf reads."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError

from etcdpy.cooperative import finish
from etcdpy.errors import EmptyKeyError, TooManyOpsError
from etcdpy.mvcc.plain_ops import PlainOp
from etcdpy.mvcc.slices import SLICE
from etcdpy.mvcc.txn_request import (
    DELETE,
    MAX_DEPTH,
    RANGE,
    TXN,
    LongTxn,
    Op,
    Puts,
    Txn,
    decode_txn,
)
from etcdpy.mvcc.txn_request import PUT as PUT_OP
from etcdpy.node.checks import check_txn
from etcdpy.pb.rpc_pb2 import (
    Compare,
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
)
from etcdpy.pb.wire import delimited

PUT = TxnRequest(success=[RequestOp(request_put=PutRequest(key=b"k", value=b"v"))])


def decoded(data: bytes, max_ops: int = 128) -> Txn:
    """Return a transaction read to its end, however long."""
    txn = decode_txn(data)
    if isinstance(txn, LongTxn):
        finish(txn.read(max_ops))
    return txn


def slices_of(data: bytes, max_ops: int = 128) -> tuple[Txn, int]:
    """Return a long transaction, and in how many slices it was read."""
    txn = decode_txn(data)
    assert isinstance(txn, LongTxn)
    assert not txn.success
    return txn, 1 + sum(1 for _ in txn.read(max_ops))


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


def put_op(key: bytes, value: bytes, lease: int = 0, *, prev_kv: bool = False) -> RequestOp:
    return RequestOp(request_put=PutRequest(key=key, value=value, lease=lease, prev_kv=prev_kv))


RANGE_OP = RequestOp(request_range=RangeRequest(key=b"r", limit=3))
DELETE_OP = RequestOp(request_delete_range=DeleteRangeRequest(key=b"d", prev_kv=True))
VERSION = Compare(key=b"c", target=Compare.VERSION, version=3)

#: Transactions with no other in them, and what their branches are as puts.
FLAT = [
    (TxnRequest(success=[put_op(b"k", b"v")]), Puts([b"k"], [b"v"])),
    (TxnRequest(success=[put_op(b"k" * 200, b"v" * 300)]), Puts([b"k" * 200], [b"v" * 300])),
    (
        TxnRequest(compare=[VERSION, VERSION], success=[put_op(b"k", b""), put_op(b"l", b"w")]),
        Puts([b"k", b"l"], [b"", b"w"]),
    ),
    (
        TxnRequest(compare=[VERSION], success=[put_op(b"k", b"v")], failure=[RANGE_OP, DELETE_OP]),
        Puts([b"k"], [b"v"]),
    ),
    (TxnRequest(success=[put_op(b"k", b"v"), RANGE_OP, put_op(b"l", b"w")]), None),
    (TxnRequest(success=[put_op(b"k", b"v"), put_op(b"l", b"w", 7)]), None),
    (TxnRequest(success=[put_op(b"k", b"v", prev_kv=True)]), None),
    (TxnRequest(success=[put_op(b"", b"v")]), Puts([b""], [b"v"])),
    (TxnRequest(compare=[VERSION], failure=[put_op(b"k", b"v")]), None),
    (TxnRequest(), None),
]


def parts(txn: Txn) -> tuple[list[Compare], list[Op], list[Op]]:
    return list(txn.compare), txn.success, txn.failure


@pytest.mark.parametrize(("request_", "puts"), FLAT)
def test_flat_transaction_is_what_protobuf_reads(request_: TxnRequest, puts: Puts | None) -> None:
    data = request_.SerializeToString()
    txn = decode_txn(data)
    assert txn.success_puts == puts
    assert parts(txn) == parts(Txn.of(request_))
    assert txn.size == len(data)


@pytest.mark.parametrize("data", [request.SerializeToString() for request, _ in FLAT])
def test_flat_transaction_with_any_damage_is_what_protobuf_reads(data: bytes) -> None:
    cut = [data[:end] for end in range(len(data))]
    changed = [
        data[:place] + bytes([byte]) + data[place + 1 :]
        for place in range(min(len(data), 64))
        for byte in (0x00, 0x02, 0x0A, 0x12, 0x1A, 0x22, 0x7F, 0x80, 0xFF)
    ]
    for some in cut + changed:
        try:
            expected = Txn.of(TxnRequest.FromString(some))
        except DecodeError:
            with pytest.raises(DecodeError):
                decode_txn(some)
        else:
            assert parts(decode_txn(some)) == parts(expected), some


def test_puts_that_ask_for_something_are_no_plain_ones() -> None:
    plain = PutRequest(key=b"k", value=b"v")
    others = [
        PutRequest(key=b"k", value=b"v", lease=7),
        PutRequest(key=b"k", value=b"v", prev_kv=True),
        PutRequest(key=b"k", ignore_value=True),
        PutRequest(key=b"k", value=b"v", ignore_lease=True),
    ]
    for other in others:
        ops = [RequestOp(request_put=put) for put in (plain, other)]
        for request_ in (TxnRequest(success=ops), TxnRequest(failure=ops)):
            txn = decode_txn(request_.SerializeToString())
            assert txn.success_puts is None
            assert txn.failure_puts is None


def test_127_levels_are_allowed_and_128_are_too_many() -> None:
    check_txn(decode_txn(nested(PUT, 127)), 128)
    with pytest.raises(TooManyOpsError):
        check_txn(decode_txn(nested(PUT, 128)), 128)


@pytest.mark.parametrize("max_ops", [128, 100_000])
def test_thousands_of_levels_are_too_many_whatever_is_at_the_bottom(max_ops: int) -> None:
    txn = decoded(nested(PUT, 10_000), max_ops)
    levels = 0
    while len(txn.compare) == 0:
        [(_, txn)] = txn.success
        levels += 1
    assert len(txn.compare) > max_ops
    assert levels <= MAX_DEPTH


@pytest.mark.parametrize("field", [b"\x0a\x00", b"\x12\x00", b"\x1a\x00"])
@pytest.mark.parametrize("end", [b"", b"\x22\xff", b"\x12\xff", b"\x22\x00" * 60 + b"\x22"])
def test_a_million_operations_are_too_many_and_are_not_made(field: bytes, end: bytes) -> None:
    txn, slices = slices_of(field * 1_000_000 + end)
    assert len(txn.compare) > 1_000_000
    assert txn.success == txn.failure == []
    assert slices == 1


def test_operations_behind_an_unknown_field_are_counted_before_they_are_made() -> None:
    txn, slices = slices_of(b"\x78\x01" + b"\x0a\x00" * 100_000)
    assert len(txn.compare) > 100_000
    assert slices <= 2


def test_operations_too_many_inside_of_others_are_not_made() -> None:
    many = b"\x12\x00" * 100_000
    txn, _ = slices_of(delimited(2, delimited(4, many)))
    [(kind, inner)] = txn.success
    assert kind == TXN
    assert len(inner.compare) > 100_000
    assert inner.success == []


def test_many_operations_in_many_transactions_are_read_in_slices() -> None:
    puts = [RequestOp(request_put=PutRequest(key=b"k"))] * 60
    inner = RequestOp(request_txn=TxnRequest(success=puts))
    txn, slices = slices_of(TxnRequest(success=[inner] * 60).SerializeToString())
    assert [len(op.success) for _, op in txn.success] == [60] * 60
    assert slices > 3600 // SLICE


@pytest.mark.parametrize("levels", [80, 120])
def test_broken_byte_at_the_bottom_is_found_in_slices(levels: int) -> None:
    broken = b"\x12\x00" * 100 + b"\x22\xff"
    bottom = delimited(2, delimited(4, broken)) * 100
    for _ in range(levels):
        bottom = delimited(2, delimited(4, bottom))
    txn = decode_txn(bottom)
    assert isinstance(txn, LongTxn)
    with pytest.raises(DecodeError):
        finish(txn.read(1000))


def test_broken_bytes_without_nesting_are_not_read_a_second_time() -> None:
    with pytest.raises(DecodeError):
        slices_of(b"\x12\x00" * 20_000 + b"\x12\xff", max_ops=100_000)


def test_long_transaction_is_what_protobuf_reads() -> None:
    value = bytes(5000)
    op = RequestOp(request_put=PutRequest(key=b"k", value=value))
    compare = Compare(key=b"c", version=3)
    request = TxnRequest(compare=[compare], success=[op, op], failure=[op])
    txn = decoded(request.SerializeToString())
    assert txn.size == request.ByteSize()
    assert list(txn.compare) == [compare]
    assert [len(txn.success), len(txn.failure)] == [2, 1]
    ((kind, put),) = txn.failure
    assert (kind, put.message()) == (PUT_OP, op.request_put)


def test_long_transaction_holds_no_messages() -> None:
    kinds = {
        PUT_OP: RequestOp(request_put=PutRequest(key=b"k", value=bytes(9000), lease=3)),
        RANGE: RequestOp(request_range=RangeRequest(key=b"k", limit=2)),
        DELETE: RequestOp(request_delete_range=DeleteRangeRequest(key=b"k", prev_kv=True)),
    }
    txn = decoded(TxnRequest(success=list(kinds.values())).SerializeToString())
    assert [kind for kind, _ in txn.success] == list(kinds)
    for (kind, plain), op in zip(txn.success, kinds.values(), strict=True):
        assert isinstance(plain, PlainOp)
        assert plain.message() == getattr(op, str(kind))


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
