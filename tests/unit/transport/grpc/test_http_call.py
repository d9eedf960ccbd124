"""Requests that are not gRPC, on a connection in memory and a real loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from etcdpy.transport import HttpHandler, HttpRequest, HttpResponse, ServerOptions
from etcdpy.transport.grpc.routes import RouteTable
from etcdpy.transport.http2 import frames
from etcdpy.transport.limits import INITIAL_STREAM_WINDOW, SEND_QUEUE

from ..peer import Peer, request_fields
from ..serving import connected, turns


def serving(handler: HttpHandler, *, window: int = 65535) -> Peer:
    """Return a peer of a server that hands what is not gRPC to ``handler``."""
    return connected(
        RouteTable(),
        ServerOptions(max_http_body=10),
        settings=[(frames.INITIAL_WINDOW_SIZE, window)],
        http=handler,
    )


async def request(peer: Peer, method: str = "GET", body: bytes = b"") -> int:
    """Send a request and return its stream."""
    fields = [(":method", method), *request_fields("/v?x=1")[1:4]]
    stream, opening = peer.headers(fields=fields, end=not body)
    peer.send(opening)
    if body:
        peer.data(stream, body, end=True)
    await turns(5)
    return stream


def answering(response: HttpResponse) -> HttpHandler:
    async def answer(request: HttpRequest) -> HttpResponse:
        return response

    return answer


async def test_handler_gets_the_request_and_its_answer_is_sent() -> None:
    seen: list[HttpRequest] = []

    async def handler(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse(201, [(b"x-a", b"b")], b"body")

    peer = serving(handler)
    reply = peer.reply(await request(peer, "GET", b"data"))
    [got] = seen
    assert (got.method, got.path, await got.body.read(4)) == ("GET", "/v?x=1", b"data")
    assert reply.blocks == [{":status": "201", "x-a": "b"}]
    assert (reply.body, reply.is_ended) == (b"body", True)
    assert not peer.connection.streams


@pytest.mark.parametrize(("method", "body"), [("HEAD", b"body"), ("GET", b"")])
async def test_answer_without_content_is_one_block(method: str, body: bytes) -> None:
    peer = serving(answering(HttpResponse(200, (), body)))
    reply = peer.reply(await request(peer, method))
    assert (reply.blocks, reply.data, reply.is_ended) == ([{":status": "200"}], [], True)


async def test_body_too_long_is_refused_without_the_handler() -> None:
    peer = serving(answering(HttpResponse(200)))
    assert peer.reply(await request(peer, "GET", bytes(11))).blocks[0][":status"] == "413"


async def test_end_waits_for_the_window() -> None:
    peer = serving(answering(HttpResponse(200, (), b"body")), window=1)
    stream = await request(peer)
    reply = peer.reply(stream)
    assert (reply.body, reply.is_ended) == (b"b", False)
    peer.send(frames.window_update(stream, 100))
    assert (reply.body, reply.is_ended) == (b"body", True)


async def test_pieces_are_asked_for_as_there_is_room() -> None:
    made: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(20):
            made.append(number)
            yield b""
            yield bytes(SEND_QUEUE // 4)

    peer = serving(answering(HttpResponse(200, (), pieces())), window=0)
    stream = await request(peer)
    await turns(30)
    assert len(made) in (4, 5)
    for _ in range(10):
        peer.send(frames.window_update(stream, 1 << 20) + frames.window_update(0, 1 << 20))
        await turns(30)
    assert len(peer.reply(stream).body) == 20 * (SEND_QUEUE // 4)
    assert peer.reply(stream).is_ended


async def test_failure_resets_the_stream_and_is_logged(caplog: Any) -> None:
    async def fail(request: HttpRequest) -> HttpResponse:
        raise ValueError("oops")

    peer = serving(fail)
    assert peer.reply(await request(peer)).reset == frames.INTERNAL_ERROR
    assert "oops" in caplog.text


async def test_client_that_gives_up_cancels_the_handler(caplog: Any) -> None:
    cancelled = asyncio.Event()

    async def wait(request: HttpRequest) -> HttpResponse:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return HttpResponse(200)

    peer = serving(wait)
    stream = await request(peer)
    peer.send(frames.rst_stream(stream, frames.CANCEL))
    await turns()
    assert cancelled.is_set()
    assert peer.connection.table.orphans == 0
    assert not caplog.records


def granted(peer: Peer) -> set[int]:
    """Return the streams on which more may be sent than before."""
    return {frame.stream_id for frame in peer.take(frames.WINDOW_UPDATE)}


class TestBodyThatComes:
    """What is sent to a path whose handler takes bodies as they come."""

    OPTIONS = ServerOptions(max_http_body=10, streamed_paths=frozenset(("/echo",)))

    def begin(self, handler: HttpHandler) -> tuple[Peer, int]:
        peer = connected(RouteTable(), self.OPTIONS, http=handler, is_secure=True)
        fields = [(":method", "POST"), (":scheme", "https"), (":path", "/echo?x"), ("a", "b")]
        stream, opening = peer.headers(fields=fields, end=False)
        peer.send(opening)
        return peer, stream

    async def test_each_piece_is_answered_before_the_next(self) -> None:
        async def echo(request: HttpRequest) -> HttpResponse:
            async def pieces() -> AsyncIterator[bytes]:
                while piece := await request.body.next_piece():
                    yield piece + b"!"

            return HttpResponse(200, (), pieces())

        peer, stream = self.begin(echo)
        for number, piece in enumerate((b"one", b"two, which is longer than a whole may be")):
            peer.data(stream, piece)
            await turns(6)
            assert peer.reply(stream).data[number] == piece + b"!"
            assert not peer.reply(stream).is_ended
        peer.data(stream, b"", end=True)
        await turns(6)
        assert peer.reply(stream).is_ended
        assert not peer.connection.streams

    @pytest.mark.parametrize("pieces", [(b"one two",), (b"one", b" two"), (b"",)])
    async def test_body_may_be_there_before_its_handler_runs(
        self, pieces: tuple[bytes, ...]
    ) -> None:
        async def whole(request: HttpRequest) -> HttpResponse:
            return HttpResponse(200, (), b"<%b>" % await request.body.read(100))

        peer, stream = self.begin(whole)
        for piece in pieces:
            peer.data(stream, piece, end=piece is pieces[-1])
        await turns(6)
        assert peer.reply(stream).body == b"<%b>" % b"".join(pieces)
        assert not peer.connection.streams

    async def test_body_that_is_wanted_whole_is_waited_for(self) -> None:
        async def whole(request: HttpRequest) -> HttpResponse:
            return HttpResponse(200, (), await request.body.read(100))

        peer, stream = self.begin(whole)
        peer.data(stream, b"one")
        await turns(6)
        assert not peer.reply(stream).blocks
        peer.data(stream, b" two", end=True)
        await turns(6)
        assert peer.reply(stream).body == b"one two"

    async def test_client_may_send_what_was_taken_and_no_more(self) -> None:
        taken = asyncio.Event()

        async def reluctant(request: HttpRequest) -> HttpResponse:
            await taken.wait()
            await request.body.next_piece()
            return HttpResponse(200, (), b"taken")

        peer, stream = self.begin(reluctant)
        await turns(6)
        for _ in range(INITIAL_STREAM_WINDOW // 16384):
            peer.data(stream, bytes(16384))
        await turns(6)
        assert stream not in granted(peer)
        taken.set()
        await turns(6)
        assert stream in granted(peer)

    async def test_client_that_gives_up_ends_the_handler(self) -> None:
        ended = []

        async def waiting(request: HttpRequest) -> HttpResponse:
            try:
                await request.body.next_piece()
            finally:
                ended.append(True)
            return HttpResponse(200)

        peer, stream = self.begin(waiting)
        await turns(6)
        peer.send(frames.rst_stream(stream, frames.CANCEL))
        await turns(6)
        assert ended == [True]


@pytest.mark.parametrize("window", [65535, 4])
@pytest.mark.parametrize("last", [b"bye", b""])
async def test_answer_without_end_ends_with_the_server(window: int, last: bytes) -> None:
    ended = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append(True)

    response = HttpResponse(200, (), pieces(), is_endless=True, last=last)
    peer = serving(answering(response), window=window)
    stream = await request(peer)
    assert peer.reply(stream).body == b"one"
    peer.connection.shut_down(peer.now)
    await turns(6)
    peer.send(frames.window_update(stream, 10))
    await turns(6)
    reply = peer.reply(stream)
    assert (reply.body, reply.is_ended) == (b"one" + last, True)
    assert ended == [True]
    assert not peer.connection.streams
