"""
Clients that mean to finish no handshake. They hold nobody up, and what they have cost is had back.
"""

from __future__ import annotations

import resource
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.certificates import Authority

from .conftest import UNARY, EchoServer
from .h2client import PREFACE

#: Beyond the number of handshakes that may be under way.
MANY = 1200


@pytest.fixture(scope="module", autouse=True)
def _many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * MANY:
        pytest.skip("too few files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * MANY), hard))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EchoServer]:
    pair = Authority.make(tmp_path).server()
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    running = EchoServer(certificate=str(both))
    yield running
    running.stop()


def anyone() -> ssl.SSLContext:
    """Return a client's TLS that trusts anyone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def hello() -> bytes:
    """Return what a client says first."""
    outgoing = ssl.MemoryBIO()
    session = anyone().wrap_bio(ssl.MemoryBIO(), outgoing)
    with suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


HELLO = hello()


def open_files(server: EchoServer) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def wait_until(condition: Callable[[], bool]) -> None:
    patience = threading.Event()
    for _ in range(12_000):
        if condition():
            return
        patience.wait(0.01)
    raise AssertionError("it never came to that")


@pytest.mark.parametrize(
    "start",
    [b"", HELLO[:40], HELLO, HELLO + b"\x16\x03\x03\x40\x00" + bytes(5000)],
    ids=["silence", "half a hello", "a hello", "a hello and half of more"],
)
def test_many_that_stop_in_the_middle(server: EchoServer, start: bytes) -> None:
    before = open_files(server)
    with (
        server.unharmed(memory=160 << 20, delay=10.0, tls=anyone(), patience=60.0),
        ExitStack() as open_ones,
    ):
        for _ in range(MANY):
            stalled = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            open_ones.enter_context(stalled)
            with suppress(OSError):  # made room already
                stalled.sendall(start)
        with server.connect_patiently(tls=anyone(), patience=60.0) as late:
            assert late.call(UNARY, b"late").messages == [b"late"]
    wait_until(lambda: open_files(server) <= before)


def test_many_that_vanish(server: EchoServer) -> None:
    before = open_files(server)
    with server.unharmed(delay=10.0, tls=anyone(), patience=60.0):
        for number in range(MANY):
            gone = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            gone.sendall(HELLO[: number % len(HELLO)])
            if number % 2:
                # A reset, in place of an orderly end.
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            gone.close()
    wait_until(lambda: open_files(server) <= before)


@pytest.mark.parametrize(
    "start",
    [PREFACE, b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, b"\x16\x03\x01\0\x10" + b"x" * 16],
    ids=["HTTP/2", "HTTP/1.1", "zeros", "garbage"],
)
def test_many_that_speak_something_else(server: EchoServer, start: bytes) -> None:
    with server.unharmed(delay=10.0, tls=anyone(), patience=60.0):
        for _ in range(300):
            with socket.create_connection(("127.0.0.1", server.port), timeout=60) as plain:
                plain.sendall(start)
                with suppress(ConnectionResetError):
                    while plain.recv(100):
                        pass


def test_many_that_are_honest(server: EchoServer) -> None:
    with (
        server.unharmed(memory=64 << 20, delay=10.0, tls=anyone(), patience=60.0),
        ExitStack() as open_ones,
    ):
        for _ in range(200):
            client = open_ones.enter_context(server.connect_patiently(tls=anyone()))
            assert client.call(UNARY, b"x").messages == [b"x"]
