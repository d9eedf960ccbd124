"""
Fifty clients and one lock: never two holders, first come first served, nothing left behind.

Some give up waiting, lose their lease or let it end, and the server is killed now and then.
``ETCDPY_LOCK_ROUNDS`` and ``ETCDPY_LOCK_KILLS`` make it longer, ``ETCDPY_LOCK_SEED`` makes
the same choices again.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from tests.interop.conftest import reachable
from tests.locks.contenders import NAME, RECORD, Connection, Contender, Ledger
from tests.support.servers import Server, Transport, etcdpy_server

ROUNDS = int(os.environ.get("ETCDPY_LOCK_ROUNDS", "1000"))
KILLS = int(os.environ.get("ETCDPY_LOCK_KILLS", "2"))
SEED = int(os.environ.get("ETCDPY_LOCK_SEED", random.randrange(1 << 32)))
CLIENTS = 50
CONNECTIONS = 10

_rpc: Any = rpc_pb2_grpc


class Contest(NamedTuple):
    """Who contends, and what is done when all of them are, or when one has failed."""

    contenders: Sequence[Contender]
    contending: asyncio.Future[list[None]]


@asynccontextmanager
async def contest(server: Server, ledger: Ledger) -> AsyncIterator[Contest]:
    """Let the clients contend; the block may disturb them, and ends when they are done."""
    chance = random.Random(SEED)
    connections = [Connection(server.address) for _ in range(CONNECTIONS)]
    contenders = [
        Contender(number, connections[number % CONNECTIONS], ledger, chance.random())
        for number in range(CLIENTS)
    ]
    contending = asyncio.gather(*(contender.contend() for contender in contenders))
    try:
        yield Contest(contenders, contending)
        await contending
        await check_order(connections[0])
        print(f"seed {SEED}: held {ledger.held} times; {dict(ledger.events)}")
    finally:
        contending.cancel()
        await asyncio.gather(contending, return_exceptions=True)
        for connection in connections:
            await connection.channel.close(None)


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_lock_is_held_by_one_at_a_time_and_nothing_is_left(transport: Transport) -> None:
    ledger = Ledger(ROUNDS)
    with etcdpy_server(transport) as server:
        async with contest(server, ledger):
            pass
        await _check_queue_is_empty(server)
    assert ledger.events["given up"]
    assert ledger.events["revoked while waiting"]
    assert ledger.events["revoked while holding"]


async def test_lock_is_held_by_one_at_a_time_while_the_server_is_killed() -> None:
    ledger = Ledger(ROUNDS)
    with etcdpy_server(args=reachable()) as server:
        async with contest(server, ledger) as (contenders, contending):
            for kill in range(1, KILLS + 1):
                while ledger.held < ROUNDS * kill // (KILLS + 1) and not contending.done():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(_kill_and_start, server)
        await _end_all(contenders, server)
        await _check_queue_is_empty(server)
    assert ledger.events["server away"]


async def _end_all(contenders: Sequence[Contender], server: Server) -> None:
    # A waiter that gave up just when the server died may be in the queue still.
    connection = Connection(server.address)
    for contender in contenders:
        await contender.end(connection)
    await connection.channel.close(None)


def _kill_and_start(server: Server) -> None:
    server.kill()
    server.start()


async def check_order(connection: Connection) -> None:
    """Whoever held the lock later had entered the queue later."""
    records = await _record_history(connection)
    assert records
    assert all(one <= other for one, other in pairwise(records)), "out of order"


async def _record_history(connection: Connection) -> Sequence[int]:
    """Return the create revisions of the holders' keys, in the order of their holding."""
    newest = await connection.call(connection.kv.Range, pb.RangeRequest(key=RECORD))
    last = newest.kvs[0].mod_revision
    create = pb.WatchCreateRequest(key=RECORD, start_revision=1)
    call = _rpc.WatchStub(connection.channel).Watch()
    await call.write(pb.WatchRequest(create_request=create))
    records: list[int] = []
    async for response in call:
        records += [int(event.kv.value) for event in response.events]
        if response.events and response.events[-1].kv.mod_revision >= last:
            break
    call.cancel()
    return records


async def _check_queue_is_empty(server: Server) -> None:
    connection = Connection(server.address)
    request = pb.RangeRequest(key=NAME + b"/", range_end=NAME + b"0")
    deadline = time.monotonic() + 10
    while (await connection.call(connection.kv.Range, request)).count:
        assert time.monotonic() < deadline, "keys are left in the queue"
        await asyncio.sleep(0.05)  # such as for a lease that is about to end
    await connection.channel.close(None)
