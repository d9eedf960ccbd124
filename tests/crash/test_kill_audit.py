"""
kill -9 of a server that syncs its audit log, again and again: it has every acknowledged write.

``ETCDPY_SEED`` makes the same choices again.
"""

from __future__ import annotations

import json
import os
import random
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from etcdpy.pb import rpc_pb2 as pb
from tests.crash.workload import Ledger, Outcome, verify, work_until_killed
from tests.support.client import Client
from tests.support.seeds import SEED
from tests.support.servers import Server, etcdpy_server

ROUNDS = int(os.environ.get("ETCDPY_CRASH_ROUNDS", "25")) // 5
WRITERS = 16


async def test_every_acknowledged_write_has_its_line_when_the_server_is_killed(
    tmp_path: Path,
) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    ledger = Ledger.for_writers(WRITERS)
    path = tmp_path / "audit.log"
    # Full files are set aside all the time.
    rotation = '--audit-log-rotation-config-json={"maxsize": 1}'
    args = [f"--audit-log={path}", "--audit-log-sync", rotation]
    with etcdpy_server(args=args) as server:
        for number in range(ROUNDS):
            await work_until_killed(server, ledger, chance, longest=0.5)
            found = _lines(path)
            missing = [change for change in ledger.changes if not _is_told_of(found, *change)]
            assert missing == []
            server.start()
            await verify(server.address, ledger)
            # What was not acknowledged may be in the store, but then it has its line, too.
            assert set(range(2, _revision(server) + 1)) <= found.keys()
            print(f"round {number}: revision {ledger.revision}, {ledger.written} writes")


def _lines(path: Path) -> dict[int, list[dict[str, Any]]]:
    """Return the operations of all changes by their revisions; what is cut short is none."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    torn = 0
    for file in (*sorted(path.parent.glob("audit-*.log")), path):
        for text in file.read_text().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                torn += 1
                continue
            if line["code"] == "OK" and "ops" in line:
                found[line["revision"]] += line["ops"]
    assert torn <= ROUNDS
    return found


def _revision(server: Server) -> int:
    with closing(Client(server.address)) as client:
        return int(client.kv.Range(pb.RangeRequest(key=b"x")).header.revision)


def _is_told_of(found: dict[int, list[dict[str, Any]]], revision: int, outcome: Outcome) -> bool:
    told = {op["key"] for op in found.get(revision, ()) if op["op"] == "put"}
    put = {key.decode() for key, value in outcome.items() if value is not None}
    return revision in found and put <= told
