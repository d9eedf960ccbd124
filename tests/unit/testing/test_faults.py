"""Each fault as a client sees it, and that it is over when it is."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing import Etcd, Request, on_keys
from tests.support.client import Client
from tests.support.reconnecting import reconnecting
from tests.unit.testing.test_engine import code_of, watch

PUT = pb.PutRequest(key=b"a", value=b"1")


def put_over_http(etcd: Etcd, timeout: float = 60) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(
            f"{etcd.url}/v3/kv/put", data=b'{"key": "YQ=="}', timeout=timeout
        ) as response:
            found: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            found = {"http": error.code, **json.load(error)}
    return found


def test_requests_fail_as_often_as_they_are_to(etcd: Etcd, client: Client) -> None:
    etcd.faults.fail("KV/Put", code="RESOURCE_EXHAUSTED", message="too much", times=2)
    for _ in range(2):
        with pytest.raises(grpc.RpcError, match="too much") as caught:
            client.kv.Put(PUT)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    client.kv.Put(PUT)
    assert etcd.requests.count("KV/Put") == 3
    assert [request.status for request in etcd.requests] == ["RESOURCE_EXHAUSTED"] * 2 + ["OK"]
    assert etcd.revision == 2


def test_gateway_is_refused_like_grpc(etcd: Etcd) -> None:
    with etcd.faults.fail("KV/*", code="UNAVAILABLE", message="down"):
        refused = put_over_http(etcd)
    assert (refused["http"], refused["code"], refused["message"]) == (503, 14, "down")
    assert "header" in put_over_http(etcd)


async def test_clients_of_a_loop_are_refused_like_others(etcd: Etcd) -> None:
    aetcd = pytest.importorskip("aetcd")
    async with aetcd.Client(host=etcd.host, port=etcd.port) as client:
        etcd.faults.fail("KV/Put", code="UNAVAILABLE", times=1)
        with pytest.raises(aetcd.ConnectionFailedError):
            await client.put(b"a", b"1")
        await client.put(b"a", b"1")
    async with grpc.aio.insecure_channel(etcd.grpc_target) as channel:
        with etcd.faults.fail("KV/Range", code="ABORTED"):
            read: Any = channel.unary_unary("/etcdserverpb.KV/Range")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await read(b"\x0a\x01a")
            assert caught.value.code() is grpc.StatusCode.ABORTED
    assert etcd.data == {"a": "1"}


def test_some_keys_fail_and_others_do_not(etcd: Etcd, client: Client) -> None:
    etcd.faults.fail(on_keys("config/*"))
    assert code_of(lambda: client.kv.Put(pb.PutRequest(key=b"config/a"))) == "UNAVAILABLE"
    client.kv.Put(pb.PutRequest(key=b"other"))


def test_function_of_the_request_chooses(etcd: Etcd, client: Client) -> None:
    def is_large(request: Request) -> bool:
        return request.method == "KV/Put" and len(request.message.value) > 10

    etcd.faults.fail(is_large)
    client.kv.Put(PUT)
    assert code_of(lambda: client.kv.Put(pb.PutRequest(key=b"a", value=b"x" * 11))) == "UNAVAILABLE"


def test_mistakes_are_told_at_once(etcd: Etcd) -> None:
    with pytest.raises(ValueError, match="no code of gRPC"):
        etcd.faults.fail("KV/Put", code="BROKEN")
    with pytest.raises(ValueError, match="no alarm"):
        etcd.faults.raise_alarm("FIRE")


def test_delay_is_of_the_server_s_clock_and_over_with_the_fault(etcd: Etcd, client: Client) -> None:
    etcd.clock.freeze()
    slow = etcd.faults.delay("KV/Put", seconds=3600)
    waiting = client.kv.Put.future(PUT)
    etcd.requests.wait_for("KV/Put", timeout=60)
    assert etcd.revision == 1
    etcd.clock.advance(3600)
    assert waiting.result().header.revision == 2
    waiting = client.kv.Put.future(PUT)
    etcd.requests.wait_for("KV/Put", count=2, timeout=60)
    slow.end()
    assert waiting.result().header.revision == 3


def test_dropped_answer_is_to_a_request_that_was_applied(etcd: Etcd, client: Client) -> None:
    with etcd.faults.drop("KV/Put", times=1):
        assert code_of(lambda: client.kv.Put(PUT)) == "UNAVAILABLE"
    assert etcd.data == {"a": "1"}
    with closing(Client(etcd.endpoint)) as again:
        again.kv.Put(PUT)


def test_dropped_answer_is_waited_for_where_the_connection_stays(
    etcd: Etcd, client: Client
) -> None:
    with etcd.faults.drop("KV/Put", disconnect=False):
        # A busy machine may need longer than the first to get there.
        for seconds in (0.3, 5, 60):
            assert code_of(lambda s=seconds: client.kv.Put(PUT, timeout=s)) == "DEADLINE_EXCEEDED"
            if etcd.data:
                break
    assert etcd.data == {"a": "1"}
    # Who is there first, the deadline of this side or that of the other, nobody knows.
    etcd.reset()
    client.kv.Put(PUT)


def test_dropped_answer_over_http_breaks_the_connection(etcd: Etcd) -> None:
    with etcd.faults.drop("KV/Put", times=1), pytest.raises(OSError, match=r"reset|closed"):
        put_over_http(etcd)
    assert etcd.data == {"a": ""}


def test_broken_connections_come_back(etcd: Etcd, client: Client) -> None:
    client.kv.Put(PUT)
    stream = watch(client)
    etcd.faults.reset_connections()
    assert code_of(lambda: next(stream)) == "UNAVAILABLE"
    reconnecting(lambda: client.kv.Put(PUT))


def test_clients_that_are_asked_to_go_finish_what_they_have_begun(
    etcd: Etcd, client: Client
) -> None:
    etcd.clock.freeze()
    stream = watch(client)
    with etcd.faults.delay("KV/Put", seconds=1):
        waiting = client.kv.Put.future(PUT)
        etcd.requests.wait_for("KV/Put", timeout=60)
        etcd.faults.goaway()
        assert code_of(lambda: next(stream)) == "UNAVAILABLE"
    assert waiting.result().header.revision == 2
    reconnecting(lambda: client.kv.Put(PUT))


def test_refused_are_those_who_come_not_those_who_are_there(etcd: Etcd, client: Client) -> None:
    client.kv.Put(PUT)
    with etcd.faults.refuse_connections():
        client.kv.Put(PUT)
        with pytest.raises(urllib.error.URLError, match="refused"):
            put_over_http(etcd)
    assert "header" in put_over_http(etcd)


def test_nothing_comes_through_a_black_hole_until_it_closes(etcd: Etcd, client: Client) -> None:
    stream = watch(client)
    hole = etcd.faults.blackhole()
    etcd.put("a", "1")
    seen: list[Any] = []
    reader = threading.Thread(target=lambda: seen.append(next(stream)))
    reader.start()
    assert code_of(lambda: client.kv.Put(PUT, timeout=0.2)) == "DEADLINE_EXCEEDED"
    with pytest.raises(TimeoutError):
        put_over_http(etcd, timeout=0.2)
    assert seen == []
    hole.end()
    reader.join()
    client.kv.Put(PUT)
    assert "header" in put_over_http(etcd)
    stream.cancel()


def test_slow_disk_holds_up_writes_alone(etcd: Etcd, client: Client) -> None:
    etcd.put("a", "1")
    with etcd.faults.slow_disk(seconds=3600):
        writing = client.kv.Put.future(PUT)
        etcd.requests.wait_for("KV/Put", timeout=60)
        assert client.kv.Range(pb.RangeRequest(key=b"a")).kvs[0].version == 1
    assert writing.result().header.revision == 3


def test_full_disk_takes_no_writes_whoever_switches_the_alarm_off(
    etcd: Etcd, client: Client
) -> None:
    client.kv.Put(PUT)
    with etcd.faults.full_disk():
        for _ in range(2):
            assert code_of(lambda: client.kv.Put(PUT)) == "RESOURCE_EXHAUSTED"
            [alarm] = client.maintenance.Alarm(pb.AlarmRequest()).alarms
            off = pb.AlarmRequest.DEACTIVATE
            client.maintenance.Alarm(
                pb.AlarmRequest(action=off, alarm=alarm.alarm, memberID=alarm.memberID)
            )
        client.kv.DeleteRange(pb.DeleteRangeRequest(key=b"a"))
    client.kv.Put(PUT)


@pytest.mark.parametrize("over", ["grpc", "http"])
def test_without_a_leader_writes_time_out(etcd: Etcd, client: Client, over: str) -> None:
    etcd.clock.freeze()
    etcd.put("a", "1")
    with etcd.faults.no_leader():
        if over == "grpc":
            writing = client.kv.Put.future(PUT)
        else:
            found: list[dict[str, Any]] = []
            thread = threading.Thread(target=lambda: found.append(put_over_http(etcd)))
            thread.start()
        etcd.requests.wait_for("KV/Put", timeout=60)
        assert client.kv.Range(pb.RangeRequest(key=b"a", serializable=True)).count == 1
        client.maintenance.Status(pb.StatusRequest())
        etcd.clock.advance(7)
        if over == "grpc":
            with pytest.raises(grpc.RpcError, match="etcdserver: request timed out"):
                writing.result()
        else:
            thread.join()
            assert found[0]["message"] == "etcdserver: request timed out"
    client.kv.Put(PUT)


def test_who_asks_for_a_leader_is_told_at_once(etcd: Etcd, client: Client) -> None:
    asks = [("hasleader", "true")]
    create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"a"))
    stream = client.watch.Watch(iter([create]), metadata=asks)
    next(stream)
    with etcd.faults.no_leader():
        with pytest.raises(grpc.RpcError, match="etcdserver: no leader"):
            next(stream)
        with pytest.raises(grpc.RpcError, match="etcdserver: no leader"):
            client.kv.Put(PUT, metadata=asks)
        with pytest.raises(grpc.RpcError, match="etcdserver: no leader"):
            next(client.watch.Watch(iter([create]), metadata=asks))
        assert next(client.watch.Watch(iter([create]))).created
    client.kv.Put(PUT, metadata=asks)


@pytest.mark.parametrize("compact", [False, True])
def test_watches_are_cancelled_by_the_server(etcd: Etcd, client: Client, compact: bool) -> None:
    etcd.put("b", "1")
    cancelled, other = watch(client, b"app/a"), watch(client, b"b")
    etcd.faults.cancel_watches("app/", compact=compact)
    last = next(cancelled)
    assert (last.canceled, last.compact_revision) == (True, 2 if compact else 0)
    assert [watcher.key for watcher in etcd.watchers] == [b"b"]
    etcd.put("b", "2")
    assert next(other).events[0].kv.value == b"2"
    other.cancel()
    cancelled.cancel()


def test_token_that_has_expired_is_invalid_and_a_new_one_is_not() -> None:
    with Etcd(auth={"root": "r"}) as etcd, closing(Client(etcd.endpoint)) as client:
        login = pb.AuthenticateRequest(name="root", password="r")
        old = [("token", client.auth.Authenticate(login).token)]
        client.kv.Put(PUT, metadata=old)
        etcd.faults.expire_token()
        with pytest.raises(grpc.RpcError, match="etcdserver: invalid auth token"):
            client.kv.Put(PUT, metadata=old)
        new = [("token", client.auth.Authenticate(login, metadata=old).token)]
        client.kv.Put(PUT, metadata=new)


def test_alarm_is_over_with_the_fault(etcd: Etcd, client: Client) -> None:
    with (
        etcd.faults.raise_alarm("NOSPACE"),
        pytest.raises(grpc.RpcError, match="database space exceeded"),
    ):
        client.kv.Put(PUT)
    client.kv.Put(PUT)
    with etcd.faults.raise_alarm("CORRUPT"), pytest.raises(grpc.RpcError, match="corrupt"):
        client.kv.Put(PUT)


def test_crash_is_over_with_the_block(etcd: Etcd, client: Client) -> None:
    client.kv.Put(PUT)
    with etcd.faults.crash():
        assert code_of(lambda: client.kv.Put(PUT)) == "UNAVAILABLE"
    with closing(Client(etcd.endpoint)) as again:
        again.kv.Put(PUT)
    etcd.faults.restart()
    assert etcd.revision == 3


def test_faults_last_over_a_restart_and_end_when_told(etcd: Etcd) -> None:
    etcd.faults.fail("KV/Put")
    etcd.faults.slow_disk(0)
    etcd.restart()
    with closing(Client(etcd.endpoint)) as client:
        assert code_of(lambda: client.kv.Put(PUT)) == "UNAVAILABLE"
        etcd.faults.clear()
        client.kv.Put(PUT)


def test_keepalive_and_watch_are_refused_as_streams(etcd: Etcd, client: Client) -> None:
    lease = client.lease.LeaseGrant(pb.LeaseGrantRequest(TTL=60)).ID
    renew = [pb.LeaseKeepAliveRequest(ID=lease)]
    with etcd.faults.fail("Lease/LeaseKeepAlive", code="UNAVAILABLE"):
        assert code_of(lambda: next(client.lease.LeaseKeepAlive(iter(renew)))) == "UNAVAILABLE"
    assert next(client.lease.LeaseKeepAlive(iter(renew))).TTL == 60
    with etcd.faults.fail("Watch/Watch", code="UNAVAILABLE"):
        assert code_of(lambda: watch(client)) == "UNAVAILABLE"
    watch(client).cancel()


def test_pages_of_http_fail_too(etcd: Etcd) -> None:
    with (
        etcd.faults.fail("GET /health", code="UNAVAILABLE"),
        pytest.raises(urllib.error.HTTPError) as caught,
    ):
        urllib.request.urlopen(f"{etcd.url}/health")
    with caught.value:
        assert caught.value.code == 503
    urllib.request.urlopen(f"{etcd.url}/health").close()


@pytest.mark.parametrize("end", ["restart", "crash"])
def test_slow_disk_holds_up_no_end_of_the_server(etcd: Etcd, client: Client, end: str) -> None:
    etcd.put("a", "1")
    etcd.faults.slow_disk(seconds=3600)
    writing = client.kv.Put.future(PUT)
    etcd.requests.wait_for("KV/Put", timeout=60)
    if end == "crash":
        etcd.crash()
    etcd.restart()
    assert code_of(writing.result) == "UNAVAILABLE"
    # It is slow again, to who comes now.
    with closing(Client(etcd.endpoint)) as again:
        assert code_of(lambda: again.kv.Put(PUT, timeout=0.2)) == "DEADLINE_EXCEEDED"
        etcd.faults.clear()
        again.kv.Put(PUT)


def test_refusing_goes_on_over_a_restart(etcd: Etcd) -> None:
    with etcd.faults.refuse_connections(), etcd.faults.refuse_connections():
        etcd.restart()
        with pytest.raises(urllib.error.URLError, match="refused"):
            put_over_http(etcd)
    assert "header" in put_over_http(etcd)


def test_faults_of_a_server_that_is_down_are_over_with_its_reset(etcd: Etcd) -> None:
    etcd.faults.blackhole()
    etcd.faults.refuse_connections()
    etcd.faults.raise_alarm("NOSPACE")
    etcd.faults.slow_disk(seconds=3600)
    etcd.faults.crash()
    etcd.reset()
    assert "header" in put_over_http(etcd)


def test_answers_over_tls_are_lost_too() -> None:
    with Etcd(tls=True) as etcd:
        assert etcd.tls is not None
        trusted = grpc.ssl_channel_credentials(Path(etcd.tls.ca).read_bytes())
        with closing(Client(etcd.endpoint, credentials=trusted)) as client:
            etcd.faults.drop("KV/Put", times=1)
            assert code_of(lambda: client.kv.Put(PUT)) == "UNAVAILABLE"
            with etcd.faults.blackhole():
                assert code_of(lambda: client.kv.Put(PUT, timeout=0.2)) in (
                    "DEADLINE_EXCEEDED",
                    "UNAVAILABLE",
                )
            assert etcd.data == {"a": "1"}
