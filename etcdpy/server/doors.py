"""Where clients come in, and what is spoken there."""

from __future__ import annotations

import socket
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from etcdpy.config import Config, Url
from etcdpy.transport import HttpHandler, Traffic

if TYPE_CHECKING:  # few have it, and it is imported for these
    from etcdpy.server.tls import ServerSecurity

__all__ = ["Door", "Use", "addresses"]


class Use(Enum):
    """What an address is for; the words are those of etcd's log where it has any."""

    CLIENTS = "grpc+http"
    GRPC = "grpc"
    HTTP = "http"
    METRICS = "metrics"

    @property
    def has_grpc(self) -> bool:
        return self in (Use.CLIENTS, Use.GRPC)

    @property
    def protocols(self) -> tuple[str, ...]:
        """
        What is agreed on over TLS.

        Without gRPC it is HTTP/1.1 alone, as whoever speaks HTTP/2 could call gRPC.
        """
        return ("h2", "http/1.1") if self.has_grpc else ("http/1.1",)

    def traffic(self, metrics: HttpHandler) -> Traffic:
        """
        Return what is spoken.

        Args:
            metrics: Answers at the addresses for metrics.

        """
        handler = metrics if self is Use.METRICS else None
        return Traffic(grpc=self.has_grpc, http=self is not Use.GRPC, handler=handler)


class Door(NamedTuple):
    """
    Where clients come in.

    Attributes:
        listener: Bound, and listening.
        security: What its connections are secured by, None if they are not.
        use: What it is for.

    """

    listener: socket.socket
    security: ServerSecurity | None = None
    use: Use = Use.CLIENTS


def addresses(config: Config) -> list[tuple[Url, Use]]:
    """Return every address to listen at."""
    shared = Use.GRPC if config.listen_client_http_urls else Use.CLIENTS
    return [
        *((url, shared) for url in config.listen_client_urls),
        *((url, Use.HTTP) for url in config.listen_client_http_urls),
        *((url, Use.METRICS) for url in config.listen_metrics_urls),
    ]
