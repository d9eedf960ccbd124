"""A connection that speaks HTTP/1.1, on a transport in memory and a clock that is moved."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from sys import getrefcount
from typing import Any

import pytest

from etcdpy.clock import Clock
from etcdpy.memory import Budget
from etcdpy.testing.clock import MovableClock
from etcdpy.transport.aio.http1 import Http1Protocol
from etcdpy.transport.aio.turns import ENDED, Turns
from etcdpy.transport.http import (
    BodyBrokenError,
    BodyTooLargeError,
    Foreseeing,
    HttpHandler,
    HttpRequest,
    HttpResponse,
    Successor,
    plain_text,
)
from etcdpy.transport.limits import (
    FIRST_FRAMES_SECONDS,
    HTTP1_AHEAD,
    HTTP1_BODY_SECONDS,
    HTTP1_DISCARDED,
    HTTP1_HEAD_SECONDS,
    HTTP1_LEAVING_SECONDS,
    LINGER_SECONDS,
    MAX_LARGE_HEADS,
    STALLED_WRITE_SECONDS,
)

from .pipe import Pipe

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def post(length: int, more: bytes = b"") -> bytes:
    return b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n" % (length, more)


class Host:
    """The server."""

    def __init__(self) -> None:
        self.movable = MovableClock()
        self.clock: Clock = self.movable
        self.http1_connections: set[Http1Protocol] = set()
        self.large_heads: set[Http1Protocol] = set()
        self.held_bodies = 0
        self.memory = Budget()
        self.turns = Turns()

    def forget_http1(self, connection: Http1Protocol) -> None:
        self.http1_connections.discard(connection)
        self.large_heads.discard(connection)


class Client:
    """The other end of a connection."""

    def __init__(self, handler: HttpHandler, host: Host | None = None) -> None:
        self.host = host or Host()
        self.clock = self.host.movable
        self.pipe = Pipe()
        self.protocol = Http1Protocol(self.host, handler)
        self.protocol.connection_made(self.pipe)

    async def send(self, data: bytes) -> None:
        self.protocol.data_received(data)
        await turns()

    @property
    def received(self) -> bytes:
        return b"".join(self.pipe.written)

    @property
    def statuses(self) -> list[int]:
        return [int(part[2:5]) for part in self.received.split(b"HTTP/1.")[1:]]

    @property
    def is_closed(self) -> bool:
        return bool({"close", "write_eof", "abort"} & set(self.pipe.log))


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(200, (), await request.body.read(1 << 20) or request.path.encode())


async def nothing(request: HttpRequest) -> HttpResponse:
    return plain_text(404, b"no\n")


class Waiting:
    """A handler that waits until it is let go, or cancelled."""

    def __init__(self, response: HttpResponse | None = None) -> None:
        self.go = asyncio.Event()
        self.is_cancelled = False
        self.asked: list[str] = []
        self._response = response or HttpResponse(200, (), b"done")

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        self.asked.append(request.path)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise
        return self._response


class Endless:
    """A stream of pieces that never ends by itself."""

    def __init__(self, *pieces: bytes, **how: Any) -> None:
        self.is_cancelled = False
        self._pieces = pieces
        self._how = how

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, (), self._make(), **self._how)

    async def _make(self) -> AsyncIterator[bytes]:
        try:
            for piece in self._pieces:
                yield piece
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise


class TestAnswers:
    async def test_connection_serves_one_request_after_the_other(self) -> None:
        client = Client(echo)
        await client.send(GET)
        await client.send(post(2) + b"hi")
        assert client.statuses == [200, 200]
        assert client.received.endswith(b"\r\n\r\nhi")
        assert not client.is_closed

    async def test_requests_sent_ahead_are_answered_in_order(self) -> None:
        handler = Waiting()
        client = Client(handler)
        await client.send(GET + GET.replace(b"/a", b"/b"))
        assert handler.asked == ["/a"]
        handler.go.set()
        await turns()
        assert handler.asked == ["/a", "/b"]
        assert client.statuses == [200, 200]

    async def test_many_requests_sent_ahead_stop_the_reading(self) -> None:
        handler = Waiting()
        client = Client(handler)
        await client.send(GET * (HTTP1_AHEAD // len(GET) + 2))
        assert client.pipe.log == ["pause_reading"]
        handler.go.set()
        await turns(20_000)
        assert client.pipe.log == ["pause_reading", "resume_reading"]
        assert len(client.statuses) == HTTP1_AHEAD // len(GET) + 2

    async def test_handler_sees_who_asks_for_what(self) -> None:
        seen: list[HttpRequest] = []

        async def handler(request: HttpRequest) -> HttpResponse:
            seen.append(request)
            return HttpResponse(204)

        client = Client(handler)
        await client.send(b"GET /a?b HTTP/1.1\r\nHost: h:1\r\nX-Y: z\r\n\r\n")
        [request] = seen
        assert (request.method, request.path, request.authority) == ("GET", "/a?b", "h:1")
        assert (request.header(b"x-y"), request.header(b"no")) == ("z", None)
        assert (request.is_secure, request.certificate_name) == (False, None)
        assert client.received.startswith(b"HTTP/1.1 204 No Content\r\n")

    async def test_head_is_answered_without_the_content(self) -> None:
        client = Client(nothing)
        await client.send(GET.replace(b"GET", b"HEAD"))
        assert b"Content-Length: 3\r\n" in client.received
        assert client.received.endswith(b"\r\n\r\n")

        async def stream(request: HttpRequest) -> HttpResponse:
            return await Endless(b"x")(request)

        client = Client(stream)
        await client.send(GET.replace(b"GET", b"HEAD") + GET)
        assert client.statuses == [200, 200]

    async def test_pieces_are_chunks_sent_as_they_come(self) -> None:
        client = Client(Endless(b"a", b"", b"bc"))
        await client.send(GET)
        assert b"Transfer-Encoding: chunked\r\n" in client.received
        assert client.received.endswith(b"\r\n\r\n1\r\na\r\n2\r\nbc\r\n")

    async def test_end_goes_with_a_piece_that_is_known_to_be_the_last(self) -> None:
        class Two(Foreseeing):
            def __init__(self) -> None:
                self._left = [b"a", b"b"]

            async def __anext__(self) -> bytes:
                return self._left.pop(0)

            def is_at_end(self) -> bool:
                return not self._left

        async def handler(request: HttpRequest) -> HttpResponse:
            return HttpResponse(200, (), Two())

        client = Client(handler)
        await client.send(GET + GET)
        assert client.statuses == [200, 200]
        assert client.received.endswith(b"\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n")

    async def test_little_may_wait_to_be_taken(self) -> None:
        client = Client(nothing)
        assert client.pipe.high == 16 << 10

    async def test_piece_that_was_sent_is_held_no_more(self) -> None:
        made = [b"a" * 10]

        async def pieces() -> AsyncIterator[bytes]:
            yield made[0]
            await asyncio.Event().wait()

        async def handler(request: HttpRequest) -> HttpResponse:
            return HttpResponse(200, (), pieces())

        before = getrefcount(made[0])
        client = Client(handler)
        await client.send(GET)
        assert client.received.endswith(made[0] + b"\r\n")
        after = getrefcount(made[0])
        assert after == before

    async def test_pieces_end_with_the_connection_in_http_1_0(self) -> None:
        async def handler(request: HttpRequest) -> HttpResponse:
            async def pieces() -> AsyncIterator[bytes]:
                yield b"a"
                yield b"b"

            return HttpResponse(200, (), pieces())

        old = Client(handler)
        await old.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert b"chunked" not in old.received
        assert old.received.endswith(b"\r\n\r\nab")
        assert old.is_closed
        new = Client(handler)
        await new.send(GET + GET)
        assert new.received.count(b"1\r\nb\r\n0\r\n\r\n") == 2

    async def test_client_that_wants_to_end_is_closed_behind_the_answer(self) -> None:
        client = Client(nothing)
        await client.send(GET[:-2] + b"Connection: close\r\n\r\n" + GET)
        assert client.statuses == [404]
        assert b"Connection: close\r\n" in client.received
        assert client.pipe.log == ["write_eof"]
        await client.clock.advance(LINGER_SECONDS)
        await client.clock.advance(LINGER_SECONDS)
        assert client.pipe.log == ["write_eof", "abort"]

    async def test_failure_is_logged_and_ends_the_connection(self, caplog: Any) -> None:
        async def fail(request: HttpRequest) -> HttpResponse:
            raise ValueError("oops")

        client = Client(fail)
        await client.send(GET)
        assert client.pipe.log == ["abort"]
        assert "oops" in caplog.text

    async def test_what_is_no_request_is_refused(self) -> None:
        client = Client(nothing)
        await client.send(GET + b"blah\r\n\r\n" + GET)
        assert client.statuses == [404, 400]
        assert client.received.endswith(b"400 Bad Request")
        assert client.is_closed


class TestRequestsThatComeWhole:
    async def test_they_are_answered_in_the_same_turn(self) -> None:
        client = Client(echo)
        for body in (b"abc", b"def"):
            client.protocol.data_received(post(3) + body)
            assert client.received.endswith(body)

    async def test_one_that_waits_holds_up_those_behind_it(self) -> None:
        waiting = Waiting()
        client = Client(waiting)
        await client.send(GET)
        await client.send(GET)
        assert client.statuses == []
        waiting.go.set()
        await turns()
        assert client.statuses == [200, 200]

    async def test_a_client_that_leaves_at_once_cancels_one_that_waits(self) -> None:
        waiting = Waiting()
        client = Client(waiting)
        client.protocol.data_received(GET)
        client.protocol.connection_lost(None)
        await turns()
        assert waiting.is_cancelled


class TestBodies:
    async def test_body_is_read_while_the_answer_is_written(self) -> None:
        async def handler(request: HttpRequest) -> HttpResponse:
            async def pieces() -> AsyncIterator[bytes]:
                while piece := await request.body.next_piece():
                    yield piece.upper()

            return HttpResponse(200, (), pieces())

        client = Client(handler)
        await client.send(post(4) + b"ab")
        assert client.received.endswith(b"2\r\nAB\r\n")
        await client.send(b"cd" + GET)
        assert b"2\r\nCD\r\n0\r\n\r\nHTTP/1.1 200" in client.received

    async def test_body_that_nobody_reads_is_dropped_for_the_next_request(self) -> None:
        client = Client(nothing)
        await client.send(post(HTTP1_DISCARDED) + bytes(HTTP1_DISCARDED // 2))
        await client.send(bytes(HTTP1_DISCARDED // 2) + GET)
        assert client.statuses == [404, 404]
        assert not client.is_closed

    async def test_one_that_does_not_come_is_not_waited_for(self) -> None:
        client = Client(nothing)
        await client.send(post(10) + b"x")
        await client.clock.advance(FIRST_FRAMES_SECONDS)
        assert client.pipe.log == ["abort"]

    async def test_large_one_that_nobody_reads_ends_the_connection(self) -> None:
        client = Client(nothing)
        await client.send(post(HTTP1_DISCARDED + 1))
        assert b"Connection: close\r\n" in client.received
        assert client.is_closed
        chunked = Client(nothing)
        await chunked.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert not chunked.is_closed
        await chunked.send(b"%x\r\n" % (1 << 30) + bytes(HTTP1_DISCARDED + 1))
        assert chunked.is_closed

    async def test_reading_stops_while_nobody_takes_the_body(self) -> None:
        handler = Waiting()
        client = Client(handler)
        await client.send(post(1 << 20) + bytes(HTTP1_AHEAD))
        assert client.pipe.log == ["pause_reading"]
        handler.go.set()
        await turns()
        # It is dropped, and closed as too much would still come.
        assert client.is_closed

    async def test_reading_goes_on_when_the_body_is_taken(self) -> None:
        client = Client(echo)
        await client.send(post(HTTP1_AHEAD + 1) + bytes(HTTP1_AHEAD))
        await client.send(b"!")
        assert client.pipe.log in ([], ["pause_reading", "resume_reading"])
        assert client.received.endswith(b"\0!")

    async def test_client_is_told_to_go_on_when_somebody_reads(self) -> None:
        client = Client(echo)
        await client.send(post(2, b"Expect: 100-continue\r\n"))
        assert client.received == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"hi")
        assert client.statuses == [100, 200]

    async def test_client_is_answered_at_once_if_nobody_does(self) -> None:
        client = Client(nothing)
        await client.send(post(2, b"Expect: 100-continue\r\n"))
        assert client.statuses == [404]
        assert b"Connection: close\r\n" in client.received
        assert client.is_closed

    async def test_body_that_is_too_long(self) -> None:
        errors: list[Exception] = []

        async def handler(request: HttpRequest) -> HttpResponse:
            try:
                await request.body.read(3)
            except BodyTooLargeError as error:
                errors.append(error)
            return HttpResponse(413)

        client = Client(handler)
        await client.send(post(4) + b"1234")
        assert (client.statuses, len(errors)) == ([413], 1)

    async def test_slow_body_that_is_wanted_whole_is_given_up(self) -> None:
        client = Client(echo)
        await client.send(post(2) + b"x")
        await client.clock.advance(HTTP1_BODY_SECONDS)
        assert client.statuses == [408]
        assert client.is_closed

    async def test_broken_chunks_break_the_body(self) -> None:
        errors: list[str] = []

        async def handler(request: HttpRequest) -> HttpResponse:
            try:
                await request.body.next_piece()
            except BodyBrokenError as error:
                errors.append(str(error))
                raise
            return HttpResponse(200)

        client = Client(handler)
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.send(b"zz\r\n")
        assert client.statuses == [400]
        assert errors == ["400 Bad Request"] or client.is_closed

    async def test_chunks_of_one_byte_are_read_a_few_at_a_time(self) -> None:
        client = Client(echo)
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.send(b"1\r\nx\r\n" * 2000 + b"0\r\n\r\n")
        await turns(100)
        assert client.received.endswith(b"x" * 2000)


class TestLeaving:
    async def test_handler_is_cancelled_when_the_client_is_gone(self) -> None:
        handler = Waiting()
        client = Client(handler)
        await client.send(GET)
        client.protocol.connection_lost(None)
        await turns()
        assert handler.is_cancelled
        assert not client.host.http1_connections

    async def test_handler_can_ask_whether_the_client_is_leaving(self) -> None:
        requests: list[HttpRequest] = []

        async def handler(request: HttpRequest) -> HttpResponse:
            requests.append(request)
            await asyncio.Event().wait()
            return HttpResponse(200)

        client = Client(handler)
        await client.send(GET)
        assert not requests[0].has_left()
        client.protocol.eof_received()
        assert requests[0].has_left()

    async def test_client_that_sends_no_more_gets_what_is_quick(self) -> None:
        handler = Waiting()
        client = Client(handler)
        await client.send(GET + GET)
        assert client.protocol.eof_received()
        handler.go.set()
        await turns()
        assert client.statuses == [200, 200]
        assert client.pipe.log == ["close"]

    async def test_and_nothing_that_takes_long(self) -> None:
        handler = Waiting()
        client = Client(handler)
        await client.send(GET)
        client.protocol.eof_received()
        await client.clock.advance(HTTP1_LEAVING_SECONDS)
        await turns()
        assert handler.is_cancelled
        assert client.pipe.log == ["abort"]

    async def test_stream_ends_when_the_client_sends_no_more(self) -> None:
        handler = Endless(b"a")
        client = Client(handler)
        await client.send(GET)
        client.protocol.eof_received()
        await turns()
        assert handler.is_cancelled
        assert client.is_closed

    async def test_body_that_is_cut_short_breaks(self) -> None:
        client = Client(echo)
        await client.send(post(3) + b"x")
        client.protocol.eof_received()
        await turns()
        assert client.received == b""
        assert client.is_closed

    @pytest.mark.parametrize("is_more", [True, False])
    async def test_stream_that_goes_on_before_it_is_cancelled_is_not_written(
        self, is_more: bool
    ) -> None:
        go = asyncio.Event()

        async def pieces() -> AsyncIterator[bytes]:
            yield b"a"
            await go.wait()
            if is_more:
                yield b"b"

        async def handler(request: HttpRequest) -> HttpResponse:
            return HttpResponse(200, (), pieces())

        client = Client(handler)
        await client.send(GET)
        written = client.received
        go.set()
        client.pipe.abort()
        await turns()
        assert client.received == written

    async def test_client_between_requests_is_simply_closed(self) -> None:
        client = Client(nothing)
        await client.send(GET)
        assert not client.protocol.eof_received()


class TestLimits:
    async def test_head_has_five_minutes(self) -> None:
        client = Client(nothing)
        await client.send(GET[:-2])
        await client.clock.advance(HTTP1_HEAD_SECONDS)
        assert client.pipe.log == ["abort"]

    async def test_client_may_be_idle_between_requests(self) -> None:
        client = Client(nothing)
        await client.send(GET)
        await client.clock.advance(HTTP1_HEAD_SECONDS * 10)
        assert not client.is_closed
        await client.send(GET[:5])
        await client.clock.advance(HTTP1_HEAD_SECONDS)
        assert client.pipe.log == ["abort"]

    async def test_few_clients_may_have_large_heads_at_a_time(self) -> None:
        host = Host()
        clients = [Client(nothing, host) for _ in range(MAX_LARGE_HEADS + 1)]
        for client in clients:
            await client.send(GET[:-2] + b"a: " + bytes(HTTP1_AHEAD).replace(b"\0", b"b"))
        assert [client.is_closed for client in clients] == [False] * MAX_LARGE_HEADS + [True]
        assert clients[-1].statuses == [431]
        await clients[0].send(b"\r\n\r\n")
        assert clients[0].statuses == [404]
        assert clients[0].protocol not in host.large_heads

    async def test_bodies_that_are_kept_until_they_are_whole_have_a_bound(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("etcdpy.transport.aio.http1.HTTP1_BODY_ROOM", 2 * HTTP1_AHEAD)
        host = Host()
        large, other, third = (Client(echo, host) for _ in range(3))
        piece = bytes(HTTP1_AHEAD // 2)
        for client in (large, other):
            await client.send(post(10 * HTTP1_AHEAD))
            await client.send(piece)
            await client.send(piece)
        await third.send(post(10))
        await third.send(b"12345")
        await large.send(piece)
        assert large.statuses == [503]
        assert other.statuses == []
        # What little others keep does not matter, and what is over is kept no more.
        await third.send(b"67890")
        assert third.statuses == [200]
        await other.send(piece)
        assert other.statuses == []
        other.protocol.connection_lost(None)
        await turns()
        assert host.held_bodies == 0

    async def test_bodies_that_are_kept_have_a_share_of_the_memory(self) -> None:
        host = Host()
        host.memory = Budget(6 * HTTP1_AHEAD + 100)
        large, small = Client(echo, host), Client(echo, host)
        piece = bytes(HTTP1_AHEAD // 2)
        await small.send(post(10))
        await small.send(b"12345")
        await large.send(post(10 * HTTP1_AHEAD))
        for _ in range(3):
            await large.send(piece)
        assert large.statuses == []
        await large.send(piece)
        assert large.statuses == [503]
        assert host.memory.refusals == 1
        await small.send(b"67890")
        assert small.statuses == [200]
        assert host.memory.used == 0

    async def test_answer_that_is_not_taken_is_held(self) -> None:
        client = Client(echo)
        client.protocol.pause_writing()
        await client.send(post(10) + b"1234567890")
        assert client.host.memory.used == 10
        client.protocol.resume_writing()
        await turns()
        assert client.host.memory.used == 0

    async def test_client_that_does_not_read_is_waited_for_and_then_given_up(self) -> None:
        client = Client(Endless(b"a", b"b", b"c"))
        client.pipe.waiting = 1 << 20
        client.protocol.pause_writing()
        await client.send(GET)
        assert client.received.endswith(b"1\r\na\r\n")
        client.pipe.waiting = 1 << 19
        await client.clock.advance(STALLED_WRITE_SECONDS)
        assert not client.is_closed
        await client.clock.advance(STALLED_WRITE_SECONDS)
        assert client.pipe.log == ["abort"]

    async def test_client_that_reads_again_gets_the_rest(self) -> None:
        client = Client(Endless(b"a", b"b"))
        client.protocol.pause_writing()
        await client.send(GET)
        client.protocol.resume_writing()
        await turns()
        await client.clock.advance(STALLED_WRITE_SECONDS * 3)
        assert client.received.endswith(b"1\r\nb\r\n")
        assert not client.is_closed

    async def test_answer_that_is_taken_slowly_is_not_cut_at_the_end(self) -> None:
        client = Client(nothing)
        client.pipe.waiting = 100
        await client.send(GET[:-2] + b"Connection: close\r\n\r\n")
        client.pipe.waiting = 50
        await client.clock.advance(STALLED_WRITE_SECONDS)
        assert client.pipe.log == ["write_eof"]
        await client.clock.advance(STALLED_WRITE_SECONDS)
        assert client.pipe.log == ["write_eof", "abort"]


class TestStopping:
    async def test_idle_connection_is_closed_at_once(self) -> None:
        client = Client(nothing)
        await client.send(GET)
        client.protocol.shut_down()
        assert client.pipe.log == ["write_eof"]

    async def test_answer_under_way_is_finished(self) -> None:
        handler = Waiting()
        client = Client(handler)
        await client.send(GET)
        client.protocol.shut_down()
        handler.go.set()
        await turns()
        assert client.statuses == [200]
        assert b"Connection: close\r\n" in client.received
        assert client.is_closed

    async def test_stream_without_end_ends_with_its_last_piece(self) -> None:
        handler = Endless(b"a", is_endless=True, last=b"bye")
        client = Client(handler)
        await client.send(GET)
        client.protocol.shut_down()
        await turns()
        assert client.received.endswith(b"1\r\na\r\n3\r\nbye\r\n0\r\n\r\n")
        assert client.is_closed
        assert handler.is_cancelled

    async def test_other_streams_end_when_the_time_is_over(self) -> None:
        client = Client(Endless(b"a"))
        await client.send(GET)
        client.protocol.shut_down()
        await turns()
        assert not client.is_closed
        client.protocol.stop()
        await turns()
        # Without the last chunk: it is not all.
        assert client.received.endswith(b"1\r\na\r\n")
        assert client.is_closed

    async def test_handler_that_goes_on_is_cancelled_when_the_time_is_over(self) -> None:
        handler = Waiting()
        client = Client(handler)
        await client.send(GET)
        client.protocol.stop()
        await turns()
        assert handler.is_cancelled
        assert (client.received, client.is_closed) == (b"", True)


class Upper(Successor):
    """What a connection goes on with."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data.upper())

    def eof_received(self) -> bool | None:
        self.log.append("eof")
        return None

    def pause_writing(self) -> None:
        self.log.append("pause")

    def resume_writing(self) -> None:
        self.log.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.log.append("lost")

    def stop(self) -> None:
        self.log.append("stop")


UPGRADE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: upper\r\n\r\n"


def upgrading(successor: Successor) -> HttpHandler:
    make: Callable[[], Successor] = lambda: successor  # noqa: E731

    async def handler(request: HttpRequest) -> HttpResponse:
        assert request.upgrade == "upper"
        fields = ((b"connection", b"Upgrade"), (b"upgrade", b"upper"))
        return HttpResponse(101, fields, upgrade=make)

    return handler


class TestUpgrade:
    async def test_connection_is_handed_over_with_what_came_behind(self) -> None:
        successor = Upper()
        client = Client(upgrading(successor))
        await client.send(UPGRADE + b"rest")
        head, _, rest = client.received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n")
        assert rest == b"REST"
        await client.send(GET)
        assert client.received.endswith(GET.upper())

    async def test_all_that_happens_is_the_successors(self) -> None:
        successor = Upper()
        client = Client(upgrading(successor))
        await client.send(UPGRADE)
        client.protocol.pause_writing()
        client.protocol.resume_writing()
        client.protocol.shut_down()
        assert not client.protocol.eof_received()
        client.protocol.connection_lost(None)
        assert not client.host.http1_connections
        await turns()
        assert successor.log == ["pause", "resume", "stop", "eof", "lost"]

    async def test_client_that_has_left_before_its_answer_is_let_go(self) -> None:
        successor = Upper()
        answers = asyncio.get_running_loop().create_future()
        upgrade = upgrading(successor)

        async def later(request: HttpRequest) -> HttpResponse:
            await answers
            return await upgrade(request)

        client = Client(later)
        await client.send(UPGRADE)
        assert client.protocol.eof_received()
        answers.set_result(None)
        await turns()
        assert (successor.log, client.is_closed) == (["eof"], True)

    async def test_those_who_leave_together_are_let_go_of_some_at_a_time(self) -> None:
        host = Host()
        successors = [Upper() for _ in range(ENDED + 2)]
        clients = [Client(upgrading(successor), host) for successor in successors]
        for client in clients:
            await client.send(UPGRADE)
        for client in clients:
            client.protocol.connection_lost(None)
        await asyncio.sleep(0)
        assert sum(successor.log == ["lost"] for successor in successors) == ENDED
        await turns()
        assert all(successor.log == ["lost"] for successor in successors)

    async def test_one_that_nobody_takes_is_answered_as_usual(self) -> None:
        client = Client(nothing)
        await client.send(UPGRADE + GET)
        assert client.statuses == [404, 404]


@pytest.mark.parametrize("size", [1, 5])
async def test_requests_in_pieces(size: int) -> None:
    client = Client(echo)
    data = GET + post(2) + b"hi" + GET
    for start in range(0, len(data), size):
        client.protocol.data_received(data[start : start + size])
    await turns(100)
    assert client.statuses == [200, 200, 200]


def no_time_is_left(host: Host) -> None:
    """Let others have used up this turn of the loop."""
    host.turns.reopen(host.clock.monotonic())
    host.turns.open_until = -1.0


async def test_what_arrives_when_no_time_is_left_is_read_when_it_is_its_turn() -> None:
    client = Client(echo)
    no_time_is_left(client.host)
    client.protocol.data_received(GET)
    assert client.received == b""
    client.protocol.data_received(post(2) + b"h")
    await client.send(b"i")
    assert client.received.count(b"200 OK") == 2
    assert client.received.endswith(b"hi")


async def test_end_of_input_comes_behind_what_waits_for_its_turn() -> None:
    client = Client(echo)
    no_time_is_left(client.host)
    client.protocol.data_received(post(2) + b"hi")
    assert client.protocol.eof_received()
    await turns()
    assert client.received.endswith(b"hi")
    assert "write_eof" in client.pipe.log or "close" in client.pipe.log


async def test_no_more_is_read_while_much_waits_for_its_turn() -> None:
    client = Client(echo)
    no_time_is_left(client.host)
    client.protocol.data_received(post(2 * HTTP1_AHEAD) + b"h" * 2 * HTTP1_AHEAD)
    assert client.pipe.log == ["pause_reading"]
    await turns()
    assert client.pipe.log[-1] == "resume_reading"
    assert client.received.endswith(b"h" * 2 * HTTP1_AHEAD)


async def test_those_who_leave_together_are_let_go_of_some_at_a_time() -> None:
    host = Host()
    handlers = [Waiting() for _ in range(ENDED + 2)]
    clients = [Client(handler, host) for handler in handlers]
    for client in clients:
        await client.send(GET)
    for client in clients:
        client.protocol.connection_lost(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sum(handler.is_cancelled for handler in handlers) == ENDED
    await turns()
    assert all(handler.is_cancelled for handler in handlers)


@pytest.mark.usefixtures("_no_garbage_is_collected")
@pytest.mark.parametrize("part", [b"", b"POST", post(5), post(5) + b"hel", post(5) + b"hello"])
async def test_nothing_of_a_connection_that_is_lost_waits_for_the_collector(part: bytes) -> None:
    client = Client(echo)
    await client.send(part)
    client.protocol.connection_lost(None)
    # This clock keeps timers that were cancelled until then.
    await client.clock.advance(3600)
    left = weakref.ref(client.pipe)
    del client
    assert left() is None
