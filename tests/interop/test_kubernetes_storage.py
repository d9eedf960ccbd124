"""What a Kubernetes API server asks of its storage, of etcdpy and of a real etcd.

The tests are ``go/kubernetes_*_test.go``, with etcd's own client; each shows up here under its
own name, once for either server.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.interop import go_client
from tests.interop.conftest import reachable, start
from tests.support.servers import Server, reference_binary

pytestmark = pytest.mark.usefixtures("go_program")

# Bookmarks come every 5 s to an API server, which is long to wait for.
INTERVAL = "--watch-progress-notify-interval=200ms"


@pytest.fixture(scope="module", params=["etcdpy", "etcd"])
def storage(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each of the two servers in turn, notifying of progress several times a second."""
    flag = _older(INTERVAL) if request.param == "etcd" else INTERVAL
    with start(request.param, flag, *reachable()) as running:
        yield running


def _older(flag: str) -> str:
    """Return ``flag`` as the reference etcd calls it: another name before 3.6."""
    version = subprocess.run(
        [reference_binary(), "--version"], capture_output=True, text=True
    ).stdout
    return flag.replace("--", "--experimental-", 1) if "Version: 3.5" in version else flag


@pytest.mark.parametrize("name", go_client.kubernetes_names())
def test_kubernetes_storage(storage: Server, name: str) -> None:
    go_client.run(name, f"http://{storage.address}")
