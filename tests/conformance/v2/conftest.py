"""Both servers with v2, shared by as many tests as can share them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.conformance.v2.differences import DIFFERENCES
from tests.support import servers
from tests.support.servers import Server
from tests.support.v2 import V2Client

SUBJECT, REFERENCE = "etcdpy", "etcd"


def start(kind: str) -> Iterator[Server]:
    if kind == SUBJECT:
        with servers.etcdpy_server(args=["--enable-v2"]) as server:
            yield server
    else:
        # Whatever etcd the others are compared with: newer ones have no v2.
        binary = servers.distro_binary("etcd")
        with servers.etcd(binary, ["--enable-v2", "--unsafe-no-fsync"]) as server:
            settle(server)
            yield server


def settle(server: Server) -> None:
    """Wait until etcd has written the version of its cluster, which moves v2's index."""
    client = V2Client(server.address)
    while client.raw("GET", "/version").json["etcdcluster"] == "not_decided":
        time.sleep(0.01)
    client.close()


@pytest.fixture(scope="module", params=[SUBJECT, REFERENCE])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    yield from start(request.param)


@pytest.fixture
def client(server: Server) -> Iterator[V2Client]:
    client = V2Client(server.address)
    yield client
    client.close()


@pytest.fixture(autouse=True)
def differs(request: pytest.FixtureRequest) -> None:
    """Leave etcd out of what it is known to do otherwise."""
    mark = request.node.get_closest_marker("differs")
    if mark is None:
        return
    reason = DIFFERENCES[mark.args[0]]
    if request.node.callspec.params["server"] == REFERENCE:
        pytest.skip(reason)
