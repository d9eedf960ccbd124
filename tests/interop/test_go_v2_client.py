"""etcd's own Go client of v2, against etcdpy and against the newest etcd that has v2."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop import go_client
from tests.interop.conftest import reachable, start_v2
from tests.support.servers import Server

pytestmark = pytest.mark.usefixtures("go_program")


@pytest.fixture(scope="module", params=["etcdpy", "etcd"])
def v2_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with start_v2(request.param, *reachable()) as server:
        yield server


@pytest.mark.parametrize("name", go_client.v2_names())
def test_go_client(v2_server: Server, name: str) -> None:
    go_client.run(name, f"http://{v2_server.address}")
