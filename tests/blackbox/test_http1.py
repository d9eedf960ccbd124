"""HTTP/1.1 beside gRPC: crowds, slow and hostile clients, none of whom may harm the others."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import pytest

from tests.support.http1 import Client, request

from .conftest import EchoServer

ROUNDS = 300


def connect(server: EchoServer) -> Client:
    return Client(f"127.0.0.1:{server.port}")


def answered(server: EchoServer) -> bool:
    with connect(server) as client:
        client.send(request("/health"))
        return client.answer().status.startswith("HTTP/1.1 ")


@pytest.fixture
def clients(server: EchoServer) -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened
    assert answered(server)


def test_a_crowd_that_has_asked_once_costs_little(server: EchoServer, clients: ExitStack) -> None:
    with server.unharmed(memory=24 << 20):
        for _ in range(800):
            client = clients.enter_context(connect(server))
            client.send(request("/health"))
            assert client.answer().status.startswith("HTTP/1.1 ")
        assert answered(server)


def test_heads_that_never_end_are_held_for_a_few_clients_alone(
    server: EchoServer, clients: ExitStack
) -> None:
    large = b"GET / HTTP/1.1\r\nHost: x\r\nfoo: " + b"a" * 500_000
    with server.unharmed(memory=96 << 20):
        refused = 0
        crowd = [clients.enter_context(connect(server)) for _ in range(150)]
        for client in crowd:
            with suppress(OSError):  # it is closed while it sends
                client.send(large)
        for client in crowd:
            client.socket.settimeout(0.2)
            with suppress(OSError):
                refused += client.socket.recv(100).startswith(b"HTTP/1.1 431 ")
        # Some of them lose the answer, when what they sent was not read any more.
        assert refused > 0


def test_requests_sent_ahead_by_who_reads_nothing_are_not_all_read(
    server: EchoServer, clients: ExitStack
) -> None:
    client = clients.enter_context(connect(server))
    client.socket.settimeout(1)
    # Far more than the system keeps for a connection.
    many = request("/health") * 2_000_000
    with server.unharmed(memory=16 << 20), pytest.raises(TimeoutError):
        client.send(many)


def test_chunks_of_one_byte_do_not_hold_up_others(server: EchoServer, clients: ExitStack) -> None:
    client = clients.enter_context(connect(server))
    with server.unharmed():
        client.send(b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(OSError):  # more of it than anybody drops for a client
            client.send(b"1\r\nx\r\n" * 400_000)


def test_many_fields_do_not_hold_up_others(server: EchoServer) -> None:
    with server.unharmed():
        for _ in range(20):
            with connect(server) as client, suppress(OSError):
                client.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * 200_000 + b"\r\n")
                client.rest()


def test_clients_that_leave_in_the_middle(server: EchoServer) -> None:
    whole = request("/health", "POST", body=b"hello") * 3
    with server.unharmed():
        for end in range(0, len(whole), 3):
            with connect(server) as client:
                client.send(whole[:end])
                if end % 2:
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0" * 2)


@pytest.mark.parametrize("seed", range(2))
def test_noise_is_refused_or_answered(server: EchoServer, seed: int) -> None:
    source = random.Random(seed)
    with server.unharmed():
        for _ in range(ROUNDS):
            data = bytearray(request("/a", "POST", body=b"hello") + request("/b"))
            for _ in range(source.randint(1, 4)):
                place = source.randrange(len(data))
                data[place : place + source.randint(0, 3)] = source.randbytes(source.randint(0, 3))
            with closing(socket.create_connection(("127.0.0.1", server.port), 10)) as client:
                client.settimeout(10)
                with suppress(ConnectionError):
                    client.sendall(data)
                    client.shutdown(socket.SHUT_WR)
                    told = b"".join(iter(lambda c=client: c.recv(65536), b""))  # type: ignore[misc]
                    assert not told or told.startswith(b"HTTP/1.")
