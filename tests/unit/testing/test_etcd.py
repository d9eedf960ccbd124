"""An etcd of a test's own: where it is, what is in it, how it begins and ends."""

from __future__ import annotations

import json
import threading
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.storage import StorageError
from etcdpy.testing import Etcd
from etcdpy.testing.data import Event
from tests.support.client import Client


def test_keys_are_there_for_clients_and_for_the_test(etcd: Etcd, client: Client) -> None:
    assert etcd.revision == 1
    assert etcd.put("a", "1") == 2
    assert client.kv.Range(pb.RangeRequest(key=b"a")).kvs[0].value == b"1"
    client.kv.Put(pb.PutRequest(key=b"b\xff", value=b"\xff"))
    assert etcd.data == {"a": "1", "b\udcff": "\udcff"}
    assert etcd.get(b"b\xff") == b"\xff"
    assert etcd.get("c") is None
    assert etcd.delete("a") == 1
    assert etcd.pairs("a") == {}
    assert etcd.delete("", prefix=True) == 1


def test_history_is_every_change(etcd: Etcd) -> None:
    etcd.put("a/1", "x")
    etcd.put("b", "y")
    etcd.put("a/1", {"z": 1})
    etcd.delete("a/1")
    assert etcd.history("a/") == [
        Event(b"a/1", b"x", 2, version=1),
        Event(b"a/1", b'{"z": 1}', 4, version=2),
        Event(b"a/1", None, 5),
    ]
    assert len(etcd.history()) == 4


def test_every_address_leads_to_it(etcd: Etcd) -> None:
    etcd.put("a", "1")
    for target in (etcd.endpoint, etcd.grpc_target, f"unix:{etcd.unix_socket}"):
        with closing(Client(target)) as client:
            assert client.kv.Range(pb.RangeRequest(key=b"a")).count == 1
    with urllib.request.urlopen(f"{etcd.url}/health") as response:
        assert json.load(response)["health"] == "true"
    assert etcd.env == {"ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": etcd.url}
    assert etcd.tls is None


def test_without_a_block_it_is_started_and_stopped() -> None:
    etcd = Etcd()
    with pytest.raises(RuntimeError, match="does not run"):
        etcd.put("a", "1")
    with pytest.raises(RuntimeError, match="does not run"):
        etcd.endpoint  # noqa: B018
    with pytest.raises(RuntimeError, match="has not been started"):
        etcd.requests  # noqa: B018
    assert etcd.start() is etcd
    with pytest.raises(RuntimeError, match="has been started"):
        etcd.start()
    etcd.stop()
    etcd.stop()
    assert list(etcd.requests) == []
    with etcd:
        etcd.put("a", "1")


async def test_clients_on_the_test_s_own_loop_are_not_held_up() -> None:
    async with Etcd() as etcd, grpc.aio.insecure_channel(etcd.grpc_target) as channel:
        put = channel.unary_unary(
            "/etcdserverpb.KV/Put",
            request_serializer=pb.PutRequest.SerializeToString,
            response_deserializer=pb.PutResponse.FromString,
        )
        await put(pb.PutRequest(key=b"a"))
        etcd.clock.advance(10)
        assert (await etcd.requests.wait_for_async("KV/Put", timeout=60)).status == "OK"


def test_data_goes_into_files_and_comes_back(etcd: Etcd, tmp_path: Path) -> None:
    etcd.load({"a": "1", "b": "2"})
    for name in ("d.json", "d.yaml", "d.db"):
        etcd.dump(tmp_path / name)
    for name in ("d.json", "d.yaml", "d.db"):
        with Etcd(data=tmp_path / name) as other:
            assert other.data == {"a": "1", "b": "2"}
            assert [event.key for event in other.history()] == [b"a", b"b"]
    etcd.delete("", prefix=True)
    etcd.load(tmp_path / "d.json")
    assert etcd.revision == 6
    # A snapshot is not added to what there is, but takes its place.
    etcd.load(tmp_path / "d.db")
    assert (etcd.revision, etcd.data) == (3, {"a": "1", "b": "2"})


def test_beginning_is_the_same_after_each_reset(tmp_path: Path) -> None:
    with Etcd(data={"a": "1"}) as etcd:
        etcd.dump(tmp_path / "d.db")
        for _ in range(3):
            etcd.put("b", "2")
            etcd.reset()
            assert etcd.data == {"a": "1"}
    with Etcd(data=tmp_path / "d.db") as etcd:
        etcd.delete("a")
        etcd.reset()
        assert etcd.data == {"a": "1"}


def test_kept_data_is_there_the_next_time(tmp_path: Path) -> None:
    for revision in (2, 3):
        with Etcd(data_dir=tmp_path / "d", unsafe_no_fsync=True) as etcd:
            assert etcd.put("a", "1") == revision
    with Etcd(data_dir=tmp_path / "d", unsafe_no_fsync=True) as etcd:
        etcd.reset()
        assert etcd.data == {}
    assert (tmp_path / "d" / "member").exists()


def test_version_is_what_it_is_told_to_be() -> None:
    with Etcd(version="3.5.12") as etcd, closing(Client(etcd.endpoint)) as client:
        assert client.maintenance.Status(pb.StatusRequest()).version == "3.5.12"
        with urllib.request.urlopen(f"{etcd.url}/version") as response:
            assert json.load(response)["etcdserver"] == "3.5.12"


def test_flags_of_etcd_count() -> None:
    ops = [pb.RequestOp(request_put=pb.PutRequest(key=key)) for key in (b"a", b"b")]
    with Etcd(max_txn_ops=1) as etcd, closing(Client(etcd.endpoint)) as client:
        with pytest.raises(grpc.RpcError, match="too many operations"):
            client.kv.Txn(pb.TxnRequest(success=ops))
        assert etcd.data == {}


def test_users_have_to_log_in_and_roles_say_what_they_may() -> None:
    settings: dict[str, Any] = {
        "auth": {"root": "secret", "alice": {"password": "a", "roles": ["app"]}},
        "roles": {"app": ["app/"]},
    }
    with Etcd(**settings) as etcd, closing(Client(etcd.endpoint)) as client:
        for _ in range(2):
            with pytest.raises(grpc.RpcError, match="user name is empty"):
                client.kv.Put(pb.PutRequest(key=b"app/a"))
            login = pb.AuthenticateRequest(name="alice", password="a")
            metadata = [("token", client.auth.Authenticate(login).token)]
            client.kv.Put(pb.PutRequest(key=b"app/a"), metadata=metadata)
            last = etcd.requests.last("KV/Put")
            assert last is not None
            assert last.user == "alice"
            with pytest.raises(grpc.RpcError, match="permission denied"):
                client.kv.Put(pb.PutRequest(key=b"other"), metadata=metadata)
            etcd.reset()
        assert etcd.env["ETCDCTL_USER"] == "root:secret"


@pytest.mark.parametrize("asks", [False, True])
def test_tls_is_ready_to_use(asks: bool) -> None:
    with Etcd(tls=True, client_certificates=asks) as etcd:
        tls = etcd.tls
        assert tls is not None
        pair = [Path(tls.client_key).read_bytes(), Path(tls.client_cert).read_bytes()]
        credentials = grpc.ssl_channel_credentials(
            Path(tls.ca).read_bytes(), *(pair if asks else (None, None))
        )
        with closing(Client(etcd.endpoint, credentials=credentials)) as client:
            client.kv.Put(pb.PutRequest(key=b"a"))
        assert etcd.url.startswith("https://")
        assert ("ETCDCTL_CERT" in etcd.env) == asks
        assert etcd.data == {"a": ""}


def test_what_is_open_can_be_asked(etcd: Etcd, client: Client) -> None:
    lease = client.lease.LeaseGrant(pb.LeaseGrantRequest(TTL=60)).ID
    client.kv.Put(pb.PutRequest(key=b"k", lease=lease))
    create = pb.WatchCreateRequest(key=b"k", range_end=b"l", watch_id=7)
    watch = client.watch.Watch(iter([pb.WatchRequest(create_request=create)]))
    next(watch)
    assert [(w.key, w.range_end, w.watch_id) for w in etcd.watchers] == [(b"k", b"l", 7)]
    [found] = etcd.leases
    assert (found.id, found.ttl, found.keys) == (lease, 60, [b"k"])
    assert 0 < found.remaining <= 60
    assert [(c.protocol, c.calls) for c in etcd.connections] == [("h2", 1)]
    watch.cancel()


def test_threads_of_a_test_may_use_it_at_once(etcd: Etcd) -> None:
    threads = [
        threading.Thread(target=lambda n=n: [etcd.put(f"{n}/{i}", "x") for i in range(20)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(etcd.data) == 80


def test_slow_requests_are_logged_and_timed_as_etcd_does() -> None:
    with Etcd(warning_unary_request_duration="1ns", metrics="extensive") as etcd:
        with closing(Client(etcd.endpoint)) as client:
            client.kv.Txn(pb.TxnRequest())
        assert '"msg":"request stats"' in str(etcd.log)
        assert "cannot describe" not in str(etcd.log)
        with urllib.request.urlopen(f"{etcd.url}/metrics") as response:
            assert b"grpc_server_handling_seconds" in response.read()


@pytest.mark.usefixtures("etcd")
def test_beginning_that_cannot_be_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"nothing of the kind")
    # The one that the module's tests have, and those that others have kept.
    before = [thread.name for thread in threading.enumerate()].count("etcdpy.testing")
    for data, error in ((tmp_path / "broken.db", StorageError), (tmp_path / "no.json", OSError)):
        with pytest.raises(error):
            Etcd(data=data).start()
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("etcdpy.testing") == before
