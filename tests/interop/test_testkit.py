"""
Suites that others wrote run under the test kit as they are.

``ETCDPY_UPSTREAM_TESTS=all`` runs all of the tests in Go, otherwise a few of each kind, and those
of aetcd and etcetra, which sleep for more than a minute.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etcdpy.testing import Etcd
from tests.interop import etcetra_environment, go_client, test_etcd3gw, test_tooz
from tests.interop.conftest import reachable, start
from tests.interop.environment import Environment
from tests.interop.sdist_suite import SdistSuite
from tests.interop.upstream import tell
from tests.support.servers import distro_binary

#: What of etcd's Go client is run each time: a lease, a watch, a lock and a transaction.
FEW = ("TestLeaseRunsOut", "TestWatchFromNowOn", "TestMutexExcludes", "TestTxnNests")
ALL = os.environ.get("ETCDPY_UPSTREAM_TESTS") == "all"


AETCD = SdistSuite(
    "aetcd",
    "1.0.0",
    Environment(
        "aetcd-venv",
        ("aetcd==1.0.0", "pytest==9.0.3", "pytest-asyncio==1.3.0", "pytest-mock==3.15.1"),
        ("3.11", "3.10", "3.12", "3.13"),
    ),
    # Without its own settings, which want coverage measured.
    ("-c", "/dev/null", "--rootdir=.", "-o", "asyncio_mode=auto", "-p", "aetcd_place"),
)
ETCETRA = SdistSuite(
    "etcetra",
    "0.1.19",
    Environment(
        "etcetra-suite-venv",
        (
            *etcetra_environment.ENVIRONMENT.requirements,
            "pytest==6.2.5",
            "pytest-asyncio==0.16.0",
            "pytest-mock==3.15.1",
        ),
        etcetra_environment.ENVIRONMENT.versions,
    ),
    ("-p", "etcetra_place"),
)
#: They want three servers.
OF_CLUSTERS = {
    "tests.integration.test_cluster.test_member_list",
    "tests.integration.test_kv.test_get_key_with_serializable",
}


@pytest.fixture(scope="module")
def etcd() -> Iterator[Etcd]:
    with Etcd() as etcd:
        yield etcd


def test_etcd3gw_passes_its_own_tests(gateway_python: Path, etcd: Etcd) -> None:
    etcd.reset()
    variables = {"TOOZ_TEST_HTTP_URL": etcd.url, "TOOZ_TEST_ETCD_PORT": str(etcd.port)}
    told = tell(gateway_python, "", *test_etcd3gw.MODULES, **variables)
    assert {name: outcome for name, outcome in told.items() if outcome != "ok"} == {}
    # They did ask this one.
    assert etcd.requests.count("KV/*") > 10
    assert {request.over for request in etcd.requests} == {"http"}


def test_tooz_passes_its_own_tests(gateway_python: Path, etcd: Etcd) -> None:
    etcd.reset()
    url = f"etcd3+http://{etcd.endpoint}"
    told = tell(gateway_python, test_tooz.PATTERN, *test_tooz.MODULES, TOOZ_TEST_URL=url)
    failed = {name for name, outcome in told.items() if not outcome.startswith(("ok", "skipped"))}
    assert failed == set()
    assert etcd.requests.count("Lease/LeaseGrant") > 10


@contextmanager
def serving(kind: str) -> Iterator[str]:
    """Run the kit or a real etcd, to which all its tests are due as well, and say where it is."""
    if kind == "etcd":
        with start(kind, *reachable()) as server:
            yield server.address
        return
    with Etcd() as etcd:
        yield etcd.endpoint
        assert etcd.requests.count() > 50


@pytest.mark.skipif(not ALL, reason="ETCDPY_UPSTREAM_TESTS=all asks for it")
@pytest.mark.parametrize("kind", ["kit", "etcd"])
def test_aetcd_passes_its_own_tests(kind: str) -> None:
    # Its tests ask etcdctl for what newer ones do no more.
    path = f"{distro_binary('etcdctl').parent}{os.pathsep}{os.environ['PATH']}"
    with serving(kind) as address:
        told = AETCD.tell(TEST_ETCD_HTTP_URL=f"http://{address}", PATH=path)
    assert {name: outcome for name, outcome in told.items() if outcome != "ok"} == dict.fromkeys(
        OF_CLUSTERS, "skipped"
    )
    assert len(told) == 93


@pytest.mark.skipif(not ALL, reason="ETCDPY_UPSTREAM_TESTS=all asks for it")
@pytest.mark.parametrize("kind", ["kit", "etcd"])
def test_etcetra_passes_its_own_tests(kind: str) -> None:
    with serving(kind) as address:
        told = ETCETRA.tell(BACKEND_ETCD_ADDR=address)
    assert {name: outcome for name, outcome in told.items() if outcome != "ok"} == {}
    assert len(told) == 10


@pytest.mark.usefixtures("go_program")
@pytest.mark.parametrize("name", go_client.names() if ALL else FEW)
def test_go_client_works_with_a_test_server(child: Etcd, name: str) -> None:
    child.reset()
    go_client.run(name, child.url)
    assert child.requests.count() > 0


@pytest.fixture(scope="module")
def child() -> Iterator[Etcd]:
    with Etcd(mode="process") as child:
        yield child
