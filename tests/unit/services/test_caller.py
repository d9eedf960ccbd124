"""A call is its own caller, on either transport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import cast

import pytest

from etcdpy.node.caller import Caller
from etcdpy.services.caller import GrpcCaller, ReferenceCaller
from etcdpy.transport import Context
from etcdpy.transport.grpc.channel import Channel


class GrpcioContext:
    def __init__(self, shown: Mapping[str, Sequence[bytes]] = MappingProxyType({})) -> None:
        self.shown = shown

    def peer(self) -> str:
        return "ipv4:10.0.0.1:5000"

    def time_remaining(self) -> float | None:
        return 1.5

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        return self.shown


def test_call_of_the_native_transport_needs_no_room_for_who_asks() -> None:
    assert issubclass(GrpcCaller, Context)
    assert GrpcCaller.__slots__ == ()
    assert (GrpcCaller.user, GrpcCaller.auth_revision) == ("", 0)


@pytest.mark.parametrize("name", [None, "", "alice"])
def test_call_of_the_native_transport_has_the_certificate_of_its_connection(
    name: str | None,
) -> None:
    class Connection:
        certificate_name = name

    call = GrpcCaller.__new__(GrpcCaller)
    call.channel = cast(Channel, Connection())
    caller: Caller = call
    assert caller.certificate_name == name


def test_call_of_grpcio_has_what_its_context_has() -> None:
    caller: Caller = ReferenceCaller(GrpcioContext())
    assert (caller.peer(), caller.time_remaining()) == ("ipv4:10.0.0.1:5000", 1.5)
    assert (caller.user, caller.auth_revision, caller.certificate_name) == ("", 0, None)


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
