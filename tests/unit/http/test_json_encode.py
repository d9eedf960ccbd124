"""Messages to JSON, byte by byte as etcd's gateway writes them."""

from __future__ import annotations

import json
from random import Random

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from etcdpy.http.json_encode import BASE64, PIECE, TEXT
from etcdpy.http.json_fields import fields_of
from etcdpy.pb import auth_pb2, kv_pb2, lease_pb2, rpc_pb2, v3election_pb2, v3lock_pb2
from etcdpy.pb import rpc_pb2 as pb
from tests.unit.http.messages import MESSAGES, random_message

FILES = (rpc_pb2, kv_pb2, auth_pb2, lease_pb2, v3lock_pb2, v3election_pb2)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (pb.RangeResponse(), "{}"),
        (pb.RangeResponse(header=pb.ResponseHeader()), '{"header":{}}'),
        (
            pb.PutResponse(header=pb.ResponseHeader(cluster_id=2**64 - 1, revision=-1)),
            '{"header":{"cluster_id":"18446744073709551615","revision":"-1"}}',
        ),
        (
            pb.RangeResponse(kvs=[kv_pb2.KeyValue(key=b"foo", value=b"\xff")], more=True),
            '{"kvs":[{"key":"Zm9v","value":"/w=="}],"more":true}',
        ),
        # 32 bits are a number, an enum has its name, and the first of an enum is not told.
        (pb.HashKVResponse(hash=2065487797), '{"hash":2065487797}'),
        (pb.AlarmMember(memberID=1, alarm=pb.NOSPACE), '{"memberID":"1","alarm":"NOSPACE"}'),
        (kv_pb2.Event(type=kv_pb2.Event.DELETE), '{"type":"DELETE"}'),
        (kv_pb2.Event(type=kv_pb2.Event.PUT), "{}"),
        (pb.AlarmMember(alarm=9), '{"alarm":9}'),  # type: ignore[arg-type]
        # What is chosen of several is told even if it is zero.
        (pb.Compare(version=0), '{"version":"0"}'),
        (pb.ResponseOp(response_put=pb.PutResponse()), '{"response_put":{}}'),
        (
            pb.WatchCreateRequest(filters=[pb.WatchCreateRequest.NOPUT]),
            '{"filters":["NOPUT"]}',
        ),
        (pb.Member(name='a"\\\n\x01\x7fé\u2028'), '{"name":"a\\"\\\\\\n\\u0001\x7fé\u2028"}'),
    ],
)
def test_message_is_written_as_etcd_writes_it(message: Message, text: str) -> None:
    assert BASE64.encode(message) == text.encode()


def test_random_messages_mean_what_protobufs_own_writer_makes_of_them() -> None:
    for seed in range(300):
        random = Random(seed)
        message = random_message(random, random.choice(MESSAGES))
        expected = json_format.MessageToDict(message, preserving_proto_field_name=True)
        assert json.loads(BASE64.encode(message)) == expected, seed
        assert b"".join(BASE64.pieces(message)) == BASE64.encode(message), seed


def test_large_list_is_made_piece_by_piece() -> None:
    message = pb.RangeResponse(
        header=pb.ResponseHeader(revision=1),
        kvs=[kv_pb2.KeyValue(key=b"%d" % number, value=b"x" * 1000) for number in range(1000)],
        count=1000,
    )
    made = list(BASE64.pieces(message))
    assert b"".join(made) == BASE64.encode(message)
    assert len(made) > 10
    assert max(map(len, made)) < PIECE + 2000


def test_order_of_the_numbers_is_that_of_the_protocol() -> None:
    for file in FILES:
        for descriptor in file.DESCRIPTOR.message_types_by_name.values():
            numbers = [field.number for field in descriptor.fields]
            assert numbers == sorted(numbers), descriptor.full_name


def test_every_type_that_the_protocol_has_can_be_written() -> None:
    for kind in MESSAGES:
        assert fields_of(kind) is not None
        assert json.loads(BASE64.encode(random_message(Random(1), kind))) is not None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"foo", '"foo"'),
        ("grüße".encode(), '"grüße"'),
        (b'"\\\n\x00', '"\\"\\\\\\n\\u0000"'),
        (b"\xff", '{"base64":"/w=="}'),
        (b"\xed\xa0\x80", '{"base64":"7aCA"}'),
    ],
)
def test_bytes_are_written_as_text_if_that_is_asked_for(value: bytes, text: str) -> None:
    assert TEXT.encode(kv_pb2.KeyValue(key=value)) == f'{{"key":{text}}}'.encode()
