"""
kill -9 of a server that defragments under load, again and again, on one data directory.

``ETCDPY_SEED`` makes the same choices again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from etcdpy.pb import rpc_pb2, rpc_pb2_grpc
from tests.crash.workload import Ledger, connect, verify, write_until_killed
from tests.support.seeds import SEED
from tests.support.servers import Server, etcdpy_server

ROUNDS = 20
WRITERS = 16
PATIENCE = 60.0

# Generated service stubs carry no types.
_stubs: Any = rpc_pb2_grpc


async def test_nothing_acknowledged_is_lost_when_a_defragmentation_is_killed() -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    ledger = Ledger.for_writers(WRITERS)
    interrupted = 0
    with etcdpy_server() as server:
        for number in range(ROUNDS):
            # Every other time at least one comes to its end, however slow the machine.
            await _work_until_killed(server, ledger, chance, to_finish=number % 2)
            interrupted += bool(_copies(server.data_dir))
            server.start()
            assert _copies(server.data_dir) == []
            await verify(server.address, ledger)
            print(f"round {number}: revision {ledger.revision}, compacted {ledger.compacted}")
    assert interrupted, "not all came to their end"


async def _work_until_killed(
    server: Server, ledger: Ledger, chance: random.Random, *, to_finish: int
) -> None:
    """Write and defragment at once until so many defragmentations have ended, and a bit more."""
    finished = asyncio.Semaphore(0)
    work = asyncio.create_task(write_until_killed(server.address, ledger, chance))
    defragmenting = asyncio.create_task(_defragment_until_killed(server.address, finished))
    for _ in range(to_finish):
        await asyncio.wait_for(finished.acquire(), PATIENCE)
    await asyncio.sleep(chance.uniform(0.1, 1.0))
    server.kill()
    await work
    await defragmenting


async def _defragment_until_killed(address: str, finished: asyncio.Semaphore) -> None:
    async with connect(address) as connection:
        maintenance = _stubs.MaintenanceStub(connection)
        with contextlib.suppress(grpc.aio.AioRpcError):
            while True:
                await maintenance.Defragment(rpc_pb2.DefragmentRequest())
                finished.release()


def _copies(data_dir: Path) -> list[Path]:
    return list((data_dir / "member" / "lmdb").glob("defrag-*"))
