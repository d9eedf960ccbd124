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
#: RFC 6455 7.4.1.
_NORMAL, _GOING_AWAY = 1000, 1001

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


class _Conversation(Successor):
    """
    A connection that speaks WebSocket.

    Args:
        request: What the client wants to be answered; its body comes in messages.
        handle: Answers it.

    """

    def __init__(self, request: HttpRequest, handle: Handle) -> None:
        self._frames = Frames(Side.SERVER, max_size=MAX_MESSAGE)
        self._body = ArrivingBody(lambda _: None, self._taken)
        self._request = replace(request, body=self._body)
        self._handle = handle
        self._parts: list[bytes] = []
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._is_reading = True
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._task = asyncio.ensure_future(self._answer())

    def data_received(self, data: bytes) -> None:
        self._frames.receive_data(data)
        for frame in self._frames.events_received():
            self._take(frame)
        self._send()
        if self._is_reading and self._body.size > MOST_WAITING:
            self._is_reading = False
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._frames.receive_eof()
        self._send()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._body.fail(BodyBrokenError("the client has left"))
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def stop(self) -> None:
        """Say goodbye and close, as the server stops."""
        self._close(_GOING_AWAY)

    # -------------------------------------------------------------------- frames

    def _take(self, frame: object) -> None:
        assert isinstance(frame, Frame)
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._parts.append(bytes(frame.data))
            if frame.fin:
                # As a line, so that two values never become one.
                self._body.feed(b"".join(self._parts) + b"\n")
                self._parts.clear()
        elif frame.opcode is Opcode.CLOSE and self._task is not None:
            self._task.cancel()

    def _taken(self) -> None:
        if not self._is_reading and self._body.size <= MOST_WAITING:
            self._is_reading = True
            self._transport.resume_reading()

    def _send(self) -> None:
        for data in self._frames.data_to_send():
            if self._transport.is_closing():
                # Of many who leave together not all have been let go of yet.
                continue
            if data:
                self._transport.write(data)
            else:
                # websockets: the connection is over, and half of it to be closed.
                self._transport.close()
        if self._frames.close_expected():
            self._transport.close()

    def _close(self, code: int) -> None:
        if self._frames.state is State.OPEN:
            self._frames.send_close(code)
            self._send()
        self._transport.close()

    # ------------------------------------------------------------------- answers

    async def _answer(self) -> None:
        try:
            response = await self._handle(self._request)
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
