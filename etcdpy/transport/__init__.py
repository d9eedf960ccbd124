"""
An asyncio server for gRPC over HTTP/2 that hosts generated servicers as they are.

It knows nothing of what they do. The layers, from the wire up: :mod:`.frames` and :mod:`.hpack`
(bytes), :mod:`.connection` and :mod:`.sender` (the protocol, without I/O), :mod:`.call` and
:mod:`.context` (one call), :mod:`.runner` (handlers), :mod:`.protocol`, :mod:`.listener` and
:mod:`.server` (asyncio).
"""

from .context import Context
from .http import HttpHandler, HttpRequest, HttpResponse
from .limits import ServerOptions
from .messages import join_messages
from .reference import ReferenceServer
from .routes import Later, answers_each, inline, is_inline, outcome
from .server import Server
from .slow import SlowCalls
from .status import Metadata, StatusError

__all__ = [
    "Context",
    "HttpHandler",
    "HttpRequest",
    "HttpResponse",
    "Later",
    "Metadata",
    "ReferenceServer",
    "Server",
    "ServerOptions",
    "SlowCalls",
    "StatusError",
    "answers_each",
    "inline",
    "is_inline",
    "join_messages",
    "outcome",
]
