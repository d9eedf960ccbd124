"""The asyncio shell, on a transport that does as it is told."""

from __future__ import annotations

import time
from typing import Any

import pytest

from etcdpy.transport import Server, ServerOptions
from etcdpy.transport.aio.protocol import Http2Protocol, peer_name
from etcdpy.transport.http2 import frames
from etcdpy.transport.limits import STALLED_WRITE_SECONDS

from ..conftest import OPTIONS
from ..service import Service
from .pipe import Pipe


@pytest.fixture
async def made() -> tuple[Http2Protocol, Pipe]:
    """A connection that has been greeted."""
    server = Server(ServerOptions(keepalive_interval=0, max_receive_message=OPTIONS.max_http_body))
    Service().register(server)
    server._start()
    protocol, pipe = Http2Protocol(server), Pipe(peername=("10.0.0.1", 5000))
    protocol.connection_made(pipe)
    protocol.data_received(frames.PREFACE + frames.settings([]))
    pipe.written.clear()
    return protocol, pipe


async def test_all_answers_to_what_came_together_are_one_write(
    made: tuple[Http2Protocol, Pipe],
) -> None:
    protocol, pipe = made
    protocol.data_received(frames.settings([]) + frames.ping(b"12345678"))
    assert pipe.written == [frames.SETTINGS_ACK + frames.ping(b"12345678", ack=True)]


async def test_reading_stops_while_tcp_is_full(made: tuple[Http2Protocol, Pipe]) -> None:
    protocol, pipe = made
    protocol.pause_writing()
    protocol.resume_writing()
    assert pipe.log == ["pause_reading", "resume_reading"]


async def test_tcp_that_takes_nothing_is_given_up(made: tuple[Http2Protocol, Pipe]) -> None:
    protocol, pipe = made
    now = time.monotonic()
    protocol.pause_writing()
    pipe.waiting = 1000
    protocol.tick(now)
    protocol.tick(now + STALLED_WRITE_SECONDS - 1)
    assert "abort" not in pipe.log
    protocol.tick(now + STALLED_WRITE_SECONDS)
    assert "abort" in pipe.log


async def test_tcp_that_is_slow_is_not(made: tuple[Http2Protocol, Pipe]) -> None:
    protocol, pipe = made
    now = time.monotonic()
    protocol.pause_writing()
    for second in range(100):
        pipe.waiting = 1000 - second
        protocol.tick(now + second)
    assert "abort" not in pipe.log


async def test_after_the_last_words_input_is_read_and_dropped(
    made: tuple[Http2Protocol, Pipe],
) -> None:
    protocol, pipe = made
    protocol.data_received(frames.frame(frames.DATA, 0, 0, b"x"))
    assert pipe.log == ["write_eof"]
    pipe.written.clear()
    protocol.data_received(frames.ping(bytes(8)))
    assert pipe.written == []


async def test_peer_that_is_gone_at_the_end_is_no_error(
    made: tuple[Http2Protocol, Pipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError("not connected")

    protocol, pipe = made
    monkeypatch.setattr(pipe, "write_eof", refuse)
    protocol.stop()
    assert pipe.log == ["abort"]


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ({"peername": ("10.0.0.1", 5000)}, "ipv4:10.0.0.1:5000"),
        ({"peername": ("::1", 5000, 0, 0)}, "ipv6:[::1]:5000"),
        ({"peername": "", "sockname": "/run/x"}, "unix:/run/x"),
        ({}, "unix:"),
    ],
)
def test_peer_is_named_as_grpc_does(info: dict[str, Any], name: str) -> None:
    assert peer_name(Pipe(**info)) == name
