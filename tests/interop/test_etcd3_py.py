"""etcd3-py, a client of the JSON gateway, does what it does against a real etcd."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.interop.auth_house import BCRYPT, version_of
from tests.interop.conftest import reachable, start
from tests.interop.environment import outside

SESSION = Path(__file__).with_name("etcd3_py_session.py")
TIMEOUT = 90.0

#: The first etcd with this gateway.
SINCE = (3, 7)

EXPECTED: Mapping[str, Any] = {
    "put": "A",
    "range": [["a", "again"]],
    "range of a prefix": [["b/2", "B/2"], ["b/1", "B/1"]],
    "range of all": [True, 3, ["a", "b/1"]],
    "range, count": 2,
    "bytes": True,
    "delete": 1,
    "transaction": [True, [["a", "txn"]]],
    "transaction that fails": [False, [["a", "txn"]]],
    "compact": [["a", "txn"]],
    "watch": [["PUT", "w/1", "1"], ["PUT", "w/2", "2"], ["DELETE", "w/1", None]],
    "watch, raw": [True, "3"],
    "lease": [7001, 60, ["leased"], []],
    "lease that is not there": "refused",
    "lock": [["_locks/l"], []],
    "lock of the server's": [True, []],
    "maintenance": [32, True, True],
    "alarms": [["CORRUPT"], []],
    "members": [1, "conformance"],
    "async put": True,
    "async range": [["x/1", "one"]],
    "async transaction": True,
    "async watch": [["x/3", "three"]],
    "async lease": 60,
    "async, many at once": 50,
    "users": [["alice", "root"], ["part", "root"], ["part"]],
    "permissions": [["p/", "p0", "READWRITE"]],
    "a stranger": "refused",
    "a wrong password": "refused",
    "a user": [["p/1", "hers"]],
    "a user beyond his rights": "refused",
    "async, a user": [["p/1", "hers"]],
    "afterwards": [["root"], ["root"]],
}


@pytest.mark.parametrize("kind", ["etcdpy", "etcd"])
def test_etcd3_py(gateway_python: Path, kind: str) -> None:
    with start(kind, *reachable(), BCRYPT) as server:
        if version_of(server) < SINCE:
            pytest.skip("an etcd with another gateway, which tells errors in another form")
        done = subprocess.run(
            [str(gateway_python), str(SESSION), server.address],
            env=outside(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == EXPECTED
