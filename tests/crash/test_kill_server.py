"""
kill -9 of a server under load, again and again, on one data directory.

``ETCDPY_CRASH_ROUNDS`` sets how often, ``ETCDPY_SEED`` makes the same choices again.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path

from etcdpy.mvcc import check
from tests.crash.workload import Ledger, verify, work_until_killed
from tests.support.seeds import SEED
from tests.support.servers import etcdpy_server

ROUNDS = int(os.environ.get("ETCDPY_CRASH_ROUNDS", "25"))
WRITERS = 16


async def test_nothing_acknowledged_is_lost_when_the_server_is_killed() -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    ledger = Ledger.for_writers(WRITERS)
    with etcdpy_server() as server:
        for number in range(ROUNDS):
            # Not each round is long enough for a compaction unless it is waited for.
            compactions = int(number % 10 == 0)
            await work_until_killed(server, ledger, chance, longest=0.5, compactions=compactions)
            _check_store(server.data_dir)
            server.start()
            await verify(server.address, ledger)
            print(f"round {number}: revision {ledger.revision}, compacted {ledger.compacted}")


def _check_store(data_dir: Path) -> None:
    """Run the store's own check on a copy: it replays the journal, which the server has to do."""
    with tempfile.TemporaryDirectory() as directory:
        copy = shutil.copytree(data_dir, Path(directory, "data"))
        check.verify(copy)
