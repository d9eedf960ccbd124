"""The Rust client etcd-client, on tonic, against etcdpy and a real etcd: one set of assertions.

The tests are in ``rust/``; each shows up here under its own name, once for either server.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop import rust_client
from tests.interop.conftest import reachable, start
from tests.support.servers import Server

# The first one waits for the build.
pytestmark = pytest.mark.timeout(900)


@pytest.mark.parametrize("name", rust_client.names(restarts=False))
def test_rust_client(rust_program: Path, server: Server, name: str) -> None:
    rust_client.run(rust_program, name, server)


@pytest.mark.parametrize("name", rust_client.names(restarts=True))
@pytest.mark.parametrize("kind", ["etcdpy", "etcd"])
def test_rust_client_survives_a_restart(rust_program: Path, kind: str, name: str) -> None:
    with start(kind, *reachable()) as server:
        rust_client.run(rust_program, name, server)
