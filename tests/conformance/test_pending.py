"""Keeps the list of what is not served honest."""

from __future__ import annotations

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.peers import Call, Method, Peer
from tests.conformance.pending import PENDING


@pytest.mark.parametrize("name", PENDING)
def test_what_is_pending_is_really_unimplemented(etcdpy: Peer, name: str) -> None:
    outcome = etcdpy.send(Call(Method(f"/etcdserverpb.{name}", pb.ResponseHeader), b""))
    assert outcome.code.name == "UNIMPLEMENTED", f"take {name} off the list in pending.py"
