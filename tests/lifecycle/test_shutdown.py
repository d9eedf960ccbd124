"""SIGTERM and SIGINT: drain, close, and end by the signal."""

from __future__ import annotations

import queue
import resource
import signal
import socket
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from etcdpy.config import Config
from etcdpy.pb import (
    health_pb2,
    rpc_pb2,
    v3election_pb2,
    v3election_pb2_grpc,
    v3lock_pb2,
    v3lock_pb2_grpc,
)
from tests.blackbox import h2client
from tests.lifecycle.process import PORT_0, Process
from tests.support.child import TIMEOUT
from tests.support.client import Client

PUT = "/etcdserverpb.KV/Put"

DRAIN_SECONDS = Config().request_timeout

#: So that who is held up for as long as calls may take can be told from who has a busy machine.
PATIENTLY = "--election-timeout=50000"
LONG_DRAIN_SECONDS = Config(election_timeout=50_000).request_timeout


@pytest.mark.parametrize("transport", ["native", "grpcio"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_server_ends_by_the_signal(
    tmp_path: Path, transport: str, number: signal.Signals
) -> None:
    with Process("--data-dir", tmp_path, f"--transport={transport}", *PORT_0) as server:
        server.wait_ready()
        server.signal(number)
        assert server.wait() == -number
        names = {signal.SIGTERM: "terminated", signal.SIGINT: "interrupt"}
        assert server.find("received signal; shutting down")["signal"] == names[number]
        assert server.messages()[-3:] == [
            "received signal; shutting down",
            "closing etcd server",
            "closed etcd server",
        ]


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_idle_connection_does_not_hold_it_up(tmp_path: Path, transport: str) -> None:
    flags = (f"--transport={transport}", PATIENTLY, *PORT_0)
    with Process("--data-dir", tmp_path, *flags) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            client.kv.Put(rpc_pb2.PutRequest(key=b"k"), timeout=TIMEOUT)
            started = time.monotonic()
            server.signal(signal.SIGTERM)
            assert server.wait() == -signal.SIGTERM
            assert time.monotonic() - started < LONG_DRAIN_SECONDS / 2


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_streams_that_clients_leave_open_do_not_hold_it_up(tmp_path: Path, transport: str) -> None:
    flags = (f"--transport={transport}", PATIENTLY, *PORT_0)
    with Process("--data-dir", tmp_path, *flags) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            streams = [
                _open(client, "Watch", "Watch", _WATCH, rpc_pb2.WatchResponse),
                _open(
                    client, "Lease", "LeaseKeepAlive", _KEEP_ALIVE, rpc_pb2.LeaseKeepAliveResponse
                ),
                client.channel.unary_stream(
                    "/grpc.health.v1.Health/Watch",
                    _serialize,
                    health_pb2.HealthCheckResponse.FromString,
                )(health_pb2.HealthCheckRequest()),
                _observe(client),
            ]
            for stream in streams:
                next(stream)
            started = time.monotonic()
            server.signal(signal.SIGTERM)
            for stream in streams:
                with pytest.raises(grpc.RpcError) as ended:
                    next(stream)
                # The status that etcd's clients take for a reason to come back.
                assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
                assert ended.value.details() == "etcdserver: server stopped"
            assert server.wait() == -signal.SIGTERM
            assert time.monotonic() - started < LONG_DRAIN_SECONDS / 2


_WATCH = rpc_pb2.WatchRequest(create_request=rpc_pb2.WatchCreateRequest(key=b"k"))
_KEEP_ALIVE = rpc_pb2.LeaseKeepAliveRequest(ID=1)


def _serialize(request: Any) -> bytes:
    return bytes(request.SerializeToString())


def _open(client: Client, service: str, method: str, request: Any, response: Any) -> Any:
    """Open a stream, send one request, and leave it open."""
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    requests.put(request)
    path = f"/etcdserverpb.{service}/{method}"
    call = client.channel.stream_stream(path, _serialize, response.FromString)
    return call(iter(requests.get, None))


def _observe(client: Client) -> Any:
    """Observe an election that has a leader."""
    lease = client.lease.LeaseGrant(rpc_pb2.LeaseGrantRequest(TTL=60), timeout=TIMEOUT).ID
    election = v3election_pb2_grpc.ElectionStub(client.channel)  # type: ignore[no-untyped-call]
    election.Campaign(v3election_pb2.CampaignRequest(name=b"e", lease=lease), timeout=TIMEOUT)
    return election.Observe(v3election_pb2.LeaderRequest(name=b"e"))


def test_waiting_lock_has_its_time(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            locks = v3lock_pb2_grpc.LockStub(client.channel)  # type: ignore[no-untyped-call]
            lease = client.lease.LeaseGrant(rpc_pb2.LeaseGrantRequest(TTL=2), timeout=TIMEOUT).ID
            held = locks.Lock(v3lock_pb2.LockRequest(name=b"l", lease=lease), timeout=TIMEOUT)
            waiting = locks.Lock.future(v3lock_pb2.LockRequest(name=b"l"), timeout=TIMEOUT)
            watch = _open(client, "Watch", "Watch", _WATCH, rpc_pb2.WatchResponse)
            next(watch)  # behind the request for the lock
            server.signal(signal.SIGTERM)
            # The holder's lease runs out meanwhile.
            assert waiting.result().key != held.key
            assert server.wait() == -signal.SIGTERM


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            client.kv.Put(rpc_pb2.PutRequest(key=b"k", value=b"v"), timeout=TIMEOUT)
        server.signal(signal.SIGTERM)
        server.wait()
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            reply = client.kv.Range(rpc_pb2.RangeRequest(key=b"k"), timeout=TIMEOUT)
    assert [pair.value for pair in reply.kvs] == [b"v"]


def test_running_call_has_its_time_and_further_signals_do_not_shorten_it(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        port = int(address.rpartition(":")[2])
        with h2client.Client(port) as client:
            client.open(PUT)  # its message never comes
            client.settle()
            started = time.monotonic()
            server.signal(signal.SIGTERM)
            server.wait_line("closing etcd server")
            server.signal(signal.SIGTERM)
            server.signal(signal.SIGINT)
            assert server.wait() == -signal.SIGTERM
            assert time.monotonic() - started > DRAIN_SECONDS - 0.5
    assert server.messages().count("received signal; shutting down") == 1


def test_new_connections_are_refused_while_it_drains(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        port = int(address.rpartition(":")[2])
        with h2client.Client(port) as client:
            stream = client.open(PUT)
            client.settle()
            server.signal(signal.SIGTERM)
            client.wait(lambda: bool(client.goaways))
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
            body = rpc_pb2.PutRequest(key=b"k").SerializeToString()
            client.send(h2client.data(stream, h2client.message(body), end=True))
            assert client.finish(stream).status[0] == 0
        assert server.wait() == -signal.SIGTERM


def test_disk_that_fails_ends_it_with_1_and_nothing_is_acknowledged(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            client.kv.Put(rpc_pb2.PutRequest(key=b"before"), timeout=TIMEOUT)
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, 1))
            with pytest.raises(grpc.RpcError):
                client.kv.Put(rpc_pb2.PutRequest(key=b"failed"), timeout=TIMEOUT)
        assert server.wait() == 1
        assert server.lines[-1]["level"] == "fatal"
        assert server.lines[-1]["msg"] == "cannot write to the store"
        assert "File too large" in server.lines[-1]["error"]
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            reply = client.kv.Range(rpc_pb2.RangeRequest(key=b"a", range_end=b"z"), timeout=TIMEOUT)
    assert [pair.key for pair in reply.kvs] == [b"before"]


def test_event_loop_of_the_standard_library_serves_too(tmp_path: Path) -> None:
    without_uvloop = (
        "import sys; sys.modules['uvloop'] = None; "
        "from etcdpy.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    options = ("--data-dir", tmp_path, *PORT_0)
    with Process(*options, program=("-c", without_uvloop)) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            client.kv.Put(rpc_pb2.PutRequest(key=b"k"), timeout=TIMEOUT)
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM


@pytest.mark.usefixtures("_sighup_is_not_ignored")
def test_sigusr1_is_ignored_and_sighup_kills(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        server.signal(signal.SIGUSR1)
        with closing(Client(address)) as client:
            client.kv.Put(rpc_pb2.PutRequest(key=b"k"), timeout=TIMEOUT)
        server.signal(signal.SIGHUP)
        assert server.wait() == -signal.SIGHUP
        assert "received signal; shutting down" not in server.messages()
