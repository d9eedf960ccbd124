"""etcd's own Go client, against etcdpy and against a real etcd: one set of assertions, in Go.

The tests are in ``go/``; each shows up here under its own name, once for either server.
"""

from __future__ import annotations

import time

import pytest

from etcdpy.config import Config
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


@pytest.mark.parametrize("transport", ["native", "grpcio"])
@pytest.mark.parametrize("name", go_client.STOPS)
def test_go_client_keeps_its_lease_and_watch_over_a_stop(transport: str, name: str) -> None:
    """Not with etcd, which waits seven seconds for the streams that its clients do not end."""
    with start("etcdpy", f"--transport={transport}", *reachable()) as server:

        def restart() -> None:
            started = time.monotonic()
            server.stop()
            # It would wait for all of that, and longer on a busy machine.
            assert time.monotonic() - started < Config().request_timeout
            server.start()

        go_client.run_with_restart(name, f"http://{server.address}", restart)
