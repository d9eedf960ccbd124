"""A server in a child is driven like one in this process, and goes when it is to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing import Etcd, on_keys
from etcdpy.testing.process import _WAYS, ServerProcess
from tests.support.client import Client
from tests.unit.testing.test_engine import watch


@pytest.fixture(scope="module")
def child() -> Iterator[Etcd]:
    with Etcd(mode="process", clock="frozen", max_txn_ops=7, data={b"\xff": b"\xfe"}) as etcd:
        yield etcd


@pytest.fixture
def etcd(child: Etcd) -> Iterator[Etcd]:
    child.renew()
    yield child
    child.reset()


def test_keys_are_the_same_from_both_sides(etcd: Etcd, client: Client, tmp_path: Path) -> None:
    assert etcd.pairs() == {b"\xff": b"\xfe"}
    assert etcd.get(b"\xff") == b"\xfe"
    assert etcd.get("nothing") is None
    client.kv.Put(pb.PutRequest(key=b"a", value=b"1"))
    assert etcd.put("b", b"\x80") == 4
    assert etcd.delete("a") == 1
    assert [event.value for event in etcd.history()] == [b"\xfe", b"1", b"\x80", None]
    etcd.dump(tmp_path / "d.json")
    etcd.load({"c": "3"})
    assert etcd.revision == 6
    etcd.load(tmp_path / "d.json")
    assert etcd.revision == 8


def test_requests_are_those_of_the_child(etcd: Etcd, client: Client) -> None:
    client.kv.Put(pb.PutRequest(key=b"a"))
    assert etcd.requests.wait_for("KV/Put", timeout=60).message == pb.PutRequest(key=b"a")
    assert len(etcd.requests) == etcd.requests.count() == 1
    with pytest.raises(TimeoutError, match="0 requests of KV/Txn"):
        etcd.requests.wait_for("KV/Txn", timeout=0.01)
    etcd.requests.clear()
    assert list(etcd.requests) == []


def test_faults_and_the_clock_are_the_child_s(etcd: Etcd, client: Client) -> None:
    with etcd.faults.fail(on_keys("a*"), times=1), pytest.raises(grpc.RpcError, match="ordered"):
        client.kv.Put(pb.PutRequest(key=b"ab"))
    with etcd.faults.fail("KV/Put"), pytest.raises(grpc.RpcError, match="ordered"):
        client.kv.Put(pb.PutRequest(key=b"b"))
    etcd.faults.clear()
    with pytest.raises(ValueError, match="cannot be sent"):
        etcd.faults.fail(lambda request: True)
    lease = client.lease.LeaseGrant(pb.LeaseGrantRequest(TTL=60)).ID
    client.kv.Put(pb.PutRequest(key=b"k", lease=lease))
    stream = watch(client)
    assert [(one.id, one.keys) for one in etcd.leases] == [(lease, [b"k"])]
    assert [one.key for one in etcd.watchers] == [b"a"]
    assert [one.protocol for one in etcd.connections] == ["h2"]
    now = etcd.clock.now()
    etcd.clock.advance(61)
    etcd.clock.jump(9)
    assert etcd.clock.now() == pytest.approx(now + 70)
    assert etcd.leases == []
    etcd.clock.resume()
    etcd.clock.freeze()
    stream.cancel()


def test_child_restarts_and_crashes(etcd: Etcd) -> None:
    etcd.put("a", "1")
    etcd.restart()
    etcd.crash()
    etcd.restart()
    assert etcd.get("a") == b"1"
    assert list(etcd.log) == []


def test_everything_that_a_test_can_do_can_be_done_to_a_child() -> None:
    from etcdpy.testing.operations import Operations

    known = {name for name in vars(Operations) if not name.startswith("_")}
    assert known - {"stop"} == set(_WAYS) - {"log"}


def test_child_that_cannot_start_says_why_and_is_gone() -> None:
    with Etcd() as other, pytest.raises(RuntimeError, match="in use"):
        Etcd(mode="process", port=other.port).start()
    with pytest.raises(ValueError, match="'thread' or 'process'"):
        Etcd(mode="cloud")


def test_child_that_was_killed_is_missed_and_not_waited_for() -> None:
    etcd = Etcd(mode="process").start()
    driver = etcd._driver
    assert isinstance(driver, ServerProcess)
    os.kill(driver.pid, 9)
    driver._child.wait()
    with pytest.raises(RuntimeError, match="is not there"):
        etcd.put("a", "1")
    etcd.stop()
