"""
Fifty clients and one lock: never two holders, first come first served, nothing left behind.

Some give up waiting, lose their lease or let it end, and the server is killed now and then.
``ETCDPY_LOCK_ROUNDS`` and ``ETCDPY_LOCK_KILLS`` make it longer, ``ETCDPY_SEED`` makes
the same choices again.
"""

from __future__ import annotations

import os

import pytest

from tests.interop.conftest import reachable
from tests.locks.contenders import NAME, Contender, check_holders
from tests.locks.contest import check_queue_is_empty, clients_of, connected, contend
from tests.locks.history import read_events
from tests.locks.queue_client import Ledger
from tests.support.seeds import SEED
from tests.support.servers import Server, Transport, etcdpy_server

ROUNDS = int(os.environ.get("ETCDPY_LOCK_ROUNDS", "600"))
KILLS = int(os.environ.get("ETCDPY_LOCK_KILLS", "2"))
CLIENTS = 50


async def _run(server: Server, kills: int = 0) -> Ledger:
    ledger = Ledger(ROUNDS)
    async with connected(server.address) as connections:
        contenders = clients_of(Contender, CLIENTS, connections, ledger, SEED)
        await contend(contenders, server, ledger, kills)
        await check_queue_is_empty(connections[0], NAME)
        check_holders(await read_events(connections[0]))
    print(f"seed {SEED}: held {ledger.held} times; {kills} kills; {dict(ledger.events)}")
    # It does happen that an answer crosses a cancellation.
    assert ledger.events["given up too late"] <= 1 + ledger.events["given up"] // 2
    return ledger


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_lock_is_held_by_one_at_a_time_and_nothing_is_left(transport: Transport) -> None:
    with etcdpy_server(transport) as server:
        ledger = await _run(server)
    assert ledger.events["given up"]
    assert ledger.events["given up while another held"]
    assert ledger.events["revoked while waiting"]
    assert ledger.events["revoked while holding"]


async def test_lock_is_held_by_one_at_a_time_while_the_server_is_killed() -> None:
    with etcdpy_server(args=reachable()) as server:
        ledger = await _run(server, KILLS)
    assert ledger.events["server away"]
