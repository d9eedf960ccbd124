"""The asyncio shell of an HTTP/1.1 connection: it runs handlers, reads, writes, and closes."""

from __future__ import annotations

import asyncio
import logging
from asyncio import CancelledError, Task
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final, Protocol, cast

from etcdpy.clock import Clock, Timer, stopwatch
from etcdpy.cooperative import begin
from etcdpy.memory import Account, Budget, Loan
from etcdpy.transport.aio.protocol import peer_name
from etcdpy.transport.aio.turns import Turns
from etcdpy.transport.http import (
    ArrivingBody,
    Body,
    BodyBrokenError,
    Foreseeing,
    HttpHandler,
    HttpRequest,
    HttpResponse,
    Successor,
)
from etcdpy.transport.http1 import (
    CONTINUE,
    END_OF_CHUNKS,
    End,
    Head,
    Http1Error,
    Http1Parser,
    Pause,
    Piece,
    chunk,
    encode_head,
)
from etcdpy.transport.limits import (
    FIRST_FRAMES_SECONDS,
    HTTP1_AHEAD,
    HTTP1_BODY_ROOM,
    HTTP1_BODY_SECONDS,
    HTTP1_DISCARDED,
    HTTP1_HEAD_SECONDS,
    HTTP1_LEAVING_SECONDS,
    LINGER_SECONDS,
    MAX_LARGE_HEADS,
    STALLED_WRITE_SECONDS,
)

_logger: Final = logging.getLogger(__name__)

_WRITE_BUFFER: Final = 16 << 10
"""Bytes that TCP may leave untaken before an answer is written no further: there may be thousands
of streams that nobody reads."""

_WITHOUT_CONTENT: Final = frozenset((101, 204, 304))


class Http1Host(Protocol):
    """The server, as its HTTP/1.1 connections see it."""

    clock: Clock
    http1_connections: set[Http1Protocol]
    large_heads: set[Http1Protocol]
    held_bodies: int
    memory: Budget
    turns: Turns

    def forget_http1(self, connection: Http1Protocol) -> None:
        """Note that a connection is gone."""


class Http1Protocol(asyncio.Protocol):
    """
    One connection, from the first byte of its first request on.

    Requests are answered one after the other; those that were sent ahead wait. What has arrived is
    read at once where there is time for it in this turn of the loop, and else when it is the
    connection's turn.

    Args:
        host: The server.
        handler: Answers requests.

    """

    __slots__ = (
        "_account",
        "_ahead",
        "_arrived",
        "_body",
        "_certificate_name",
        "_closes",
        "_discarded",
        "_handler",
        "_head",
        "_held",
        "_host",
        "_is_closing",
        "_is_leaving",
        "_is_paused",
        "_is_reading",
        "_is_scheduled",
        "_is_secure",
        "_is_stopping",
        "_monotonic",
        "_parser",
        "_peer",
        "_response",
        "_room",
        "_stall_timer",
        "_stalled",
        "_successor",
        "_task",
        "_timer",
        "_transport",
        "_turns",
    )

    def __init__(self, host: Http1Host, handler: HttpHandler) -> None:
        self._host = host
        self._account = Account(host.memory)
        self._handler = handler
        self._parser = Http1Parser()
        self._head: Head | None = None
        self._body: ArrivingBody | None = None
        self._task: Task[None] | None = None
        self._response: HttpResponse | None = None
        self._successor: Successor | None = None
        self._timer: Timer | None = None
        self._stall_timer: Timer | None = None
        self._stalled = 0
        self._room: asyncio.Future[None] | None = None
        self._discarded = 0
        self._held: int | None = None
        self._closes = False
        self._is_closing = False
        self._is_leaving = False
        self._is_paused = False
        self._is_reading = True
        self._is_scheduled = False
        self._is_stopping = False
        self._monotonic = host.clock.monotonic
        self._turns = host.turns
        # What waits for a turn to be read.
        self._arrived = b""

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        self._peer = peer_name(transport)
        self._is_secure = transport.get_extra_info("ssl_object") is not None
        self._certificate_name = transport.get_extra_info("certificate_name")
        self._host.http1_connections.add(self)
        self._arm(HTTP1_HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        if self._successor is not None:
            self._successor.data_received(data)
        elif not self._is_closing:
            now, turns = self._monotonic(), self._turns
            if not self._arrived and (now <= turns.open_until or turns.reopen(now)):
                self._receive(data)
            else:
                self._arrived += data
                self._update_reading()
                turns.wait(self)

    def _receive(self, data: bytes) -> None:
        if self._head is None:
            if (whole := self._parser.take_whole(data)) is not None:
                self._answer_whole(*whole)
                return
            if self._parser.is_between:
                self._arm(HTTP1_HEAD_SECONDS)
        self._parser.feed(data)
        if not self._is_scheduled:
            self._advance()
        if self._head is None and self._parser.waiting > HTTP1_AHEAD:
            self._note_large_head()

    def eof_received(self) -> bool:
        if self._successor is not None:
            return bool(self._successor.eof_received())
        self._is_leaving = True
        # What it has sent before is read first.
        return self._has_more or self._end_input()

    def _end_input(self) -> bool:
        """Note that nothing more will come; return whether the connection goes on."""
        if self._body is not None:
            self._body.fail(BodyBrokenError("unexpected EOF"))
        if self._task is None:
            return False
        if self._response is not None:
            # It has begun: there is nobody to go on for.
            self._task.cancel()
        else:
            self._arm(HTTP1_LEAVING_SECONDS, self._task.cancel)
        # asyncio's TLS has closed by then, whatever is returned.
        return not self._is_secure

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._disarm()
        self._end_stall()
        self._host.forget_http1(self)
        self._account.close()
        if self._successor is not None:
            self._turns.endings.call(partial(self._successor.connection_lost, exc))
        self._arrived = b""
        if self._body is not None:
            self._body.fail(BodyBrokenError("the client has left"))
        if self._task is not None:
            self._turns.endings.call(self._task.cancel)
        else:
            self._let_go()

    def pause_writing(self) -> None:
        if self._successor is not None:
            self._successor.pause_writing()
            return
        self._is_paused = True
        self._watch_stall()

    def resume_writing(self) -> None:
        if self._successor is not None:
            self._successor.resume_writing()
            return
        self._is_paused = False
        self._end_stall()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    # What the server calls.

    def shut_down(self) -> None:
        """Finish what has begun, and close; an answer without end ends now."""
        self._is_stopping = True
        if self._successor is not None:
            self._successor.stop()
        elif self._task is None:
            if not self._is_closing:
                self._close()
        elif self._response is not None and self._response.is_endless:
            self._task.cancel()

    def stop(self) -> None:
        """End what is being answered now, and close."""
        self.shut_down()
        if self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        """Close at once; what is not written yet is lost."""
        self._transport.abort()

    # Reading.

    def take_turn(self) -> bool:
        """Go on with what has arrived for a while, and tell whether something is left."""
        if self._is_closing or self._successor is not None:
            return False
        has_begun = self._is_scheduled
        if self._arrived:
            data, self._arrived = self._arrived, b""
            self._receive(data)
        if has_begun:
            self._advance()
        if self._has_more:
            return True
        self._update_reading()
        if self._is_leaving and not self._is_closing and not self._end_input():
            self._close()
        return False

    def write_more(self) -> None:
        """Do nothing: a handler writes, as fast as what it writes is taken."""

    @property
    def _has_more(self) -> bool:
        """Whether there is something to go on with in its turn."""
        return self._is_scheduled or bool(self._arrived)

    def _go_on_later(self) -> None:
        self._is_scheduled = True
        self._turns.wait(self)

    def _advance(self) -> None:
        """Go on with what has arrived, for as long as a turn is."""
        self._is_scheduled = False
        until = stopwatch() + self._turns.each
        while True:
            if self._is_closing or self._successor is not None:
                return
            try:
                event = self._parser.next_event()
            except Http1Error as error:
                self._refuse(error)
                return
            if event is None:
                break
            if not isinstance(event, Pause):
                self._take(event)
            if stopwatch() >= until:
                self._go_on_later()
                break
        if self._is_leaving and self._task is None and not self._is_scheduled:
            self._close()
        self._update_reading()

    def _note_large_head(self) -> None:
        others = self._host.large_heads
        others.add(self)
        if len(others) > MAX_LARGE_HEADS and not self._is_closing:
            self._refuse(Http1Error(431))

    def _take(self, event: Head | Piece | End) -> None:
        if isinstance(event, Head):
            self._begin(event)
        elif isinstance(event, End):
            if self._body is not None:
                self._body.finish()
            if self._task is None:
                self._next_request()
            else:
                self._disarm()
        elif self._task is None:
            self._discarded += len(event)
            if self._discarded > HTTP1_DISCARDED:
                self._close()
        else:
            assert self._body is not None
            self._body.feed(event)
            if self._held is not None:
                self._hold(len(event))

    def _answer_whole(self, head: Head, data: bytes) -> None:
        """Answer a request that is all there."""
        self._body = None
        self._task = begin(self._answer(self._request(head, Body(data)), head))

    def _begin(self, head: Head) -> None:
        self._host.large_heads.discard(self)
        body = self._body = ArrivingBody(self._wanted, self._update_reading)
        if head.length == 0:
            body.finish()
        self._task = begin(self._answer(self._request(head, body), head))

    def _request(self, head: Head, body: Body) -> HttpRequest:
        self._disarm()
        self._head = head
        self._response = None
        self._discarded = 0
        self._closes = not head.keeps_alive
        return HttpRequest(
            head.method,
            head.target,
            head.host,
            head.headers,
            body,
            self._peer,
            self._is_secure,
            self._certificate_name,
            head.upgrade,
            self._has_left,
            self._account,
        )

    def _has_left(self) -> bool:
        return self._is_leaving

    def _wanted(self, whole: bool) -> None:
        """Somebody begins to read the body."""
        assert self._head is not None
        if self._head.expects_continue and not self._is_closing and self._response is None:
            self._transport.write(CONTINUE)
        if whole:
            assert self._body is not None
            self._arm(HTTP1_BODY_SECONDS, self._too_slow)
            self._held = 0
            self._hold(self._body.size)

    def _hold(self, size: int) -> None:
        """Count bytes of a body that is kept until all of it is there."""
        assert self._held is not None
        self._held += size
        self._host.held_bodies += size
        self._account.add(size)
        if self._held > HTTP1_AHEAD and (
            self._host.held_bodies > HTTP1_BODY_ROOM or self._account.is_over
        ):
            # To read no more would free nothing: no body that is there in part is ever answered.
            self._host.memory.refusal()
            self._refuse(Http1Error(503))

    def _too_slow(self) -> None:
        self._refuse(Http1Error(408))

    def _update_reading(self) -> None:
        """Read while there is room for what comes."""
        waiting = self._parser.waiting
        if self._body is not None:
            waiting += self._body.size
        reads = waiting < HTTP1_AHEAD
        # Less than a whole head cannot be read at all.
        if self._head is None and not self._is_scheduled:
            reads = True
        reads = (reads and len(self._arrived) < HTTP1_AHEAD) or self._is_closing
        if reads != self._is_reading and not self._transport.is_closing():
            self._is_reading = reads
            if reads:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # Answering.

    async def _answer(self, request: HttpRequest, head: Head) -> None:
        try:
            await self._send(await self._handler(request), head)
        except CancelledError:
            self._cut(head)
        except BodyBrokenError:
            # Its own refusal is on the way already, or nobody is there.
            self._transport.abort() if self._is_leaving else self._close()
        except Exception:
            # Go's server does so, too, when a handler panics.
            _logger.exception("request %s %s failed", head.method, head.target)
            self._transport.abort()
        if self._held is not None:
            self._host.held_bodies -= self._held
            self._account.give(self._held)
            self._held = None
        self._task = None
        if self._is_closing:
            self._let_go()
        elif not self._transport.is_closing() and self._successor is None:
            self._answered()

    def _let_go(self) -> None:
        """Forget what refers to this: it would stay, with all it holds, for the collector."""
        self._body = self._response = None

    async def _send(self, response: HttpResponse, head: Head) -> None:
        if self._is_closing or self._transport.is_closing():
            return
        if response.upgrade is not None:
            self._upgrade(response, response.upgrade(), head)
            return
        self._response = response
        self._closes = self._closes or self._is_stopping or self._leaves_too_much(head)
        # RFC 9110 9.3.2: the answer to HEAD has no content.
        is_empty = head.method == "HEAD" or response.status in _WITHOUT_CONTENT
        body = response.body
        has_length = is_empty or isinstance(body, bytes)
        if not has_length and not head.minor:
            self._closes = True  # the end of the connection is that of the body
        first = encode_head(
            response, head, self._host.clock.wall(), closes=self._closes, has_length=has_length
        )
        if isinstance(body, bytes):
            self._transport.write(first if is_empty else first + body)
            if self._is_paused:
                await self._taken(len(body))
        elif is_empty:
            self._transport.write(first)
        else:
            self._transport.write(first)
            await self._stream(body, head)

    async def _stream(self, pieces: AsyncIterator[bytes], head: Head) -> None:
        ends = pieces.is_at_end if isinstance(pieces, Foreseeing) else None
        async for piece in pieces:
            if self._transport.is_closing():
                # Of many who leave together not all have been let go of yet.
                return
            if piece:
                data = chunk(piece) if head.minor else piece
                if ends is not None and head.minor and ends():
                    # One write for both: each costs more than all that led to it.
                    self._transport.write(data + END_OF_CHUNKS)
                    if self._is_paused:
                        await self._room_to_write()
                    return
                self._transport.write(data)
                # The next may take long to come.
                del piece, data
                if self._is_paused:
                    await self._room_to_write()
        if head.minor and not self._transport.is_closing():
            self._transport.write(END_OF_CHUNKS)

    def _leaves_too_much(self, head: Head) -> bool:
        """Whether so much of the body is still to come that it is cheaper to connect anew."""
        if self._parser.is_done or head.length == 0:
            return False
        # Nobody has asked for it: it may come, or not.
        return head.expects_continue or (head.length or 0) > HTTP1_DISCARDED

    def _cut(self, head: Head) -> None:
        """End an answer that was cancelled."""
        response = self._response
        if self._is_closing:
            return
        if not self._is_stopping or self._is_leaving:
            self._transport.abort()
            return
        self._closes = True
        if response is None:
            self._close()
        elif not isinstance(response.body, bytes):
            if response.last:
                self._transport.write(chunk(response.last) if head.minor else response.last)
            if head.minor and response.last:
                self._transport.write(END_OF_CHUNKS)

    def _upgrade(self, response: HttpResponse, successor: Successor, head: Head) -> None:
        self._disarm()
        self._successor = successor
        self._body = None
        first = encode_head(response, head, self._host.clock.wall(), closes=False, has_length=True)
        self._transport.write(first)
        if not self._is_reading:
            self._is_reading = True
            self._transport.resume_reading()
        successor.turns = self._turns
        successor.connection_made(self._transport)
        rest, self._arrived = self._parser.take_rest() + self._arrived, b""
        if rest:
            successor.data_received(rest)
        if self._is_leaving and not successor.eof_received():
            # The client said so before it was answered, and nobody hears it a second time.
            self._transport.close()
        if self._is_stopping:
            successor.stop()

    def _answered(self) -> None:
        is_last = self._is_leaving and not (self._parser.is_done and self._parser.waiting)
        if self._closes or is_last or self._is_stopping:
            self._close()
        elif self._parser.is_done:
            self._next_request()
            if self._parser.waiting and not self._is_scheduled:
                self._go_on_later()
        else:
            # The rest of its body is dropped, for the sake of what comes behind it.
            assert self._body is not None
            self._discarded = self._body.size
            self._body = None
            self._arm(FIRST_FRAMES_SECONDS)
            self._update_reading()

    def _next_request(self) -> None:
        """Get ready for the next request."""
        self._parser.start_next()
        self._head = self._body = self._response = None
        if self._parser.is_between:
            self._disarm()
        else:
            self._arm(HTTP1_HEAD_SECONDS)

    async def _taken(self, size: int) -> None:
        """Wait until the client has taken most of an answer, which is held until then."""
        loan = Loan(self._account)
        loan.keep(size)
        try:
            await self._room_to_write()
        finally:
            loan.close()

    async def _room_to_write(self) -> None:
        self._room = asyncio.get_running_loop().create_future()
        try:
            await self._room
        finally:
            self._room = None

    # Ending.

    def _refuse(self, error: Http1Error) -> None:
        """Answer what is no request, unless an answer has begun, and close."""
        if self._body is not None:
            self._body.fail(BodyBrokenError(str(error)))
        if self._response is None and not self._is_closing:
            self._transport.write(error.answer)
            self._close()
        else:
            self._transport.abort()
        if self._task is not None:
            self._task.cancel()

    def _close(self) -> None:
        """Close, but read on for a moment: unread input makes TCP drop what was written last."""
        if self._is_closing:
            return
        self._is_closing = True
        self._disarm()
        self._parser.take_rest()
        self._arrived = b""
        self._body = None
        self._update_reading()
        try:
            # asyncio's TLS cannot close one direction alone.
            if self._is_leaving or self._is_secure or not self._transport.can_write_eof():
                self._transport.close()
            else:
                self._transport.write_eof()
        except OSError:  # the client is gone already
            self._transport.abort()
            return
        self._linger(None)

    def _linger(self, before: int | None) -> None:
        """Wait for the client to take what is written and to close, while it does something."""
        waiting = self._transport.get_write_buffer_size()
        if waiting == before:
            self._transport.abort()
        else:
            seconds = STALLED_WRITE_SECONDS if waiting else LINGER_SECONDS
            self._timer = self._host.clock.wake_after(seconds, self._linger, waiting)

    def _arm(self, seconds: float, callback: Callable[[], object] | None = None) -> None:
        """Have something called unless the next step comes first; else the connection ends."""
        self._disarm()
        self._timer = self._host.clock.wake_after(seconds, callback or self._transport.abort)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch_stall(self) -> None:
        """Give up a client that takes no byte of what is to be written."""
        waiting = self._transport.get_write_buffer_size()
        if self._stall_timer is not None and self._stalled == waiting:
            self._transport.abort()
            return
        self._stalled = waiting
        self._stall_timer = self._host.clock.wake_after(STALLED_WRITE_SECONDS, self._watch_stall)

    def _end_stall(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
