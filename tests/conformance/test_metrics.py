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
    """A server: a connection to it, where it is, and where it tells figures."""

    peer: Peer
    address: str
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
            arguments = [
                f"--listen-metrics-urls=http://127.0.0.1:{port}",
                # etcd's gateway dials the port that it is told.
                f"--listen-client-urls=http://127.0.0.1:{free_port()}",
            ]
            address = running.enter_context(start(arguments)).address
            peer = Peer(address)
            running.callback(peer.close)
            found.append(Served(peer, address, f"127.0.0.1:{port}"))
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


#: Requests to the gateway: path, body, and what else is told.
ASKED_IN_JSON: tuple[tuple[str, bytes, dict[str, str]], ...] = (
    ("kv/put", b'{"key":"YQ==","value":"Yg=="}', {}),
    ("kv/range", b'{"key":"YQ=="}', {"Grpc_Metadata_Client_Api_Version": "3.9"}),
    ("kv/txn", b'{"success":[{"request_put":{"key":"YQ=="}}]}', {}),
    ("kv/deleterange", b'{"key":"YQ=="}', {}),
    ("kv/put", b"{}", {}),
    ("kv/put", b"{", {}),
    ("kv/nope", b"{}", {}),
    ("kv/put", b'{"key":"YQ=="}', {"Grpc_Timeout": "1n"}),
    ("kv/put", b'{"key":"YQ=="}', {"Grpc_Timeout": "x"}),
    ("election/leader", b'{"name":"YQ=="}', {}),
    ("lease/keepalive", b'{"ID":"7"}{"ID":"8"}', {}),
    ("lease/keepalive", b"{", {}),
    ("maintenance/snapshot", b"{", {}),
)


def ask_in_json(served: Served) -> None:
    """Have the gateway do some of everything, and leave a watch."""
    for path, body, fields in ASKED_IN_JSON:
        http1.ask(served.address, request(f"/v3/{path}", "POST", body=body, **fields))
    left = 'grpc_server_handled_total{grpc_code="Canceled",grpc_method="Watch",'
    with http1.Client(served.address) as client:
        watch = b'{"create_request":{"key":"YQ=="}}'
        client.send(request("/v3/watch", "POST", body=watch))
        begun = b""
        while b'"created"' not in begun:
            begun += client.socket.recv(65536)
    while not any(key.startswith(left) and value for key, value in served.figures().items()):
        pass  # it is told of what has left in a moment


#: What that counts, as etcd 3.7.1 was seen to count it: of a method the calls that began, requests
#: and the ends of streams of them, replies, and how calls ended.
CALLS_IN_JSON = {
    "Put": (2, 2, 2, {"OK": 1, "InvalidArgument": 1}),
    "Range": (1, 1, 1, {"OK": 1}),
    "Txn": (1, 1, 1, {"OK": 1}),
    "DeleteRange": (1, 1, 1, {"OK": 1}),
    "Leader": (1, 1, 1, {"Unknown": 1}),
    "LeaseKeepAlive": (2, 4, 2, {"OK": 2}),
    "Watch": (1, 2, 1, {"Canceled": 1}),
}
REQUESTS_IN_JSON = {("3.9", "unary"): 1, ("unknown", "unary"): 5, ("unknown", "stream"): 3}


def calls_counted(grown: dict[str, float]) -> dict[str, tuple[int, int, int, dict[str, int]]]:
    """Return by how much the figures of calls have grown, as ``CALLS_IN_JSON`` has it."""

    def by(name: str, *labels: str) -> dict[tuple[str, ...], int]:
        found = {}
        for key, value in grown.items():
            if key.startswith(f"grpc_server_{name}_total{{") and value:
                told = dict(re.findall(r'(\w+)="([^"]*)"', key))
                found[tuple(told[f"grpc_{label}"] for label in labels)] = int(value)
        return found

    started, read, sent = (by(name, "method") for name in ("started", "msg_received", "msg_sent"))
    ended = by("handled", "method", "code")
    return {
        method: (
            started.get((method,), 0),
            read.get((method,), 0),
            sent.get((method,), 0),
            {code: number for (of, code), number in ended.items() if of == method},
        )
        for (method,) in {**started, **read, **sent}
    }


@pytest.mark.parametrize("both", ["native"], indirect=True)
def test_what_is_asked_in_json_counts_as_calls(both: tuple[Served, Served]) -> None:
    ours, etcds = both
    is_new = differences.version_of(etcds.peer) >= differences.METRICS_SINCE
    for served in both if is_new else (ours,):
        before = served.figures()
        ask_in_json(served)
        grown = {key: value - before.get(key, 0) for key, value in served.figures().items()}
        assert calls_counted(grown) == CALLS_IN_JSON
        assert grown["etcd_network_client_grpc_received_bytes_total"] == 31
        asked = 'etcd_server_client_requests_total{client_api_version="%s",type="%s"}'
        assert {key: grown[asked % key] for key in REQUESTS_IN_JSON} == REQUESTS_IN_JSON


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
