"""Transactions read without messages are what protobuf reads."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from google.protobuf.message import DecodeError

from etcdpy.mvcc import plain_txn
from etcdpy.mvcc.plain_txn import (
    BY_VALUE,
    DELETE_STEP,
    PUT_STEP,
    RANGE_STEP,
    PlainTxn,
    decode_plain,
    decode_txn,
)
from etcdpy.mvcc.txn_request import LONG, LongTxn, Puts, Txn
from etcdpy.pb.rpc_pb2 import (
    Compare,
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
)
from etcdpy.pb.wire import delimited


def get(key: bytes, **fields: Any) -> RequestOp:
    return RequestOp(request_range=RangeRequest(key=key, **fields))


def set_(key: bytes, value: bytes = b"v", **fields: Any) -> RequestOp:
    return RequestOp(request_put=PutRequest(key=key, value=value, **fields))


def remove(key: bytes, **fields: Any) -> RequestOp:
    return RequestOp(request_delete_range=DeleteRangeRequest(key=key, **fields))


LARGE_KEY, LARGE_VALUE = b"k" * 200, b"v" * 300
VERSION = Compare(key=b"c", target=Compare.VERSION, result=Compare.GREATER, version=300)
MOD = Compare(key=LARGE_KEY, target=Compare.MOD, result=Compare.LESS, mod_revision=(1 << 63) - 1)
CREATE = Compare(key=b"c", target=Compare.CREATE, create_revision=0)
ANY = Compare(key=b"c", target=Compare.MOD, result=Compare.GREATER, mod_revision=-1)
VALUE = Compare(key=b"c", target=Compare.VALUE, result=Compare.NOT_EQUAL, value=LARGE_VALUE)

PLAIN = [
    TxnRequest(),
    TxnRequest(success=[set_(b"k")]),
    TxnRequest(compare=[VERSION], success=[set_(b"k"), get(b"k")], failure=[get(b"k")]),
    TxnRequest(compare=[MOD, CREATE, ANY], success=[set_(LARGE_KEY, LARGE_VALUE), remove(b"d")]),
    TxnRequest(compare=[VALUE], success=[set_(b"k", b"")], failure=[set_(b"l"), remove(LARGE_KEY)]),
    TxnRequest(success=[get(b"k")] * 4, failure=[get(LARGE_KEY)] * 4),
    # What a compare is compared with may be left out.
    TxnRequest(compare=[Compare(key=b"k"), Compare(key=b"k", target=Compare.VALUE)]),
]

NOT_PLAIN = [
    TxnRequest(success=[RequestOp()]),
    TxnRequest(success=[RequestOp(request_txn=TxnRequest())]),
    TxnRequest(success=[set_(b"")]),
    TxnRequest(success=[set_(b"k", lease=7)]),
    TxnRequest(success=[set_(b"k", prev_kv=True)]),
    TxnRequest(success=[set_(b"k", b"", ignore_value=True)]),
    TxnRequest(success=[get(b"k", range_end=b"l")]),
    TxnRequest(success=[get(b"k", limit=1)]),
    TxnRequest(failure=[get(b"k", revision=3)]),
    TxnRequest(failure=[remove(b"k", prev_kv=True)]),
    TxnRequest(failure=[remove(b"k", range_end=b"l")]),
    TxnRequest(success=[get(b"k")] * 5),
    TxnRequest(success=[set_(b"k")] * 129),
    TxnRequest(compare=[Compare()]),
    TxnRequest(compare=[Compare(key=b"k", range_end=b"l")]),
    TxnRequest(compare=[Compare(key=b"k", target=Compare.LEASE, lease=3)]),
    TxnRequest(compare=[Compare(key=b"k", target=Compare.MOD, version=3)]),
    TxnRequest(compare=[Compare(key=b"k", version=-2)]),
    TxnRequest(success=[set_(b"k", bytes(LONG))]),
]


def parts(txn: Txn) -> tuple[Any, ...]:
    branches = (txn.success, txn.failure)
    return list(txn.compare), *(
        [(kind, parts(op) if isinstance(op, Txn) else op) for kind, op in branch]
        for branch in branches
    )


@pytest.mark.parametrize("request_", PLAIN)
def test_plain_transaction_is_what_protobuf_reads(request_: TxnRequest) -> None:
    data = request_.SerializeToString()
    txn = decode_txn(data)
    assert type(txn) is PlainTxn
    assert txn.size == len(data)
    assert parts(txn) == parts(Txn.of(request_))


@pytest.mark.parametrize("request_", NOT_PLAIN)
def test_what_is_not_plain_is_read_by_others(request_: TxnRequest) -> None:
    data = request_.SerializeToString()
    assert decode_plain(data) is None
    txn = decode_txn(data)
    if isinstance(txn, LongTxn):
        assert txn.data == data
    else:
        assert parts(txn) == parts(Txn.of(request_))


def test_steps_and_tests_are_the_parts_of_the_request() -> None:
    txn = decode_plain(PLAIN[3].SerializeToString())
    assert txn is not None
    assert txn.tests == [
        (LARGE_KEY, Compare.LESS, 0, (1 << 63) - 1),
        (b"c", Compare.EQUAL, 2, 0),
        (b"c", Compare.GREATER, 0, -1),
    ]
    assert txn.steps == [(PUT_STEP, LARGE_KEY, LARGE_VALUE), (DELETE_STEP, b"d", b"")]
    assert txn.other_steps == []
    txn = decode_plain(PLAIN[4].SerializeToString())
    assert txn is not None
    assert txn.tests == [(b"c", Compare.NOT_EQUAL, BY_VALUE, LARGE_VALUE)]
    assert txn.other_steps == [(PUT_STEP, b"l", b"v"), (DELETE_STEP, LARGE_KEY, b"")]


def test_transaction_of_ranges_only_reads() -> None:
    def only_reads(success: list[RequestOp], failure: list[RequestOp]) -> bool:
        txn = decode_plain(TxnRequest(success=success, failure=failure).SerializeToString())
        assert txn is not None
        return txn.only_reads

    assert only_reads([], [])
    assert only_reads([get(b"k")], [get(b"k")])
    assert not only_reads([get(b"k")], [remove(b"k")])
    assert not only_reads([get(b"k"), set_(b"k")], [])


def test_several_puts_are_written_together() -> None:
    def puts(*ops: RequestOp) -> Puts | None:
        txn = decode_plain(TxnRequest(success=ops, failure=[set_(b"z")]).SerializeToString())
        assert txn is not None
        return txn.success_puts

    assert puts(set_(b"k"), set_(b"l", b"w")) == Puts([b"k", b"l"], [b"v", b"w"])
    assert puts(set_(b"k"), get(b"l")) is None
    assert puts(set_(b"k"), set_(b"l"), remove(b"m")) is None


def check_same(data: bytes) -> None:
    """Check that bytes are what protobuf takes them for, whatever they are."""
    try:
        expected = Txn.of(TxnRequest.FromString(data))
    except DecodeError:
        with pytest.raises(DecodeError):
            decode_txn(data)
        return
    txn = decode_txn(data)
    assert parts(txn) == parts(expected), data
    if isinstance(txn, PlainTxn):
        assert txn.only_reads == all(
            kind == "request_range" for kind, _ in (*txn.success, *txn.failure)
        )
        kinds = {"request_range": RANGE_STEP, "request_put": PUT_STEP, "request_delete_range": 0x1A}
        for steps, ops in ((txn.steps, expected.success), (txn.other_steps, expected.failure)):
            for step, (kind, op) in zip(steps, ops, strict=True):
                assert step == (kinds[str(kind)], op.key, getattr(op, "value", b"")), data
        for test, compare in zip(txn.tests, expected.compare, strict=True):
            operand = (
                compare.version,
                compare.create_revision,
                compare.mod_revision,
                compare.value,
            )[compare.target]
            place = (3, 2, 0, BY_VALUE)[compare.target]
            assert test == (compare.key, compare.result, place, operand), data


@pytest.mark.parametrize("data", [request.SerializeToString() for request in PLAIN])
def test_plain_transaction_with_any_damage_is_what_protobuf_reads(data: bytes) -> None:
    for end in range(len(data)):
        check_same(data[:end])
    for place in range(min(len(data), 64)):
        for byte in (0x00, 0x01, 0x02, 0x0A, 0x12, 0x1A, 0x20, 0x22, 0x3A, 0x7F, 0x80, 0xFF):
            check_same(data[:place] + bytes([byte]) + data[place + 1 :])


@pytest.mark.parametrize("seed", range(4))
def test_fields_of_parts_in_any_order_are_what_protobuf_reads(seed: int) -> None:
    random = Random(seed)
    some = [b"\x08\x01", b"\x10\x00", b"\x10\x02", b"\x1a\x01k", b"\x20\x05", b"\x30\x80\x01"]
    some += [b"\x30" + b"\xff" * 9 + b"\x01", b"\x30" + b"\xff" * 9 + b"\x7f", b"\x28\x80\x00"]
    some += [b"\x0a\x01k", b"\x0a\x00", b"\x12\x01v", b"\x12\x81\x00v", b"\x3a\x00"]
    for _ in range(2000):
        inner = b"".join(random.choices(some, k=random.randrange(1, 4)))
        if random.random() < 0.5:
            data = delimited(1, inner)
        else:
            data = delimited(random.choice((2, 3)), delimited(random.choice((1, 2, 3)), inner))
        check_same(data + delimited(2, delimited(2, b"\x0a\x01k")))


def test_messages_are_made_once() -> None:
    txn = decode_plain(PLAIN[2].SerializeToString())
    assert txn is not None
    assert txn.success is txn.success


def test_so_many_operations_are_plain() -> None:
    most = TxnRequest(success=[set_(b"%d" % n) for n in range(plain_txn._MOST)])
    assert decode_plain(most.SerializeToString()) is not None
    most.failure.append(set_(b"k"))
    assert decode_plain(most.SerializeToString()) is None
