"""Who asks."""

from __future__ import annotations

from etcdpy.node.caller import Caller, Internal


def test_work_of_the_server_is_trusted_without_a_name_and_waits_as_long_as_it_takes() -> None:
    caller: Caller = Internal("lease expiry")
    assert caller.is_trusted
    assert (caller.token, caller.certificate_name) == (None, None)
    assert caller.peer() == "internal:lease expiry"
    assert caller.time_remaining() is None
