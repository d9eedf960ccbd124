"""Who asks."""

from __future__ import annotations

from etcdpy.node.caller import Caller, Internal


def test_work_of_the_server_is_a_caller_without_a_user_that_waits_as_long_as_it_takes() -> None:
    caller: Caller = Internal("lease expiry")
    assert (caller.user, caller.auth_revision, caller.certificate_name) == ("", 0, None)
    assert caller.peer() == "internal:lease expiry"
    assert caller.time_remaining() is None
