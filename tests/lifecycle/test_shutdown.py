"""SIGTERM and SIGINT: drain, close, and end by the signal."""

from __future__ import annotations

import resource
import signal
import socket
import time
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from etcdpy.config import Config
from etcdpy.pb import rpc_pb2
from tests.blackbox import h2client
from tests.lifecycle.process import PORT_0, Process
from tests.support.client import Client

PUT = "/etcdserverpb.KV/Put"

DRAIN_SECONDS = Config().request_timeout


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
    with Process("--data-dir", tmp_path, f"--transport={transport}", *PORT_0) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            client.kv.Put(rpc_pb2.PutRequest(key=b"k"), timeout=10)
            started = time.monotonic()
            server.signal(signal.SIGTERM)
            assert server.wait() == -signal.SIGTERM
            assert time.monotonic() - started < DRAIN_SECONDS / 2


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            client.kv.Put(rpc_pb2.PutRequest(key=b"k", value=b"v"), timeout=10)
        server.signal(signal.SIGTERM)
        server.wait()
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            reply = client.kv.Range(rpc_pb2.RangeRequest(key=b"k"), timeout=10)
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
            assert Config().request_timeout - 0.5 < time.monotonic() - started < DRAIN_SECONDS + 5
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
                socket.create_connection(("127.0.0.1", port), timeout=10)
            body = rpc_pb2.PutRequest(key=b"k").SerializeToString()
            client.send(h2client.data(stream, h2client.message(body), end=True))
            assert client.finish(stream).status[0] == 0
        assert server.wait() == -signal.SIGTERM


def test_disk_that_fails_ends_it_with_1_and_nothing_is_acknowledged(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            client.kv.Put(rpc_pb2.PutRequest(key=b"before"), timeout=10)
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, 1))
            with pytest.raises(grpc.RpcError):
                client.kv.Put(rpc_pb2.PutRequest(key=b"failed"), timeout=10)
        assert server.wait() == 1
        assert server.lines[-1]["level"] == "fatal"
        assert server.lines[-1]["msg"] == "cannot write to the store"
        assert "File too large" in server.lines[-1]["error"]
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            reply = client.kv.Range(rpc_pb2.RangeRequest(key=b"a", range_end=b"z"), timeout=10)
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
            client.kv.Put(rpc_pb2.PutRequest(key=b"k"), timeout=10)
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM


@pytest.mark.usefixtures("_sighup_is_not_ignored")
def test_sigusr1_is_ignored_and_sighup_kills(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        server.signal(signal.SIGUSR1)
        with closing(Client(address)) as client:
            client.kv.Put(rpc_pb2.PutRequest(key=b"k"), timeout=10)
        server.signal(signal.SIGHUP)
        assert server.wait() == -signal.SIGHUP
        assert "received signal; shutting down" not in server.messages()
