"""
tooz, OpenStack's library for coordination, with etcd's gateway behind it: it passes its own tests.

One of them waits for half a minute until a member has been silent for long enough:
``ETCDPY_UPSTREAM_TESTS=all`` runs that as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import reachable, start
from tests.interop.upstream import tell
from tests.support.servers import Server

MODULES = ("tooz.tests.test_coordination", "tooz.tests.drivers.test_etcd3gw")
ALL = os.environ.get("ETCDPY_UPSTREAM_TESTS") == "all"
PATTERN = "" if ALL else "^(?!.*disappear)"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with start("etcdpy", *reachable()) as running:
        yield running


def test_tooz_passes_its_own_tests(gateway_python: Path, server: Server) -> None:
    told = tell(gateway_python, PATTERN, *MODULES, TOOZ_TEST_URL=f"etcd3+http://{server.address}")
    passed = [name for name, outcome in told.items() if outcome == "ok"]
    failed = {
        name: outcome
        for name, outcome in told.items()
        if outcome != "ok" and not outcome.startswith("skipped: ")
    }
    assert failed == {}
    assert len(passed) > 60, told
