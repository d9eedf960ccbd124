"""A quota of a few pages: it is met, and left again by making room, as often as one likes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from google.protobuf.message import Message

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.messages import put
from tests.conformance.peers import Call, Peer
from tests.support.servers import Server, etcdpy_server, reference_etcd

#: What etcdpy is asked to recover with, and etcd can.
QUOTA = 53_248

Start = Callable[..., AbstractContextManager[Server]]


@pytest.mark.parametrize("start", [etcdpy_server, reference_etcd])
def test_tiny_quota_recovers_by_compacting_and_defragmenting(start: Start) -> None:
    with start(args=[f"--quota-backend-bytes={QUOTA}"]) as server:
        peer = Peer(server.address)
        for _ in range(3):
            revision = put_until_refused(peer)
            full = size(peer)
            assert full + 512 >= QUOTA
            done(peer, pb.CompactionRequest(revision=revision, physical=True))
            done(peer, pb.DefragmentRequest())
            assert size(peer) < full / 2
            for alarm in done(peer, pb.AlarmRequest()).alarms:
                off = pb.AlarmRequest(action=pb.AlarmRequest.DEACTIVATE)
                off.memberID, off.alarm = alarm.memberID, alarm.alarm
                done(peer, off)
            done(peer, put(b"k", b"v" * 100))
        peer.close()


def put_until_refused(peer: Peer) -> int:
    """Put one key again and again until there is no room; return the newest revision."""
    revision = 0
    for _ in range(2_000):
        outcome = peer.send(Call.of(put(b"k", b"v" * 100)))
        if outcome.error:
            assert outcome.error == errors.NO_SPACE
            return revision
        revision = outcome.reply.header.revision
    raise AssertionError("the quota was never met")


def done(peer: Peer, request: Message) -> Any:
    outcome = peer.send(Call.of(request))
    assert outcome.error is None
    return outcome.reply


def size(peer: Peer) -> int:
    told: int = peer.send(Call.of(pb.StatusRequest())).reply.dbSize
    return told
