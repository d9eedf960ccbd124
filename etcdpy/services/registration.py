"""
Putting a service on a server: its methods, as gRPC method handlers.

Handlers may return their reply already encoded; that is why they are not registered with
the generated ``add_…Servicer_to_server``, whose serializers take messages only. What methods
there are the descriptors tell, so that a server needs no generated stubs, and no grpcio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from etcdpy.concurrency.queues import Queues
from etcdpy.mvcc.plain_txn import decode_txn
from etcdpy.node.api import NodeApi
from etcdpy.pb import health_pb2, rpc_pb2, v3election_pb2, v3lock_pb2
from etcdpy.pb.builder import class_of
from etcdpy.pb.wire import encoded
from etcdpy.services.auth import AuthService
from etcdpy.services.cluster import ClusterService
from etcdpy.services.election import ElectionService
from etcdpy.services.health import HealthService
from etcdpy.services.kv import KVService
from etcdpy.services.lease import LeaseService
from etcdpy.services.lock import LockService
from etcdpy.services.maintenance import MaintenanceService
from etcdpy.services.watch import WatchService
from etcdpy.transport import MethodHandler

#: What decodes requests where it is not protobuf's own, by service and method.
Deserializer = Callable[[bytes], Any]


class Registry(Protocol):
    """The part of ``grpc.aio.Server`` that both transports have."""

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: dict[str, Any]
    ) -> None:
        """Serve these methods of a service."""


def register_all(server: Registry, node: NodeApi, queues: Queues) -> None:
    """Serve everything that there is of a node."""
    services = rpc_pb2.DESCRIPTOR.services_by_name
    register(server, services["KV"], KVService(node), {"Txn": decode_txn})
    register(server, services["Watch"], WatchService(node))
    register(server, services["Lease"], LeaseService(node))
    register(server, services["Cluster"], ClusterService(node))
    register(server, services["Maintenance"], MaintenanceService(node))
    register(server, services["Auth"], AuthService(node))
    locks = v3lock_pb2.DESCRIPTOR.services_by_name
    register(server, locks["Lock"], LockService(queues))
    elections = v3election_pb2.DESCRIPTOR.services_by_name
    register(server, elections["Election"], ElectionService(queues))
    register(server, health_pb2.DESCRIPTOR.services_by_name["Health"], HealthService())


def register(
    server: Registry,
    service: ServiceDescriptor,
    servicer: object,
    deserializers: Mapping[str, Deserializer] | None = None,
) -> None:
    """
    Serve the methods of ``service`` that ``servicer`` defines itself.

    The others stay unknown to the server, which answers UNIMPLEMENTED to them.

    Args:
        deserializers: By method, where it is not protobuf's own.

    """
    handlers = {
        method.name: _handler(
            method, getattr(servicer, method.name), (deserializers or {}).get(method.name)
        )
        for method in service.methods
        if method.name in vars(type(servicer))
    }
    server.add_registered_method_handlers(service.full_name, handlers)


def _handler(
    method: MethodDescriptor, behaviour: Any, deserializer: Deserializer | None
) -> MethodHandler:
    return MethodHandler.of(
        behaviour,
        request_streaming=method.client_streaming,
        response_streaming=method.server_streaming,
        request_deserializer=deserializer or class_of(method.input_type).FromString,
        response_serializer=encoded,
    )
