"""What a server says of itself is what etcd says, as far as it is true of one node."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from etcdpy.config import Config, InvalidConfigError, load
from etcdpy.server import startup_log
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


def settings(
    caplog: pytest.LogCaptureFixture, *arguments: str, initialized: bool = False
) -> dict[str, Any]:
    config = load(arguments, {}, lambda *_: None)
    startup_log.log_settings(config, initialized)
    (message, fields) = logged(caplog)[0]
    assert message == "starting an etcd server"
    return fields


def test_settings_have_etcds_names_and_forms(caplog: pytest.LogCaptureFixture) -> None:
    fields = settings(
        caplog, "--name=n1", "--data-dir=/d/", "--feature-gates=LeaseCheckpoint=false"
    )
    # What etcd 3.7.1 logs of the same settings.
    expected = {
        "etcd-version": "3.7.1",
        "member-initialized": False,
        "name": "n1",
        "member-dir": "/d/member",
        "heartbeat-interval": "100ms",
        "election-timeout": "1s",
        "initial-advertise-peer-urls": ["http://localhost:2380"],
        "advertise-client-urls": ["http://localhost:2379"],
        "listen-client-urls": ["http://localhost:2379"],
        "initial-cluster": "n1=http://localhost:2380",
        "initial-cluster-state": "new",
        "initial-cluster-token": "etcd-cluster",
        "quota-backend-bytes": 2147483648,
        "max-request-bytes": 1572864,
        "max-concurrent-streams": 4294967295,
        "feature-gates": "LeaseCheckpoint=false",
        "auto-compaction-mode": "periodic",
        "auto-compaction-retention": "0s",
        "auto-compaction-interval": "0s",
        "max-learners": 1,
    }
    assert expected.items() <= fields.items()
    shared = [name for name in fields if name in expected]
    assert shared == list(expected)


def test_durations_are_written_as_go_does(caplog: pytest.LogCaptureFixture) -> None:
    fields = settings(caplog, "--grpc-keepalive-interval=90m", "--auto-compaction-retention=2")
    assert fields["grpc-keepalive-interval"] == "1h30m0s"
    assert fields["auto-compaction-retention"] == "2h0m0s"


def test_settings_without_effect_are_not_told(caplog: pytest.LogCaptureFixture) -> None:
    fields = settings(caplog, "--snapshot-count=7", "--listen-peer-urls=http://127.0.0.1:1")
    assert not {"snapshot-count", "listen-peer-urls", "cert-file"} & fields.keys()


def test_cluster_of_a_used_directory_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    fields = settings(caplog, "--initial-cluster=x=http://a:1", initialized=True)
    assert (fields["initial-cluster"], fields["initial-cluster-token"]) == ("", "")
    assert fields["member-initialized"] is True


def test_retention_that_cannot_be_read_is_refused_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(InvalidConfigError, match="error parsing CompactionRetention"):
        settings(caplog, "--auto-compaction-retention=abc")


@pytest.mark.parametrize(("interval", "raised"), [(0.0, False), (0.05, True), (0.1, False)])
def test_a_progress_interval_that_is_raised_is_warned_of(
    caplog: pytest.LogCaptureFixture, interval: float, raised: bool
) -> None:
    startup_log.log_settings(Config(watch_progress_notify_interval=interval), initialized=False)
    message = "adjusting watch progress notify interval to minimum period"
    fields = {"min-watch-progress-notify-interval": "100ms"}
    assert logged(caplog)[1:] == [(message, fields)] * raised


@pytest.mark.parametrize(
    ("interval", "used"), [(0.0, 600.0), (-5.0, 600.0), (0.05, 0.1), (0.1, 0.1), (7.0, 7.0)]
)
def test_the_progress_interval_that_is_used(interval: float, used: float) -> None:
    assert Config(watch_progress_notify_interval=interval).progress_interval == used


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
    started = {"local-server-version": "3.7.1", "cluster-version": "3.7"}
    assert lines == [
        ("starting local member", BOTH),
        ("added member", BOTH | added),
        ("set initial cluster version", BOTH | {"cluster-version": "3.7"}),
        ("kvstore restored", {"current-rev": 5}),
        ("enabled backend quota with default value", quota),
        ("starting etcd server", BOTH | started),
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


async def test_addresses_are_told_when_clients_are_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with new_store() as (store, log):
        node = make_node(store, log)
        caplog.clear()
        startup_log.log_serving(Config(), node, ["127.0.0.1:1", "/e.sock"])
    insecurely = "serving client traffic insecurely; this is strongly discouraged!"
    (_, serving), *rest = logged_with_ready(caplog)
    assert serving["listen-client-urls"] == ["http://localhost:2379"]
    assert (serving["listen-peer-urls"], serving["listen-metrics-urls"]) == ([], [])
    assert rest == [
        ("ready to serve client requests", {}),
        (insecurely, {"traffic": "grpc+http", "address": "127.0.0.1:1"}),
        (insecurely, {"traffic": "grpc+http", "address": "/e.sock"}),
    ]


def logged_with_ready(caplog: pytest.LogCaptureFixture) -> LoggedLines:
    """The lines so far, one of which has no fields."""
    return [(r.msg, dict(r.args) if isinstance(r.args, dict) else {}) for r in caplog.records]
