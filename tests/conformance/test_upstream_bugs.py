"""Where etcd 3.7.1 itself is wrong, and etcdpy is deliberately not like it.

These requests go to etcdpy alone: real servers give answers nobody wants, or end.
"""

from __future__ import annotations

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.messages import ALL, compact, delete, get, put, txn
from tests.conformance.peers import RANGE_STREAM, Call, Peer


def test_a_stream_with_a_target_but_no_order_is_in_the_order_of_a_range(etcdpy: Peer) -> None:
    """etcd sorts each chunk by the target, and so repeats keys and leaves others out."""
    for number in range(40):
        etcdpy.send(Call.of(put(b"k%02d" % number, b"%02d" % (99 - number))))
    for target in pb.RangeRequest.SortTarget.values():
        outcome = etcdpy.send(Call(RANGE_STREAM, get(b"k", b"l", sort_target=target)))
        keys = [kv.key for message in outcome.replies for kv in message.range_response.kvs]
        ordered = range(39, -1, -1) if target == pb.RangeRequest.VALUE else range(40)
        assert keys == [b"k%02d" % number for number in ordered]


def test_ignore_value_of_a_key_the_transaction_deleted_is_refused(etcdpy: Peer) -> None:
    """etcd's process ends: the range to the end of all keys passes as no duplicate."""
    etcdpy.send(Call.of(put(b"k", b"v")))
    for again in (put(b"k", ignore_value=True), put(b"k", ignore_lease=True)):
        request = txn(put(b"j"), delete(b"k", ALL), again)
        assert etcdpy.send(Call.of(request)).error == errors.KEY_NOT_FOUND
        assert etcdpy.send(Call.of(get(b"j"))).reply.count == 0
        assert etcdpy.send(Call.of(get(b"k"))).reply.count == 1


def test_a_key_deleted_and_put_at_the_compacted_revision_stays(etcdpy: Peer) -> None:
    """etcd drops the live row, and its next read ends the process."""
    etcdpy.send(Call.of(put(b"k", b"old")))
    request = txn(delete(b"k", ALL), put(b"k", b"new"))
    revision = etcdpy.send(Call.of(request)).reply.header.revision
    assert etcdpy.send(Call.of(compact(revision, physical=True))).error is None
    assert etcdpy.send(Call.of(get(b"k"))).reply.kvs[0].value == b"new"
    at = get(b"k", revision=revision)
    assert etcdpy.send(Call.of(at)).reply.kvs[0].value == b"new"


def test_an_unknown_alarm_action_is_refused(etcdpy: Peer) -> None:
    """etcd's process ends."""
    outcome = etcdpy.send(Call.of(pb.AlarmRequest(action=7)))  # type: ignore[arg-type]
    assert outcome.code.name == "INVALID_ARGUMENT"
