"""The server's time is the test's, for everything that the server measures."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing import Etcd
from tests.support.client import Client
from tests.unit.testing.test_engine import watch


@pytest.fixture(autouse=True)
def _frozen(etcd: Etcd) -> Iterator[None]:
    etcd.clock.freeze()
    yield
    etcd.clock.resume()


def attach(client: Client, key: bytes, ttl: int) -> int:
    lease: int = client.lease.LeaseGrant(pb.LeaseGrantRequest(TTL=ttl)).ID
    client.kv.Put(pb.PutRequest(key=key, lease=lease))
    return lease


def test_lease_has_ended_when_advance_returns(etcd: Etcd, client: Client) -> None:
    attach(client, b"a", 10)
    etcd.clock.advance(9.999)
    assert etcd.data == {"a": ""}
    etcd.clock.advance(0.001)
    assert etcd.data == {}
    assert etcd.leases == []


def test_leases_end_in_the_order_in_which_they_are_due_each_in_its_revision(
    etcd: Etcd, client: Client
) -> None:
    # Closer to each other than two looks for leases are.
    for ttl in (30, 10, 20):
        for key in "ab":
            attach(client, f"{ttl}{key}".encode(), ttl)
            etcd.clock.advance(0.1)
    stream = watch(client, b"20b")
    before = etcd.revision
    etcd.clock.advance(timedelta(hours=1))
    gone = [event for event in etcd.history() if event.is_delete]
    assert [event.key for event in gone] == [b"10a", b"10b", b"20a", b"20b", b"30a", b"30b"]
    assert [event.revision for event in gone] == list(range(before + 1, before + 7))
    assert next(stream).events[0].kv.mod_revision == gone[3].revision
    stream.cancel()


def test_remaining_time_follows_the_clock(etcd: Etcd, client: Client) -> None:
    lease = attach(client, b"a", 100)
    etcd.clock.advance(60)
    assert client.lease.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=lease)).TTL == 40
    renewed = next(client.lease.LeaseKeepAlive(iter([pb.LeaseKeepAliveRequest(ID=lease)])))
    assert renewed.TTL == 100
    etcd.clock.advance(60)
    assert etcd.data == {"a": ""}


def test_frozen_clock_stands_and_a_running_one_does_not(etcd: Etcd) -> None:
    now = etcd.clock.now()
    assert etcd.clock.now() == now
    etcd.clock.advance(5)
    assert etcd.clock.now() == now + 5
    etcd.clock.jump(-100)
    assert etcd.clock.now() == now - 95
    etcd.clock.resume()
    later = etcd.clock.now()
    while etcd.clock.now() == later:
        pass


def test_jump_ends_no_lease(etcd: Etcd, client: Client) -> None:
    attach(client, b"a", 10)
    etcd.clock.jump(1000)
    etcd.clock.advance(9)
    assert etcd.data == {"a": ""}


def test_time_does_not_go_back(etcd: Etcd) -> None:
    with pytest.raises(ValueError, match="does not go back"):
        etcd.clock.advance(-1)


def test_quiet_watch_is_told_of_progress(etcd: Etcd, client: Client) -> None:
    create = pb.WatchCreateRequest(key=b"a", progress_notify=True)
    stream = client.watch.Watch(iter([pb.WatchRequest(create_request=create)]))
    next(stream)
    etcd.put("b", "1")
    etcd.clock.advance(12 * 60)
    told = next(stream)
    assert (list(told.events), told.header.revision) == ([], 2)
    stream.cancel()


def test_history_is_compacted_in_time() -> None:
    settings: Any = {
        "clock": "frozen",
        "auto_compaction_mode": "periodic",
        "auto_compaction_retention": "1h",
    }
    with Etcd(**settings) as etcd:
        for _ in range(5):
            etcd.put("a", "1")
        etcd.clock.advance(timedelta(hours=3))
        assert len(etcd.history()) == 1


@pytest.mark.parametrize("frozen", ["running", "frozen"])
def test_token_is_good_for_as_long_as_etcd_has_it(frozen: str) -> None:
    from contextlib import closing

    with (
        Etcd(auth={"root": "r"}, auth_token_ttl=60, clock=frozen) as etcd,
        closing(Client(etcd.endpoint)) as client,
    ):
        login = pb.AuthenticateRequest(name="root", password="r")
        metadata = [("token", client.auth.Authenticate(login).token)]
        client.kv.Put(pb.PutRequest(key=b"a"), metadata=metadata)
        etcd.clock.advance(59 if frozen == "frozen" else 30)
        client.kv.Put(pb.PutRequest(key=b"a"), metadata=metadata)
        etcd.clock.advance(62)
        with pytest.raises(grpc.RpcError, match="invalid auth token"):
            client.kv.Put(pb.PutRequest(key=b"a"), metadata=metadata)


def test_connections_outlive_any_number_of_hours(etcd: Etcd, client: Client) -> None:
    client.kv.Put(pb.PutRequest(key=b"a"))
    waiting = client.kv.Range.future(pb.RangeRequest(key=b"a"), timeout=30)
    etcd.clock.advance(1_000_000)
    assert waiting.result().count == 1
    with urllib.request.urlopen(f"{etcd.url}/health") as response:
        assert response.status == 200
    assert etcd.connections[0].protocol == "h2"


def test_reset_sets_the_wall_clock_right_again(etcd: Etcd) -> None:
    etcd.clock.resume()
    etcd.clock.advance(10_000)
    etcd.reset()
    from etcdpy.clock import SystemClock

    assert abs(etcd.clock.now() - SystemClock.wall()) < 60
