"""npm's etcd3, against etcdpy and against a real etcd: one set of promises, in JavaScript.

They are in ``node/*.promises.js``; each shows up here under its own name, once for either server.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.interop import node_client
from tests.interop.conftest import reachable, start
from tests.support.servers import Server


@dataclass(frozen=True)
class Session:
    """What came of all promises, kept or not, against one server."""

    failures: dict[str, str | None]


@pytest.fixture(scope="session")
def npm_etcd3() -> None:
    """Install etcd3, or skip."""
    node_client.install()


@pytest.fixture(scope="module")
def session(npm_etcd3: None, server: Server) -> Session:
    return Session(node_client.run(f"http://{server.address}"))


@pytest.mark.parametrize("promise", node_client.names())
def test_npm_etcd3(session: Session, promise: str) -> None:
    assert promise in session.failures, "the session did not get to it"
    assert session.failures[promise] is None, session.failures[promise]


@pytest.mark.parametrize("promise", node_client.names_across_restarts())
@pytest.mark.parametrize("kind", ["etcdpy", "etcd"])
def test_npm_etcd3_across_restarts(npm_etcd3: None, kind: str, promise: str) -> None:
    with start(kind, *reachable()) as server:
        commands = {"kill the server": server.kill, "start the server": server.start}
        failures = node_client.run(f"http://{server.address}", promise, commands=commands)
    assert failures == {promise: None}, failures.get(promise, "it did not run")
