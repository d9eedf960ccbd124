"""Two servers side by side, started alike, so that every field of their replies can be compared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop import (
    aetcd_clients,
    etcetra_environment,
    gateway_environment,
    go_client,
    java_client,
    rust_client,
)
from tests.interop.etcdctl import Etcdctl
from tests.support.ports import free_port
from tests.support.servers import Server, distro_binary, etcd, etcdpy_server, reference_etcd


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


@pytest.fixture
async def both(pair: Pair) -> AsyncIterator[aetcd_clients.Both]:
    """Connect aetcd to both servers, which hold a=9 (put twice), b=2 and c=3, and no other key."""
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(aetcd_clients.connect(server.address))
            for server in (pair.etcdpy, pair.etcd)
        ]
        clients = aetcd_clients.Both(*connections)
        await clients.answer(lambda c: c.delete_range(b"\0", b"\0"))
        await clients.answer(lambda c: c.put(b"a", b"1"))
        await clients.answer(lambda c: c.put(b"b", b"2"))
        await clients.answer(lambda c: c.put(b"c", b"3"))
        await clients.answer(lambda c: c.put(b"a", b"9"))
        yield clients


@pytest.fixture(scope="session")
def etcdctl() -> Etcdctl:
    return Etcdctl.found()


@pytest.fixture(scope="session")
def go_program() -> None:
    """Build the tests written in Go, or skip."""
    go_client.build()


@pytest.fixture(scope="session")
def java_program() -> str:
    """Compile the tests written in Java and return their class path, or skip."""
    return java_client.build()


@pytest.fixture(scope="session")
def rust_program() -> Path:
    """Build the tests written in Rust and return the program, or skip."""
    return rust_client.build()


@pytest.fixture(scope="session")
def etcetra_python() -> Path:
    """Return a Python that has etcetra, or skip."""
    return etcetra_environment.ENVIRONMENT.interpreter()


@pytest.fixture(scope="session")
def gateway_python() -> Path:
    """Return a Python that has clients of the JSON gateway, or skip."""
    return gateway_environment.ENVIRONMENT.interpreter()


def start(kind: str, *args: str) -> AbstractContextManager[Server]:
    """Run ``etcdpy`` or a real ``etcd`` with ``args``."""
    return etcdpy_server(args=args) if kind == "etcdpy" else reference_etcd(args=args)


def start_v2(kind: str, *args: str) -> AbstractContextManager[Server]:
    """Run ``etcdpy``, or the newest ``etcd`` that has v2, with v2 and ``args``."""
    if kind == "etcdpy":
        return etcdpy_server(args=("--enable-v2", *args))
    return etcd(distro_binary("etcd"), ("--enable-v2", "--unsafe-no-fsync", *args))


def reachable() -> tuple[str, ...]:
    """Return flags for a server that listens where it says it does, also after a restart.

    Clients that follow the member list (and those that wait for a server to come back) need
    an address that is known in advance.
    """
    url = f"http://127.0.0.1:{free_port()}"
    return (f"--listen-client-urls={url}", f"--advertise-client-urls={url}")
