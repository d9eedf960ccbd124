"""Sizes: what a request may weigh, and what a message may."""

from __future__ import annotations

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.conftest import StartPair
from tests.conformance.messages import EMPTY, compare, delete, get, put, txn
from tests.conformance.peers import METHODS, Call
from tests.conformance.store import Store

KIB = 1024
REQUEST_LIMIT = 1536 * KIB
MESSAGE_LIMIT = REQUEST_LIMIT + 512 * KIB

# etcd: what is limited is the request as it goes into the log, some 30 bytes longer; by exactly
# how much depends on numbers drawn at start-up, so sizes nearer than that are left out.
ENVELOPE = 32


def test_a_write_may_weigh_a_mebibyte_and_a_half(store: Store) -> None:
    fits = b"v" * (REQUEST_LIMIT - ENVELOPE - len(b"big"))
    too_big = b"v" * (REQUEST_LIMIT - 16)
    assert store.error(put(b"big", fits)) is None
    assert store.error(put(b"big", too_big)) == errors.TOO_LARGE
    assert store.error(txn(put(b"big", too_big))) == errors.TOO_LARGE
    assert store.error(txn(otherwise=[put(b"big", too_big)])) == errors.TOO_LARGE
    assert store.error(delete(too_big)) == errors.TOO_LARGE
    assert store.error(txn(txn(get(too_big)))) == errors.TOO_LARGE
    assert store.send(get(b"big")).reply.kvs[0].version == 1


def test_reads_may_weigh_more(store: Store) -> None:
    long_key = b"k" * REQUEST_LIMIT
    assert store.error(get(long_key)) is None
    assert store.error(txn(get(long_key))) is None
    assert store.error(txn(when=[compare(long_key, "VERSION", "EQUAL")])) is None


def test_validation_comes_before_the_size(store: Store) -> None:
    too_big = b"v" * REQUEST_LIMIT
    assert store.error(put(b"", too_big)) == errors.NO_KEY
    assert store.error(put(b"a", too_big, ignore_value=True)) == errors.VALUE_PROVIDED
    assert store.error(put(b"a", too_big, lease=99)) == errors.TOO_LARGE
    assert store.error(txn(put(b"a", too_big), put(b"a"))) == errors.DUPLICATE_KEY
    assert store.error(txn(put(b"a", too_big), get(b"a", revision=2**62))) == errors.TOO_LARGE


def test_a_message_may_weigh_two_mebibytes(store: Store) -> None:
    # The message is the key, its tag and its length of three bytes.
    at_the_limit = get(b"k" * (MESSAGE_LIMIT - 4))
    over_the_limit = get(b"k" * (MESSAGE_LIMIT - 3))
    assert store.error(at_the_limit) is None
    assert store.error(over_the_limit) == (
        "RESOURCE_EXHAUSTED",
        f"grpc: received message larger than max ({MESSAGE_LIMIT + 1} vs. {MESSAGE_LIMIT})",
    )
    assert store.error(put(b"k", b"v" * MESSAGE_LIMIT)) is not None
    assert store.error(get(b"a")) is None


def test_a_reply_may_weigh_much_more(store: Store) -> None:
    for number in range(6):
        store.send(put(b"big%d" % number, b"v" * (REQUEST_LIMIT - KIB)))
    assert store.send(get(b"big", b"bih")).reply.count == 6
    store.send(delete(b"big", b"bih", prev_kv=True))


@pytest.mark.parametrize("depth", [1, 2, 5, 20, 45])
def test_transactions_nest(store: Store, depth: int) -> None:
    request = txn(put(b"deep", b"%d" % depth), get(b"a"))
    for _ in range(depth):
        request = txn(request)
    assert store.error(request) is None
    assert store.send(get(b"deep")).reply.kvs[0].value == b"%d" % depth


@pytest.mark.parametrize("depth", [49, 50, 51, 99, 100, 126, 127, 128, 200, 4000])
def test_transactions_nest_deeper_than_protobuf_reads_them(store: Store, depth: int) -> None:
    for innermost in (txn(put(b"deep")), txn(get(b"a"), otherwise=[put(b"")]), txn(EMPTY)):
        payload = innermost.SerializeToString()
        for _ in range(depth):
            # TxnRequest.success = 2, RequestOp.request_txn = 4.
            payload = _member(0x12, _member(0x22, payload))
        store.send(Call(METHODS[pb.TxnRequest], payload))
    assert store.send(get(b"deep")).reply.count == (depth <= 127)


def _member(tag: int, payload: bytes) -> bytes:
    """Encode a field whose value has a length."""
    length = bytearray()
    rest = len(payload)
    while rest > 0x7F:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([tag, *length, rest]) + payload


def test_limits_are_settings(start_pair: StartPair) -> None:
    with start_pair(["--max-request-bytes=4096", "--max-txn-ops=3"]) as pair:
        store = Store(pair)
        assert store.error(put(b"k", b"v" * (4096 - ENVELOPE - 1))) is None
        assert store.error(put(b"k", b"v" * 4090)) == errors.TOO_LARGE
        assert store.error(txn(*[get(b"a")] * 3)) is None
        assert store.error(txn(*[get(b"a")] * 4)) == errors.TOO_MANY_OPS
        assert store.error(txn(txn(*[get(b"a")] * 3))) == errors.TOO_MANY_OPS
        limit = 4096 + 512 * KIB
        assert store.error(get(b"k" * (limit - 4))) is None
        assert store.error(get(b"k" * (limit - 3))) == (
            "RESOURCE_EXHAUSTED",
            f"grpc: received message larger than max ({limit + 1} vs. {limit})",
        )


@pytest.mark.parametrize(
    "payload",
    [
        b"\x0a\x01a\x18\x01\x18\x02",  # limit twice: the last counts
        b"\x0a\x01a\x0a\x01b",  # key twice
        b"\x18\x02\x0a\x01a",  # fields out of order
        b"\x0a\x01a\xfa\x3f\x03abc",  # a field nobody knows
        b"\x0a\x01a\x18\x80\x80\x80\x80\x00",  # a longer number than needed
        b"\x0a\x01a\x38\x07",  # a bool that is neither 0 nor 1
        b"\x0a\x01a\x28\x80\x80\x80\x80\x10",  # an enum of more than 32 bits, cut to 0
    ],
)
def test_unusual_encodings(store: Store, payload: bytes) -> None:
    store.send(Call(METHODS[pb.RangeRequest], payload))


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",  # a tag that is cut off
        b"\x0a\x05a",  # fewer bytes than announced
        b"\x0a\x00\x00",  # field number 0
        b"\x0b",  # a group without an end
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a length beyond all bounds
        b"\x0e",  # a wire type that does not exist
        b"\x08\x01",  # key as a number: a field nobody knows
        b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a number that is too long
    ],
)
def test_bytes_that_are_no_request(store: Store, payload: bytes) -> None:
    for kind in (pb.RangeRequest, pb.PutRequest, pb.DeleteRangeRequest, pb.TxnRequest):
        store.send(Call(METHODS[kind], payload))


def test_an_operation_with_two_members_is_the_last(store: Store) -> None:
    range_a = b"\x0a\x03\x0a\x01a"
    put_x = b"\x12\x03\x0a\x01x"
    for members in (range_a + put_x, put_x + range_a):
        request = b"\x12" + bytes([len(members)]) + members
        store.send(Call(METHODS[pb.TxnRequest], request))
        store.send(get(b"x"))
