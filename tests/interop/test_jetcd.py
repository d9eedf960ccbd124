"""jetcd, the Java client, against etcdpy and a real etcd: one set of assertions, in Java.

The tests are in ``java/``; each shows up here under its own name, once for either server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.interop import java_client
from tests.interop.conftest import reachable, start
from tests.interop.java_client import Session
from tests.support.servers import Server

# The first one waits for downloads.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def session(java_program: str, server: Server) -> Iterator[Session]:
    with closing(Session(java_program, server)) as running:
        yield running


@pytest.fixture(scope="module", params=["etcdpy", "etcd"])
def session_that_restarts(java_program: str, request: pytest.FixtureRequest) -> Iterator[Session]:
    with start(request.param, *reachable()) as server, closing(Session(java_program, server)) as it:
        yield it


@pytest.mark.parametrize("name", java_client.names(restarts=False))
def test_jetcd(session: Session, name: str) -> None:
    session.check(name)


@pytest.mark.parametrize("name", java_client.names(restarts=True))
def test_jetcd_survives_a_restart(session_that_restarts: Session, name: str) -> None:
    session_that_restarts.check(name)
