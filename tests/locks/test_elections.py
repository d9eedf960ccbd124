"""
Thirty candidates, one post: never two leaders, observed in order, nothing left behind.

Some give up waiting, resign while they wait, stand twice, lose their lease or let it end, and
the server is killed now and then. ``ETCDPY_ELECTION_ROUNDS`` and ``ETCDPY_ELECTION_KILLS``
make it longer, ``ETCDPY_SEED`` makes the same choices again.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from etcdpy.pb import v3election_pb2 as elect
from tests.interop.conftest import reachable
from tests.locks.candidates import NAME, Candidate, ElectionLedger, check_leaders
from tests.locks.connection import PATIENCE, Connection
from tests.locks.contest import check_queue_is_empty, clients_of, connected, contend
from tests.locks.history import read_events
from tests.locks.observers import Observer, check_stream, stop
from tests.support.seeds import SEED
from tests.support.servers import Server, Transport, etcdpy_server

ROUNDS = int(os.environ.get("ETCDPY_ELECTION_ROUNDS", "500"))
KILLS = int(os.environ.get("ETCDPY_ELECTION_KILLS", "2"))
CANDIDATES = 30
OBSERVERS = 8
LAST_WORDS = b"the last word"


async def _run(server: Server, kills: int = 0) -> ElectionLedger:
    ledger = ElectionLedger(ROUNDS)
    async with connected(server.address) as connections:
        async with observed(connections) as observers:
            candidates = clients_of(Candidate, CANDIDATES, connections, ledger, SEED)
            await contend(candidates, server, ledger, kills)
            await check_queue_is_empty(connections[0], NAME)
            await _have_the_last_word(connections[0], observers)
        queue = check_leaders(await read_events(connections[0]), ledger)
    streams = [told for observer in observers for told in observer.streams]
    for told in streams:
        check_stream(told, queue)
    ledger.events["observed"] = sum(map(len, streams))
    ledger.events["observations"] = len(streams)
    print(f"seed {SEED}: led {ledger.held} times; {kills} kills; {dict(ledger.events)}")
    assert ledger.events["given up too late"] <= 1 + ledger.events["given up"] // 2
    return ledger


@asynccontextmanager
async def observed(connections: Sequence[Connection]) -> AsyncIterator[Sequence[Observer]]:
    """Observe during the block."""
    chance = random.Random(SEED)
    observers = [
        Observer(connections[number % len(connections)], NAME, chance.random())
        for number in range(OBSERVERS)
    ]
    observing = [asyncio.create_task(observer.observe()) for observer in observers]
    try:
        yield observers
    finally:
        await stop(observing)


async def _have_the_last_word(connection: Connection, observers: Sequence[Observer]) -> None:
    """Lead after all others, see that each observer is told of it, and be gone."""
    lease = await connection.grant(100)
    request = elect.CampaignRequest(name=NAME, lease=lease, value=LAST_WORDS)
    await connection.call(connection.election.Campaign, request)
    for observer in observers:
        await asyncio.wait_for(observer.wait_for(LAST_WORDS), PATIENCE)
    await connection.revoke(lease)
    await check_queue_is_empty(connection, NAME)


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_one_leads_at_a_time_and_is_observed(transport: Transport) -> None:
    with etcdpy_server(transport) as server:
        ledger = await _run(server)
    for what in (
        "given up",
        "given up while another held",
        "resigned while waiting",
        "revoked while leading",
        "stood twice",
        "stood again",
        "observed",
    ):
        assert ledger.events[what], what


async def test_one_leads_at_a_time_while_the_server_is_killed() -> None:
    with etcdpy_server(args=reachable()) as server:
        ledger = await _run(server, KILLS)
    assert ledger.events["server away"]
