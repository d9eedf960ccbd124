"""
What load balancers, kubelets and scanners do to a port all day: it leaves nothing behind.

``ETCDPY_PROBES`` sets how often each of it is done.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.blackbox.h2client import Client as H2Client
from tests.support.certificates import Authority
from tests.support.http1 import get
from tests.support.servers import Server, etcdpy_server

COUNT = int(os.environ.get("ETCDPY_PROBES") or 40)

#: More than what is looked at by, and fewer than would be left by probes.
FEW = 4

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

#: Does something to an address, and returns what came back.
Probe = Callable[[tuple[str, int]], bytes]


def connection(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=60)


def leave(address: tuple[str, int]) -> bytes:
    connection(address).close()
    return b""


def resetting(data: bytes) -> Probe:
    def probe(address: tuple[str, int]) -> bytes:
        with closing(connection(address)) as it:
            it.sendall(data)
            it.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return b""

    return probe


def saying(data: bytes) -> Probe:
    def probe(address: tuple[str, int]) -> bytes:
        told = b""
        with closing(connection(address)) as it:
            it.sendall(data)
            with suppress(ConnectionError):  # it is closed while some of that is not read
                while more := it.recv(65536):
                    told += more
        return told

    return probe


def kubelet(path: str) -> Probe:
    """Ask as kubelets do."""
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: 10.0.0.1:2379",
        "User-Agent: kube-probe/1.30",
        "Accept: */*",
        "Connection: close",
    )
    return saying("\r\n".join((*lines, "", "")).encode())


def by_http2(address: tuple[str, int]) -> bytes:
    fields = [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/health"),
        (b":authority", b"x"),
    ]
    with H2Client(address[1]) as client:
        client.send(client.headers(1, fields, end=True))
        return b"HTTP/2 %d" % client.finish(1).http_status


def head(target: str, method: str, version: str = "1.1") -> Probe:
    fields = "Host: x\r\nConnection: close\r\n" if version == "1.1" else ""
    return saying(f"{method} {target} HTTP/{version}\r\n{fields}\r\n".encode())


#: By what they are, with what is told to them at first.
PLAIN: dict[str, tuple[Probe, bytes]] = {
    "connect and close": (leave, b""),
    "connect and reset": (resetting(b""), b""),
    "half a head, reset": (resetting(b"GET /health HTT"), b""),
    "a head, reset": (resetting(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"), b""),
    "a preface, reset": (resetting(PREFACE), b""),
    "HTTP/1.0 without a host": (head("/health", "GET", "1.0"), b"HTTP/1.0 200 OK\r\n"),
    "HEAD": (head("/", "HEAD"), b"HTTP/1.1 404 Not Found\r\n"),
    "HEAD of health": (head("/health", "HEAD"), b"HTTP/1.1 405 Method Not Allowed\r\n"),
    "OPTIONS": (head("*", "OPTIONS"), b"HTTP/1.1 200 OK\r\n"),
    "OPTIONS by HTTP/1.0": (head("/", "OPTIONS", "1.0"), b"HTTP/1.0 200 OK\r\n"),
    "GET by HTTP/2": (by_http2, b"HTTP/2 200"),
    "TLS": (saying(HELLO + bytes(600)), b""),
    "PROXY, as text": (
        saying(b"PROXY TCP4 192.168.0.1 192.168.0.2 5 6\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        b"",
    ),
    "PROXY, as bytes": (saying(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)), b""),
    "a newline": (saying(b"\n"), b""),
    "an empty line": (saying(b"\r\n"), b""),
    "SSH": (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), b""),
    "kubelet, liveness": (kubelet("/livez"), b"HTTP/1.1 200 OK\r\n"),
    "kubelet, readiness": (kubelet("/readyz?exclude=non_learner"), b"HTTP/1.1 200 OK\r\n"),
    "kubelet, health": (kubelet("/health"), b"HTTP/1.1 200 OK\r\n"),
}


def securely(data: bytes) -> Probe:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def probe(address: tuple[str, int]) -> bytes:
        with closing(context.wrap_socket(connection(address))) as it:
            it.sendall(data)
            return it.recv(65536) if data else b""

    return probe


LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\nUser-Agent: kube-probe/1.30\r\n\r\n"

SECURE: dict[str, tuple[Probe, bytes]] = {
    "connect and close": (leave, b""),
    "half a greeting, reset": (resetting(HELLO), b""),
    "HTTP": (saying(LIVEZ), b""),
    "HTTP/2": (saying(PREFACE), b""),
    "an empty line": (saying(b"\r\n\r\n\r\n"), b""),
    "TLS and nothing": (securely(b""), b""),
    "kubelet": (securely(LIVEZ), b"HTTP/1.1 200 OK\r\n"),
}


class Watched:
    """A server, and what it has open."""

    def __init__(self, server: Server, scheme: str = "http") -> None:
        host, _, port = server.address.rpartition(":")
        self.address = (host, int(port))
        self._server = server
        self._scheme = scheme
        self._from_the_start: set[str] = set()
        self._from_the_start = self.noise()

    def noise(self) -> set[str]:
        """Return what it has logged since the start that somebody should look at."""
        found = (json.loads(line) for line in self._server.log)
        loud = {entry["msg"] for entry in found if entry["level"] not in ("info", "debug")}
        return loud - self._from_the_start

    def held(self) -> tuple[int, int]:
        """Return its descriptors and its tasks."""
        descriptors = len(os.listdir(f"/proc/{self._server.pid}/fd"))
        if self._scheme == "https":
            return descriptors, 0
        told = get(self._server.address, "/debug/pprof/goroutine?debug=1").body
        tasks = re.match(rb"threads: \d+, tasks: (\d+)", told)
        assert tasks is not None, told[:100]
        return descriptors, int(tasks[1])

    def lets_go(self, before: tuple[int, int]) -> bool:
        """Wait until no more is held than before; the connection that tells may be still there."""
        deadline = time.monotonic() + 30
        while any(now > then + FEW for now, then in zip(self.held(), before, strict=True)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


@pytest.fixture(scope="module")
def plain() -> Iterator[Watched]:
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not tell which descriptors a process has")
    with etcdpy_server(args=["--enable-pprof"]) as server:
        watched = Watched(server)
        # What it opens once, for good, is no leak.
        for probe, _ in PLAIN.values():
            probe(watched.address)
        yield watched


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not tell which descriptors a process has")
    pair = Authority.make(tmp_path_factory.mktemp("ca")).server()
    arguments = (
        "--listen-client-urls=https://127.0.0.1:0",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
    )
    with etcdpy_server(args=arguments) as server:
        watched = Watched(server, "https")
        for probe, _ in SECURE.values():
            probe(watched.address)
        yield watched


@pytest.mark.parametrize("kind", PLAIN)
def test_probe_leaves_nothing_behind(plain: Watched, kind: str) -> None:
    probe, told = PLAIN[kind]
    before = plain.held()
    for _ in range(COUNT):
        answer = probe(plain.address)
        assert answer.startswith(told)
        assert answer == b"" or told
    assert plain.lets_go(before)
    assert plain.noise() == set()


@pytest.mark.parametrize("kind", SECURE)
def test_probe_of_a_secure_port_leaves_nothing_behind(secure: Watched, kind: str) -> None:
    probe, told = SECURE[kind]
    before = secure.held()
    for _ in range(COUNT):
        assert probe(secure.address).startswith(told)
    assert secure.lets_go(before)
    # The line that etcd logs.
    assert secure.noise() <= {"rejected connection on client endpoint"}
