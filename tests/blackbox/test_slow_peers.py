"""
Peers that take their time, or take no end: what is kept for them is bounded, and the others
are served meanwhile.
"""

import socket
import time

from .conftest import EchoServer
from .h2client import (
    END_HEADERS,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    REFUSED_STREAM,
    data,
    frame,
    message,
    window_update,
)
from .hostile import steady_block

UNARY = "/echo.Echo/Unary"
SLEEP = "/echo.Echo/Sleep"
WATCH = "/echo.Echo/Watch"


class TestSlowReaders:
    def test_windows_of_0_hold_a_bounded_queue(self, server: EchoServer) -> None:
        with (
            server.unharmed(memory=48 << 20),
            server.connect((INITIAL_WINDOW_SIZE, 0), quiet=True) as client,
        ):
            for _ in range(200):
                client.start("/echo.Echo/Repeat", b'{"count": 100000, "size": 10000}')
            client.drain(1)
            assert not any(reply.body for reply in client.streams.values())
        server.wait_idle()

    def test_tcp_that_is_not_read_holds_a_bounded_queue(self, server: EchoServer) -> None:
        with (
            server.unharmed(memory=48 << 20),
            server.connect((INITIAL_WINDOW_SIZE, (1 << 31) - 1), quiet=True) as client,
        ):
            client.send(window_update(0, (1 << 31) - 1 - 65535))
            for _ in range(50):
                client.start("/echo.Echo/Repeat", b'{"count": 100000, "size": 100000}')
            time.sleep(1)  # the point is to read nothing
        server.wait_idle()

    def test_large_unary_replies_nobody_reads_are_bounded(self, server: EchoServer) -> None:
        """Requests for 4 MB each, 400 times: 1.6 GB if all were made at once and kept."""
        with server.connect((INITIAL_WINDOW_SIZE, 0), quiet=True) as client:
            before = server.rss()
            for _ in range(400):
                client.start("/echo.Echo/Large", b"4000000")
            client.drain(1)
            assert server.latency() < 2
            assert server.rss() - before < 192 << 20

    def test_slow_reader_still_gets_everything(self, server: EchoServer) -> None:
        with server.connect(quiet=True) as client:
            stream = client.start("/echo.Echo/Repeat", b'{"count": 60, "size": 10000}')
            reply = client.stream(stream)
            while not reply.finished:
                seen = len(reply.body)
                client.send(window_update(0, 30_000), window_update(stream, 30_000))
                client.wait(lambda seen=seen: len(reply.body) > seen or reply.finished)  # type: ignore[misc]
            assert len(reply.messages) == 60


class TestManyStreams:
    def test_idle_streams_are_capped(self, server: EchoServer) -> None:
        with server.unharmed(memory=256 << 20, delay=3), server.connect() as client:
            block = steady_block(client, WATCH)
            for stream in range(3, 21_003, 2):
                client.send(frame(HEADERS, END_HEADERS, stream, block))
                if stream % 1000 == 1:
                    client.drain(0.01)
            client.wait(lambda: any(r.reset is not None for r in client.streams.values()))
            refused = {s: r.reset for s, r in client.streams.items() if r.reset is not None}
            assert set(refused.values()) == {REFUSED_STREAM}
            assert min(refused) >= 20_001
        server.wait_idle()

    def test_incomplete_requests_hold_bounded_memory(self, server: EchoServer) -> None:
        """300 messages of 2 MiB whose last byte never comes: 600 MiB if all were kept."""
        with server.connect() as client:
            before = server.rss()
            part = bytes(1 << 20)
            for _ in range(300):
                stream = client.open(UNARY)
                client.send(data(stream, message(bytes(2097152))[:5] + part[:-5]))
                client.drain(0.002)
                if client.closed:
                    break
            assert server.latency() < 2
            assert server.rss() - before < 256 << 20


class TestManyConnections:
    def test_half_open_connections_cost_little(self, server: EchoServer) -> None:
        with server.unharmed(memory=32 << 20):
            half = []
            for _ in range(300):
                one = socket.create_connection(("127.0.0.1", server.port), timeout=5)
                one.sendall(b"PRI * HTTP/2.0\r\n")
                half.append(one)
            assert server.latency() < 2
            for one in half:
                one.close()

    def test_connections_that_vanish_leave_nothing(self, server: EchoServer) -> None:
        def visit() -> None:
            for _ in range(100):
                with server.connect() as client:
                    client.start(SLEEP, b"60")
                    client.open(WATCH)

        visit()
        server.wait_idle()
        before = server.rss()
        for _ in range(5):
            visit()
        server.wait_idle()
        assert server.rss() - before < 16 << 20
