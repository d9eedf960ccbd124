"""
HTTP's doors, put together when somebody asks.

What answers HTTP is a fifth of what a server imports, and gRPC needs none of it. So the server
serves before it has that, and gets it right behind: see ``LateDoors.prepare``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from etcdpy.clock import Clock
from etcdpy.config import Config
from etcdpy.cooperative import turn
from etcdpy.transport import CallCounts, HttpRequest, HttpResponse, Observer

if TYPE_CHECKING:  # that it is imported late is what this module is for
    from etcdpy.server.assembly import Served
    from etcdpy.server.http_doors import HttpDoors

__all__ = ["LateDoors", "open_doors"]


class LateDoors:
    """
    Does what ``HttpDoors`` does, which it makes for the first request.

    Args:
        make: Makes them.

    """

    def __init__(self, make: Callable[[], HttpDoors]) -> None:
        self._make = make
        self._doors: HttpDoors | None = None

    def clients(self, request: HttpRequest) -> Awaitable[HttpResponse]:
        """Answer at the addresses of clients."""
        return (self._doors or self._opened()).clients(request)

    def metrics(self, request: HttpRequest) -> Awaitable[HttpResponse]:
        """Answer at those of ``--listen-metrics-urls``."""
        return (self._doors or self._opened()).metrics(request)

    async def prepare(self) -> None:
        """
        Have everything ready before somebody asks, with turns for others in between.

        A turn takes a few milliseconds, as long as a library takes to import.
        """
        await turn()
        import etcdpy.transport.aio.http1

        await turn()
        import etcdpy.http.gateway

        await turn()
        import etcdpy.server.http_doors  # noqa: F401

        await turn()
        self._opened()

    def stop(self) -> None:
        """See ``HttpDoors``."""
        if self._doors is not None:
            self._doors.stop()

    def _opened(self) -> HttpDoors:
        if self._doors is None:
            self._doors = self._make()
        return self._doors


def open_doors(
    config: Config, clock: Clock, served: Served, counts: CallCounts, observer: Observer
) -> HttpDoors:
    """
    Return what answers requests of HTTP about a node.

    Args:
        config: The settings.
        clock: What deadlines are on.
        served: The node, with its queues and locks.
        counts: Where calls are counted.
        observer: Gets unary calls that have ended.

    """
    from etcdpy.server.http_doors import open_gateway, open_http

    gateway = open_gateway(config, clock, served.node, served.queues, counts, observer)
    return open_http(config, served.node, gateway, counts, served.v2_locks)
