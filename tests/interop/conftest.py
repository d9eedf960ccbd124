"""Two servers side by side, started alike, so that every field of their replies can be compared."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import pytest

from tests.interop import go_client
from tests.support.servers import Server, etcdpy_server, reference_etcd


@dataclass(frozen=True)
class Pair:
    """etcdpy and a real etcd, both new: the same calls in the same order keep them alike.

    A call to one of them alone would set their revisions apart for the rest of the module.
    """

    etcdpy: Server
    etcd: Server


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with etcdpy_server(args=reachable()) as etcdpy, reference_etcd(args=reachable()) as etcd:
        yield Pair(etcdpy, etcd)


@pytest.fixture(scope="module", params=["etcdpy", "etcd"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each of the two servers in turn, advertising an address where it can be reached."""
    with start(request.param, *reachable()) as running:
        yield running


@pytest.fixture(scope="session")
def go_program() -> None:
    """Build the tests written in Go, or skip."""
    go_client.build()


def start(kind: str, *args: str) -> AbstractContextManager[Server]:
    """Run ``etcdpy`` or a real ``etcd`` with ``args``."""
    return etcdpy_server(args=args) if kind == "etcdpy" else reference_etcd(args=args)


def reachable() -> tuple[str, ...]:
    """Return flags for a server that listens where it says it does, also after a restart.

    Clients that follow the member list (and those that wait for a server to come back) need
    an address that is known in advance.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    return (f"--listen-client-urls={url}", f"--advertise-client-urls={url}")
