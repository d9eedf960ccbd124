"""Compacting automatically: when the time has come, and told of as etcd tells."""

from __future__ import annotations

import json
import time
from typing import Any

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.messages import get, put
from tests.conformance.peers import Call, Peer
from tests.support.servers import Server, etcdpy_server, reference_etcd

PERIOD = ["--auto-compaction-mode=periodic", "--auto-compaction-retention=2s"]


def test_periodic_compactions_are_logged_as_etcd_logs_them() -> None:
    with etcdpy_server(args=PERIOD) as subject, reference_etcd(PERIOD) as reference:
        expected, got = _first_compaction(reference), _first_compaction(subject)
    assert got == expected
    assert [line["msg"] for line in got] == [
        "starting auto periodic compaction",
        "completed auto periodic compaction",
    ]


def test_what_is_older_than_the_period_is_gone() -> None:
    with etcdpy_server(args=PERIOD) as server:
        peer = Peer(server.address)
        deadline = time.monotonic() + 60
        while peer.send(Call.of(get(b"a", revision=2))).error != errors.COMPACTED:
            peer.send(Call.of(put(b"a")))
            assert time.monotonic() < deadline
            time.sleep(0.05)
        head = peer.send(Call.of(get(b"a"))).reply.header.revision
        assert peer.send(Call.of(pb.HashKVRequest())).reply.compact_revision < head
        peer.close()


def _first_compaction(server: Server) -> list[dict[str, Any]]:
    """Return the lines of the first compaction, without what differs from run to run."""
    deadline = time.monotonic() + 60
    while True:
        lines = [json.loads(line) for line in server.log if "auto periodic compaction" in line]
        if len(lines) >= 2:
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for line in lines[:2]:
        for field in ("ts", "caller", "took"):
            line.pop(field, None)
    return lines[:2]
