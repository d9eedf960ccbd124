"""SIGTERM: two GOAWAYs, calls finish or are cut, endless streams end, nothing is left."""

import socket
import time
from collections.abc import Callable

import pytest

from .conftest import EchoServer
from .h2client import (
    ACK,
    INITIAL_WINDOW_SIZE,
    INTERNAL_ERROR,
    NO_ERROR,
    PATIENCE,
    PING,
    RST_STREAM,
    Client,
    data,
    frame,
    message,
)

UNARY = "/echo.Echo/Unary"
WATCH = "/echo.Echo/Watch"
CHAT = "/echo.Echo/Chat"
SLEEP = "/echo.Echo/Sleep"

NOTICE = bytes.fromhex("0106010800030309")

Start = Callable[..., EchoServer]


def wait_notice(client: Client) -> None:
    """Read the first GOAWAY and the PING that comes with it."""
    client.wait(lambda: bool(client.goaways) and client.frames[-1].type == PING)
    assert client.goaways == [((1 << 31) - 1, NO_ERROR, b"graceful_stop")]
    assert client.frames[-1].payload == NOTICE


def acknowledge(client: Client) -> None:
    client.send(frame(PING, ACK, 0, NOTICE))


def test_idle_connection_gets_both_goaways_and_closes(start_server: Start) -> None:
    server = start_server(grace=600)
    with server.connect() as client:
        client.call(UNARY, b"x")
        server.terminate()
        wait_notice(client)
        acknowledge(client)
        client.wait_closed()
        assert [(g.last, g.code, g.debug) for g in client.goaways] == [
            ((1 << 31) - 1, NO_ERROR, b"graceful_stop"),
            (1, NO_ERROR, b"graceful_stop"),
        ]
        # Long before the grace ends.
        assert server.process.wait(PATIENCE) == 0


def test_listener_closes_at_once(start_server: Start) -> None:
    server = start_server(grace=5)
    with server.connect() as client:
        client.start(SLEEP, b"0.5")
        client.settle()
        server.terminate()
        wait_notice(client)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=2)


def test_call_between_the_goaways_is_served(start_server: Start) -> None:
    server = start_server(grace=5)
    with server.connect() as client:
        client.call(UNARY, b"x")
        server.terminate()
        wait_notice(client)
        assert client.call(UNARY, b"late").messages == [b"late"]
        acknowledge(client)
        client.wait_closed()
        assert client.goaways[-1].last == 3


def test_calls_in_progress_finish(start_server: Start) -> None:
    server = start_server(grace=5)
    with server.connect() as client:
        stream = client.start(SLEEP, b"0.6")
        client.settle()
        server.terminate()
        wait_notice(client)
        acknowledge(client)
        reply = client.finish(stream)
        assert (reply.messages, reply.status) == ([b"0.6"], (0, ""))
        client.wait_closed()
    assert server.process.wait(PATIENCE) == 0


def test_call_after_the_second_goaway_is_dropped_in_silence(start_server: Start) -> None:
    server = start_server(grace=5)
    with server.connect() as client:
        stream = client.start(SLEEP, b"0.6")
        client.settle()
        server.terminate()
        wait_notice(client)
        acknowledge(client)
        client.wait(lambda: len(client.goaways) == 2)
        dropped = client.start(UNARY, b"too late")
        client.finish(stream)
        client.wait_closed()
        assert client.goaways[-1].last == stream < dropped
        assert [f.type for f in client.stream(dropped).frames] in ([], [RST_STREAM])


def test_endless_stream_ends_at_once_behind_the_goaway(start_server: Start) -> None:
    server = start_server(grace=30, stopped_message="etcdserver: server stopped")
    with server.connect() as client:
        stream = client.open(WATCH)
        client.send(data(stream, message(b"x")))
        client.wait(lambda: bool(client.stream(stream).messages))
        server.terminate()
        reply = client.finish(stream)
        assert reply.status == (14, "etcdserver: server stopped")
        assert client.goaways == [((1 << 31) - 1, NO_ERROR, b"graceful_stop")]
        crossing = client.open(WATCH)
        assert client.finish(crossing).status == (14, "etcdserver: server stopped")
        acknowledge(client)
        client.wait_closed()
    assert server.process.wait(PATIENCE) == 0


def test_endless_stream_that_is_not_read_does_not_hold_it_up(start_server: Start) -> None:
    server = start_server(grace=30)
    with server.connect((INITIAL_WINDOW_SIZE, 3), quiet=True) as client:
        stream = client.open(WATCH)
        client.send(data(stream, message(b"never read")))
        client.wait(lambda: bool(client.stream(stream).body))
        server.terminate()
        wait_notice(client)
        acknowledge(client)
        assert client.finish(stream).reset == INTERNAL_ERROR
        client.wait_closed()
    assert server.process.wait(PATIENCE) == 0


def test_calls_are_cut_with_a_status_when_the_grace_ends(start_server: Start) -> None:
    server = start_server(grace=0.5, stopped_message="etcdserver: server stopped")
    with server.connect() as client:
        stream = client.open(CHAT)
        client.send(data(stream, message(b"x")))
        client.wait(lambda: bool(client.stream(stream).messages))
        quiet = client.start(SLEEP, b"60")
        client.settle()
        started = time.monotonic()
        server.terminate()
        wait_notice(client)
        acknowledge(client)
        client.wait_closed()
        assert 0.4 < time.monotonic() - started < 50
        for cut in (stream, quiet):
            assert client.stream(cut).status == (14, "etcdserver: server stopped")
    assert server.process.wait(PATIENCE) == 0


def test_stream_that_can_end_keeps_delivering_while_draining(start_server: Start) -> None:
    server = start_server(grace=30)
    with server.connect() as client:
        stream = client.open(CHAT)
        client.settle()
        server.terminate()
        wait_notice(client)
        acknowledge(client)
        for count in range(1, 4):
            client.send(data(stream, message(b"x")))
            client.wait(lambda n=count: len(client.stream(stream).messages) == n)  # type: ignore[misc]
        client.send(data(stream, b"", end=True))
        assert client.finish(stream).status == (0, "")


def test_goaway_ids_are_odd_or_0_and_never_grow(start_server: Start) -> None:
    server = start_server(grace=5)
    with server.connect() as client, server.connect() as fresh:
        for _ in range(3):
            client.call(UNARY, b"x")
        fresh.settle()
        server.terminate()
        for one in (client, fresh):
            wait_notice(one)
            acknowledge(one)
            one.wait_closed()
        assert [g.last for g in client.goaways] == [(1 << 31) - 1, 5]
        assert [g.last for g in fresh.goaways] == [(1 << 31) - 1, 0]


def test_client_that_never_answers_cannot_hold_up_the_stop(start_server: Start) -> None:
    server = start_server(grace=0.5)
    with server.connect(quiet=True) as client:
        client.start("/echo.Echo/Large", b"5000000")
        client.wait(lambda: bool(client.streams))
        server.terminate()
        assert server.process.wait(PATIENCE) == 0
