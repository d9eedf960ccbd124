"""A call is its own caller, on either transport."""

from __future__ import annotations

from etcdpy.node.caller import Caller
from etcdpy.services.caller import GrpcCaller, ReferenceCaller
from etcdpy.transport import Context


class GrpcioContext:
    def peer(self) -> str:
        return "ipv4:10.0.0.1:5000"

    def time_remaining(self) -> float | None:
        return 1.5


def test_call_of_the_native_transport_needs_no_room_for_who_asks() -> None:
    assert issubclass(GrpcCaller, Context)
    assert GrpcCaller.__slots__ == ()
    assert (GrpcCaller.user, GrpcCaller.auth_revision, GrpcCaller.certificate_name) == ("", 0, "")


def test_call_of_grpcio_has_what_its_context_has() -> None:
    caller: Caller = ReferenceCaller(GrpcioContext())
    assert (caller.peer(), caller.time_remaining()) == ("ipv4:10.0.0.1:5000", 1.5)
    assert (caller.user, caller.auth_revision, caller.certificate_name) == ("", 0, "")
