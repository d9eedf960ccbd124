"""A server logs its settings in one line, whose fields are etcd's."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from etcdpy.config import Config, InvalidConfigError, load
from etcdpy.gostd.platforms import go_arch, go_os, usable_cpus
from etcdpy.server.settings_log import log_settings
from etcdpy.version import GIT_SHA, GO_VERSION


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def settings(
    caplog: pytest.LogCaptureFixture, *arguments: str, initialized: bool = False
) -> dict[str, Any]:
    """Load settings, log them, and return the fields of the line."""
    log_settings(load(arguments, {}, lambda *_: None), initialized)
    record = caplog.records[-1]
    assert record.msg == "starting an etcd server"
    assert isinstance(record.args, dict)
    return dict(record.args)


#: What etcd 3.7.1 logs of these flags, but for what it says of itself.
FLAGS = ("--name=n1", "--data-dir=/d/", "--feature-gates=LeaseCheckpoint=false")
FIELDS = {
    "etcd-version": "3.7.1",
    "git-sha": GIT_SHA,
    "go-version": GO_VERSION,
    "go-os": go_os(),
    "go-arch": go_arch(),
    "max-cpu-set": usable_cpus(),
    "max-cpu-available": usable_cpus(),
    "member-initialized": False,
    "name": "n1",
    "data-dir": "/d/",
    "wal-dir": "",
    "wal-dir-dedicated": "",
    "member-dir": "/d/member",
    "force-new-cluster": False,
    "heartbeat-interval": "100ms",
    "election-timeout": "1s",
    "initial-election-tick-advance": True,
    "snapshot-count": 10000,
    "max-wals": 5,
    "max-snapshots": 5,
    "snapshot-catchup-entries": 5000,
    "initial-advertise-peer-urls": ["http://localhost:2380"],
    "listen-peer-urls": ["http://localhost:2380"],
    "advertise-client-urls": ["http://localhost:2379"],
    "listen-client-urls": ["http://localhost:2379"],
    "listen-metrics-urls": [],
    "local-address": "",
    "cors": ["*"],
    "host-whitelist": ["*"],
    "initial-cluster": "n1=http://localhost:2380",
    "initial-cluster-state": "new",
    "initial-cluster-token": "etcd-cluster",
    "quota-backend-bytes": 2147483648,
    "max-request-bytes": 1572864,
    "max-concurrent-streams": 4294967295,
    "pre-vote": True,
    "feature-gates": "LeaseCheckpoint=false",
    "initial-corrupt-check": False,
    "corrupt-check-time-interval": "0s",
    "compact-check-time-interval": "1m0s",
    "auto-compaction-mode": "periodic",
    "auto-compaction-retention": "0s",
    "auto-compaction-interval": "0s",
    "discovery-token": "",
    "discovery-endpoints": "",
    "discovery-dial-timeout": "2s",
    "discovery-request-timeout": "5s",
    "discovery-keepalive-time": "2s",
    "discovery-keepalive-timeout": "6s",
    "discovery-insecure-transport": True,
    "discovery-insecure-skip-tls-verify": False,
    "discovery-cert": "",
    "discovery-key": "",
    "discovery-cacert": "",
    "discovery-user": "",
    "downgrade-check-interval": "5s",
    "max-learners": 1,
    "v2-deprecation": "write-only",
}


def test_fields_are_etcds_and_come_first_in_its_order(caplog: pytest.LogCaptureFixture) -> None:
    fields = settings(caplog, *FLAGS)
    assert list(fields.items())[: len(FIELDS)] == list(FIELDS.items())


def test_what_etcd_leaves_out_is_told_behind(caplog: pytest.LogCaptureFixture) -> None:
    fields = settings(caplog, "--grpc-keepalive-interval=90m", "--unsafe-no-fsync")
    own = {name: fields[name] for name in fields.keys() - FIELDS.keys()}
    assert own["grpc-keepalive-interval"] == "1h30m0s"
    assert own["unsafe-no-fsync"] is True
    assert own["max-txn-ops"] == 128
    assert {"etcdpy-version", "python-version", "transport"} <= own.keys()


@pytest.mark.parametrize(
    ("flag", "field", "shown"),
    [
        ("--snapshot-count=7", "snapshot-count", 7),
        ("--wal-dir=/w", "wal-dir-dedicated", "/w"),
        ("--pre-vote=false", "pre-vote", False),
        ("--corrupt-check-time=90s", "corrupt-check-time-interval", "1m30s"),
        ("--auto-compaction-retention=2", "auto-compaction-retention", "2h0m0s"),
        ("--auto-compaction-retention=2", "auto-compaction-interval", "2h0m0s"),
        ("--quota-backend-bytes=-1", "quota-backend-bytes", -1),
        # Whole heartbeats of 100 ms.
        ("--election-timeout=1050", "election-timeout", "1s"),
        ("--host-whitelist=b,a,b", "host-whitelist", ["a", "b"]),
        ("--cors=http://b:2,http://a:1", "cors", ["http://a:1", "http://b:2"]),
        ("--listen-peer-urls=http://127.0.0.1:1", "listen-peer-urls", ["http://127.0.0.1:1"]),
        ("--listen-metrics-urls=http://[::1]:1", "listen-metrics-urls", ["http://[::1]:1"]),
        (
            "--initial-cluster=b=http://b:1,a=http://a:1",
            "initial-cluster",
            "a=http://a:1,b=http://b:1",
        ),
    ],
)
def test_setting_is_shown_as_etcd_shows_it(
    caplog: pytest.LogCaptureFixture, flag: str, field: str, shown: object
) -> None:
    assert settings(caplog, flag)[field] == shown


@pytest.mark.parametrize(
    ("urls", "address"),
    [
        ("http://10.0.0.1:2380", "10.0.0.1"),
        ("http://127.0.0.1:1,http://[2001:db8::1]:1", "2001:db8::1"),
        ("http://a:1,http://0.0.0.0:1,unix://10.0.0.1", ""),
    ],
)
def test_local_address_is_the_first_that_others_can_reach(
    caplog: pytest.LogCaptureFixture, urls: str, address: str
) -> None:
    advertised = f"--initial-advertise-peer-urls={urls}"
    assert settings(caplog, advertised)["local-address"] == ""
    gate = "--feature-gates=SetMemberLocalAddr=true"
    assert settings(caplog, advertised, gate)["local-address"] == address


def test_cluster_of_a_used_directory_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    fields = settings(caplog, "--initial-cluster=x=http://a:1", initialized=True)
    assert (fields["initial-cluster"], fields["initial-cluster-token"]) == ("", "")
    assert fields["member-initialized"] is True


def test_of_two_that_cannot_be_read_the_cluster_is_refused_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = ("--auto-compaction-retention=abc", "--initial-cluster=default=foo")
    with pytest.raises(InvalidConfigError, match="error setting up initial cluster"):
        settings(caplog, *bad)
    with pytest.raises(InvalidConfigError, match="error parsing CompactionRetention"):
        settings(caplog, *bad, initialized=True)


@pytest.mark.parametrize(("interval", "raised"), [(0.0, False), (0.05, True), (0.1, False)])
def test_a_progress_interval_that_is_raised_is_warned_of(
    caplog: pytest.LogCaptureFixture, interval: float, raised: bool
) -> None:
    log_settings(Config(watch_progress_notify_interval=interval), initialized=False)
    message = "adjusting watch progress notify interval to minimum period"
    warned = [record.args for record in caplog.records if record.msg == message]
    assert warned == [{"min-watch-progress-notify-interval": "100ms"}] * raised


@pytest.mark.parametrize(
    ("interval", "used"), [(0.0, 600.0), (-5.0, 600.0), (0.05, 0.1), (0.1, 0.1), (7.0, 7.0)]
)
def test_the_progress_interval_that_is_used(interval: float, used: float) -> None:
    assert Config(watch_progress_notify_interval=interval).progress_interval == used
