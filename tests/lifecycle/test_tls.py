"""A server over TLS: where it listens, what it says, who gets in, and how it ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from etcdpy.pb import rpc_pb2
from tests.lifecycle.process import PORT_0, SERVING_SECURELY, Process, run
from tests.support.certificates import Authority, Pair
from tests.support.child import TIMEOUT
from tests.support.client import Client

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
REJECTED = "rejected connection on client endpoint"
ADVERTISED = "--advertise-client-urls=https://127.0.0.1:2379"
HTTPS = "--listen-client-urls=https://127.0.0.1:0"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "certificates")


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.server()


def flags(tmp_path: Path, pair: Pair, url: str = HTTPS) -> list[str]:
    return [
        f"--data-dir={tmp_path / 'data'}",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        url,
        ADVERTISED,
    ]


def answers(address: str, credentials: grpc.ChannelCredentials) -> bool:
    # The certificate is for names, and a unix socket has none.
    options = ("grpc.ssl_target_name_override", "localhost")
    with closing(Client(address, options, credentials=credentials)) as client:
        request = rpc_pb2.RangeRequest(key=b"k")
        try:
            return bool(client.kv.Range(request, timeout=60, wait_for_ready=True).header.revision)
        except grpc.RpcError:
            return False


def connect(address: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    host, _, port = address.rpartition(":")
    plain = socket.create_connection((host, int(port)), timeout=TIMEOUT)
    return context.wrap_socket(plain, server_hostname="localhost")


def is_let_in(address: str, context: ssl.SSLContext) -> bool:
    """Tell whether the server answers in HTTP/2."""
    try:
        with connect(address, context) as client:
            client.sendall(PREFACE)
            return client.recv(9) != b""
    except OSError:
        return False


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_tls_on_tcp_and_on_a_unix_socket_beside_one_without(
    tmp_path: Path, authority: Authority, pair: Pair, transport: str
) -> None:
    path = tmp_path / "s"
    urls = f"--listen-client-urls=https://localhost:0,unixs://{path},http://127.0.0.1:0"
    with Process(*flags(tmp_path, pair, urls), f"--transport={transport}") as server:
        (plain,) = server.wait_ready()
        tcp, unix = (str(server.wait_line(SERVING_SECURELY)["address"]) for _ in range(2))
        info = server.find("starting with client TLS")
        assert info["tls-info"].startswith(f"cert = {pair.certificate}, key = {pair.key}, ")
        assert answers(tcp, authority.credentials())
        assert answers(f"unix:{unix}", authority.credentials())
        with closing(Client(plain)) as client:
            assert client.kv.Range(rpc_pb2.RangeRequest(key=b"k"), timeout=60).header.revision


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_client_shows_a_certificate_where_it_has_to(
    tmp_path: Path, authority: Authority, pair: Pair, transport: str
) -> None:
    asking = f"--trusted-ca-file={authority.path}"
    with Process(*flags(tmp_path, pair), asking, f"--transport={transport}") as server:
        (address,) = server.wait_ready(serving=SERVING_SECURELY)
        assert is_let_in(address, authority.trusting(authority.client("alice")))
        assert not is_let_in(address, authority.trusting())


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_renewed_certificate_serves_without_a_restart_and_old_connections_stay(
    tmp_path: Path, authority: Authority, pair: Pair, transport: str
) -> None:
    with Process(*flags(tmp_path, pair), f"--transport={transport}") as server:
        (address,) = server.wait_ready(serving=SERVING_SECURELY)
        with (
            closing(Client(address, credentials=authority.credentials())) as old,
            connect(address, authority.trusting()) as before,
        ):
            old.kv.Put(rpc_pb2.PutRequest(key=b"k"), timeout=60)
            serials = [int(str((before.getpeercert() or {})["serialNumber"]), 16)]
            for _ in range(3):
                authority.server()
                serials.append(pair.serial)
                with connect(address, authority.trusting()) as renewed:
                    shown = (renewed.getpeercert() or {})["serialNumber"]
                    assert int(str(shown), 16) == serials[-1]
            assert len(set(serials)) == 4
            assert old.kv.Range(rpc_pb2.RangeRequest(key=b"k"), timeout=60).count == 1


def test_generated_certificate_is_kept(tmp_path: Path) -> None:
    words = (f"--data-dir={tmp_path / 'data'}", HTTPS, ADVERTISED, "--auto-tls")
    serials = []
    for _ in range(2):
        with Process(*words) as server:
            (address,) = server.wait_ready(serving=SERVING_SECURELY)
            certificate = tmp_path / "data" / "fixtures" / "client" / "cert.pem"
            context = ssl.create_default_context(cafile=str(certificate))
            context.check_hostname = False
            with connect(address, context) as client:
                serials.append((client.getpeercert() or {})["serialNumber"])
            server.signal(signal.SIGTERM)
            server.wait()
    assert serials[0] == serials[1]


@pytest.mark.parametrize(
    "flag",
    ["--client-crl-file=x", "--cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
)
def test_what_grpcio_cannot_do_is_refused(tmp_path: Path, pair: Pair, flag: str) -> None:
    end = run(*flags(tmp_path, pair), "--transport=grpcio", flag)
    name = flag.partition("=")[0]
    assert end.status == 1
    assert end.lines[-1]["error"] == f"--transport=grpcio does not support {name}"
    assert not (tmp_path / "data").exists()


def test_file_that_cannot_be_used_ends_the_start_before_anything_is_made(
    tmp_path: Path, pair: Pair
) -> None:
    pair.key.unlink()
    end = run(*flags(tmp_path, pair))
    assert end.status == 1
    text = f"open {pair.key}: no such file or directory"
    assert [(line["msg"], line["error"]) for line in end.lines[-2:]] == [
        ("setting up serving from embedded etcd failed.", text),
        ("listener failed", text),
    ]
    assert not (tmp_path / "data").exists()


def test_tls_on_a_port_without_it_is_closed(tmp_path: Path, authority: Authority) -> None:
    with Process("--data-dir", tmp_path / "data", *PORT_0) as server:
        (address,) = server.wait_ready()
        assert not is_let_in(address, authority.trusting())
        with closing(Client(address)) as client:
            assert client.kv.Range(rpc_pb2.RangeRequest(key=b"k"), timeout=60).header.revision


def test_nobody_may_renegotiate(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    with Process(*flags(tmp_path, pair)) as server:
        (address,) = server.wait_ready(serving=SERVING_SECURELY)
        asked = subprocess.run(
            ["openssl", "s_client", "-connect", address, "-tls1_2", "-alpn", "h2"],
            input="R\n",
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert "RENEGOTIATING" in asked.stdout + asked.stderr
        assert "no renegotiation" in asked.stderr
        assert answers(address, authority.credentials())


def test_end_of_the_server_is_announced_on_every_connection(
    tmp_path: Path, authority: Authority, pair: Pair
) -> None:
    with Process(*flags(tmp_path, pair)) as server:
        (address,) = server.wait_ready(serving=SERVING_SECURELY)
        silent = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))
        with silent, connect(address, authority.trusting()) as client:
            client.sendall(PREFACE)
            assert client.recv(9)[3:4] == b"\x04"
            server.signal(signal.SIGTERM)
            client.settimeout(TIMEOUT)
            # A close_notify: without one this would raise.
            client.suppress_ragged_eofs = False  # type: ignore[attr-defined]
            received = b""
            while part := client.recv(1 << 16):
                received += part
            assert b"\x07\0\0\0\0\0" in received  # a GOAWAY
        assert server.wait() == -signal.SIGTERM


def test_large_reply_waits_for_a_client_that_reads_slowly(
    tmp_path: Path, authority: Authority, pair: Pair
) -> None:
    value = os.urandom(1 << 20)
    with Process(*flags(tmp_path, pair)) as server:
        (address,) = server.wait_ready(serving=SERVING_SECURELY)
        with closing(Client(address, credentials=authority.credentials())) as client:
            for number in range(20):
                client.kv.Put(rpc_pb2.PutRequest(key=b"k%02d" % number, value=value), timeout=60)
            everything = rpc_pb2.RangeRequest(key=b"\0", range_end=b"\0")
            found = client.kv.Range(everything, timeout=60)
        assert [kv.value for kv in found.kvs] == [value] * 20


def test_snapshot_is_saved_over_tls(tmp_path: Path, authority: Authority, pair: Pair) -> None:
    alice = authority.client("alice")
    asking = f"--trusted-ca-file={authority.path}"
    with Process(*flags(tmp_path, pair), asking) as server:
        (address,) = server.wait_ready(serving=SERVING_SECURELY)
        words = [
            f"--endpoints=https://{address}",
            f"--cacert={authority.path}",
            f"--cert={alice.certificate}",
            f"--key={alice.key}",
        ]
        saved = tmp_path / "saved.db"
        command = [sys.executable, "-m", "etcdpy", "snapshot", "save", *words, str(saved)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == 0, done.stderr
        assert saved.stat().st_size > 0
