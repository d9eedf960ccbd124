"""The gateway over WebSocket: messages to requests, lines to messages."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol as Frames
from websockets.protocol import Side

from etcdpy.http.websocket import MOST_WAITING, PIECE, accept
from etcdpy.memory import Account, Budget
from etcdpy.transport.aio.turns import Turns
from etcdpy.transport.http import Body, HttpRequest, HttpResponse, Successor

KEY = base64.b64encode(b"0123456789abcdef")

Handle = Callable[[HttpRequest], Awaitable[HttpResponse]]


class Wire(asyncio.Transport):
    """What a connection writes, and whether it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = False
        self.reads = True

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Browser:
    """The client's side."""

    def __init__(self, response: HttpResponse) -> None:
        assert response.upgrade is not None
        self.server: Successor = response.upgrade()
        self.wire = Wire()
        self.frames = Frames(Side.CLIENT)
        self.server.turns = Turns()
        self.server.connection_made(self.wire)

    def send(self, text: str | dict[str, Any]) -> None:
        self.frames.send_text((text if isinstance(text, str) else json.dumps(text)).encode())
        self.flush()

    def flush(self) -> None:
        for data in self.frames.data_to_send():
            self.server.data_received(data)

    def received(self) -> list[tuple[Opcode, bytes]]:
        self.frames.receive_data(bytes(self.wire.written))
        self.wire.written.clear()
        found = []
        for frame in self.frames.events_received():
            assert isinstance(frame, Frame)
            found.append((frame.opcode, bytes(frame.data)))
        return found


def upgrade(**headers: str) -> HttpRequest:
    fields = {"sec-websocket-key": KEY.decode(), "sec-websocket-version": "13"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
    return HttpRequest("GET", "/v3/watch", "", encoded, Body(), "peer", upgrade="websocket")


async def echo(request: HttpRequest) -> HttpResponse:
    """Answer each line with one that says what it was."""

    async def lines() -> AsyncIterator[bytes]:
        while piece := await request.body.next_piece():
            yield b'{"result":%b}\n' % piece.strip()

    return HttpResponse(200, (), lines())


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_client_is_told_that_its_offer_is_taken() -> None:
    response = accept(upgrade(), echo)
    headers = dict(response.headers)
    assert response.status == 101
    assert headers[b"upgrade"] == b"websocket"
    assert b"sec-websocket-protocol" not in headers


def test_accept_key_is_that_of_the_rfc() -> None:
    response = accept(upgrade(sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ=="), echo)
    assert dict(response.headers)[b"sec-websocket-accept"] == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize("headers", [{"sec_websocket_key": ""}, {"sec_websocket_version": "8"}])
def test_offer_that_is_not_whole_is_refused(headers: dict[str, str]) -> None:
    response = accept(upgrade(**headers), echo)
    assert response.status == 400
    assert (b"sec-websocket-version", b"13") in response.headers


async def test_each_message_is_a_request_and_each_line_a_message() -> None:
    browser = Browser(accept(upgrade(), echo))
    for number in range(3):
        browser.send({"n": number})
        await turns()
        assert browser.received() == [(Opcode.TEXT, b'{"result":{"n": %d}}' % number)]
    browser.server.connection_lost(None)


async def test_message_in_parts_is_one_request() -> None:
    browser = Browser(accept(upgrade(), echo))
    browser.frames.send_text(b'{"a":', fin=False)
    browser.frames.send_continuation(b"1}", fin=True)
    browser.flush()
    await turns()
    assert browser.received() == [(Opcode.TEXT, b'{"result":{"a":1}}')]
    browser.server.connection_lost(None)


async def test_ping_is_answered() -> None:
    browser = Browser(accept(upgrade(), echo))
    browser.frames.send_ping(b"x")
    browser.flush()
    await turns()
    assert browser.received() == [(Opcode.PONG, b"x")]
    browser.server.connection_lost(None)


async def test_answer_that_is_over_closes() -> None:
    async def not_found(request: HttpRequest) -> HttpResponse:
        return HttpResponse(404, (), b'{"code":5,"message":"Not Found"}')

    browser = Browser(accept(upgrade(), not_found))
    await turns()
    (text, body), (closing, _) = browser.received()
    assert (text, body) == (Opcode.TEXT, b'{"code":5,"message":"Not Found"}')
    assert closing is Opcode.CLOSE
    assert browser.wire.is_closed


async def test_client_that_closes_ends_its_request() -> None:
    ended = asyncio.Event()

    async def endless(request: HttpRequest) -> HttpResponse:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()
        raise AssertionError

    browser = Browser(accept(upgrade(), endless))
    await turns()
    browser.frames.send_close(1000)
    browser.flush()
    await asyncio.wait_for(ended.wait(), 60)
    assert browser.received()[0][0] is Opcode.CLOSE


async def test_server_that_stops_says_that_it_goes_away() -> None:
    browser = Browser(accept(upgrade(), echo))
    browser.server.stop()
    ((opcode, data),) = browser.received()
    assert (opcode, data[:2]) == (Opcode.CLOSE, (1001).to_bytes(2, "big"))
    browser.server.connection_lost(None)


async def test_client_that_breaks_the_protocol_is_closed() -> None:
    browser = Browser(accept(upgrade(), echo))
    browser.server.data_received(b"\xff" * 20)
    await turns()
    assert browser.received()[0][0] is Opcode.CLOSE
    assert browser.wire.is_closed
    browser.server.connection_lost(None)


async def test_who_sends_faster_than_is_read_is_not_read_from() -> None:
    async def lazy(request: HttpRequest) -> HttpResponse:
        await go_on.wait()
        return await echo(request)

    go_on = asyncio.Event()
    browser = Browser(accept(upgrade(), lazy))
    browser.send("x" * (MOST_WAITING + 1))
    await turns()
    assert not browser.wire.reads
    go_on.set()
    await turns()
    assert browser.wire.reads
    browser.server.connection_lost(None)


async def test_who_does_not_read_is_not_written_to() -> None:
    browser = Browser(accept(upgrade(), echo))
    browser.server.pause_writing()
    browser.send("{}")
    await turns()
    assert browser.received() == []
    browser.server.resume_writing()
    await turns()
    assert browser.received() == [(Opcode.TEXT, b'{"result":{}}')]
    browser.server.connection_lost(None)


async def test_who_has_gone_is_not_written_to() -> None:
    browser = Browser(accept(upgrade(), echo))
    browser.send("{}")
    browser.wire.close()
    await turns()
    assert browser.received() == []
    browser.server.connection_lost(None)


async def test_frames_that_come_together_are_taken_some_in_each_turn() -> None:
    browser = Browser(accept(upgrade(), echo))
    browser.server.turns.each = 0.0
    one = Frame(Opcode.PING, b"").serialize(mask=True)
    browser.server.data_received(one * (3 * PIECE))
    taken = 0
    for _ in range(2):
        assert browser.server.take_turn()
        pongs = browser.received()
        assert 0 < len(pongs) <= PIECE
        taken += len(pongs)
    while browser.server.take_turn():
        pass
    assert taken + len(browser.received()) == 3 * PIECE
    browser.server.connection_lost(None)


async def test_message_that_is_large_is_taken_in_larger_pieces() -> None:
    browser = Browser(accept(upgrade(), echo))
    browser.server.turns.each = 0.0
    browser.server.data_received(Frame(Opcode.TEXT, b"1" * 60_000).serialize(mask=True))
    pieces = 1
    while browser.server.take_turn():
        pieces += 1
    assert pieces < 60_000 / PIECE / 4
    browser.server.connection_lost(None)


async def test_who_does_not_read_is_not_answered_pings() -> None:
    browser = Browser(accept(upgrade(), echo))
    browser.server.pause_writing()
    browser.server.data_received(Frame(Opcode.PING, b"x").serialize(mask=True))
    await turns()
    assert browser.received() == []
    assert not browser.wire.reads
    browser.server.resume_writing()
    await turns()
    assert browser.received() == [(Opcode.PONG, b"x")]
    assert browser.wire.reads
    browser.server.connection_lost(None)


async def test_what_came_before_the_end_is_answered_before_it_is_closed() -> None:
    browser = Browser(accept(upgrade(), echo))
    browser.send("{}")
    assert browser.server.eof_received()
    assert not browser.wire.is_closed
    await turns()
    assert browser.wire.is_closed
    browser.server.connection_lost(None)


async def test_end_that_comes_alone_closes() -> None:
    browser = Browser(accept(upgrade(), echo))
    await turns()
    assert not browser.server.eof_received()
    assert browser.wire.is_closed
    browser.server.connection_lost(None)


async def test_messages_that_are_not_whole_are_counted() -> None:
    account = Account(Budget(1 << 20))
    request = upgrade()
    request.account = account
    browser = Browser(accept(request, echo))
    part = Frame(Opcode.TEXT, b"x" * 100_000, fin=False).serialize(mask=True)
    browser.server.data_received(part)
    await turns()
    assert 90_000 <= account.held <= 200_000
    browser.server.connection_lost(None)
    assert account.held == 0


async def test_who_holds_too_much_of_a_message_is_told_to_try_later() -> None:
    account = Account(Budget(1 << 20))
    account.budget.used = 1 << 20
    request = upgrade()
    request.account = account
    browser = Browser(accept(request, echo))
    part = Frame(Opcode.TEXT, b"x" * 100_000, fin=False).serialize(mask=True)
    browser.server.data_received(part)
    while browser.server.take_turn():
        pass
    ((opcode, data),) = browser.received()
    assert (opcode, data[:2]) == (Opcode.CLOSE, (1013).to_bytes(2, "big"))
    assert browser.wire.is_closed
    browser.server.connection_lost(None)


@pytest.mark.parametrize("sent", [b"", b"\xff" * 20, b"\x81\x85"])
async def test_nothing_of_a_client_that_has_left_waits_for_the_collector(sent: bytes) -> None:
    browser = Browser(accept(upgrade(), echo))
    left = weakref.ref(browser.server)
    gc.disable()
    try:
        browser.server.data_received(sent)
        await turns()
        browser.server.connection_lost(None)
        await turns()
        del browser
        assert left() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("headers", "authorization", "protocol"),
    [
        ({}, None, None),
        ({"sec_websocket_protocol": "Bearer, abc.1"}, "Bearer abc.1", b"Bearer"),
        ({"cookie": "a=b; token=abc.1"}, "Bearer abc.1", None),
        ({"sec_websocket_protocol": "other"}, None, None),
        ({"authorization": "abc.1"}, "abc.1", None),
    ],
)
async def test_token_comes_as_a_browser_can_send_it(
    headers: dict[str, str], authorization: str | None, protocol: bytes | None
) -> None:
    seen: list[HttpRequest] = []

    async def note(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse(200)

    response = accept(upgrade(**headers), note)
    assert dict(response.headers).get(b"sec-websocket-protocol") == protocol
    Browser(response)
    await turns()
    assert (seen[0].method, seen[0].upgrade) == ("POST", "")
    assert seen[0].header(b"authorization") == authorization
