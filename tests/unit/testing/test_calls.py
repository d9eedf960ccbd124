"""Calls are noted as they come and as they end, and can be cut off."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.wire import varint
from etcdpy.testing import Etcd
from tests.support.client import Client
from tests.unit.testing.test_engine import code_of, watch


def test_every_kind_of_call_is_noted(etcd: Etcd, client: Client) -> None:
    txn = pb.TxnRequest(success=[pb.RequestOp(request_put=pb.PutRequest(key=b"a"))])
    client.kv.Txn(txn)
    lease = client.lease.LeaseGrant(pb.LeaseGrantRequest(TTL=60)).ID
    renewals = [pb.LeaseKeepAliveRequest(ID=lease)] * 3
    assert len(list(client.lease.LeaseKeepAlive(iter(renewals)))) == 3
    assert len(list(client.kv.RangeStream(pb.RangeRequest(key=b"a")))) == 1
    assert b"".join(
        part.blob for part in client.maintenance.Snapshot(pb.SnapshotRequest())
    ).startswith(b"\0\0\0\0")
    stream = watch(client)
    assert [(one.method, one.status) for one in etcd.requests] == [
        ("KV/Txn", "OK"),
        ("Lease/LeaseGrant", "OK"),
        *[("Lease/LeaseKeepAlive", "OK")] * 3,
        ("KV/RangeStream", "OK"),
        ("Maintenance/Snapshot", "OK"),
        ("Watch/Watch", None),
    ]
    assert etcd.requests[0].message == txn
    assert etcd.requests[-1].message.create_request.key == b"a"
    assert {one.peer for one in etcd.requests} == {etcd.connections[0].peer}
    stream.cancel()


def test_calls_that_only_listen_are_told_from_others(etcd: Etcd, client: Client) -> None:
    driver: Any = etcd._driver
    calls = driver.engine.calls
    stream = watch(client)
    assert (calls.under_way, calls.others) == (1, 0)
    etcd.clock.freeze()
    with etcd.faults.delay("KV/Put", seconds=1):
        waiting = client.kv.Put.future(pb.PutRequest(key=b"a"))
        etcd.requests.wait_for("KV/Put", timeout=60)
        # It is noted before it is under way.
        while not calls.others:
            pass
        assert (calls.under_way, calls.others) == (2, 1)
    waiting.result()
    stream.cancel()
    while calls.under_way:
        pass
    assert calls.others == 0


def test_stream_gives_its_end_to_its_requests(etcd: Etcd, client: Client) -> None:
    stream = watch(client)
    stream.cancel()
    while etcd.watchers:
        pass
    request = etcd.requests.wait_for("Watch/Watch", timeout=60)
    while request.status is None:
        pass
    assert request.status == "CANCELLED"


def test_refusal_of_the_node_is_noted_in_its_words(etcd: Etcd, client: Client) -> None:
    assert code_of(lambda: client.kv.Put(pb.PutRequest())) == "INVALID_ARGUMENT"
    last = etcd.requests.last()
    assert last is not None
    assert (last.status, last.details) == ("INVALID_ARGUMENT", "etcdserver: key is not provided")


def test_call_that_its_client_gives_up_is_noted_as_that(etcd: Etcd, client: Client) -> None:
    etcd.faults.delay("KV/*", seconds=3600)
    # A busy machine may need longer than the first to get there.
    for seconds in (0.3, 5, 60):
        late = client.kv.Put.future(pb.PutRequest(key=b"a"), timeout=seconds)
        assert code_of(late.result) == "DEADLINE_EXCEEDED"
        if etcd.requests.count("KV/Put"):
            break
    given_up = client.kv.Range.future(pb.RangeRequest(key=b"a"))
    etcd.requests.wait_for("KV/Range", timeout=60)
    given_up.cancel()
    put, read = etcd.requests.last("KV/Put"), etcd.requests.last("KV/Range")
    assert put is not None
    assert read is not None
    while put.status is None or read.status is None:
        time.sleep(0.001)  # nobody is told of ends
    # Which of both sides' clocks is first is nobody's to say.
    assert put.status in ("DEADLINE_EXCEEDED", "CANCELLED")
    assert read.status == "CANCELLED"


def test_transactions_of_any_depth_reach_the_node(etcd: Etcd, client: Client) -> None:
    deepest = pb.TxnRequest(success=[pb.RequestOp(request_put=pb.PutRequest(key=b"a"))])
    for _ in range(20):
        deepest = pb.TxnRequest(success=[pb.RequestOp(request_txn=deepest)])
    client.kv.Txn(deepest)
    assert etcd.data == {"a": ""}
    data = deepest.SerializeToString()
    for _ in range(60):
        inner = b"\x22" + varint(len(data)) + data
        data = b"\x12" + varint(len(inner)) + inner
    txn: Any = client.channel.unary_unary("/etcdserverpb.KV/Txn")
    txn(data)
    last = etcd.requests.last()
    # It was more than a message can be made of.
    assert last is not None
    assert (last.status, last.message) == ("OK", None)


@pytest.mark.parametrize("count", [1, 30])
def test_all_streams_are_cut_and_the_connection_goes_on(
    etcd: Etcd, client: Client, count: int
) -> None:
    streams = [watch(client, b"%d" % number) for number in range(count)]
    assert len(etcd.watchers) == count
    etcd.reset()
    for stream in streams:
        with pytest.raises(grpc.RpcError, match="etcdserver: server stopped"):
            next(stream)
    with closing(Client(etcd.endpoint)):
        client.kv.Put(pb.PutRequest(key=b"a"))
