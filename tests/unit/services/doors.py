"""What a service hands to a node, without one: a node that answers with what it was asked."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from etcdpy.pb import rpc_pb2

#: Methods of nodes whose names are not made of the protocol's as the others are.
_NAMES = {"HashKV": "hash_kv"}


class EchoingNode:
    """Answers each method with its name, the request and the caller."""

    def __getattr__(self, name: str) -> Any:
        return lambda request, caller: (name, request, caller)


def methods_of(service: str) -> list[MethodDescriptor]:
    """Return the methods of a service of etcd's."""
    return list(rpc_pb2.DESCRIPTOR.services_by_name[service].methods)


def asked(servicer: type, method: MethodDescriptor) -> bool:
    """Whether a method of a servicer asks the node for what it is asked, and gives its answer."""
    service: Any = servicer(EchoingNode())
    request, call = GetMessageClass(method.input_type)(), object()
    name = _NAMES.get(method.name) or _snake(method.name)
    answer: object = getattr(service, method.name)(request, call)
    return answer == (name, request, call)


def _snake(name: str) -> str:
    return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
