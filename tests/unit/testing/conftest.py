"""A server for the tests of a module, as new for each of them, and clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from etcdpy.testing import Etcd
from tests.support.client import Client


@pytest.fixture(scope="module")
def server() -> Iterator[Etcd]:
    with Etcd() as server:
        yield server


@pytest.fixture
def etcd(server: Etcd) -> Iterator[Etcd]:
    server.renew()
    yield server
    server.reset()


@pytest.fixture
def client(etcd: Etcd) -> Iterator[Client]:
    with closing(Client(etcd.endpoint)) as client:
        yield client
