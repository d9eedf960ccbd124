"""
Choosing what carries gRPC, and giving it the sockets that were bound.

The native transport is the one to use. grpcio's server hosts the same services and is what the
native one is checked against.

"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from etcdpy.clock import Clock
from etcdpy.config import Config
from etcdpy.errors import MemoryBudgetError, StoppedError
from etcdpy.http.paths import LONGEST_WRITING, STREAMED
from etcdpy.memory import Budget
from etcdpy.node.slow_requests import SlowRequests
from etcdpy.server.doors import Door
from etcdpy.server.listeners import ListenError
from etcdpy.services.caller import GrpcCaller, ReferenceCaller
from etcdpy.services.codes import status_of, text_of
from etcdpy.transport import (
    CallCounts,
    EndedCall,
    HttpHandler,
    Observer,
    Server,
    ServerOptions,
)

if TYPE_CHECKING:  # few want it, and grpcio takes as long to import as all of the transport
    from etcdpy.transport.aio.grpcio import ReferenceServer

__all__ = ["EXTENSIVE", "Transport", "accept", "http_server", "make_transport", "options_of"]

Transport: TypeAlias = "Server | ReferenceServer"

#: The pause between a client's pings that grpc-go enforces by itself, where etcd sets none.
GRPC_GO_MIN_TIME = 300.0

#: The level of ``--metrics`` at which it is measured how long each call takes.
EXTENSIVE = "extensive"

_UNLIMITED_STREAMS = 2**32 - 1


def make_transport(
    config: Config,
    clock: Clock,
    slow: SlowRequests,
    *,
    connections: int | None = None,
    identifies: bool = False,
    memory: Budget | None = None,
) -> Transport:
    """
    Return the transport that the settings name, listening nowhere yet.

    Args:
        clock: What time it is to connections and calls.
        slow: Judges how long calls took.
        connections: How many may be open at a time; None for any number.
        identifies: Whether the name in a certificate says who a client is.
        memory: What all connections together may hold; the native transport heeds it.

    """
    if connections is not None and config.transport != "native":
        # grpcio counts for each address by itself, and there may be a server of HTTP beside it.
        http = bool(config.listen_client_http_urls or config.listen_metrics_urls)
        connections = max(1, connections // (len(config.listen_client_urls) + http))
    options, observer = options_of(config, connections), Observer()
    observer.listen(partial(_judge, slow), slower_than=slow.slower_than)
    counts = CallCounts(is_timed=config.metrics == EXTENSIVE)
    if counts.is_timed:
        observer.listen(partial(_count_time, counts))
    if config.transport == "native":
        return Server(
            options,
            observer=observer,
            translate=status_of,
            clock=clock,
            call_type=GrpcCaller,
            counts=counts,
            memory=memory,
        )
    from etcdpy.transport.aio.grpcio import ReferenceServer

    call_type = partial(ReferenceCaller, has_certificate_name=identifies)
    return ReferenceServer(
        options,
        observer=observer,
        translate=status_of,
        clock=clock,
        call_type=call_type,
        counts=counts,
    )


def _judge(slow: SlowRequests, call: EndedCall) -> None:
    slow.ended(call.path, call.peer, call.request, call.response, call.seconds)


def _count_time(counts: CallCounts, call: EndedCall) -> None:
    counts.count_time(call.path, call.seconds)


def options_of(config: Config, connections: int | None = None) -> ServerOptions:
    """
    Return the settings that are the transport's, with etcd's special values resolved.

    Args:
        connections: How many may be open at a time, on all addresses together.

    """
    streams = config.max_concurrent_streams
    # Either at 0 turns both off. (etcd: embed/etcd.go)
    keepalive = bool(config.grpc_keepalive_interval and config.grpc_keepalive_timeout)
    min_time = config.grpc_keepalive_min_time
    return ServerOptions(
        max_receive_message=config.max_message_bytes,
        # grpc-go takes 0 for no limit as well.
        max_concurrent_streams=None if streams in (0, _UNLIMITED_STREAMS) else streams,
        keepalive_interval=config.grpc_keepalive_interval if keepalive else 0.0,
        keepalive_timeout=config.grpc_keepalive_timeout,
        keepalive_min_time=min_time if min_time > 0 else GRPC_GO_MIN_TIME,
        stopped_message=text_of(StoppedError()),
        full_message=text_of(MemoryBudgetError()),
        # The gateway says by itself what is too long for it.
        max_http_body=config.max_message_bytes * LONGEST_WRITING + 1,
        streamed_paths=STREAMED,
        max_connections=connections,
    )


def http_server(transport: Transport, memory: Budget | None = None) -> Server:
    """
    Return the server that speaks HTTP, which is ``transport`` itself if that can.

    grpcio cannot. Then it is one beside it, for the addresses at which no gRPC is spoken.
    """
    if isinstance(transport, Server):
        return transport
    return Server(transport.options, clock=transport.clock, memory=memory)


async def accept(
    transport: Transport, http: Server, doors: Sequence[Door], metrics: HttpHandler
) -> None:
    """
    Have the connections that arrive at ``doors`` served.

    Args:
        transport: Speaks gRPC.
        http: Speaks HTTP where no gRPC is spoken, see ``http_server``.
        doors: Where.
        metrics: Answers requests of HTTP at the addresses for metrics.

    Raises:
        ListenError: grpcio cannot listen there.

    """
    for door in doors:
        if door.use.has_grpc and not isinstance(transport, Server):
            await _listen_again(transport, door)
        else:
            traffic = door.use.traffic(metrics)
            await http.listen_socket(door.listener, security=door.security, traffic=traffic)


async def _listen_again(transport: ReferenceServer, door: Door) -> None:
    """Listen where a socket does: grpcio binds addresses, it does not take sockets."""
    from etcdpy.server.grpcio_tls import grpcio_credentials

    security = None if door.security is None else grpcio_credentials(door.security.info)
    name = door.listener.getsockname()
    # Before grpcio binds, or it would find the address in use.
    door.listener.close()
    try:
        if isinstance(name, str):
            await transport.listen_unix(name, security=security)
        else:
            await transport.listen_tcp(name[0], name[1], security=security)
    except RuntimeError as error:
        raise ListenError(str(error)) from error
