"""Which protocol a connection is handed to, on a transport that does as it is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from etcdpy.testing.clock import MovableClock
from etcdpy.transport.aio.sniffer import Sniffer
from etcdpy.transport.http2.frames import PREFACE
from etcdpy.transport.limits import FIRST_FRAMES_SECONDS

from .pipe import Pipe


class Next(asyncio.Protocol):
    """Who goes on."""

    def __init__(self) -> None:
        self.received = b""
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data


class Sniffing:
    """A sniffer with a connection, and whom it may hand that to."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.http1, self.http2 = Next(), Next()
        self.waiting: set[Sniffer] = set()
        self.left = 0
        self.pipe = Pipe()
        self.sniffer = Sniffer(self.clock, self.pick2, self.pick1, self.waiting, self.leave)
        self.sniffer.connection_made(self.pipe)

    def leave(self) -> None:
        self.left += 1

    def pick1(self) -> asyncio.Protocol:
        return self.http1

    def pick2(self) -> asyncio.Protocol:
        return self.http2

    def feed(self, data: bytes, size: int) -> None:
        """Let bytes arrive in pieces, at whoever has the connection."""
        for start in range(0, len(data), size):
            protocol: Any = self.pipe.get_protocol() or self.sniffer
            protocol.data_received(data[start : start + size])


SIZES = pytest.mark.parametrize("size", [1, 7, 10_000])


@SIZES
async def test_preface_is_http_2(size: int) -> None:
    sniffing = Sniffing()
    sniffing.feed(PREFACE + b"and more", size)
    assert sniffing.http2.received == PREFACE + b"and more"
    assert sniffing.http2.transport is sniffing.pipe
    assert not sniffing.waiting


@SIZES
@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.1\r\n\r\n", b"POST /v3/kv HTTP/1.0\n", b"P / HTTP/1.1\r\nHost: x"]
)
async def test_request_line_is_http_1(request_: bytes, size: int) -> None:
    sniffing = Sniffing()
    sniffing.feed(request_, size)
    assert sniffing.http1.received == request_
    assert not sniffing.http2.received


@pytest.mark.parametrize(
    "first", [b"\x16\x03\x01", b"hello\r\n", b"GET / HTTP/2.0\r\n", b"G" * 5000]
)
async def test_anything_else_is_closed(first: bytes) -> None:
    sniffing = Sniffing()
    sniffing.feed(first, 10_000)
    assert sniffing.pipe.log == ["close"]
    assert not sniffing.http1.received + sniffing.http2.received


async def test_client_that_does_not_say_is_given_up_after_ten_seconds() -> None:
    sniffing = Sniffing()
    sniffing.feed(PREFACE[:5], 5)
    await sniffing.clock.advance(FIRST_FRAMES_SECONDS - 0.1)
    assert sniffing.pipe.log == []
    await sniffing.clock.advance(0.1)
    assert sniffing.pipe.log == ["abort"]


async def test_nobody_waits_for_a_client_that_is_known_or_gone() -> None:
    known, gone = Sniffing(), Sniffing()
    known.feed(PREFACE, 100)
    gone.sniffer.connection_lost(None)
    for sniffing in (known, gone):
        await sniffing.clock.advance(100)
        assert sniffing.pipe.log == []
        assert not sniffing.waiting


@pytest.mark.parametrize("first", [PREFACE, b"GET / HTTP/1.1\r\n"])
async def test_what_is_not_spoken_there_is_closed(first: bytes) -> None:
    pipe, waiting = Pipe(), set[Sniffer]()
    sniffer = Sniffer(MovableClock(), None, None, waiting, lambda: None)
    sniffer.connection_made(pipe)
    sniffer.data_received(first)
    assert pipe.log == ["close"]
