"""python-etcd, Python's client of v2: it passes its own tests, and its locks pass on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.interop.conftest import reachable, start_v2
from tests.interop.environment import outside
from tests.interop.v2_environment import ENVIRONMENT

SUITE = Path(__file__).with_name("python_etcd_suite.py")
TIMEOUT = 120.0

#: Those of a cluster of three, whose members are killed, are not for a single node.
PATTERN = "^(?!TestClusterFunctions)"


def test_python_etcd_passes_its_own_tests() -> None:
    python = ENVIRONMENT.interpreter()
    with start_v2("etcdpy", *reachable()) as server:
        port = server.address.rpartition(":")[2]
        done = subprocess.run(
            [str(python), "-W", "ignore", str(SUITE), port, PATTERN],
            env=outside(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert {name: outcome for name, outcome in told.items() if outcome != "ok"} == {}
    assert len(told) == 20
