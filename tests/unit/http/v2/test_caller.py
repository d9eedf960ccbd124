"""Who asks, over v2."""

from __future__ import annotations

from etcdpy.http.v2.caller import RootCaller
from etcdpy.node.caller import Caller
from tests.unit.http.v2.asking import request


def test_caller_is_let_in_and_known_by_its_request() -> None:
    caller: Caller = RootCaller(request("/v2/keys/a?recursive=true", user_agent="curl/8"))
    assert caller.is_trusted
    assert caller.token is None
    assert caller.certificate_name is None
    assert caller.time_remaining() is None
    assert (caller.method, caller.user_agent) == ("/v2/keys/a", "curl/8")
    assert caller.peer() == "ipv4:1.1.1.1:1"
    assert RootCaller(request("/")).user_agent is None
