"""Putting HTTP together: what answers at clients' listeners, and at those for metrics."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from etcdpy.clock import Clock
from etcdpy.concurrency.queues import Queues
from etcdpy.config import Config
from etcdpy.http import dashboard
from etcdpy.http.endpoints import health_endpoints, process_endpoints, version_endpoint
from etcdpy.http.gateway import Gateway
from etcdpy.http.gateway_errors import NOT_FOUND, error_response
from etcdpy.http.metrics import MetricsPage
from etcdpy.http.router import Access, Mux
from etcdpy.node.node import Node
from etcdpy.services.registration import register_all
from etcdpy.transport import CallCounts, HttpHandler, HttpRequest, HttpResponse, Observer

if TYPE_CHECKING:  # few want it, and it is imported for these
    from etcdpy.concurrency.v2_locks import V2Locks
    from etcdpy.http.pprof.endpoints import Pprof

__all__ = ["HttpDoors", "open_gateway", "open_http"]


class HttpDoors(NamedTuple):
    """
    Who answers requests of HTTP.

    Attributes:
        clients: At the addresses of clients.
        metrics: At those of ``--listen-metrics-urls``, which anybody may ask.
        pprof: Answers about the process at the addresses of clients, if anybody does.

    """

    clients: HttpHandler
    metrics: HttpHandler
    pprof: Pprof | None = None
    v2_locks: V2Locks | None = None

    def stop(self) -> None:
        """Let what goes on for a time that was asked for, or waits for a lock of v2, end now."""
        if self.pprof is not None:
            self.pprof.stop()
        if self.v2_locks is not None:
            self.v2_locks.stop()


def open_http(
    config: Config,
    node: Node,
    gateway: HttpHandler | None = None,
    counts: CallCounts | None = None,
    v2_locks: V2Locks | None = None,
) -> HttpDoors:
    """
    Return what answers requests of HTTP about a node.

    Args:
        config: The settings.
        node: What is asked.
        gateway: Answers requests for paths under ``/v3/``.
        counts: How many calls there were.
        v2_locks: The locks of the v2 API, if it is served.

    """
    figures = MetricsPage(node.parts, counts or CallCounts(), config.feature_gates)
    watched: dict[str, HttpHandler] = {**health_endpoints(node), "/metrics": figures}
    served = {**watched, **version_endpoint(node), **process_endpoints(sys.orig_argv)}
    under_v3 = (gateway or _nothing_there) if config.enable_grpc_gateway else None
    trees: dict[str, HttpHandler] = {}
    if config.enable_dashboard:
        trees[dashboard.ROOT] = dashboard.Dashboard(_doors(config))
    if config.enable_v2:
        from etcdpy.server.v2_door import open_v2

        v2 = open_v2(node, v2_locks)
        served.update(v2.paths)
        trees.update(v2.trees)
    pprof = _pprof(config, node)
    if pprof is not None:
        served.update(pprof.table)
        trees.update(pprof.trees)
    users = node.parts.users
    access = Access(
        Mux(served, under_v3, trees).handle,
        hosts=config.allowed_hosts,
        origins=config.allowed_origins,
        asks_who=lambda: users.is_enabled,
    )
    return HttpDoors(access.handle, Mux(watched).handle, pprof, v2_locks)


def _pprof(config: Config, node: Node) -> Pprof | None:
    """Return what answers under ``/debug/pprof/``, if that is wanted."""
    # (etcd: embed/etcd.go, configureClientListeners)
    if not (config.enable_pprof or config.log_level == "debug"):
        return None
    from etcdpy.http.pprof.endpoints import open_pprof

    return open_pprof(node.parts.clock, allow_remote=config.pprof_allow_remote)


def open_gateway(
    config: Config,
    clock: Clock,
    node: Node,
    queues: Queues,
    counts: CallCounts | None = None,
    observer: Observer | None = None,
) -> HttpHandler:
    """
    Return what serves everything that there is of a node in JSON, over WebSocket as well.

    Args:
        config: The settings.
        clock: What deadlines are on.
        node: What is asked.
        queues: Those of locks and elections.
        counts: Where calls are counted, those of gRPC among them.
        observer: Gets unary calls that have ended, those of gRPC among them.

    """
    gateway = Gateway(clock, config.max_message_bytes, counts, observer)
    register_all(gateway, node, queues)
    return gateway.handle


def _doors(config: Config) -> frozenset[str]:
    """Return what the dashboard can use."""
    there = {"gateway": config.enable_grpc_gateway, "v2": config.enable_v2}
    return frozenset(door for door, is_open in there.items() if is_open)


async def _nothing_there(request: HttpRequest) -> HttpResponse:
    """Answer as the gateway does for a path that it does not know."""
    return error_response(NOT_FOUND)
