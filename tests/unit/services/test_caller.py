"""A call is its own caller, on either transport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import cast

import pytest

from etcdpy.node.caller import Caller
from etcdpy.services.caller import GrpcCaller, ReferenceCaller, token_in
from etcdpy.transport import Context
from etcdpy.transport.grpc.channel import Channel
from etcdpy.transport.grpc.metadata import Metadatum
from etcdpy.transport.grpc.request_head import RequestHead
from etcdpy.transport.grpc.states import StreamState
from etcdpy.version import IS_COMPILED


class GrpcioContext:
    def __init__(self, shown: Mapping[str, Sequence[bytes]] = MappingProxyType({})) -> None:
        self.shown = shown

    def peer(self) -> str:
        return "ipv4:10.0.0.1:5000"

    def time_remaining(self) -> float | None:
        return 1.5

    def invocation_metadata(self) -> Sequence[tuple[str, str]]:
        return [("token", "t")]

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        return self.shown


def call_of(head: RequestHead) -> GrpcCaller:
    return GrpcCaller(1, head, None, StreamState.OPEN)


def test_call_of_the_native_transport_needs_no_room_for_who_asks() -> None:
    assert issubclass(GrpcCaller, Context)
    # A compiled class has attributes, and no list of them.
    assert IS_COMPILED or GrpcCaller.__slots__ == ()
    assert not call_of(RequestHead()).is_trusted


@pytest.mark.parametrize("name", [None, "", "alice"])
def test_call_of_the_native_transport_has_the_certificate_of_its_connection(
    name: str | None,
) -> None:
    class Connection:
        certificate_name = name

    call = call_of(RequestHead())
    call.channel = cast(Channel, Connection())
    caller: Caller = call
    assert caller.certificate_name == name


def test_call_of_grpcio_has_what_its_context_has() -> None:
    caller: Caller = ReferenceCaller(GrpcioContext())
    assert (caller.peer(), caller.time_remaining()) == ("ipv4:10.0.0.1:5000", 1.5)
    assert (caller.token, caller.certificate_name) == ("t", None)
    assert not caller.is_trusted


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ({}, None),
        ({"transport_security_type": [b"ssl"]}, None),
        ({"x509_pem_cert": [b"-"], "x509_common_name": [b"alice"]}, "alice"),
        ({"x509_pem_cert": [b"-"], "x509_common_name": [b""]}, ""),
        ({"x509_pem_cert": [b"-"]}, ""),
    ],
)
def test_certificate_of_a_call_of_grpcio_says_who_asks_where_certificates_do(
    shown: Mapping[str, Sequence[bytes]], name: str | None
) -> None:
    assert ReferenceCaller(GrpcioContext(shown), has_certificate_name=True).certificate_name == name
    assert ReferenceCaller(GrpcioContext(shown)).certificate_name is None


def test_token_of_a_call_is_looked_for_once_for_all_that_send_the_same_headers() -> None:
    head = RequestHead()
    head.metadata = (Metadatum("token", "first"),)
    calls = [call_of(head) for _ in range(2)]
    assert calls[0].token == "first"
    head.metadata = ()
    assert calls[1].token == "first"


def test_call_without_a_token_has_none() -> None:
    assert call_of(RequestHead()).token is None


@pytest.mark.parametrize(
    ("metadata", "token"),
    [
        ([], None),
        ([("user-agent", "u")], None),
        ([("token", "a")], "a"),
        ([("token", "a"), ("token", "b")], "a"),
        ([("authorization", "a")], "a"),
        ([("authorization", "a"), ("authorization", "b")], "a"),
        ([("authorization", "a"), ("token", "b")], "b"),
        ([("authorization", "a"), ("token", "")], ""),
        ([("token", "Bearer a")], "a"),
        ([("authorization", "Bearer a")], "a"),
        ([("authorization", "Bearer Bearer a")], "Bearer a"),
        ([("authorization", "bearer a")], "bearer a"),
        ([("authorization", "Bearer")], "Bearer"),
    ],
)
def test_first_token_counts_and_the_gateways_header_only_without_one(
    metadata: list[tuple[str, str]], token: str | None
) -> None:
    assert token_in(metadata) == token


def test_call_of_either_transport_says_what_is_called_and_by_which_software() -> None:
    native = call_of(RequestHead())
    native.head.path = "/a.B/C"
    native.head.metadata = (Metadatum("token", "t"), Metadatum("user-agent", "u/1"))
    assert (native.method, native.user_agent, native.token) == ("/a.B/C", "u/1", "t")
    assert call_of(RequestHead()).user_agent is None

    class Context(GrpcioContext):
        def invocation_metadata(self) -> Sequence[tuple[str, str]]:
            return [("user-agent", "u/2")]

    reference: Caller = ReferenceCaller(Context(), "/a.B/C")
    assert (reference.method, reference.user_agent) == ("/a.B/C", "u/2")


def test_call_of_grpcio_that_has_ended_is_still_somebodys() -> None:
    context = GrpcioContext()
    caller: Caller = ReferenceCaller(context)

    def ended() -> str:
        raise RuntimeError("the call has ended")

    context.peer = ended  # type: ignore[method-assign]
    assert caller.peer() == "ipv4:10.0.0.1:5000"
