"""Requests are shown as etcd shows them, without their values."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from etcdpy.mvcc.txn_request import Txn
from etcdpy.node.describe import MOST_SHOWN, describe
from etcdpy.pb import rpc_pb2 as pb


# What etcd 3.7.1 logged of these, but for its doubled spaces, which differ from build to build.
@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (pb.RangeRequest(key=b"foo"), 'key:"foo"'),
        (
            pb.RangeRequest(key=b"fo", range_end=b"fp", limit=3, revision=2),
            'key:"fo" range_end:"fp" limit:3 revision:2',
        ),
        (
            pb.RangeRequest(
                key=b'a\nb"',
                range_end=b"\0",
                sort_order=pb.RangeRequest.DESCEND,
                sort_target=pb.RangeRequest.VALUE,
            ),
            'key:"a\\nb\\"" range_end:"\\x00" sort_order:DESCEND sort_target:VALUE',
        ),
        (pb.RangeRequest(key=b"a", count_only=True), 'key:"a" count_only:true'),
        (pb.RangeRequest(key="é\x85".encode() + b"\xff\\"), 'key:"é\\u0085\\xff\\\\"'),
        (pb.DeleteRangeRequest(key=b"a", prev_kv=True), 'key:"a" prev_kv:true'),
        (pb.PutRequest(key=b"foo", value=b"bar"), 'key:"foo" value_size:3 '),
        (
            pb.PutRequest(key='a\nb"\\é'.encode(), value=b"bar", prev_kv=True, lease=7),
            'key:"a\\nb\\"\\\\\\303\\251" value_size:3 lease:7 prev_kv:true ',
        ),
        (pb.PutRequest(value=b"x", ignore_lease=True), "value_size:1 ignore_lease:true "),
        (pb.RangeRequest(), ""),
    ],
)
def test_request_is_one_line(request_: Message, text: str) -> None:
    assert describe(request_) == text


def test_transaction_shows_both_branches() -> None:
    request = pb.TxnRequest(
        compare=[
            pb.Compare(result=pb.Compare.GREATER, target=pb.Compare.MOD, key=b"k", mod_revision=0),
            pb.Compare(target=pb.Compare.VALUE, key=b"k", value=b"secret", range_end=b"\1"),
        ],
        success=[pb.RequestOp(request_put=pb.PutRequest(key=b"k", value=b"v1"))],
        failure=[
            pb.RequestOp(request_range=pb.RangeRequest(key=b"k")),
            pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=b"q")),
        ],
    )
    assert describe(Txn.of(request)) == (
        'compare:<result:GREATER target:MOD key:"k" mod_revision:0 '
        'target:VALUE key:"k" value_size:6 range_end:"\\001" > '
        'success:<request_put:<key:"k" value_size:2 >> '
        'failure:<request_range:{key:"k"} request_delete_range:{key:"q"}>'
    )


def test_nested_transaction_has_no_values_either() -> None:
    inner = pb.TxnRequest(success=[pb.RequestOp(request_put=pb.PutRequest(value=b"secret"))])
    request = pb.TxnRequest(failure=[pb.RequestOp(request_txn=inner), pb.RequestOp()])
    assert describe(Txn.of(request)) == (
        "compare:<> success:<> "
        "failure:<request_txn:<compare:<> success:<request_put:<value_size:6 >> failure:<>> >"
    )


def test_number_that_no_enum_has_is_shown_as_it_is() -> None:
    unknown = pb.Compare(key=b"k", result=99, target=98, version=1)  # type: ignore[arg-type]
    assert describe(unknown) == 'result:99 target:98 key:"k" version:1'


def test_long_key_is_cut_off_and_its_length_told() -> None:
    key = b"\xff" * 1_000_000
    for request in (pb.PutRequest(key=key), pb.RangeRequest(key=key)):
        text = describe(request)
        assert len(text) < 5000
        assert "... (1000000 bytes)" in text


def test_long_transaction_is_cut_off_and_it_is_told_how_much_more_there_is() -> None:
    op = pb.RequestOp(request_put=pb.PutRequest(key=b"k" * 100))
    inner = pb.RequestOp(request_txn=pb.TxnRequest(success=[op] * 1000))
    text = describe(Txn.of(pb.TxnRequest(success=[inner] * 100, failure=[op])))
    assert len(text) < 2 * MOST_SHOWN
    assert "... (99 more)" in text
    assert text.endswith("failure:<... (1 more)>")
