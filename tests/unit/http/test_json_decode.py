"""JSON to messages: what is read, and that both readers read the same."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from google.protobuf.message import Message

from etcdpy.cooperative import Steps, finish
from etcdpy.http.json_decode import MOST_AT_ONCE, decode
from etcdpy.http.json_encode import BASE64, TEXT
from etcdpy.http.json_reader import read_message
from etcdpy.http.json_scanner import JsonError
from etcdpy.pb import rpc_pb2 as pb
from tests.unit.http.messages import MESSAGES, random_message
from tests.unit.http.mutations import BODIES, mutated

READERS = [decode, read_message]
Read = Callable[[bytes, type[Message]], Steps[Any]]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", pb.RangeRequest()),
        (b" \n\t\r ", pb.RangeRequest()),
        (b"{}", pb.RangeRequest()),
        (b'{"key":"Zm9v"} xyz', pb.RangeRequest(key=b"foo")),
        (b'{"key":"Zm9v"}{', pb.RangeRequest(key=b"foo")),
        # Both names of a field, and none that is not one.
        (b'{"range_end":"YQ=="}', pb.RangeRequest(range_end=b"a")),
        (b'{"rangeEnd":"YQ=="}', pb.RangeRequest(range_end=b"a")),
        (b'{"Key":"YQ==","bogus":{"a":[1]},"limit":1}', pb.RangeRequest(limit=1)),
        # Bytes: either alphabet, padded or not, with line breaks.
        (b'{"key":"YQ"}', pb.RangeRequest(key=b"a")),
        (b'{"key":"-_8="}', pb.RangeRequest(key=b"\xfb\xff")),
        (b'{"key":"+/8="}', pb.RangeRequest(key=b"\xfb\xff")),
        (b'{"key":"Y\\r\\nQ=="}', pb.RangeRequest()),
        (b'{"key":"YWJj\\r\\n\\r\\n"}', pb.RangeRequest(key=b"abc")),
        (b'{"key":null,"limit":null}', pb.RangeRequest()),
        # Whole numbers, however they are written.
        (b'{"limit":"5"}', pb.RangeRequest(limit=5)),
        (b'{"limit":5.0}', pb.RangeRequest(limit=5)),
        (b'{"limit":1e2}', pb.RangeRequest(limit=100)),
        (b'{"limit":"1e2"}', pb.RangeRequest(limit=100)),
        (b'{"limit":"12 34"}', pb.RangeRequest(limit=12)),
        (b'{"limit":"12,x"}', pb.RangeRequest(limit=12)),
        (b'{"limit":"12e}3"}', pb.RangeRequest(limit=12)),
        (b'{"limit":"1.0E x"}', pb.RangeRequest(limit=1)),
        (b'{"limit":"1e1 x"}', pb.RangeRequest(limit=10)),
        (b'{"limit":-0}', pb.RangeRequest()),
        (b'{"limit":0e9999999999999999999}', pb.RangeRequest()),
        (b'{"limit":-0.00e-99999999999999999999}', pb.RangeRequest()),
        (b'{"limit":100e-2}', pb.RangeRequest(limit=1)),
        (b'{"limit":-9223372036854775808}', pb.RangeRequest(limit=-(2**63))),
        # Enums: a name, a number, even one that has none; a name that is none is passed over.
        (b'{"sort_order":"DESCEND"}', pb.RangeRequest(sort_order=pb.RangeRequest.DESCEND)),
        (b'{"sort_order":2}', pb.RangeRequest(sort_order=pb.RangeRequest.DESCEND)),
        (b'{"sort_order":9}', pb.RangeRequest(sort_order=9)),  # type: ignore[arg-type]
        (b'{"sort_order":"DOWN"}', pb.RangeRequest()),
        (b'{"sort_order":"2"}', pb.RangeRequest()),
        (b'{"filters":["NOPUT","x",1]}', pb.WatchCreateRequest(filters=[0, 1])),  # type: ignore[list-item]
        (b'{"version":"0"}', pb.Compare(version=0)),
        (b'{"options":{}}', pb.AuthUserAddRequest(options={})),  # type: ignore[arg-type]
        (b'{"name":"\\ud83d\\ude00\\u0041\\/\\b"}', pb.AuthUserAddRequest(name="\U0001f600A/\b")),
        (
            b'{"request_range":null,"request_put":{"key":"YQ=="}}',
            pb.RequestOp(request_put=pb.PutRequest(key=b"a")),
        ),
    ],
)
def test_body_is_read_as_etcd_reads_it(read: Read, body: bytes, message: Message) -> None:
    if body == b'{"key":"Y\\r\\nQ=="}':
        # With the line break in it, it has six characters, and so no padding may be there.
        with pytest.raises(JsonError):
            finish(read(body, type(message)))
        return
    assert finish(read(body, type(message))) == message


def test_what_is_written_is_read_again() -> None:
    for seed in range(300):
        random = Random(seed)
        kind = random.choice(MESSAGES)
        message = random_message(random, kind)
        for read in READERS:
            assert finish(read(BASE64.encode(message), kind)) == message, seed


def test_both_readers_read_the_same_of_whatever_comes() -> None:
    for seed in range(3000):
        random = Random(seed)
        body = mutated(random, random.choice(BODIES))
        for kind in (pb.RangeRequest, pb.TxnRequest, pb.AuthUserAddRequest):
            assert read_by(decode, body, kind) == read_by(read_message, body, kind), (seed, body)


def read_by(read: Read, body: bytes, kind: type[Message]) -> object:
    try:
        return finish(read(body, kind))
    except JsonError as error:
        return str(error)


def test_body_that_is_deep_is_read_or_refused_and_ends_nothing() -> None:
    for depth in (100, 5_000, 9_998, 10_001, 200_000):
        body = b'{"x":' + b"[" * depth + b"]" * depth + b"}"
        expected = (
            "invalid character '[' exceeded max depth" if depth >= 10_000 else pb.RangeRequest()
        )
        assert read_by(decode, body, pb.RangeRequest) == expected
    body = b'{"success":[{"request_txn":' * 50 + b"{}" + b"}]}" * 50
    assert isinstance(read_by(decode, body, pb.TxnRequest), pb.TxnRequest)


def test_large_body_that_is_not_plain_is_read_in_slices() -> None:
    body = b'{"x":[' + b",".join([b"1.5"] * 20_000) + b"]}"
    steps = sum(1 for _ in decode(body, pb.RangeRequest))
    assert steps > 20


def test_large_body_of_many_parts_is_read_in_slices_from_its_first_byte_on() -> None:
    body = b'{"compare":[' + b",".join([b"{}"] * 30_000) + b"]}"
    # Each part is a token of the scanner's, and two of the reader's.
    assert sum(1 for _ in decode(body, pb.TxnRequest)) > 150
    message = read_by(decode, body, pb.TxnRequest)
    assert isinstance(message, pb.TxnRequest)
    assert len(message.compare) == 30_000


def test_large_body_that_is_plain_is_read_in_slices() -> None:
    operation = b'{"request_range":{"key":"%b"}}' % (b"YWFh" * 20)
    body = b'{"success":[' + b",".join([operation] * 2_000) + b'],"failure":[]} more'
    assert len(body) > MOST_AT_ONCE
    assert sum(1 for _ in decode(body, pb.TxnRequest)) >= 4
    message = read_by(decode, body, pb.TxnRequest)
    assert isinstance(message, pb.TxnRequest)
    assert len(message.success) == 2_000
    assert message == read_by(read_message, body, pb.TxnRequest)


@pytest.mark.parametrize(
    "last", [b"null", b"1", b'{"request_range":{"limit":"x"}}', b'{"request_range":[]}', b"[1"]
)
def test_fault_of_a_large_body_is_told_as_one_of_a_small_is(last: bytes) -> None:
    operation = b'{"request_range":{"key":"YQ=="}}'
    body = b'{"success":[' + b",".join([operation] * 3_000 + [last]) + b"]}"
    assert len(body) > MOST_AT_ONCE
    fault = read_by(decode, body, pb.TxnRequest)
    assert isinstance(fault, str)
    assert fault == read_by(read_message, body, pb.TxnRequest)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('{"key":"grüße"}', "grüße".encode()),
        ('{"key":"a\\u0041\\n"}', b"aA\n"),
        ('{"key":{"base64":"/w=="}}', b"\xff"),
        ('{"key":{ "base64" : "_w" } }', b"\xff"),
        ('{"key":""}', b""),
    ],
)
def test_bytes_are_read_as_text_if_that_is_asked_for(read: Any, body: str, key: bytes) -> None:
    assert finish(read(body.encode(), pb.RangeRequest, as_text=True)).key == key


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "value",
    ["5", "[]", "{}", '{"base64":5}', '{"base64":"!"}', '{"x":"YQ=="}', '{"base64":"YQ==","x":1}'],
)
def test_what_is_neither_text_nor_marked_is_refused(read: Any, value: str) -> None:
    with pytest.raises(JsonError, match="invalid value for bytes field key"):
        finish(read(b'{"key":%b}' % value.encode(), pb.RangeRequest, as_text=True))


def test_what_is_written_as_text_is_read_again() -> None:
    for seed in range(300):
        random = Random(seed)
        kind = random.choice(MESSAGES)
        message = random_message(random, kind)
        for read in READERS:
            body = TEXT.encode(message)
            again: Any = read
            assert finish(again(body, kind, as_text=True)) == message, seed
