"""
The gateway over WebSocket: each text that a client sends is a request, each line a text for it.

A browser has no other way to send requests on a stream that is answered meanwhile. What is asked
is what a POST to the same path would ask. (etcd: ``grpc-websocket-proxy``)

Imported when the first client wants it: its library takes as long as a tenth of a start.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from typing import Final, cast

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol as Frames
from websockets.protocol import Side, State

from etcdpy.clock import stopwatch
from etcdpy.memory import UNCOUNTED, Loan
from etcdpy.transport.http import (
    ArrivingBody,
    BodyBrokenError,
    HttpRequest,
    HttpResponse,
    Successor,
    plain_text,
)

__all__ = ["accept"]

logger = logging.getLogger(__name__)

#: RFC 6455 1.3.
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: The largest message of a client, in bytes: as much as a body may have.
MAX_MESSAGE: Final = 12 * 1024 * 1024
#: Bytes of requests that wait to be read; a client that sends more is not read from.
MOST_WAITING: Final = 64 * 1024
#: Bytes after which it is looked how long a turn has been: some thirty frames, and some hundreds
#: where lately all was a part of one.
PIECE: Final = 256
LARGER_PIECE: Final = 2048
#: RFC 6455 7.4.1, and IANA's registry of codes: "try again later".
_NORMAL, _GOING_AWAY, _TRY_LATER = 1000, 1001, 1013

Handle = Callable[[HttpRequest], Awaitable[HttpResponse]]


def accept(request: HttpRequest, handle: Handle) -> HttpResponse:
    """
    Return the answer to a client that offers WebSocket.

    Args:
        request: Where it wants to be connected to.
        handle: Answers requests as if they were sent there by POST.

    """
    key = request.header(b"sec-websocket-key")
    if not key or request.header(b"sec-websocket-version") != "13":
        # RFC 6455 4.4
        refusal = plain_text(400, b"Bad Request\n")
        return replace(refusal, headers=(*refusal.headers, (b"sec-websocket-version", b"13")))
    digest = hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()
    headers = [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", base64.b64encode(digest)),
    ]
    token = _token_of(request)
    if token is not None and _offers_bearer(request):
        headers.append((b"sec-websocket-protocol", b"Bearer"))
    inner = replace(request, method="POST", headers=_headers(request.headers, token), upgrade="")
    return HttpResponse(101, headers, upgrade=lambda: _Conversation(inner, handle))


def _offers_bearer(request: HttpRequest) -> bool:
    offered = request.header(b"sec-websocket-protocol") or ""
    return offered.partition(",")[0].strip() == "Bearer"


def _token_of(request: HttpRequest) -> str | None:
    """Return the token that a browser can send: as a protocol, or as a cookie."""
    if _offers_bearer(request):
        offered = request.header(b"sec-websocket-protocol") or ""
        return offered.partition(",")[2].strip() or None
    try:
        cookies = SimpleCookie(request.header(b"cookie") or "")
    except CookieError:
        return None
    return cookies["token"].value if "token" in cookies else None


def _headers(
    headers: Sequence[tuple[bytes, bytes]], token: str | None
) -> Sequence[tuple[bytes, bytes]]:
    if token is None:
        return headers
    kept = [(name, value) for name, value in headers if name != b"authorization"]
    return [*kept, (b"authorization", b"Bearer " + token.encode("latin-1", "replace"))]


def _ignore(_: bool) -> None:
    """Do nothing when somebody begins to read."""


def _nothing() -> None:
    """Do nothing when something was taken."""


class _Conversation(Successor):
    """
    A connection that speaks WebSocket.

    What arrives is read in turns: a frame has six bytes, and a read of the loop's forty thousand.

    Args:
        request: What the client wants to be answered; its body comes in messages.
        handle: Answers it.

    """

    def __init__(self, request: HttpRequest, handle: Handle) -> None:
        self._frames = Frames(Side.SERVER, max_size=MAX_MESSAGE)
        self._body = ArrivingBody(_ignore, self._go_on)
        self._request: HttpRequest | None = replace(request, body=self._body)
        self._handle = handle
        # Messages, each of which is a line, so that two values never become one; and how far
        # into them all is there that belongs to one.
        self._lines = bytearray()
        self._whole = 0
        # What waits for a turn, and how far into it that has come.
        self._arrived = bytearray()
        self._at = 0
        self._piece = PIECE
        self._held = 0
        self._loan = Loan(request.account or UNCOUNTED)
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._is_reading = True
        self._is_at_end = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        request, self._request = self._request, None
        assert request is not None
        self._task = asyncio.ensure_future(self._answer(request))

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        self._update_reading()
        if not self._is_full:
            self.turns.wait(self)

    def eof_received(self) -> bool:
        self._is_at_end = True
        if self._arrived:
            # What it has sent before is read first.
            return True
        self._end_input()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived.clear()
        self._loan.close()
        self._body.fail(BodyBrokenError("the client has left"))
        if self._task is not None:
            self._task.cancel()
        # What refers to itself would stay, with all it holds, for the collector.
        self._body = ArrivingBody(_ignore, _nothing)
        self._task = None
        self._frames.parser.close()
        self._frames.parser_exc = None

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
        self._go_on()

    def stop(self) -> None:
        """Say goodbye and close, as the server stops."""
        self._close(_GOING_AWAY)

    # -------------------------------------------------------------------- frames

    def take_turn(self) -> bool:
        until = stopwatch() + self.turns.each
        arrived = self._arrived
        while self._at < len(arrived) and not self._is_full and not self._transport.is_closing():
            end = self._at + self._piece
            self._frames.receive_data(arrived[self._at : end])
            self._at = end
            frames = self._frames.events_received()
            for frame in frames:
                self._take(frame)
            self._piece = PIECE if frames else min(2 * self._piece, LARGER_PIECE)
            self._feed()
            self._send()
            if stopwatch() >= until:
                break
        return self._has_turned()

    def _has_turned(self) -> bool:
        """Look at what is left behind a turn, and tell whether to go on in another."""
        if self._at >= len(self._arrived) or self._transport.is_closing():
            self._arrived.clear()
            self._at = 0
            if self._is_at_end and not self._transport.is_closing():
                self._end_input()
        self._count()
        self._update_reading()
        return bool(self._arrived) and not self._is_full

    def _end_input(self) -> None:
        self._frames.receive_eof()
        self._send()

    @property
    def _is_full(self) -> bool:
        """Whether more of what has arrived would be held for a client that does not go on."""
        return self._room is not None or self._body.size > MOST_WAITING

    def _go_on(self) -> None:
        """Read on, where it was too much."""
        if self._arrived and not self._is_full:
            self.turns.wait(self)
        self._update_reading()

    def _update_reading(self) -> None:
        reads = not self._is_full and len(self._arrived) <= MOST_WAITING
        if reads != self._is_reading and not self._transport.is_closing():
            self._is_reading = reads
            if reads:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _count(self) -> None:
        """Count what is there of a message that is not whole; refuse more where that is much."""
        held = len(self._lines) + len(self._frames.reader.buffer)
        if held != self._held:
            self._loan.keep(held - self._held)
            self._held = held
            if held > MOST_WAITING and self._loan.is_over:
                self._close(_TRY_LATER)

    def _take(self, frame: object) -> None:
        assert isinstance(frame, Frame)
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._lines += frame.data
            if frame.fin:
                self._lines += b"\n"
                self._whole = len(self._lines)
        elif frame.opcode is Opcode.CLOSE and self._task is not None:
            self._task.cancel()

    def _feed(self) -> None:
        """Let the reader have what is whole; not one by one, as it may be of a byte each."""
        if self._whole:
            self._body.feed(bytes(self._lines[: self._whole]))
            self._lines, self._whole = self._lines[self._whole :], 0

    def _send(self) -> None:
        data = self._frames.data_to_send()
        # Of many who leave together not all have been let go of yet.
        if data and not self._transport.is_closing():
            # websockets: ``b""`` comes last, and only as the connection is over.
            if text := b"".join(data):
                self._transport.write(text)
            if not data[-1]:
                self._transport.close()
        if self._frames.close_expected():
            self._transport.close()

    def _close(self, code: int) -> None:
        if self._frames.state is State.OPEN:
            self._frames.send_close(code)
            self._send()
        self._transport.close()

    # ------------------------------------------------------------------- answers

    async def _answer(self, request: HttpRequest) -> None:
        try:
            response = await self._handle(request)
            if isinstance(response.body, bytes):
                await self._send_text(response.body)
            else:
                async for piece in response.body:
                    await self._send_text(piece)
        except asyncio.CancelledError:
            raise
        except Exception:
            logger.exception("a connection by WebSocket failed")
        self._close(_NORMAL)

    async def _send_text(self, line: bytes) -> None:
        text = line.rstrip(b"\n")
        if self._room is not None:
            await self._room
        if text and self._frames.state is State.OPEN:
            self._frames.send_text(text)
            self._send()
