"""The bytes themselves: what etcdpy writes is what etcd's protobuf library would write."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.messages import EVERYTHING, compact, compare, delete, get, put, txn
from tests.conformance.peers import RANGE_STREAM, Call, Peer

# Equal bytes are also what every other comparison here asks for; this one needs no reference, and
# covers the replies a reference of another version would have put right first.
SAMPLE: dict[str, Message | Call] = {
    "put": put(b"k", b"v", prev_kv=True),
    "put without a value": put(b"empty", prev_kv=True),
    "range": get(*EVERYTHING),
    "range of nothing": get(b"nothing"),
    "keys only": get(*EVERYTHING, keys_only=True),
    "sorted keys": get(*EVERYTHING, keys_only=True, sort_target="VALUE", sort_order="DESCEND"),
    "count": get(*EVERYTHING, count_only=True),
    "page": get(*EVERYTHING, limit=1),
    "stream": Call(RANGE_STREAM, get(*EVERYTHING)),
    "stream of nothing": Call(RANGE_STREAM, get(b"nothing")),
    "delete": delete(b"d", prev_kv=True),
    "delete of nothing": delete(b"nothing"),
    "empty transaction": txn(),
    "failed transaction": txn(when=[compare(b"k", "VERSION", "LESS")]),
    "transaction": txn(
        *(get(b"k"), put(b"k", b"w", prev_kv=True), delete(b"a", b"e", prev_kv=True)),
        *(txn(), txn(get(*EVERYTHING, limit=1)), get(b"k")),
    ),
    "compaction": compact(3),
    "members": pb.MemberListRequest(),
    "status": pb.StatusRequest(),
    "alarms": pb.AlarmRequest(),
    "raised alarm": pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, alarm=pb.NOSPACE),
}


@pytest.mark.parametrize("name", SAMPLE)
def test_replies_are_canonical(etcdpy: Peer, name: str) -> None:
    for key in (b"a", b"b", b"d", b"k"):
        etcdpy.send(Call.of(put(key, key)))
    request = SAMPLE[name]
    outcome = etcdpy.send(request if isinstance(request, Call) else Call.of(request))
    assert outcome.error is None
    assert outcome.payloads
    for payload, reply in zip(outcome.payloads, outcome.replies, strict=True):
        reply.DiscardUnknownFields()
        assert reply.SerializeToString(deterministic=True) == payload
