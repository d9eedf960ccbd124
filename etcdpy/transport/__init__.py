"""
An asyncio server for gRPC over HTTP/2 that hosts generated servicers as they are.

It knows nothing of what they do. The layers, from the wire up: :mod:`.frames` and :mod:`.hpack`
(bytes), :mod:`.connection` and :mod:`.sender` (the protocol, without I/O), :mod:`.call` and
:mod:`.context` (one call), :mod:`.dispatcher` (handlers), :mod:`.protocol`, :mod:`.listener` and
:mod:`.server` (asyncio).
"""

from etcdpy.transport.aio.grpcio import ReferenceServer
from etcdpy.transport.aio.server import Server
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.messages import join_messages
from etcdpy.transport.grpc.observer import SlowCalls
from etcdpy.transport.grpc.routes import (
    inline,
    is_inline,
    one_reply_per_request,
)
from etcdpy.transport.grpc.status import Metadata, StatusError
from etcdpy.transport.http import HttpHandler, HttpRequest, HttpResponse
from etcdpy.transport.limits import ServerOptions

__all__ = [
    "Context",
    "HttpHandler",
    "HttpRequest",
    "HttpResponse",
    "Metadata",
    "ReferenceServer",
    "Server",
    "ServerOptions",
    "SlowCalls",
    "StatusError",
    "inline",
    "is_inline",
    "join_messages",
    "one_reply_per_request",
]
