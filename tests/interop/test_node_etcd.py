"""node-etcd, npm's client of v2: keys, comparing, directories, a watcher, and the server."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.interop import ROOT, node_client
from tests.interop.conftest import reachable, start_v2

SOURCES = Path(__file__).with_name("node_v2")
DIRECTORY = ROOT / "build" / "interop-node-v2"
TIMEOUT = 60.0


@pytest.mark.parametrize("kind", ["etcdpy", "etcd"])
def test_node_etcd(kind: str) -> None:
    node_client.install(SOURCES, DIRECTORY)
    # A proxy set for the machine is not for 127.0.0.1.
    environment = {"NODE_PATH": str(DIRECTORY / "node_modules"), "NO_PROXY": "127.0.0.1"}
    with start_v2(kind, *reachable()) as server:
        done = subprocess.run(
            ["node", str(SOURCES / "session.js"), f"http://{server.address}"],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
    assert done.returncode == 0, done.stderr
    told = ["keys", "comparing", "directories", "watching", "server"]
    assert done.stdout.split() == told
