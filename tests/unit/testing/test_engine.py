"""A server is reset, restarted and killed, and clients see just that."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from contextlib import closing, suppress
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing import Etcd
from etcdpy.testing.engine import Engine
from etcdpy.testing.settings import Settings
from tests.support.client import Client


def watch(client: Client, key: bytes = b"a") -> Any:
    create = pb.WatchCreateRequest(key=key)
    stream = client.watch.Watch(iter([pb.WatchRequest(create_request=create)]))
    assert next(stream).created
    return stream


def code_of(call: Any) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    name: str = caught.value.code().name
    return name


def test_reset_leaves_nothing_of_before(etcd: Etcd, client: Client) -> None:
    lease = client.lease.LeaseGrant(pb.LeaseGrantRequest(TTL=60)).ID
    client.kv.Put(pb.PutRequest(key=b"a", lease=lease))
    client.kv.Compact(pb.CompactionRequest(revision=2))
    client.maintenance.Alarm(pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, alarm=pb.NOSPACE))
    client.auth.UserAdd(pb.AuthUserAddRequest(name="u", password="p"))
    stream = watch(client)
    etcd.reset()
    assert code_of(lambda: next(stream)) == "UNAVAILABLE"
    status = client.maintenance.Status(pb.StatusRequest())
    assert (status.header.revision, list(status.errors)) == (1, [])
    assert (etcd.data, etcd.leases, etcd.watchers) == ({}, [], [])
    assert len(client.auth.UserList(pb.AuthUserListRequest()).users) == 0
    assert [request.method for request in etcd.requests] == ["Maintenance/Status", "Auth/UserList"]
    # The channel is the same: it was made for many tests.
    assert client.kv.Put(pb.PutRequest(key=b"a")).header.revision == 2


async def test_connections_share_a_budget_of_memory() -> None:
    engine = Engine(Settings.of())
    await engine.start()
    assert engine.transport.memory.limit == 128 << 20
    await engine.stop()


def test_answers_name_one_cluster_before_and_after(etcd: Etcd, client: Client) -> None:
    before = client.kv.Put(pb.PutRequest(key=b"a")).header
    etcd.reset()
    assert client.kv.Put(pb.PutRequest(key=b"a")).header == before


def test_blocked_call_is_cut_off(etcd: Etcd, client: Client) -> None:
    from etcdpy.pb import v3lock_pb2, v3lock_pb2_grpc

    lock = v3lock_pb2_grpc.LockStub(client.channel).Lock  # type: ignore[no-untyped-call]
    lock(v3lock_pb2.LockRequest(name=b"l"))
    second = lock.future(v3lock_pb2.LockRequest(name=b"l"))
    etcd.requests.wait_for("Lock/Lock", count=2, timeout=60)
    etcd.reset()
    assert code_of(second.result) == "UNAVAILABLE"
    lock(v3lock_pb2.LockRequest(name=b"l"))


def test_metrics_begin_anew(etcd: Etcd, client: Client) -> None:
    client.kv.Put(pb.PutRequest(key=b"a"))
    etcd.reset()
    with urllib.request.urlopen(f"{etcd.url}/metrics") as response:
        lines = response.read().decode().splitlines()
    puts = 'grpc_server_started_total{grpc_method="Put",grpc_service="etcdserverpb.KV"'
    assert [line.split()[-1] for line in lines if line.startswith(puts)] == ["0"]
    assert "etcd_mvcc_put_total 0" in lines


def test_restart_keeps_data_and_port_and_breaks_streams(etcd: Etcd, client: Client) -> None:
    client.kv.Put(pb.PutRequest(key=b"a", value=b"1"))
    stream, endpoint = watch(client), etcd.endpoint
    term = client.maintenance.Status(pb.StatusRequest()).raftTerm
    etcd.restart()
    assert code_of(lambda: next(stream)) == "UNAVAILABLE"
    assert (etcd.data, etcd.endpoint) == ({"a": "1"}, endpoint)
    with closing(Client(etcd.endpoint)) as another:
        assert another.maintenance.Status(pb.StatusRequest()).raftTerm == term + 1


def test_crashed_server_is_down_until_it_is_started(etcd: Etcd) -> None:
    etcd.put("a", "1")
    etcd.crash()
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(f"{etcd.url}/health")
    etcd.crash()
    etcd.restart()
    assert etcd.data == {"a": "1"}
    etcd.crash()
    etcd.reset()
    assert (etcd.revision, etcd.data) == (1, {})


def test_many_resets_at_once_are_each_empty(etcd: Etcd, client: Client) -> None:
    for number in range(20):
        for key in range(number):
            client.kv.Put(pb.PutRequest(key=b"%d" % key))
        etcd.reset()
        assert etcd.revision == 1


def test_large_store_is_reset_to_a_small_one(etcd: Etcd, client: Client) -> None:
    for start in range(4):
        etcd.put(f"large/{start}", "x" * (1 << 20))
    etcd.reset()
    etcd.reset()
    assert client.maintenance.Status(pb.StatusRequest()).dbSize < 1 << 20


def test_requests_that_nobody_can_read_are_noted(etcd: Etcd, client: Client) -> None:
    put: Any = client.channel.unary_unary("/etcdserverpb.KV/Put")
    assert code_of(lambda: put(b"\xff\xff")) == "INTERNAL"
    last = etcd.requests.last()
    assert last is not None
    assert (last.method, last.message) == ("KV/Put", None)


def test_requests_of_http_are_noted(etcd: Etcd) -> None:
    urllib.request.urlopen(f"{etcd.url}/health").close()
    body = b'{"key": "YQ=="}'
    urllib.request.urlopen(f"{etcd.url}/v3/kv/put", data=body).close()
    health, put = etcd.requests
    assert (health.method, health.status, health.over) == ("GET /health", "200", "http")
    assert (put.method, put.status, put.over, put.message.key) == ("KV/Put", "OK", "http", b"a")


def test_v2_is_served_where_it_is_wanted() -> None:
    with Etcd(enable_v2=True) as etcd:
        with urllib.request.urlopen(f"{etcd.url}/v2/members") as response:
            assert b"members" in response.read()
        assert etcd.requests.count("GET /v2/*") == 1


def test_locks_of_v2_wait_on_the_clock_and_end_with_a_reset() -> None:
    with Etcd(enable_v2=True) as etcd:

        def lock(timeout: int) -> tuple[int, bytes]:
            url = f"{etcd.url}/mod/v2/lock/m?ttl=3600&timeout={timeout}"
            try:
                with urllib.request.urlopen(url, data=b"") as response:
                    return response.status, response.read()
            except urllib.error.HTTPError as refused:
                with refused:
                    return refused.code, refused.read()

        assert lock(0) == (200, b"4")
        assert lock(0) == (500, b"failed to acquire lock\n")
        etcd.clock.advance(3601)
        assert lock(0)[0] == 200
        etcd.reset()
        assert lock(0) == (200, b"4")


def test_stream_of_http_is_cut_off(etcd: Etcd) -> None:
    body = b'{"create_request": {"key": "YQ=="}}'
    with urllib.request.urlopen(f"{etcd.url}/v3/watch", data=body) as stream:
        assert b"created" in stream.readline()
        etcd.reset()
        with suppress(OSError, http.client.IncompleteRead):
            assert b"result" not in stream.read()
    assert (etcd.watchers, etcd.connections) == ([], [])
