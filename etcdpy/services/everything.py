"""One gRPC servicer per etcd service: thin layers that validate, call and shape replies."""

from __future__ import annotations

from etcdpy.concurrency.client import Client
from etcdpy.lease import LeaseKeeper
from etcdpy.mvcc.txn_request import decode_txn
from etcdpy.node.state import Node
from etcdpy.pb import rpc_pb2, v3election_pb2, v3lock_pb2
from etcdpy.services.cluster import ClusterService
from etcdpy.services.election import ElectionService
from etcdpy.services.kv import KVService
from etcdpy.services.lease import LeaseService
from etcdpy.services.lock import LockService
from etcdpy.services.maintenance import MaintenanceService
from etcdpy.services.registration import Registry, register
from etcdpy.services.watch import WatchService
from etcdpy.watch import Hub

__all__ = ["register_all"]


def register_all(server: Registry, node: Node, keeper: LeaseKeeper, hub: Hub) -> Client:
    """
    Serve everything this server has.

    Returns:
        The server's own client, to close before what it uses.

    """
    kv, leases = KVService(node), LeaseService(node, keeper)
    client = Client(node, kv, leases, hub)
    services = rpc_pb2.DESCRIPTOR.services_by_name
    register(server, services["KV"], kv, {"Txn": decode_txn})
    register(server, services["Watch"], WatchService(node, hub))
    register(server, services["Lease"], leases)
    register(server, services["Cluster"], ClusterService(node))
    register(server, services["Maintenance"], MaintenanceService(node))
    locks = v3lock_pb2.DESCRIPTOR.services_by_name
    register(server, locks["Lock"], LockService(client))
    elections = v3election_pb2.DESCRIPTOR.services_by_name
    register(server, elections["Election"], ElectionService(client))
    return client
