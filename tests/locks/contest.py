"""A contest: many clients at one server, which may be killed while they contend."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from etcdpy.pb import rpc_pb2 as pb
from tests.locks.connection import PATIENCE, Connection
from tests.locks.queue_client import Ledger, QueueClient
from tests.support.servers import Server

CONNECTIONS = 10


@asynccontextmanager
async def connected(address: str, number: int = CONNECTIONS) -> AsyncIterator[list[Connection]]:
    """Open connections for the block."""
    connections = [Connection(address) for _ in range(number)]
    try:
        yield connections
    finally:
        for connection in connections:
            await connection.channel.close(None)


def clients_of(
    kind: type[QueueClient],
    number: int,
    connections: Sequence[Connection],
    ledger: Ledger,
    seed: int,
) -> Iterator[QueueClient]:
    """Make clients, each on one of the connections and with a chance of its own."""
    chance = random.Random(seed)
    for one in range(number):
        yield kind(one, connections[one % len(connections)], ledger, chance.random())


async def contend(
    clients: Iterator[QueueClient], server: Server, ledger: Ledger, kills: int = 0
) -> None:
    """Let them contend until they are done or one fails, and kill the server meanwhile."""
    tasks = [asyncio.create_task(client.run()) for client in clients]
    contending = asyncio.gather(*tasks)
    tasks.append(asyncio.create_task(_kill(server, ledger, kills, contending)))
    try:
        await contending
        await tasks[-1]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kill(
    server: Server, ledger: Ledger, kills: int, contending: asyncio.Future[Any]
) -> None:
    """Kill the server and start it again, evenly over the rounds."""
    for kill in range(1, kills + 1):
        while ledger.held < ledger.rounds * kill // (kills + 1) and not contending.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        # Before and after: what was under way at either moment may be half done.
        ledger.kills += 1
        await asyncio.to_thread(_kill_and_start, server)
        ledger.kills += 1


def _kill_and_start(server: Server) -> None:
    server.kill()
    server.start()


async def check_queue_is_empty(connection: Connection, name: bytes) -> None:
    """Check that nothing is left, but for what a lease takes away that is about to end."""
    request = pb.RangeRequest(key=name + b"/", range_end=name + b"0")
    deadline = time.monotonic() + PATIENCE
    while (await connection.call(connection.kv.Range, request)).count:
        assert time.monotonic() < deadline, "keys are left in the queue"
        await asyncio.sleep(0.05)
