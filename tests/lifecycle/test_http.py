"""HTTP of a server: at which addresses it is spoken, to whom, and how it ends."""

from __future__ import annotations

import signal
import socket
import ssl
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from etcdpy.pb import rpc_pb2
from tests.lifecycle.process import PORT_0, SERVING, SERVING_SECURELY, Process
from tests.support.certificates import Authority
from tests.support.client import Client
from tests.support.http1 import Client as HttpClient
from tests.support.http1 import get, request
from tests.support.ports import free_port

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))

HEALTHY = b'{"health":"true","reason":""}'


def speaks_grpc(address: str) -> bool:
    with closing(Client(address)) as client:
        reply = client.kv.Range(rpc_pb2.RangeRequest(key=b"k"), timeout=60, wait_for_ready=True)
        return bool(reply.header.revision)


def said_to(address: str, data: bytes) -> bytes:
    """Return all that is said to a client that sends some bytes."""
    with HttpClient(address) as client:
        client.send(data)
        return client.rest()


def test_one_port_speaks_both(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        assert get(address, "/health").body == HEALTHY
        assert get(address, "/version").body.startswith(b'{"etcdserver":"3.7.1"')
        assert speaks_grpc(address)
        assert server.find(SERVING)["traffic"] == "grpc+http"
        assert any(text.startswith("Running http and grpc server") for text in server.messages())


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_http_may_have_addresses_of_its_own(tmp_path: Path, transport: str) -> None:
    one, other = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    urls = f"--listen-client-http-urls={one},{other}"
    metrics = free_port()
    options = (
        f"--transport={transport}",
        urls,
        f"--listen-metrics-urls=http://127.0.0.1:{metrics}",
    )
    with Process("--data-dir", tmp_path, *PORT_0, *options) as server:
        grpc, *http = server.wait_ready(listeners=3)
        lines = [line["traffic"] for line in server.lines if line["msg"] == SERVING]
        assert lines == ["grpc", "http", "http"]
        told = server.find("serving metrics")
        assert told["address"] == f"http://127.0.0.1:{metrics}"
        assert speaks_grpc(grpc)
        assert b"HTTP/1.1 200" not in said_to(grpc, request("/health"))
        for address in http:
            assert get(address, "/health").body == HEALTHY
            assert said_to(address, PREFACE) == b""
        for path, status in (("/health", "200"), ("/readyz", "200"), ("/version", "404")):
            assert get(f"127.0.0.1:{metrics}", path).status.split(" ")[1] == status
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM


def test_grpcio_speaks_no_http(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, "--transport=grpcio", *PORT_0) as server:
        (address,) = server.wait_ready()
        assert b"HTTP/1.1 200" not in said_to(address, request("/health"))


def test_idle_connections_do_not_delay_the_end(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        with HttpClient(address) as idle, HttpClient(address) as silent:
            idle.send(request("/health"))
            assert idle.answer().body == HEALTHY
            server.signal(signal.SIGTERM)
            assert (idle.rest(), silent.rest()) == (b"", b"")
            assert server.wait() == -signal.SIGTERM


def test_probes_of_all_kinds_leave_no_trace(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as server:
        (address,) = server.wait_ready()
        host, _, port = address.rpartition(":")
        lines = len(server.lines)
        for _ in range(3):
            socket.create_connection((host, int(port))).close()
            said_to(address, b"GET /health HTTP/1.0\r\n\r\n")
            get(address, "/livez")
            said_to(address, request("/health", "HEAD", Connection="close"))
            said_to(address, request("/", "OPTIONS", Connection="close"))
            said_to(address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n")
            said_to(address, b"hello\r\n")
            with HttpClient(address) as client:
                client.send(PREFACE)
                assert client.socket.recv(9)[3] == 4
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM
        noise = [line["msg"] for line in server.lines[lines:] if line["level"] in ("warn", "error")]
        assert noise == []


def test_http_is_spoken_over_tls_without_asking_for_a_host(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "ca")
    pair = authority.server()
    metrics = free_port()
    options = (
        "--listen-client-urls=https://127.0.0.1:0",
        "--advertise-client-urls=https://127.0.0.1:2379",
        f"--listen-client-http-urls=https://127.0.0.1:{free_port()}",
        f"--listen-metrics-urls=https://127.0.0.1:{metrics}",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        "--host-whitelist=nobody",
    )
    with Process("--data-dir", tmp_path / "data", *options) as server:
        grpc, http = server.wait_ready(listeners=2, serving=SERVING_SECURELY)
        context = ssl.create_default_context(cafile=str(authority.path))
        assert said_to(grpc, request("/health")) == b""
        for address in (http, f"127.0.0.1:{metrics}"):
            url = f"https://{address}/health"
            with urllib.request.urlopen(url, context=context, timeout=60) as answer:
                assert answer.read() == HEALTHY
        # Of what is not TLS nothing is answered.
        assert said_to(http, request("/health")) == b""
