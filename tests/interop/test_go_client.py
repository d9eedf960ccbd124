"""etcd's own Go client, against etcdpy and against a real etcd: one set of assertions, in Go.

The tests are in ``go/``; each shows up here under its own name, once for either server.
"""

from __future__ import annotations

import pytest

from tests.interop import go_client
from tests.interop.conftest import reachable, start
from tests.support.servers import Server

pytestmark = pytest.mark.usefixtures("go_program")


@pytest.mark.parametrize("name", go_client.names())
def test_go_client(server: Server, name: str) -> None:
    go_client.run(name, f"http://{server.address}")


@pytest.mark.parametrize("name", go_client.RECONNECTIONS)
@pytest.mark.parametrize("kind", ["etcdpy", "etcd"])
def test_go_client_survives_a_restart(kind: str, name: str) -> None:
    with start(kind, *reachable()) as server:
        go_client.run_with_restart(name, f"http://{server.address}", server.restart)
