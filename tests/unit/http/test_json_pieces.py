"""``etcdpy.http.json_pieces``: a message in pieces is written as it is when it is whole."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from etcdpy.http.json_encode import BASE64, TEXT, Writer
from etcdpy.http.json_pieces import JsonPieces
from etcdpy.pb import kv_pb2
from etcdpy.pb import rpc_pb2 as pb

HEADER = pb.ResponseHeader(cluster_id=1, member_id=2**63, revision=300, raft_term=2)
KVS = [kv_pb2.KeyValue(key=b"key%d" % i, value=b"v" * i, lease=-i) for i in range(20)]

MESSAGES: list[Message] = [
    pb.RangeResponse(),
    pb.RangeResponse(header=HEADER),
    pb.RangeResponse(header=HEADER, kvs=KVS, more=True, count=300),
    pb.RangeResponse(kvs=[kv_pb2.KeyValue()]),
    pb.RangeResponse(header=HEADER, kvs=KVS),
    pb.AuthUserListResponse(header=HEADER, users=["a", "", '"c"']),
    pb.MemberListResponse(members=[pb.Member(ID=5), pb.Member(peerURLs=["a", "b"])]),
    pb.TxnResponse(
        succeeded=True,
        responses=[
            pb.ResponseOp(response_range=pb.RangeResponse(kvs=KVS)),
            pb.ResponseOp(response_put=pb.PutResponse()),
        ],
    ),
]


def written(message: Message, size: int, writer: Writer) -> bytes:
    pieces = JsonPieces(type(message), writer)
    data = message.SerializeToString(deterministic=True)
    out = [pieces.feed(data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join(out) + pieces.end()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 20])
@pytest.mark.parametrize("writer", [BASE64, TEXT])
@pytest.mark.parametrize("message", MESSAGES, ids=lambda it: f"{type(it).__name__}")
def test_message_in_pieces_is_written_as_it_is_whole(
    message: Message, writer: Writer, size: int
) -> None:
    assert written(message, size, writer) == writer.encode(message)


def test_what_has_come_whole_is_written_at_once() -> None:
    data = pb.RangeResponse(kvs=KVS[1:3]).SerializeToString()
    first = len(pb.RangeResponse(kvs=KVS[1:2]).SerializeToString())
    pieces = JsonPieces(pb.RangeResponse, TEXT)
    assert pieces.feed(data[: first + 3]).endswith(b'"value":"v","lease":"-1"}')
    assert pieces.feed(data[first + 3 :]).startswith(b',{"key":"key2"')
    assert pieces.end() == b"]}"
