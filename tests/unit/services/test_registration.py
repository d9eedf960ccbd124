"""Every method that there is is served, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from etcdpy.mvcc.txn_request import Txn
from etcdpy.pb import health_pb2, rpc_pb2, v3election_pb2, v3lock_pb2
from etcdpy.services.kv import KVService
from etcdpy.services.registration import register, register_all
from tests.unit.services.doors import EchoingNode


class Server:
    """Takes what is registered."""

    def __init__(self) -> None:
        self.services: dict[str, dict[str, Any]] = {}

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: dict[str, Any]
    ) -> None:
        self.services[service_name] = method_handlers


@pytest.fixture
def server() -> Server:
    server, node, queues = Server(), EchoingNode(), EchoingNode()
    register_all(server, node, queues)  # type: ignore[arg-type]
    return server


def test_every_service_is_served_whole(server: Server) -> None:
    files = (rpc_pb2, v3lock_pb2, v3election_pb2, health_pb2)
    services = [s for file in files for s in file.DESCRIPTOR.services_by_name.values()]
    expected = {
        service.full_name: sorted(method.name for method in service.methods) for service in services
    }
    assert {name: sorted(methods) for name, methods in server.services.items()} == expected


def test_handlers_know_which_sides_are_streams(server: Server) -> None:
    kv, watch = server.services["etcdserverpb.KV"], server.services["etcdserverpb.Watch"]
    assert kv["Put"].unary_unary is not None
    assert kv["RangeStream"].unary_stream is not None
    assert watch["Watch"].stream_stream is not None


def test_transactions_are_taken_apart_when_they_are_decoded(server: Server) -> None:
    txn = server.services["etcdserverpb.KV"]["Txn"]
    assert isinstance(txn.request_deserializer(b""), Txn)


def test_replies_go_out_as_they_are_or_are_encoded(server: Server) -> None:
    encode = server.services["etcdserverpb.KV"]["Put"].response_serializer
    assert encode(b"as it is") == b"as it is"
    assert encode(rpc_pb2.PutResponse(header=rpc_pb2.ResponseHeader(revision=7))) != b""


def test_methods_that_a_servicer_does_not_define_stay_unknown() -> None:
    server = Server()
    lease = rpc_pb2.DESCRIPTOR.services_by_name["Lease"]
    register(server, lease, KVService(EchoingNode()))
    assert server.services == {"etcdserverpb.Lease": {}}
