"""Where a server listens, and what it says when it cannot."""

from __future__ import annotations

import re
import signal
import socket
from contextlib import closing
from pathlib import Path

import pytest

from etcdpy.pb import rpc_pb2
from tests.lifecycle.process import PORT_0, Process, run
from tests.support.client import Client

ADVERTISED = "--advertise-client-urls=http://127.0.0.1:2379"


def answers(address: str) -> bool:
    with closing(Client(address)) as client:
        request = rpc_pb2.RangeRequest(key=b"k")
        return bool(client.kv.Range(request, timeout=60, wait_for_ready=True).header.revision)


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_port_0_takes_a_free_port_and_names_it(tmp_path: Path, transport: str) -> None:
    with Process("--data-dir", tmp_path, f"--transport={transport}", *PORT_0) as server:
        (address,) = server.wait_ready()
        assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", address)
        assert answers(address)


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_unix_socket_and_tcp_together(tmp_path: Path, transport: str) -> None:
    path = tmp_path / "e.sock"
    urls = f"--listen-client-urls=unix://{path},http://localhost:0"
    options = ("--data-dir", tmp_path / "data", f"--transport={transport}", urls, ADVERTISED)
    with Process(*options) as server:
        tcp, unix = server.wait_ready(listeners=2)
        assert unix == str(path)
        assert answers(tcp)
        assert answers(f"unix:{path}")
        server.signal(signal.SIGTERM)
        server.wait()
    assert not path.exists()


def test_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "e.sock"
    options = ("--data-dir", tmp_path / "data", f"--listen-client-urls=unix://{path}", ADVERTISED)
    with Process(*options) as server:
        server.wait_ready()
    assert path.is_socket()
    with Process(*options) as server:
        server.wait_ready()
        assert answers(f"unix:{path}")


def test_file_in_the_place_of_a_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("precious")
    options = (f"--listen-client-urls=unix://{path}", ADVERTISED)
    end = run("--data-dir", tmp_path / "data", *options)
    assert end.status == 1
    assert end.lines[-1]["error"] == f"listen unix {path}: bind: address already in use"
    assert path.read_text() == "precious"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_port_in_use(tmp_path: Path, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        url = f"--listen-client-urls=http://{host}:{port}"
        end = run("--data-dir", tmp_path / "data", url, ADVERTISED)
    assert end.status == 1
    assert end.lines[-1]["level"] == "fatal"
    text = f"listen tcp 127.0.0.1:{port}: bind: address already in use"
    assert end.lines[-1]["error"] == text
    assert not (tmp_path / "data").exists()


def test_port_out_of_range(tmp_path: Path) -> None:
    url = "--listen-client-urls=http://127.0.0.1:99999"
    end = run("--data-dir", tmp_path / "data", url, ADVERTISED)
    assert end.status == 1
    assert end.lines[-1]["error"] == "listen tcp: address 99999: invalid port"


def test_peer_urls_are_not_bound(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"--listen-peer-urls=http://127.0.0.1:{taken.getsockname()[1]}"
        with Process("--data-dir", tmp_path, url, *PORT_0) as server:
            server.wait_ready()
