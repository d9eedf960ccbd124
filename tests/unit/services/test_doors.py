"""Each method of a service hands its request and its call to the node, and its answer back."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from etcdpy.pb import rpc_pb2
from etcdpy.services.cluster import ClusterService
from etcdpy.services.kv import KVService
from etcdpy.services.lease import LeaseService
from etcdpy.services.maintenance import MaintenanceService

DOORS: dict[str, Any] = {
    "KV": KVService,
    "Lease": LeaseService,
    "Cluster": ClusterService,
    "Maintenance": MaintenanceService,
}

#: Node methods whose names are not their services'.
NAMES = {"HashKV": "hash_kv"}

METHODS = [
    method
    for service in DOORS
    for method in rpc_pb2.DESCRIPTOR.services_by_name[service].methods
    if method.name != "Snapshot"
]


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


class Node:
    """Notes what it is asked, and answers with that."""

    def __getattr__(self, name: str) -> Any:
        return lambda request, caller: (name, request, caller)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_method_asks_the_node(method: MethodDescriptor) -> None:
    service = DOORS[method.containing_service.name](Node())
    request, call = GetMessageClass(method.input_type)(), object()
    name = NAMES.get(method.name) or _snake(method.name)
    assert getattr(service, method.name)(request, call) == (name, request, call)
