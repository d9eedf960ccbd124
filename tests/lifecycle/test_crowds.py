"""
Crowds of clients over HTTP/1.1, idle ones and hostile ones: others are served meanwhile.

``ETCDPY_CROWD`` sets how many there are; ``ETCDPY_CROWD_BESIDE`` has a real etcd suffer the same.
The figures are printed.
"""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support import http1, servers
from tests.support.http1 import request
from tests.support.ports import free_port
from tests.support.servers import Server

CROWD = int(os.environ.get("ETCDPY_CROWD") or 300)
IS_LARGE = CROWD >= 1000
KINDS = ("etcdpy", "etcd") if "ETCDPY_CROWD_BESIDE" in os.environ else ("etcdpy",)

#: Descriptors that are no client's.
ROOM = 200
#: How often somebody else is answered while a crowd is there.
ANSWERS = 20
MEGABYTE = 1 << 20

RANGE = request("/v3/kv/range", "POST", body=b'{"key":"c21hbGw="}')
LARGE = request("/v3/kv/range", "POST", body=b'{"key":"bGFyZ2U=","range_end":"bGFyZ2Ux"}')
LARGE_BYTES = 8 * MEGABYTE


class Subject:
    """A server, what it holds, and a bystander who asks it for a key all the time."""

    def __init__(self, server: Server, kind: str) -> None:
        self.server = server
        self.kind = kind
        host, _, port = server.address.rpartition(":")
        self.address = (host, int(port))

    def rss(self) -> int:
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.server.pid}/fd"))

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=60)

    @contextmanager
    def unharmed(self, name: str, memory: int) -> Iterator[Callable[[], None]]:
        """
        Check that a bystander is answered during the block, and that it costs no more than this.

        What is yielded waits until he was answered some times.

        Args:
            name: What happens, for those who look at the figures.
            memory: Bytes by which the server may grow.

        """
        opened, before = self.descriptors(), self.rss()
        peak, slowest, answers = before, 0.0, 0
        over = threading.Event()
        failures: list[BaseException] = []

        def stand_by() -> None:
            nonlocal peak, slowest, answers
            try:
                with http1.Client(self.server.address) as client:
                    while not over.wait(0.01):
                        began = time.monotonic()
                        client.send(RANGE)
                        assert client.answer().status == "HTTP/1.1 200 OK"
                        slowest = max(slowest, time.monotonic() - began)
                        answers += 1
                        peak = max(peak, self.rss())
            except BaseException as error:  # noqa: BLE001 (handed to the test's thread)
                failures.append(error)

        thread = threading.Thread(target=stand_by)
        thread.start()

        def watch() -> None:
            wanted = answers + ANSWERS
            _wait_for(lambda: answers >= wanted or bool(failures))

        try:
            yield watch
        finally:
            over.set()
            thread.join()
        assert not failures, failures
        deadline = time.monotonic() + 60
        while self.descriptors() > opened and time.monotonic() < deadline:
            time.sleep(0.05)
        after = self.rss()
        megabytes = " ".join(f"{size / MEGABYTE:.0f}" for size in (before, peak, after))
        print(
            f"\n{self.kind}, {name}: RSS before, at most, after: {megabytes} MiB; a range took "
            f"{slowest * 1000:.0f} ms at most of {answers}; descriptors {opened} and then "
            f"{self.descriptors()}"
        )
        assert self.descriptors() <= opened
        if self.kind == "etcdpy":
            assert peak - before < memory, f"grew by {(peak - before) / MEGABYTE:.0f} MiB"


@pytest.fixture(scope="module", params=KINDS)
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    if not Path("/proc/self/fd").exists():
        pytest.skip("this system does not tell what a process holds")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CROWD + ROOM:
        pytest.skip(f"a process may have {hard} descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    begin = servers.etcdpy_server if request.param == "etcdpy" else servers.reference_etcd
    url = f"--listen-client-urls=http://127.0.0.1:{free_port()}"
    try:
        with begin(args=[url]) as server:
            found = Subject(server, request.param)
            _fill(server)
            yield found
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _fill(server: Server) -> None:
    with http1.Client(server.address) as client:
        client.send(request("/v3/kv/put", "POST", body=b'{"key":"c21hbGw=","value":"eA=="}'))
        client.answer()
        value = b64encode(bytes(MEGABYTE)).decode()
        for number in range(LARGE_BYTES // MEGABYTE):
            key = b64encode(b"large%d" % number).decode()
            body = f'{{"key":"{key}","value":"{value}"}}'.encode()
            client.send(request("/v3/kv/put", "POST", body=body))
            assert client.answer().status == "HTTP/1.1 200 OK"


@contextmanager
def crowd(subject: Subject, size: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(subject.connect()) for _ in range(size)]


def send_all(clients: Sequence[socket.socket], data: bytes) -> None:
    """Send what each of them is still heard with."""
    for client in clients:
        with suppress(OSError):
            client.sendall(data)


def test_idle_clients(subject: Subject) -> None:
    with (
        subject.unharmed("idle", 8 * MEGABYTE + CROWD * 12_000) as watch,
        crowd(subject, CROWD) as clients,
    ):
        send_all(clients[::2], b"GET /health HTTP/1.1\r\nHost: x\r\nUser-")
        _wait_for(lambda: subject.descriptors() >= CROWD)
        watch()


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_clients_that_send_a_byte_now_and_then(subject: Subject) -> None:
    head = b"POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"
    with (
        subject.unharmed("slow loris", 8 * MEGABYTE + CROWD * 20_000) as watch,
        crowd(subject, CROWD) as clients,
    ):
        send_all(clients[::2], head)
        for byte in b'{"key":':
            send_all(clients, bytes((byte,)))
            watch()


def test_heads_without_end(subject: Subject) -> None:
    with (
        subject.unharmed("endless heads", 160 * MEGABYTE) as watch,
        crowd(subject, min(CROWD, 1000)) as clients,
    ):
        send_all(clients, b"GET / HTTP/1.1\r\nHost: x\r\n")
        for number in range(10):
            send_all(clients, b"X-%d: " % number + b"y" * 10_000 + b"\r\n")
        watch()


def test_bodies_without_end(subject: Subject) -> None:
    head = b"POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        subject.unharmed("endless bodies", 400 * MEGABYTE) as watch,
        crowd(subject, 100 if IS_LARGE else 25) as clients,
    ):
        send_all(clients, head + b'b\r\n{"value":"A\r\n')
        chunk = b"10000\r\n" + b"A" * 65536 + b"\r\n"
        for _ in range(190 if IS_LARGE else 40):
            send_all(clients, chunk)
        watch()


def test_chunks_of_one_byte(subject: Subject) -> None:
    head = b"POST /v3/watch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with subject.unharmed("chunks of a byte", 64 * MEGABYTE) as watch, crowd(subject, 4) as clients:
        value = b"A" * MEGABYTE
        send_all(clients, head + b'8\r\n{"key":"\r\n' + b"%x\r\n" % len(value) + value + b"\r\n")
        for _ in range(20 if IS_LARGE else 4):
            send_all(clients, b"1\r\nA\r\n" * 2000)
            watch()


def test_clients_that_do_not_read_what_they_ask_for(subject: Subject) -> None:
    with (
        subject.unharmed("slow readers", 400 * MEGABYTE) as watch,
        crowd(subject, 50 if IS_LARGE else 10) as clients,
    ):
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        send_all(clients, LARGE)
        for client in clients:
            assert client.recv(15) == b"HTTP/1.1 200 OK"
        watch()


def test_requests_sent_ahead(subject: Subject) -> None:
    with subject.unharmed("pipelining", 64 * MEGABYTE) as watch, crowd(subject, 4) as clients:
        asking = RANGE * 100
        for client in clients:
            client.settimeout(0.5)
            with suppress(OSError):  # nobody reads: neither do they go on for ever
                for _ in range(400):
                    client.sendall(asking)
        watch()
