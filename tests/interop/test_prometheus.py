"""
A real Prometheus watches etcdpy as it watches etcd, with what etcd publishes for that.

It scrapes both, and is asked for every expression of etcd's alerts and dashboards
(``prometheus/mixin.json``): they find data of etcdpy wherever they find data of etcd.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.support import http1
from tests.support.client import Client
from tests.support.ports import free_port
from tests.support.servers import etcdpy_server, reference_etcd

MIXIN: dict[str, Any] = json.loads(
    Path(__file__).with_name("prometheus").joinpath("mixin.json").read_text()
)
ALERTS = [(alert["alert"], alert["expr"]) for alert in MIXIN["alerts"]]
PANELS = [(panel["title"], panel["expr"]) for panel in MIXIN["panels"]]

#: What the expressions take for an etcd: the name of a job.
OURS, ETCDS = "etcdpy", "etcd"

#: Figures that a cluster of one has not, etcd's or ours, and why.
WITHOUT = {
    "etcd_network_peer_received_bytes_total": "there is no peer to receive from",
    "etcd_network_peer_round_trip_time_seconds_bucket": "there is no peer to ask",
    "etcd_network_peer_sent_bytes_total": "there is no peer to send to",
    "etcd_network_peer_sent_failures_total": "there is no peer to fail to send to",
}

#: Alerts of a server that is well that would go on all the same in a test, and why.
ON_ANYWAY = {
    "etcdExcessiveDatabaseGrowth": "a burst of a few seconds, gone on with for four hours",
    "etcdGRPCRequestsSlow": "the machine may be busy",
    "etcdHighCommitDurations": "the disk may be busy",
    "etcdHighFsyncDurations": "the disk may be busy",
}

#: What ``promtool check metrics`` has to say of names, which are etcd's: etcd is told the same.
LINT = {
    'non-counter metrics should not have "_total" suffix': (
        "etcd_debugging_lease_ttl_total",
        "etcd_debugging_mvcc_keys_total",
        "etcd_debugging_mvcc_pending_events_total",
        "etcd_debugging_mvcc_slow_watcher_total",
        "etcd_debugging_mvcc_watch_stream_total",
        "etcd_debugging_mvcc_watcher_total",
        "etcd_disk_wal_write_bytes_total",
        "etcd_grpc_proxy_cache_hits_total",
        "etcd_grpc_proxy_cache_keys_total",
        "etcd_grpc_proxy_cache_misses_total",
        "etcd_grpc_proxy_watchers_coalescing_total",
        "etcd_server_proposals_applied_total",
        "etcd_server_proposals_committed_total",
        "etcd_server_snapshot_apply_in_progress_total",
    ),
    'counter metrics should have "_total" suffix': (
        "etcd_server_health_failures",
        "etcd_server_health_success",
        "etcd_server_learner_promote_successes",
    ),
    'use base unit "seconds" instead of "milliseconds"': (
        "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
        "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
        "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
    ),
}

#: No step takes longer, even on a busy machine.
TIMEOUT = 60.0


class Prometheus:
    """A Prometheus that scrapes and evaluates ten times in three seconds."""

    def __init__(self, address: str) -> None:
        self._root = f"http://{address}/api/v1/"

    def ask(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self._root}{path}?{query}", timeout=TIMEOUT) as answer:
            told = json.load(answer)
        assert told["status"] == "success"
        return told["data"]

    def value(self, expression: str) -> list[float]:
        """Return the values of an expression as of now; those that are no number left out."""
        found = self.ask("query", query=expression)["result"]
        values = [float(sample["value"][1]) for sample in found]
        return [value for value in values if not math.isnan(value)]

    def wait_until(self, expression: str) -> None:
        """Wait until an expression has a value that is not 0."""
        until = time.monotonic() + TIMEOUT
        while not any(self.value(expression)):
            assert time.monotonic() < until, expression
            time.sleep(0.2)


@contextmanager
def running_prometheus(folder: Path, targets: dict[str, str]) -> Iterator[Prometheus]:
    rules = [{key: alert[key] for key in ("alert", "for", "expr")} for alert in MIXIN["alerts"]]
    settings = {
        "global": {
            "scrape_interval": "300ms",
            "scrape_timeout": "300ms",
            "evaluation_interval": "300ms",
        },
        "rule_files": [str(folder / "rules.json")],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]}
            for job, address in targets.items()
        ],
    }
    # JSON is YAML as well.
    (folder / "prometheus.json").write_text(json.dumps(settings))
    groups = [{"name": "etcd", "rules": rules}]
    (folder / "rules.json").write_text(json.dumps({"groups": groups}))
    address = f"127.0.0.1:{free_port()}"
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.json'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_until_ready(address, process, folder / "log")
        yield Prometheus(address)
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"http://{address}/-/ready", timeout=TIMEOUT):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@contextmanager
def work(address: str) -> Iterator[None]:
    """Have clients use a server until the block ends: one watches, one keeps a lease alive."""
    done = threading.Event()
    with closing(Client(address)) as client:
        watched = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"k"))
        watch = client.watch.Watch(_open(watched, done))
        next(watch)
        client.lease.LeaseGrant(pb.LeaseGrantRequest(ID=7, TTL=3600))
        keeping = client.lease.LeaseKeepAlive(_open(pb.LeaseKeepAliveRequest(ID=7), done))
        next(keeping)

        def put() -> None:
            while not done.wait(0.005):
                client.kv.Put(pb.PutRequest(key=b"k", value=b"v" * 20_000), timeout=TIMEOUT)
                client.kv.Range(pb.RangeRequest(key=b"k"), timeout=TIMEOUT)

        putting = threading.Thread(target=put)
        putting.start()
        try:
            yield
        finally:
            done.set()
            putting.join()
            watch.cancel()
            keeping.cancel()


def _open(first: Any, done: threading.Event) -> Iterator[Any]:
    """Yield one request, and leave the stream of them open."""
    yield first
    done.wait()


def program(name: str) -> str:
    """Return the path of a program of Prometheus', or skip."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} in PATH (of Debian's package prometheus)")
    return found


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """Both servers, by the names of their jobs."""
    program("promtool")
    with ExitStack() as running:
        # As etcd needs it, too: an alert asks how long calls take.
        timed = ["--metrics=extensive"]
        servers = {OURS: etcdpy_server(args=timed), ETCDS: reference_etcd(args=timed)}
        yield {job: running.enter_context(start).address for job, start in servers.items()}


@pytest.fixture(scope="module")
def prometheus(
    addresses: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    with ExitStack() as running:
        folder = tmp_path_factory.mktemp("prometheus")
        found = running.enter_context(running_prometheus(folder, addresses))
        for address in addresses.values():
            running.enter_context(work(address))
        # A rate is of two scrapes, and what is rarest is that which is flushed to the database.
        rare = "increase(etcd_disk_backend_commit_duration_seconds_count{job='%s'}[10s])"
        for job in addresses:
            found.wait_until(rare % job)
        yield found


def of_job(expression: str, job: str) -> str:
    """Return an expression of a dashboard as Grafana would ask for it, for one job."""
    shown = expression.replace("$cluster", job).replace("$__rate_interval", "10s")
    return shown.replace('job=~".*etcd.*"', f'job="{job}"')


def selectors(expression: str) -> list[str]:
    """Return what an expression is about: names of figures with their labels."""
    return re.findall(r"[a-z_]+\{[^}]*\}", expression)


def names(expression: str) -> set[str]:
    return {selector.partition("{")[0] for selector in selectors(expression)}


def test_expressions_are_about_figures() -> None:
    for _, expression in ALERTS + PANELS:
        assert names(expression)
    assert set(WITHOUT) <= {name for _, expression in ALERTS + PANELS for name in names(expression)}
    assert set(ON_ANYWAY) <= {name for name, _ in ALERTS}


@pytest.mark.parametrize("job", [OURS, ETCDS])
def test_every_panel_of_the_dashboard_shows_something(prometheus: Prometheus, job: str) -> None:
    shown = {
        expression: bool(prometheus.value(of_job(expression, job))) for _, expression in PANELS
    }
    expected = {expression: not names(expression) & WITHOUT.keys() for _, expression in PANELS}
    assert shown == expected


@pytest.mark.parametrize("job", [OURS, ETCDS])
def test_every_alert_has_what_it_looks_at(prometheus: Prometheus, job: str) -> None:
    wanted = {
        of_job(selector, job) for _, expression in ALERTS for selector in selectors(expression)
    }
    found = {one: bool(prometheus.ask("query", query=one)["result"]) for one in wanted}
    assert found == {one: not names(one) & WITHOUT.keys() for one in wanted}


@pytest.mark.parametrize("job", [OURS, ETCDS])
def test_figures_are_those_of_a_leader_with_a_watch_and_a_lease(
    prometheus: Prometheus, job: str
) -> None:
    shown = {title: prometheus.value(of_job(expression, job)) for title, expression in PANELS}
    assert shown["Up"] == [1]
    # One of both; the panel is of two expressions, and this is the second.
    assert shown["Active Streams"] == [1]
    assert shown["Total Leader Elections Per Day"] == [0]
    (memory,) = shown["Memory"]
    assert 10 << 20 < memory < 1 << 30


def test_alerts_are_evaluated_and_those_of_what_is_well_are_off(prometheus: Prometheus) -> None:
    prometheus.wait_until("count_over_time(up[1m]) > 3")
    (group,) = prometheus.ask("rules")["groups"]
    assert [rule["name"] for rule in group["rules"]] == [name for name, _ in ALERTS]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    on = {rule["name"] for rule in group["rules"] if rule["state"] != "inactive"}
    assert on <= ON_ANYWAY.keys()


def test_names_have_the_faults_of_etcds_and_no_others(addresses: dict[str, str]) -> None:
    page = http1.get(addresses[OURS], "/metrics").body
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"], input=page, capture_output=True
    )
    assert not checked.stdout
    found = set(checked.stderr.decode().strip().splitlines())
    assert found == {f"{name} {fault}" for fault, names in LINT.items() for name in names}
