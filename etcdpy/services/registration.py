"""
Putting a service on a server: its methods, as gRPC method handlers.

Handlers may return their reply already encoded; that is why they are not registered with
the generated ``add_…Servicer_to_server``, whose serializers take messages only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass


class Registry(Protocol):
    """The part of ``grpc.aio.Server`` that both transports have."""

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: dict[str, Any]
    ) -> None:
        """Serve these methods of a service."""


Deserializer = Callable[[bytes], Any]


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


def _handler(method: MethodDescriptor, behaviour: Any, deserializer: Deserializer | None) -> Any:
    kinds = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    make = kinds[method.client_streaming, method.server_streaming]
    return make(
        behaviour,
        request_deserializer=deserializer or GetMessageClass(method.input_type).FromString,
        response_serializer=encoded,
    )


def encoded(reply: bytes | bytearray | Message) -> Any:
    """Return the bytes, in a bytes or a bytearray, of a reply that may be encoded already."""
    # The first test is for speed alone.
    if type(reply) is bytes:
        return reply
    return reply.SerializeToString() if isinstance(reply, Message) else reply
