"""The server's time is the test's, for everything that the server measures."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3lock_pb2, v3lock_pb2_grpc
from etcdpy.pb.kv_pb2 import Event, KeyValue
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


def test_signed_token_is_good_for_as_long_as_it_says(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    (tmp_path / "key.pem").write_bytes(private)
    token = f"jwt,priv-key={tmp_path}/key.pem,sign-method=RS256,ttl=10m"
    with (
        Etcd(auth={"root": "r"}, auth_token=token) as etcd,
        closing(Client(etcd.endpoint)) as client,
    ):
        login = pb.AuthenticateRequest(name="root", password="r")
        metadata = [("token", client.auth.Authenticate(login).token)]
        etcd.clock.advance(500)
        client.kv.Put(pb.PutRequest(key=b"a"), metadata=metadata)
        etcd.clock.advance(101)
        with pytest.raises(grpc.RpcError, match="invalid auth token"):
            client.kv.Put(pb.PutRequest(key=b"a"), metadata=metadata)


def test_checkpoints_of_long_leases_are_written_in_time() -> None:
    with Etcd(clock="frozen", feature_gates="LeaseCheckpoint=true") as etcd:
        with closing(Client(etcd.endpoint)) as client:
            lease = attach(client, b"a", 3600)
        etcd.clock.advance(1800)
        etcd.restart()
        [found] = etcd.leases
        # It does not begin anew, as it would without.
        assert (found.id, found.remaining < 2400) == (lease, True)


def test_keys_of_v2_end_when_the_clock_is_moved() -> None:
    with Etcd(clock="frozen", enable_v2=True) as etcd:
        body, kind = b"value=1&ttl=60", "application/x-www-form-urlencoded"
        put = urllib.request.Request(f"{etcd.url}/v2/keys/a", data=body, method="PUT")
        put.add_header("Content-Type", kind)
        urllib.request.urlopen(put).close()
        etcd.clock.advance(59)
        urllib.request.urlopen(f"{etcd.url}/v2/keys/a").close()
        etcd.clock.advance(2)
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            urllib.request.urlopen(f"{etcd.url}/v2/keys/a")
        caught.value.close()


def test_deadlines_that_clients_set_are_on_their_own_clocks(etcd: Etcd, client: Client) -> None:
    etcd.faults.delay("KV/Put", seconds=7200)
    waiting = client.kv.Put.future(pb.PutRequest(key=b"a"), timeout=60)
    etcd.requests.wait_for("KV/Put", timeout=60)
    etcd.clock.advance(3600)
    assert not waiting.done()
    etcd.clock.advance(3600)
    assert waiting.result().header.revision == 2


def test_who_goes_on_writing_does_not_hold_the_clock_up(etcd: Etcd, client: Client) -> None:
    attach(client, b"a", 60)
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            client.kv.Put(pb.PutRequest(key=b"b"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            etcd.clock.advance(60)
        assert etcd.leases == []
    finally:
        over.set()
        writer.join()


def test_hundreds_of_leases_end_each_at_its_moment_and_in_its_revision(
    etcd: Etcd, client: Client
) -> None:
    stream = client.watch.Watch(
        iter([pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"\0", range_end=b"\0"))])
    )
    assert next(stream).created
    # The last is the first to end.
    for number in range(300):
        attach(client, b"%d" % number, 1000 - 3 * number)
        next(stream)
    before = etcd.revision
    etcd.clock.advance(3600)
    assert etcd.revision == before + 300
    assert [next(stream).events[0] for _ in range(300)] == [
        Event(
            type=Event.DELETE,
            kv=KeyValue(key=b"%d" % (299 - number), mod_revision=before + 1 + number),
        )
        for number in range(300)
    ]
    stream.cancel()


def test_lock_is_handed_on_at_the_moment_at_which_its_holder_ends(
    etcd: Etcd, client: Client
) -> None:
    lock = v3lock_pb2_grpc.LockStub(client.channel).Lock  # type: ignore[no-untyped-call]
    # Who waits ends soon after: but first it has the lock for three seconds.
    first, second = (client.lease.LeaseGrant(pb.LeaseGrantRequest(TTL=ttl)).ID for ttl in (10, 13))
    lock(v3lock_pb2.LockRequest(name=b"l", lease=first))
    waiting = lock.future(v3lock_pb2.LockRequest(name=b"l", lease=second))
    etcd.requests.wait_for("Lock/Lock", count=2, timeout=60)
    while len(etcd.data) < 2:
        pass
    etcd.clock.advance(3600)
    assert waiting.result().key == b"l/%x" % second
    assert etcd.data == {}


def test_thousand_leases_have_ended_at_once(etcd: Etcd) -> None:
    with closing(Client(etcd.endpoint)) as client:
        for number in range(1000):
            client.lease.LeaseGrant(pb.LeaseGrantRequest(TTL=60, ID=number + 1))
    etcd.clock.advance(3600)
    assert etcd.leases == []
