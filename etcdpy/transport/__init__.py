"""
An asyncio server for gRPC over HTTP/2 that hosts generated servicers as they are.

It knows nothing of what they do. The layers, from the wire up; each imports those below alone:

* :mod:`.limits`: every bound that a peer can run into.
* :mod:`.http2`: frames, header compression, flow control, and what is abuse.
* :mod:`.grpc`: one call (:mod:`.grpc.call`), what goes out (:mod:`.grpc.sender`), what a handler
  sees (:mod:`.grpc.context`), a client's connection (:mod:`.grpc.connection`), and who runs the
  handlers (:mod:`.grpc.dispatcher`). Nothing up to here does I/O or reads a clock by itself.
* :mod:`.http` and :mod:`.http1`: requests that are not gRPC, and HTTP/1.1's way of writing them.
* :mod:`.aio`: asyncio's protocols, the server, and grpcio's own server to compare with.
"""

from etcdpy.transport.aio.security import FixedSecurity, PeerRefusedError, Security
from etcdpy.transport.aio.server import Server, Traffic, remove_dead_socket
from etcdpy.transport.grpc.context import EOF, Context
from etcdpy.transport.grpc.messages import JoinedMessages
from etcdpy.transport.grpc.observer import EndedCall, Listener, Observer
from etcdpy.transport.grpc.routes import (
    MethodHandler,
    endless,
    inline,
    is_endless,
    is_inline,
    is_one_reply_per_request,
    one_reply_per_request,
    patient,
)
from etcdpy.transport.grpc.status import Metadata, StatusCode, StatusError
from etcdpy.transport.grpc.tally import CallCounts, MethodCounts
from etcdpy.transport.http import (
    Body,
    BodyBrokenError,
    BodyTooLargeError,
    Foreseeing,
    HttpHandler,
    HttpRequest,
    HttpResponse,
    Successor,
    plain_text,
)
from etcdpy.transport.limits import LISTEN_BACKLOG, ServerOptions

__all__ = [
    "EOF",
    "LISTEN_BACKLOG",
    "Body",
    "BodyBrokenError",
    "BodyTooLargeError",
    "CallCounts",
    "Context",
    "EndedCall",
    "FixedSecurity",
    "Foreseeing",
    "HttpHandler",
    "HttpRequest",
    "HttpResponse",
    "JoinedMessages",
    "Listener",
    "Metadata",
    "MethodCounts",
    "MethodHandler",
    "Observer",
    "PeerRefusedError",
    "Security",
    "Server",
    "ServerOptions",
    "StatusCode",
    "StatusError",
    "Successor",
    "Traffic",
    "endless",
    "inline",
    "is_endless",
    "is_inline",
    "is_one_reply_per_request",
    "one_reply_per_request",
    "patient",
    "plain_text",
    "remove_dead_socket",
]
