"""Which request each path of the gateway takes."""

from __future__ import annotations

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from etcdpy.http.paths import PATHS
from etcdpy.pb import rpc_pb2, v3election_pb2, v3lock_pb2

_METHODS = {
    f"/{service.full_name}/{method.name}": method
    for file in (rpc_pb2, v3lock_pb2, v3election_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


def request_type(path: str) -> type[Message]:
    """Return the type of the requests for a path."""
    return GetMessageClass(_METHODS[PATHS[path]].input_type)
