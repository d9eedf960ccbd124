"""Figures beside a real etcd: their names, what they say of themselves, and what was counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import differences
from tests.conformance.peers import Call, Peer
from tests.support import http1, servers
from tests.support.http1 import request
from tests.support.ports import free_port

#: Counted the same since the oldest etcd that is compared with.
COUNTED = (
    "etcd_debugging_lease_granted_total",
    "etcd_debugging_lease_revoked_total",
    "etcd_debugging_mvcc_current_revision",
    "etcd_debugging_mvcc_keys_total",
    "etcd_debugging_mvcc_total_put_size_in_bytes",
    "etcd_mvcc_delete_total",
    "etcd_mvcc_put_total",
    "etcd_network_client_grpc_received_bytes_total",
    "etcd_server_has_leader",
)


class Served(NamedTuple):
    """A server: a connection to it, and where it tells figures."""

    peer: Peer
    metrics: str

    def page(self) -> str:
        return http1.ask(self.metrics, request("/metrics")).body.decode()

    def figures(self) -> dict[str, float]:
        lines = [line for line in self.page().splitlines() if not line.startswith("#")]
        return {key: float(value) for key, _, value in (line.rpartition(" ") for line in lines)}


@pytest.fixture(scope="module", params=["native", "grpcio"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[Served, Served]]:
    with ExitStack() as running:
        found = []
        starts: list[Callable[..., Any]] = [
            lambda args: servers.etcdpy_server(request.param, args),
            servers.reference_etcd,
        ]
        for start in starts:
            port = free_port()
            arguments = [f"--listen-metrics-urls=http://127.0.0.1:{port}"]
            peer = Peer(running.enter_context(start(arguments)).address)
            running.callback(peer.close)
            found.append(Served(peer, f"127.0.0.1:{port}"))
        yield found[0], found[1]


def work(peer: Peer) -> None:
    """Do some of everything that is counted."""
    put = pb.PutRequest(key=b"a", value=b"12345")
    asks_before = pb.PutRequest(key=b"a", value=b"1", prev_kv=True)
    for asked in (
        put,
        asks_before,
        pb.PutRequest(),
        pb.RangeRequest(key=b"a"),
        pb.RangeRequest(key=b"a", range_end=b"z"),
        pb.RangeRequest(key=b"a", revision=1000),
        pb.TxnRequest(success=[pb.RequestOp(request_put=put)]),
        pb.TxnRequest(
            compare=[pb.Compare(key=b"x"), pb.Compare(key=b"y")],
            success=[
                pb.RequestOp(request_put=put),
                pb.RequestOp(request_range=pb.RangeRequest(key=b"a")),
            ],
        ),
        pb.TxnRequest(success=[pb.RequestOp(request_range=pb.RangeRequest(key=b"a"))]),
        pb.DeleteRangeRequest(key=b"none"),
        pb.DeleteRangeRequest(key=b"a", prev_kv=True),
        pb.LeaseGrantRequest(ID=7, TTL=100),
        pb.PutRequest(key=b"l1", lease=7),
        pb.PutRequest(key=b"l2", lease=7),
        pb.LeaseRevokeRequest(ID=7),
    ):
        peer.send(Call.of(asked))


def test_names_and_what_they_say_are_etcds(both: tuple[Served, Served]) -> None:
    ours, etcds = both
    if differences.version_of(etcds.peer) < differences.METRICS_SINCE:
        pytest.skip("this etcd has others")
    work(ours.peer)
    work(etcds.peer)
    told, expected = (
        {
            line
            for line in served.page().splitlines()
            if line.startswith("# ")
            and not re.match("# [A-Z]+ (go|promhttp|process|python)_", line)
        }
        for served in both
    )
    assert told == expected


def test_every_sample_but_those_of_times_has_a_namesake(both: tuple[Served, Served]) -> None:
    ours, etcds = both
    if differences.version_of(etcds.peer) < differences.METRICS_SINCE:
        pytest.skip("this etcd has others")
    told, expected = (
        {
            key
            for key in served.figures()
            if key.startswith(("etcd_", "os_"))
            and not key.startswith(
                ("etcd_server_request_d", "etcd_server_apply_d", "etcd_server_range_d")
            )
            and not re.match("etcd_(server_id|server_version|server_go_version)", key)
        }
        for served in (ours, etcds)
    )
    assert told == expected


def test_the_same_work_counts_the_same(both: tuple[Served, Served]) -> None:
    grown = []
    for served in both:
        before = served.figures()
        work(served.peer)
        after = served.figures()
        grown.append({key: after[key] - before.get(key, 0) for key in after})
    ours, etcds = grown
    is_new = differences.version_of(both[1].peer) >= differences.METRICS_SINCE
    names = [*COUNTED, "etcd_mvcc_range_total", "etcd_mvcc_txn_total"] if is_new else COUNTED
    assert {name: ours[name] for name in names} == {name: etcds[name] for name in names}
    calls = [key for key in etcds if re.match("grpc_server_(started|handled)_total", key)]
    assert {key: ours.get(key) for key in calls if etcds[key]} == {
        key: etcds[key] for key in calls if etcds[key]
    }
