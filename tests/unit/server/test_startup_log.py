"""What a server says of itself is what etcd says, as far as it is true of one node."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from etcdpy.config import Config
from etcdpy.server import startup_log
from etcdpy.server.tls_info import TlsInfo
from tests.unit.mvcc.stores import new_store, worked_example
from tests.unit.node.nodes import make_node

LoggedLines = list[tuple[str, dict[str, Any]]]


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def logged(caplog: pytest.LogCaptureFixture) -> LoggedLines:
    """The lines so far, as messages and fields."""
    found: LoggedLines = []
    for record in caplog.records:
        assert isinstance(record.args, dict)
        found.append((record.msg, dict(record.args)))
    return found


async def lines_of_a_member(
    caplog: pytest.LogCaptureFixture, *, initialized: bool, quota: int = 0
) -> LoggedLines:
    async with new_store() as (store, log):
        await worked_example(store, log)
        node = make_node(store, log, size=lambda: 24576)
        caplog.clear()
        startup_log.log_member(Config(quota_backend_bytes=quota), node, initialized)
    return logged(caplog)


MEMBER, CLUSTER = "f693000000000001", "643a000000000002"
BOTH = {"cluster-id": CLUSTER, "local-member-id": MEMBER}


def test_profiles_are_told_of_where_they_are_wanted(caplog: pytest.LogCaptureFixture) -> None:
    startup_log.log_pprof(Config(log_level="debug"))
    assert logged(caplog) == []
    startup_log.log_pprof(Config(enable_pprof=True))
    assert logged(caplog) == [("pprof is enabled", {"path": "/debug/pprof"})]


async def test_new_member_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    lines = await lines_of_a_member(caplog, initialized=False)
    added = {
        "added-peer-id": MEMBER,
        "added-peer-peer-urls": ["http://127.0.0.1:2380"],
        "added-peer-is-learner": False,
    }
    quota = {
        "quota-name": "v3-applier",
        "quota-size-bytes": 2147483648,
        "quota-size": "2.1 GB",
    }
    started = {
        "local-member-id": MEMBER,
        "local-server-version": "3.7.1",
        "cluster-version": "to_be_decided",
    }
    assert lines == [
        ("starting local member", BOTH),
        ("kvstore restored", {"current-rev": 5}),
        ("enabled backend quota with default value", quota),
        ("starting etcd server", started),
        ("added member", BOTH | added),
    ]


async def test_member_that_comes_back_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    lines = await lines_of_a_member(caplog, initialized=True)
    assert [message for message, _ in lines] == [
        "recovered v3 backend",
        "restarting local member",
        "recovered/added member from store",
        "set cluster version from store",
        "kvstore restored",
        "enabled backend quota with default value",
        "starting etcd server",
    ]
    assert lines[0][1] == {
        "backend-size-bytes": 24576,
        "backend-size": "25 kB",
        "backend-size-in-use-bytes": 24576,
        "backend-size-in-use": "25 kB",
    }
    assert lines[-1][1] == BOTH | {"local-server-version": "3.7.1", "cluster-version": "3.7"}
    assert lines[1][1].keys() == BOTH.keys() | {"commit-index"}
    assert lines[2][1] == BOTH | {
        "recovered-remote-peer-id": MEMBER,
        "recovered-remote-peer-urls": ["http://127.0.0.1:2380"],
        "recovered-remote-peer-is-learner": False,
    }


@pytest.mark.parametrize(
    ("quota", "messages"),
    [
        (-1, ["disabled backend quota"]),
        (1 << 20, ["enabled backend quota"]),
        (9 << 30, ["quota exceeds the maximum value", "enabled backend quota"]),
    ],
)
async def test_quota_is_told_of(
    caplog: pytest.LogCaptureFixture, quota: int, messages: list[str]
) -> None:
    lines = await lines_of_a_member(caplog, initialized=False, quota=quota)
    found = [(message, fields) for message, fields in lines if "quota" in message]
    assert [message for message, _ in found] == messages
    assert all(fields["quota-size-bytes"] == quota for _, fields in found)


@pytest.mark.parametrize("initialized", [False, True])
async def test_addresses_are_told_when_clients_are_served(
    caplog: pytest.LogCaptureFixture, initialized: bool
) -> None:
    async with new_store() as (store, log):
        node = make_node(store, log)
        caplog.clear()
        addresses = [
            startup_log.Address("127.0.0.1:1", is_secure=False),
            startup_log.Address("/e.sock", is_secure=False, traffic="http"),
        ]
        startup_log.log_serving(Config(), node, addresses, TlsInfo(), initialized)
    insecurely = "serving client traffic insecurely; this is strongly discouraged!"
    founded = ("set initial cluster version", BOTH | {"cluster-version": "3.7"})
    (_, serving), *rest = logged_with_ready(caplog)
    assert serving["listen-client-urls"] == ["http://localhost:2379"]
    assert (serving["listen-peer-urls"], serving["listen-metrics-urls"]) == ([], [])
    assert rest == [
        *([] if initialized else [founded]),
        ("ready to serve client requests", {}),
        ("grpc service status changed", {"service": "", "status": "SERVING"}),
        (insecurely, {"traffic": "grpc+http", "address": "127.0.0.1:1"}),
        (insecurely, {"traffic": "http", "address": "/e.sock"}),
    ]


async def test_what_is_secured_is_told_and_by_what(caplog: pytest.LogCaptureFixture) -> None:
    tls = TlsInfo("c.pem", "k.pem", authorities="a.pem", identifies=True, suites=("S",))
    async with new_store() as (store, log):
        node = make_node(store, log)
        caplog.clear()
        addresses = [
            startup_log.Address("127.0.0.1:1", is_secure=True),
            startup_log.Address("127.0.0.1:2", is_secure=False),
        ]
        startup_log.log_serving(Config(), node, addresses, tls, initialized=True)
    first, _, _, _, *rest = logged_with_ready(caplog)
    info = (
        "cert = c.pem, key = k.pem, client-cert=, client-key=, trusted-ca = a.pem, "
        "client-cert-auth = true, crl-file = "
    )
    assert first == ("starting with client TLS", {"tls-info": info, "cipher-suites": ["S"]})
    insecurely = "serving client traffic insecurely; this is strongly discouraged!"
    assert rest == [
        ("serving client traffic securely", {"traffic": "grpc+http", "address": "127.0.0.1:1"}),
        (insecurely, {"traffic": "grpc+http", "address": "127.0.0.1:2"}),
    ]


def logged_with_ready(caplog: pytest.LogCaptureFixture) -> LoggedLines:
    """The lines so far, one of which has no fields."""
    return [(r.msg, dict(r.args) if isinstance(r.args, dict) else {}) for r in caplog.records]
