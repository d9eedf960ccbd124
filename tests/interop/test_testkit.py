"""
Suites that others wrote run under the test kit as they are.

``ETCDPY_UPSTREAM_TESTS=all`` runs all of the tests in Go; otherwise a few of each kind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from etcdpy.testing import Etcd
from tests.interop import go_client, test_etcd3gw, test_tooz
from tests.interop.upstream import tell

#: What of etcd's Go client is run each time: a lease, a watch, a lock and a transaction.
FEW = ("TestLeaseRunsOut", "TestWatchFromNowOn", "TestMutexExcludes", "TestTxnNests")
ALL = os.environ.get("ETCDPY_UPSTREAM_TESTS") == "all"


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
