"""The page of figures, as Prometheus reads it."""

from __future__ import annotations

import asyncio
import gzip
from collections import defaultdict
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from etcdpy.config import Config
from etcdpy.http import metrics
from etcdpy.http.metrics import MetricsPage
from etcdpy.mvcc.store import Store
from etcdpy.services.registration import register_all
from etcdpy.transport import Body, CallCounts, HttpRequest, HttpResponse, Server
from tests.unit.mvcc.fake_log import FakeLog
from tests.unit.node.nodes import make_node

#: The names in the expressions of etcd's dashboard and alerts, those of peers left out.
DASHBOARD = (
    "etcd_disk_backend_commit_duration_seconds_bucket",
    "etcd_disk_wal_fsync_duration_seconds_bucket",
    "etcd_mvcc_db_total_size_in_bytes",
    "etcd_mvcc_db_total_size_in_use_in_bytes",
    "etcd_network_client_grpc_received_bytes_total",
    "etcd_network_client_grpc_sent_bytes_total",
    "etcd_server_has_leader",
    "etcd_server_leader_changes_seen_total",
    "etcd_server_proposals_failed_total",
    "etcd_server_quota_backend_bytes",
    "grpc_server_handled_total",
    "grpc_server_started_total",
    "process_resident_memory_bytes",
)


def page(*, is_timed: bool = False) -> MetricsPage:
    log = FakeLog()
    store = Store(log)
    log.serve(store)
    node = make_node(store, log)
    server = Server(counts=CallCounts(is_timed=is_timed))
    queues: Any = None
    register_all(server, node, queues)
    return MetricsPage(node.parts, server.counts, Config().feature_gates)


async def asked(
    *headers: tuple[bytes, bytes], method: str = "GET", of: MetricsPage | None = None
) -> HttpResponse:
    request: Any = HttpRequest(method, "/metrics", "localhost", headers, Body(), "")
    return await (of or page())(request)


def body_of(response: HttpResponse) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


def kinds_and_samples(text: bytes) -> tuple[dict[str, str], dict[str, list[Any]]]:
    kinds: dict[str, str] = {}
    samples: dict[str, list[Any]] = defaultdict(list)
    for family in text_string_to_metric_families(text.decode()):
        kinds[family.name] = family.type
        for sample in family.samples:
            samples[sample.name].append(sample)
    return kinds, samples


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_page_is_text_for_any_method(method: str) -> None:
    response = await asked(method=method)
    headers = dict(response.headers)
    assert response.status == 200
    assert headers[b"content-type"].startswith(b"text/plain; version=0.0.4; charset=utf-8")
    assert int(headers[b"content-length"]) == len(body_of(response))


@pytest.mark.parametrize(
    ("accepted", "is_gzip"),
    [(b"gzip", True), (b"deflate, gzip;q=0.5", True), (b"gzip;q=0", False), (b"br", False)],
)
async def test_page_is_compressed_if_that_is_accepted(accepted: bytes, is_gzip: bool) -> None:
    response = await asked((b"accept-encoding", accepted))
    assert ((b"content-encoding", b"gzip") in response.headers) == is_gzip
    text = gzip.decompress(body_of(response)) if is_gzip else body_of(response)
    assert text.startswith(b"# HELP etcd_cluster_version ")


async def test_names_are_in_order_and_come_once() -> None:
    lines = body_of(await asked()).decode().splitlines()
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert names == sorted(set(names))


async def test_histograms_never_fall() -> None:
    _, samples = kinds_and_samples(body_of(await asked()))
    buckets = samples["etcd_disk_wal_fsync_duration_seconds_bucket"]
    values = [sample.value for sample in buckets]
    assert values == sorted(values)
    assert buckets[-1].labels == {"le": "+Inf"}


@pytest.mark.parametrize("name", DASHBOARD)
async def test_dashboard_finds_its_figures(name: str) -> None:
    _, samples = kinds_and_samples(body_of(await asked()))
    assert samples[name]


async def test_alert_on_slow_calls_finds_its_figures_where_calls_are_timed() -> None:
    _, samples = kinds_and_samples(body_of(await asked(of=page(is_timed=True))))
    labels = [
        sample.labels
        for sample in samples["grpc_server_handling_seconds_bucket"]
        if sample.labels["grpc_method"] == "Put"
    ]
    assert {label["grpc_type"] for label in labels} == {"unary"}


async def test_page_of_a_hundred_thousand_keys_walks_through_none() -> None:
    class Unwalked:
        """An index that tells how many keys there are, and nothing else."""

        def __len__(self) -> int:
            return 100_000

    log = FakeLog()
    store = Store(log)
    log.serve(store)
    node = make_node(store, log)
    index: Any = Unwalked()
    store.index = index
    text = await MetricsPage(node.parts, CallCounts(), Config().feature_gates).text()
    assert b"\netcd_debugging_mvcc_keys_total 100000\n" in text


async def test_pages_that_are_asked_for_together_are_made_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A pause behind each family: as many turns as there may be.
    monkeypatch.setattr(metrics, "SLICE_SECONDS", 0.0)
    asked_for = page()
    pages = [asyncio.ensure_future(asked_for.text()) for _ in range(3)]
    await asyncio.wait(pages, return_when=asyncio.FIRST_COMPLETED)
    assert [made.done() for made in pages] == [True, False, False]
    assert all(await asyncio.gather(*pages))
