"""Registration, as generated code does it."""

from typing import Any

import grpc
import pytest

from etcdpy.transport import endless, inline, patient
from etcdpy.transport.grpc.routes import Route, RouteTable
from etcdpy.transport.grpc.status import ProtocolStatus


class Servicer:
    @inline
    async def fast(self, request: bytes, context: Any) -> bytes:
        return request

    @endless
    async def waits(self, request: bytes, context: Any) -> bytes:
        return request

    @patient
    async def patient(self, request: bytes, context: Any) -> bytes:
        return request

    async def plain(self, request: bytes, context: Any) -> bytes:
        return request


def handler(behavior: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(behavior, bytes.upper, bytes.lower)


def test_mark_is_seen_through_a_bound_method() -> None:
    servicer = Servicer()
    assert Route.of(handler(servicer.fast)).inline
    assert not Route.of(handler(servicer.plain)).inline


@pytest.mark.parametrize(
    "make", [grpc.unary_stream_rpc_method_handler, grpc.stream_stream_rpc_method_handler]
)
def test_endless_streams_are_told_from_others(make: Any) -> None:
    assert Route.of(make(Servicer().waits)).endless
    assert not Route.of(make(Servicer().plain)).endless


@pytest.mark.parametrize(
    "make", [grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler]
)
def test_patient_handlers_of_one_request_are_told_from_others(make: Any) -> None:
    assert Route.of(make(Servicer().patient)).patient
    assert not Route.of(make(Servicer().plain)).patient
    assert not Route.of(grpc.stream_stream_rpc_method_handler(Servicer().patient)).patient


def test_streams_are_never_driven_inline() -> None:
    servicer = Servicer()
    assert not Route.of(grpc.unary_stream_rpc_method_handler(servicer.fast)).inline


def test_serializers_are_the_handlers_or_none() -> None:
    route = Route.of(handler(Servicer().plain))
    assert (route.deserialize(b"aB"), route.serialize(b"aB")) == (b"AB", b"ab")
    bare = Route.of(grpc.unary_unary_rpc_method_handler(Servicer().plain))
    assert bare.deserialize(b"aB") == b"aB"


def test_registered_methods_are_found_by_path() -> None:
    table = RouteTable()
    table.add_methods("a.B", {"C": handler(Servicer().plain)})
    assert not table.find(b"/a.B/C").request_streaming


def test_generic_handlers_are_asked_for_the_rest() -> None:
    table = RouteTable()
    methods = {"C": handler(Servicer().fast)}
    table.add_generic([grpc.method_handlers_generic_handler("a.B", methods)])
    assert table.find(b"/a.B/C").inline
    with pytest.raises(ProtocolStatus, match=r"unknown method D for service a\.B"):
        table.find(b"/a.B/D")


def test_handler_without_its_behavior_is_refused() -> None:
    broken = handler(None)
    with pytest.raises(ValueError):
        Route.of(broken)
