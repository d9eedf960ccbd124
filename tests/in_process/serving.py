"""A server on the test's loop, with a clock of the test's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etcdpy.clock import Clock, SystemClock
from etcdpy.config import Config
from etcdpy.node.node import Node
from etcdpy.node.slow_requests import SlowRequests
from etcdpy.server.assembly import open_served
from etcdpy.server.http_doors import open_http
from etcdpy.server.transports import make_transport
from etcdpy.transport import Server


@dataclass(frozen=True)
class InProcess:
    """
    A server that is up.

    Attributes:
        node: What it serves.
        address: Where, as clients are told.

    """

    node: Node
    address: str


@asynccontextmanager
async def served(data_dir: Path, clock: Clock, **settings: Any) -> AsyncIterator[InProcess]:
    """
    Serve a node on a free port, and HTTP beside gRPC.

    Args:
        data_dir: Where it is; a new one is made if there is none.
        clock: What time it is to the node. Connections and calls go by the machine's, as their
            other ends do.
        settings: Those that are not the defaults.

    """
    config = Config(data_dir=str(data_dir), unsafe_no_fsync=True, **settings)
    slow = SlowRequests()
    transport = make_transport(config, SystemClock(), slow)
    assert isinstance(transport, Server)
    async with open_served(config, clock, transport, slow) as opened:
        doors = open_http(config, opened.node, v2_locks=opened.v2_locks)
        transport.serve_http(doors.clients)
        port = await transport.listen_tcp("127.0.0.1", 0)
        try:
            yield InProcess(opened.node, f"127.0.0.1:{port}")
        finally:
            opened.queues.abandon()
            doors.stop()
            await transport.stop(0)
