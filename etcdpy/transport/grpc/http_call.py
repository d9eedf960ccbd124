"""Answering one request that is not gRPC, on its stream."""

from __future__ import annotations

import logging
from asyncio import CancelledError, get_running_loop
from typing import Final

from etcdpy.transport.grpc.context import Context
from etcdpy.transport.http import Body, HttpHandler, HttpRequest, HttpResponse, plain_text
from etcdpy.transport.http2.frames import INTERNAL_ERROR

_logger: Final = logging.getLogger(__name__)


async def answer_http(call: Context, body: bytes | None, handler: HttpHandler) -> None:
    """
    Ask the handler and send what it answers; a handler that fails resets the stream.

    Args:
        call: The request's.
        body: All of it, None if it was too long; ``b""`` as well if what has arrived is still with
            the call, and the rest may follow.
        handler: Whom to ask.

    """
    head = call.head
    assert head.http_fields is not None
    try:
        if body is None:
            response = plain_text(413, b"request body too large\n")  # RFC 9110 15.5.14
        else:
            response = await handler(
                HttpRequest(
                    head.method,
                    head.path,
                    head.authority,
                    head.http_fields,
                    Body(body) if body or call.incoming is None else _ComingBody(call),
                    call.channel.peer,
                    is_secure=call.channel.is_secure,
                    certificate_name=call.channel.certificate_name,
                    account=call.channel.sender.account,
                )
            )
        await _send(call, response)
    except (Exception, CancelledError) as error:
        if not isinstance(error, CancelledError):
            _logger.exception("request %s %s failed", head.method, head.path)
        # The response may have begun: a reset still tells that it is not all.
        if not call.is_answered:
            call.channel.sender.reset(call, INTERNAL_ERROR)


async def _send(call: Context, response: HttpResponse) -> None:
    if call.is_closed:
        return
    sender = call.channel.sender
    # RFC 9110 9.3.2: the answer to HEAD has no content.
    if call.head.method == "HEAD" or response.body == b"":
        sender.end(call, response.block())
        return
    sender.open_with(call, response.block())
    if isinstance(response.body, bytes):
        sender.data(call, b"", response.body)
    else:
        if response.is_endless:
            call.make_options().last_piece = response.last
        async for piece in response.body:
            await call.room()
            if piece:
                sender.data(call, b"", piece)
                call.channel.touch()
    sender.end(call, b"")


class _ComingBody(Body):
    """
    The body of a request that its client may not have ended yet.

    Args:
        call: The request's.

    """

    __slots__ = ("_call",)

    def __init__(self, call: Context) -> None:
        super().__init__()
        self._call = call

    async def next_piece(self) -> bytes:
        """Return the next piece; a client that gives up the stream cancels who waits for it."""
        call = self._call
        assert call.incoming is not None
        while not (piece := call.take_piece()) and not call.stream_state & 1:
            waiter = get_running_loop().create_future()
            call.incoming.waiters.append(waiter)
            await waiter
        call.channel.sender.grant(call.stream_id, call.take_grant())
        call.channel.touch()
        return piece
