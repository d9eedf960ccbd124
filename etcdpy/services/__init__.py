"""One gRPC servicer per etcd service: thin layers that validate, call and shape replies."""

from __future__ import annotations

from etcdpy.pb import rpc_pb2
from etcdpy.services.cluster import ClusterService
from etcdpy.services.kv import KVService
from etcdpy.services.maintenance import MaintenanceService
from etcdpy.services.node import Node
from etcdpy.services.registration import Registry, register
from etcdpy.services.watch import WatchService

__all__ = ["register_all"]


def register_all(server: Registry, node: Node, watch: WatchService) -> None:
    """Serve everything this server has."""
    services = rpc_pb2.DESCRIPTOR.services_by_name
    register(server, services["KV"], KVService(node))
    register(server, services["Cluster"], ClusterService(node))
    register(server, services["Maintenance"], MaintenanceService(node))
    register(server, services["Watch"], watch)
