"""etcd3gw, OpenStack's client of the JSON gateway: it passes its own tests against etcdpy."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import reachable, start
from tests.interop.environment import outside
from tests.interop.upstream import tell
from tests.support.servers import Server

MODULES = ("etcd3gw.tests.test_client", "etcd3gw.tests.test_etcd3gw")

#: What finds the paths of the gateway by itself, and what is told them.
PATHS = ("", 'api_path="/v3/"', 'api_path="/v3beta/"')


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with start("etcdpy", *reachable()) as running:
        yield running


def test_etcd3gw_passes_its_own_tests(gateway_python: Path, server: Server) -> None:
    port = server.address.rpartition(":")[2]
    url = f"http://{server.address}"
    told = tell(gateway_python, "", *MODULES, TOOZ_TEST_HTTP_URL=url, TOOZ_TEST_ETCD_PORT=port)
    assert {name: outcome for name, outcome in told.items() if outcome != "ok"} == {}
    assert len(told) >= 35


@pytest.mark.parametrize("path", PATHS)
def test_etcd3gw_may_be_told_where_the_gateway_is(
    gateway_python: Path, server: Server, path: str
) -> None:
    host, _, port = server.address.rpartition(":")
    program = f"""
import etcd3gw
client = etcd3gw.client(host={host!r}, port={port}, {path})
assert client.put("k", "v")
assert client.get("k") == [b"v"]
"""
    command = [str(gateway_python), "-c", program]
    done = subprocess.run(command, env=outside(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
