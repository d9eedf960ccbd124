"""etcetra, unchanged, does from its own environment what it does against a real etcd."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.interop.auth_house import BCRYPT, settle_in
from tests.interop.conftest import Pair, reachable, start
from tests.interop.environment import outside
from tests.interop.etcdctl import Etcdctl
from tests.support.servers import Server

SESSION = Path(__file__).with_name("etcetra_session.py")
TIMEOUT = 60.0

UNKNOWN = "EtcdUnknownError: etcdserver: "  # etcetra tells no error codes apart

EXPECTED: Mapping[str, Any] = {
    "put": None,
    "put another": None,
    "put a third": None,
    "put again": "",  # etcetra reads a previous value that it never asks for
    "get": "9",
    "get nothing": None,
    "get an old revision": "1",
    "get with a bound": None,
    "get_prefix": {"a": "9"},
    "get_range": {"a": "9", "b": "2"},
    "get_range, limit": {"a": "9", "b": "2"},
    "get_range, by value": {"a": "9", "c": "3", "b": "2"},
    "get_range, by mod revision": {"b": "2", "c": "3", "a": "9"},
    "get_range, created early": {"a": "9", "b": "2"},
    "get_range, changed late": {"a": "9", "c": "3"},
    "get_range, created late": {"c": "3"},
    "get_range, then": {"a": "1", "b": "2"},
    "keys_prefix": ["b"],
    "keys_range": ["a", "b", "c"],
    "keys_range, by value": ["a", "c", "b"],
    "directories": [{"/d/1": "/d/1", "/d/2": "/d/2"}, ["/e/1"]],
    "text beyond ASCII": {"ключ": "значение"},
    "txn": [{"a": "9"}, {"revision": 12}, {"t": "1"}, None, {}],
    "txn keeps a value": [{"revision": 13}, {"b": "2"}],
    "txn, value ==": [[{"revision": 14}, {"t": "yes"}], True],
    "txn, value !=": [[{"a": "9"}], False],
    "txn, value >": [[{"revision": 15}, {"t": "yes"}], True],
    "txn, is missing": [[{"revision": 16}, {"t": "yes"}], True],
    "txn, is not missing": [[{"revision": 17}, {"t": "yes"}], True],
    "txn, range": [[{"revision": 18}, {"t": "yes"}], True],
    "txn, one fails": [[{"a": "9"}], False],
    "delete": None,
    "delete_range": None,
    "delete_prefix": None,
    "what is left": ["/e/1"],
    "get without a key": UNKNOWN + "key is not provided",
    "get a future revision": UNKNOWN + "mvcc: required revision is a future revision",
    "put with an unknown lease": UNKNOWN + "requested lease not found",
    "put without a value": UNKNOWN + "key not found",
    "txn puts a key twice": UNKNOWN + "duplicate key given in txn request",
    "lease": [[7001, 7002], {"l2": "2"}],
    "lease twice": UNKNOWN + "lease already exists",
    "lease revoked twice": UNKNOWN + "requested lease not found",
    "lease kept alive": "1",
    "lease with an id of the server's": [True, None],
    "lease left alone": ["1", None],
    "lock": [[1, 1], []],
    "lock held by another": "in vain",
    "lock passed on": [1, []],
}


@pytest.fixture(scope="module")
def outcomes(etcetra_python: Path, pair: Pair) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return _session(etcetra_python, pair.etcdpy), _session(etcetra_python, pair.etcd)


def _session(python: Path, server: Server, *login: str) -> Mapping[str, Any]:
    done = _connected(python, server, *login)
    assert done.returncode == 0, done.stderr
    outcomes: Mapping[str, Any] = json.loads(done.stdout)
    return outcomes


def _connected(python: Path, server: Server, *login: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), str(SESSION), server.address, *login],
        env=outside(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


@pytest.mark.parametrize("step", EXPECTED)
def test_etcetra(outcomes: tuple[Mapping[str, Any], Mapping[str, Any]], step: str) -> None:
    etcdpy, etcd = outcomes
    assert _in_order(etcdpy[step]) == _in_order(etcd[step]) == _in_order(EXPECTED[step])


def _in_order(outcome: Any) -> Any:
    """Make the order of a mapping part of it: etcetra returns ranges as mappings."""
    return list(outcome.items()) if isinstance(outcome, dict) else outcome


def test_no_step_is_forgotten(outcomes: tuple[Mapping[str, Any], Mapping[str, Any]]) -> None:
    etcdpy, etcd = outcomes
    assert etcdpy.keys() == etcd.keys() == EXPECTED.keys()


@pytest.mark.parametrize("kind", ["etcdpy", "etcd"])
def test_etcetra_does_the_same_as_a_user(etcetra_python: Path, etcdctl: Etcdctl, kind: str) -> None:
    with start(kind, *reachable(), BCRYPT) as server:
        settle_in(
            etcdctl,
            server,
            "user add alice:password",
            "role add everything",
            "role grant-permission everything readwrite '' --from-key=true",
            "user grant-role alice everything",
        )
        outcomes = _session(etcetra_python, server, "alice", "password")
        assert outcomes == EXPECTED
        refused = _connected(etcetra_python, server, "alice", "wrong")
        assert "authentication failed, invalid user ID or password" in refused.stderr
