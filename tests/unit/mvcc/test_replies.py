"""Replies assembled by hand are what protobuf would have encoded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.cooperative import Pieces, finish
from etcdpy.mvcc import replies
from etcdpy.mvcc.ranges import RangeResult
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import (
    DeleteRangeResponse,
    PutResponse,
    RangeResponse,
    ResponseHeader,
    ResponseOp,
    TxnResponse,
)
from etcdpy.pb.wire import delimited

U64 = st.integers(0, (1 << 64) - 1)
REVISION = st.integers(0, (1 << 63) - 1)
KVS = st.lists(
    st.builds(KeyValue, key=st.binary(min_size=1), value=st.binary(max_size=300), lease=REVISION),
    max_size=5,
)
HEADER = ResponseHeader(cluster_id=(1 << 64) - 1, member_id=5, revision=300, raft_term=2)
ENCODED_HEADER = replies.Headers((1 << 64) - 1, 5, 2).at(300)


def encoded(kvs: list[KeyValue]) -> list[bytes]:
    return [kv.SerializeToString() for kv in kvs]


@given(U64, U64, U64, st.lists(REVISION, min_size=1))
def test_header(cluster: int, member: int, term: int, revisions: list[int]) -> None:
    headers = replies.Headers(cluster, member, term)
    for revision in revisions:
        header = ResponseHeader(
            cluster_id=cluster, member_id=member, revision=revision, raft_term=term
        )
        assert headers.at(revision) == PutResponse(header=header).SerializeToString()


@given(REVISION)
def test_header_inside_a_transaction(revision: int) -> None:
    expected = PutResponse(header=ResponseHeader(revision=revision))
    assert replies.revision_only(revision) == expected.SerializeToString()


@given(KVS, st.booleans(), REVISION)
def test_range_reply(kvs: list[KeyValue], more: bool, count: int) -> None:
    expected = RangeResponse(header=HEADER, kvs=kvs, more=more, count=count).SerializeToString()
    if len(kvs) == count == 1 and more:
        return  # there cannot be more than the one key there is
    result = RangeResult(encoded(kvs), more, count)
    assert replies.range_reply(ENCODED_HEADER, result) == expected
    assert finish(replies.range_reply_steps(ENCODED_HEADER, result)) == expected


@pytest.mark.parametrize(("rows", "size"), [(3000, 10), (20, 100_000), (5000, 0)])
def test_large_replies_are_assembled_in_slices(rows: int, size: int) -> None:
    kvs = [KeyValue(key=b"%05d" % number, value=b"v" * size) for number in range(rows)]
    expected = RangeResponse(header=HEADER, kvs=kvs, count=rows).SerializeToString()
    steps = replies.range_reply_steps(ENCODED_HEADER, RangeResult(encoded(kvs), False, rows))
    next(steps)
    assert bytes(finish(steps)) == expected
    deleted = DeleteRangeResponse(header=HEADER, deleted=rows, prev_kvs=kvs).SerializeToString()
    steps = replies.delete_reply(replies.deletion_start(ENCODED_HEADER, rows), encoded(kvs))
    next(steps)
    assert bytes(finish(steps)) == deleted


def test_no_more_than_a_piece_of_a_long_reply_is_copied_at_once() -> None:
    rows = [KeyValue(key=b"%d" % n, value=bytes(n * 37 % 5000)) for n in range(2000)]
    reply = finish(
        replies.range_reply_steps(ENCODED_HEADER, RangeResult(encoded(rows), False, 2000))
    )
    assert isinstance(reply, Pieces)
    assert max(map(len, reply.pieces)) < 2 * replies.PIECE_BYTES
    assert min(map(len, reply.pieces[:-1])) >= replies.PIECE_BYTES


def test_long_reply_in_another_one_is_not_copied() -> None:
    inner = Pieces([bytes(100_000), b"x" * 100_000, b"y" * 100_000])
    field = replies.field(3, inner)
    assert isinstance(field, Pieces)
    assert bytes(field) == delimited(3, bytes(inner))
    assert all(
        ours is theirs for ours, theirs in zip(field.pieces[1:], inner.pieces[1:], strict=True)
    )
    outer = replies.long_txn_reply(ENCODED_HEADER, True, [b"a", inner, b"b", b"c", inner])
    assert isinstance(outer, Pieces)
    assert bytes(outer) == replies.txn_reply(
        ENCODED_HEADER, True, [b"a", bytes(inner), b"b", b"c", bytes(inner)]
    )
    assert [piece for piece in outer.pieces if piece is inner.pieces[1]] == [inner.pieces[1]] * 2
    assert replies.long_txn_reply(ENCODED_HEADER, True, [b"a"]) == replies.txn_reply(
        ENCODED_HEADER, True, [b"a"]
    )


@pytest.mark.parametrize("succeeded", [True, False])
def test_reply_to_puts_is_that_of_each_of_them(*, succeeded: bool) -> None:
    one = replies.plain_put_response(300)
    for number in (1, 2, 16):
        assert replies.puts_reply(ENCODED_HEADER, succeeded, 300, number) == replies.txn_reply(
            ENCODED_HEADER, succeeded, [one] * number
        )


@pytest.mark.parametrize("succeeded", [True, False])
@pytest.mark.parametrize("revision", [1, 300, (1 << 63) - 1])
@pytest.mark.parametrize("row", [None, b"r", b"r" * 200, b"r" * 5000])
def test_reply_made_of_fields_is_that_of_its_responses(
    row: bytes | None, revision: int, *, succeeded: bool
) -> None:
    shown = replies.revision_only(revision)
    deletion = replies.deletion_start(shown, 1)
    responses = [
        replies.plain_put_response(revision),
        delimited(1, replies.one_key_reply(shown, row)),
        delimited(3, deletion),
    ]
    fields = [
        replies.put_field(revision),
        replies.one_key_field(shown, row),
        replies.deletion_field(deletion),
    ]
    for number in range(4):
        assert replies.fields_reply(
            ENCODED_HEADER, succeeded, fields[:number]
        ) == replies.txn_reply(ENCODED_HEADER, succeeded, responses[:number])


@given(st.none() | KVS)
def test_put_reply(kvs: list[KeyValue] | None) -> None:
    previous = kvs[0] if kvs else None
    expected = PutResponse(header=HEADER, prev_kv=previous).SerializeToString()
    row = None if previous is None else previous.SerializeToString()
    assert replies.put_reply(ENCODED_HEADER, row) == expected


@given(KVS, REVISION)
def test_delete_reply(kvs: list[KeyValue], deleted: int) -> None:
    expected = DeleteRangeResponse(header=HEADER, deleted=deleted, prev_kvs=kvs)
    reply = finish(
        replies.delete_reply(replies.deletion_start(ENCODED_HEADER, deleted), encoded(kvs))
    )
    assert reply == expected.SerializeToString()


@given(st.booleans(), KVS)
def test_txn_reply(succeeded: bool, kvs: list[KeyValue]) -> None:
    inner = RangeResponse(kvs=kvs, count=len(kvs))
    expected = TxnResponse(
        header=HEADER, succeeded=succeeded, responses=[ResponseOp(response_range=inner)] * 2
    )
    response = delimited(1, inner.SerializeToString())
    reply = replies.txn_reply(ENCODED_HEADER, succeeded, [response] * 2)
    assert reply == expected.SerializeToString()
