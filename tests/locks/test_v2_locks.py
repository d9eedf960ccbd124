"""
Fifty clients and one lock of v2: never two holders, first come first served, nothing lost.

Clients give up, hang up and die, waiting and holding; the server is killed, and stopped, now and
then. ``ETCDPY_V2_LOCK_ROUNDS`` and ``ETCDPY_V2_LOCK_KILLS`` make it longer, ``ETCDPY_SEED``
makes the same choices again.
"""

from __future__ import annotations

import asyncio
import os
import random
import time

from tests.interop.conftest import reachable
from tests.locks.queue_client import Ledger
from tests.locks.v2_contenders import LOCK, Contender, Contest
from tests.support.http_calls import Reply, call
from tests.support.seeds import SEED
from tests.support.servers import Server, etcdpy_server

ROUNDS = int(os.environ.get("ETCDPY_V2_LOCK_ROUNDS", "150"))
KILLS = int(os.environ.get("ETCDPY_V2_LOCK_KILLS", "1"))
CLIENTS = 50


async def _kill(server: Server, ledger: Ledger) -> None:
    """End the server and start it again, evenly over the rounds: killed, or told to stop."""
    for number in range(1, KILLS + 1):
        while ledger.held < ledger.rounds * number // (KILLS + 1):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        # Before and after: what was under way at either moment may be half done.
        ledger.kills += 1
        await asyncio.to_thread(server.kill if number % 2 else server.stop)
        await asyncio.to_thread(server.start)
        ledger.kills += 1


async def _contend(server: Server, ledger: Ledger) -> Contest:
    contest, chance = Contest(server, ledger), random.Random(SEED)
    work = [
        asyncio.create_task(Contender(number, contest, chance.random()).run())
        for number in range(CLIENTS)
    ]
    work.append(asyncio.create_task(_kill(server, ledger)))
    try:
        await asyncio.gather(*work)
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    return contest


async def _until_it_is_free(address: str) -> None:
    """Wait for what the dead have left to run out."""
    deadline = time.monotonic() + 30
    while await call(address, "GET", f"{LOCK}?field=index") != Reply(200, ""):
        assert time.monotonic() < deadline, "places are left in the queue"
        await asyncio.sleep(0.1)


async def test_lock_is_held_by_one_at_a_time_in_order_and_nothing_is_lost() -> None:
    ledger = Ledger(ROUNDS)
    with etcdpy_server(args=(*reachable(), "--enable-v2")) as server:
        began = time.monotonic()
        contest = await _contend(server, ledger)
        took = time.monotonic() - began
        await _until_it_is_free(server.address)
    print(
        f"seed {SEED}: held {ledger.held} times in {took:.0f} s; {KILLS} ends of the server; "
        f"{dict(ledger.events)}"
    )
    assert len(contest.indexes) == ledger.held >= ROUNDS
    assert ledger.kills == 2 * KILLS
    if KILLS:
        assert ledger.events["server away"]
    for event in ("led", "given up", "hung up", "died waiting"):
        assert ledger.events[event]
