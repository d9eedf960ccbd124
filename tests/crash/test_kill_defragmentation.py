"""
kill -9 of a server that defragments under load, again and again, on one data directory.

``ETCDPY_SEED`` makes the same choices again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from etcdpy.pb import rpc_pb2, rpc_pb2_grpc
from tests.crash.workload import Ledger, connect, verify, work_until_killed
from tests.support.seeds import SEED
from tests.support.servers import Server, etcdpy_server

ROUNDS = 12
WRITERS = 16

# Generated service stubs carry no types.
_stubs: Any = rpc_pb2_grpc


async def test_nothing_acknowledged_is_lost_when_a_defragmentation_is_killed() -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    ledger = Ledger.for_writers(WRITERS)
    with etcdpy_server() as server:
        for number in range(ROUNDS):
            finished = asyncio.Semaphore(0)
            defragmenting = asyncio.create_task(_defragment_until_killed(server.address, finished))
            # At some moment; when one has come to its end; and in the middle of one.
            kind = number % 3
            until = (None, finished.acquire, lambda: _stop_in_the_middle(server))[kind]
            longest = (1.0, 1.0, 0.0)[kind]
            await work_until_killed(server, ledger, chance, longest=longest, until=until)
            await defragmenting
            assert _copies(server.data_dir) or kind != 2
            server.start()
            assert _copies(server.data_dir) == []
            await verify(server.address, ledger)
            print(f"round {number}: revision {ledger.revision}, compacted {ledger.compacted}")


async def _stop_in_the_middle(server: Server) -> None:
    """Have the server stand still at a moment when there is half of a copy."""
    while True:
        os.kill(server.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, server.pid, os.WSTOPPED)  # noqa: ASYNC222 (it takes no time)
        if _copies(server.data_dir):
            return
        os.kill(server.pid, signal.SIGCONT)
        await asyncio.sleep(0.005)


async def _defragment_until_killed(address: str, finished: asyncio.Semaphore) -> None:
    async with connect(address) as connection:
        maintenance = _stubs.MaintenanceStub(connection)
        with contextlib.suppress(grpc.aio.AioRpcError):
            while True:
                await maintenance.Defragment(rpc_pb2.DefragmentRequest())
                finished.release()


def _copies(data_dir: Path) -> list[Path]:
    return list((data_dir / "member" / "lmdb").glob("defrag-*"))
