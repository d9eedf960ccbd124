"""Streams each of whose requests gets a response, on a connection in memory and a real loop."""

from __future__ import annotations

import asyncio
import gzip
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import grpc
import pytest

from etcdpy.transport import StatusError, one_reply_per_request
from etcdpy.transport.grpc import books
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.routes import RouteTable
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.frames import END_STREAM, frame
from etcdpy.transport.limits import INITIAL_STREAM_WINDOW, SEND_QUEUE

from ..checked import CALL_TYPE
from ..peer import Peer, message, parse_u32
from ..serving import connected, turns

Answer = Callable[[bytes, Context], "bytes | Coroutine[Any, Any, bytes]"]


def serving(
    handler: Answer,
    *,
    deserializer: Any = None,
    settings: tuple[tuple[int, int], ...] = (),
    call_type: type[Context] = CALL_TYPE,
) -> Peer:
    """Return a peer whose ``/test.Echo/Stream`` has each request answered by a handler."""
    table = RouteTable()
    marked: Any = one_reply_per_request(handler)
    method: Any = grpc.stream_stream_rpc_method_handler(marked, deserializer)
    table.add_methods("test.Echo", {"Stream": method})
    peer = connected(table, settings=settings, call_type=call_type)
    peer.take(frames.SETTINGS)
    return peer


def echo(request: bytes, context: Context) -> bytes:
    return request


class Gate:
    """A handler that answers ``wait…`` when it is opened, and all else at once."""

    def __init__(self) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.seen: list[bytes] = []
        self.cancelled: list[bytes] = []

    def __call__(self, request: bytes, context: Context) -> bytes | Coroutine[Any, Any, bytes]:
        self.seen.append(request)
        return self._late(request) if request.startswith(b"wait") else request

    async def _late(self, request: bytes) -> bytes:
        try:
            await self.opened
        except asyncio.CancelledError:
            self.cancelled.append(request)
            raise
        return request


def answers(peer: Peer, stream: int) -> list[bytes]:
    """The messages that came; each in a frame of its own."""
    return [payload[5:] for payload in peer.reply(stream).data]


def whole_stream(peer: Peer) -> tuple[int, bytes]:
    """Return a stream, and what a client sends that asks twice on it."""
    stream, opening = peer.headers("/test.Echo/Stream")
    first, second = (frame(frames.DATA, 0, stream, message(body)) for body in (b"x", b"y"))
    return stream, opening + first + second + frame(frames.DATA, END_STREAM, stream, b"")


class TestAnswers:
    async def test_come_in_the_same_turn_of_the_loop_and_without_a_task(self) -> None:
        peer = serving(echo)
        before = asyncio.all_tasks()
        stream = peer.open()
        for n in range(5):
            peer.data(stream, message(b"%d" % n))
            assert answers(peer, stream)[-1] == b"%d" % n
        assert asyncio.all_tasks() == before

    async def test_come_however_the_requests_are_cut(self) -> None:
        peer = serving(echo)
        requests = [b"", b"a", b"bc" * 300, b"d"]
        together = b"".join(map(message, requests))
        for size in (1, 3, 7, len(together)):
            stream = peer.open()
            for start in range(0, len(together), size):
                peer.data(stream, together[start : start + size])
            assert answers(peer, stream) == requests

    async def test_come_for_frames_that_arrive_together_or_in_pieces(self) -> None:
        peer = serving(echo)
        first, second = peer.open(), peer.open()
        data = b"".join(
            frame(frames.DATA, 0, stream, message(b"%d" % n))
            for n in range(20)
            for stream in (first, second)
        )
        for size in (len(data), 1, 11, 40):
            for start in range(0, len(data), size):
                peer.send(data[start : start + size])
        assert answers(peer, first) == answers(peer, second) == [b"%d" % n for n in range(20)] * 4

    async def test_come_to_a_stream_wherever_a_read_ends(self) -> None:
        peer = serving(echo)
        peer.open()  # so that equal headers are equal bytes
        length = len(whole_stream(peer)[1])
        for cut in range(length):
            stream, sent = whole_stream(peer)
            peer.send(sent[:cut])
            peer.send(sent[cut:])
            assert answers(peer, stream) == [b"x", b"y"]
            reply = peer.reply(stream)
            assert (reply.status, reply.is_ended, reply.reset) == ((0, ""), True, None)
        assert len(peer.connection.streams) == 1  # the first

    async def test_come_between_frames_of_other_kinds(self) -> None:
        peer = serving(echo)
        stream = peer.open()
        request = frame(frames.DATA, 0, stream, message(b"x"))
        peer.send(request + frames.ping(bytes(8)) + request + frames.window_update(0, 1) + request)
        assert answers(peer, stream) == [b"x"] * 3
        assert len(peer.take(frames.PING)) == 1

    async def test_come_to_a_stream_that_uses_gzip(self) -> None:
        peer = serving(echo)
        stream = peer.open("/test.Echo/Stream", ("grpc-encoding", "gzip"))
        peer.data(stream, message(gzip.compress(b"a"), flag=1))
        peer.data(stream, message(b"b"))
        assert [gzip.decompress(answer) for answer in answers(peer, stream)] == [b"a", b"b"]

    async def test_are_those_of_a_stream_whose_length_was_told(self) -> None:
        peer = serving(echo)
        stream = peer.open("/test.Echo/Stream", ("content-length", "7"))
        peer.data(stream, message(b"a"))
        peer.data(stream, message(b"b"))
        assert answers(peer, stream) == [b"a"]
        assert peer.reply(stream).reset == frames.PROTOCOL_ERROR

    async def test_of_thousands_of_requests_leave_others_their_turn(self) -> None:
        peer = serving(echo)
        stream, other = peer.open(), peer.open()
        peer.data(stream, message(b"") * 3000)
        assert 0 < len(answers(peer, stream)) < 3000
        peer.data(other, message(b"x"))
        assert answers(peer, other) == [b"x"]
        await turns(200)
        assert len(answers(peer, stream)) == 3000

    async def test_of_megabytes_in_a_few_bytes_leave_others_their_turn(self) -> None:
        peer = serving(lambda request, _: request[-1:])
        stream, other = peer.open("/test.Echo/Stream", ("grpc-encoding", "gzip")), peer.open()
        peer.data(stream, message(gzip.compress(bytes(1 << 20)), flag=1) * 5)
        assert len(answers(peer, stream)) == 1
        peer.data(other, message(b"x"))
        assert answers(peer, other) == [b"x"]
        await turns(40)
        assert len(answers(peer, stream)) == 5


class TestWaiting:
    async def test_keeps_the_order(self) -> None:
        gate = Gate()
        peer = serving(gate)
        stream = peer.open()
        for request in (b"1", b"wait", b"3", b"wait", b"5"):
            peer.data(stream, message(request))
        assert answers(peer, stream) == [b"1"]
        assert gate.seen == [b"1", b"wait"]
        gate.opened.set_result(None)
        await turns()
        assert answers(peer, stream) == [b"1", b"wait", b"3", b"wait", b"5"]
        peer.data(stream, message(b"6"))
        assert answers(peer, stream)[-1] == b"6"

    async def test_holds_up_no_other_stream(self) -> None:
        peer = serving(Gate())
        first, second = peer.open(), peer.open()
        peer.data(first, message(b"wait"))
        peer.data(second, message(b"x"))
        assert answers(peer, second) == [b"x"]

    async def test_of_many_streams_for_one_future_takes_one_callback(self) -> None:
        gate = Gate()
        peer = serving(gate)
        streams = [peer.open() for _ in range(20)]
        for stream in streams:
            peer.data(stream, message(b"wait"))
        assert len(gate.opened._callbacks) == 1
        gate.opened.set_result(None)
        await turns()
        assert all(answers(peer, stream) == [b"wait"] for stream in streams)

    async def test_ends_when_the_client_gives_up(self) -> None:
        gate = Gate()
        peer = serving(gate)
        stream = peer.open()
        peer.data(stream, message(b"wait") + message(b"more"))
        peer.send(frames.rst_stream(stream, frames.CANCEL))
        assert gate.cancelled == [b"wait"]
        assert gate.seen == [b"wait"]
        assert peer.connection.table.orphans == 0


class TestRoom:
    """The client does not read: a stream's queue fills, and its requests wait."""

    SIZE = 1000

    def fill(self, peer: Peer, stream: int) -> int:
        """Send requests until they are answered no more; return how many were sent."""
        sent = 0
        call = peer.connection.streams[stream]
        while call.coroutine is None:
            peer.data(stream, message(bytes(self.SIZE)))
            sent += 1
        return sent

    async def test_none_means_waiting(self) -> None:
        peer = serving(echo)
        stream = peer.open()
        sent = self.fill(peer, stream)
        assert sent * self.SIZE == pytest.approx(frames.DEFAULT_WINDOW + SEND_QUEUE, rel=0.05)
        for _ in range(100):
            peer.data(stream, message(bytes(self.SIZE)))
        call = peer.connection.streams[stream]
        assert call.outgoing is not None
        assert call.outgoing.size < SEND_QUEUE + 2 * self.SIZE
        assert call.buffered == 100 * (self.SIZE + 5)

    async def test_comes_back(self) -> None:
        peer = serving(echo)
        stream = peer.open()
        sent = self.fill(peer, stream)
        grant = frames.window_update(stream, 1 << 20) + frames.window_update(0, 1 << 20)
        peer.send(grant)
        await turns()
        peer.data(stream, message(b"last"))
        assert b"".join(peer.reply(stream).data) == message(bytes(self.SIZE)) * sent + message(
            b"last"
        )

    async def test_is_not_waited_for_any_more_when_the_client_gives_up(self) -> None:
        peer = serving(echo)
        stream = peer.open()
        self.fill(peer, stream)
        peer.send(frames.rst_stream(stream, frames.CANCEL))
        assert peer.connection.table.orphans == 0
        assert peer.connection.sender.queued == 0


class TestEnd:
    async def test_is_success_after_the_last_answer(self) -> None:
        peer = serving(echo)
        stream = peer.open()
        peer.data(stream, message(b"x"))
        peer.data(stream, b"", end=True)
        reply = peer.reply(stream)
        assert (reply.status, reply.is_ended) == ((0, ""), True)

    @pytest.mark.parametrize("requests", [[], [b"x"], [b"x", b"y"]])
    async def test_may_come_with_the_requests(self, requests: list[bytes]) -> None:
        peer = serving(echo)
        stream, opening = peer.headers("/test.Echo/Stream", end=not requests)
        data = b"".join(
            frame(
                frames.DATA, END_STREAM if request is requests[-1] else 0, stream, message(request)
            )
            for request in requests
        )
        peer.send(opening + data)
        assert answers(peer, stream) == requests
        assert peer.reply(stream).status == (0, "")
        assert not peer.connection.streams

    async def test_with_a_request_waits_for_its_answer(self) -> None:
        gate = Gate()
        peer = serving(gate)
        stream, opening = peer.headers("/test.Echo/Stream")
        peer.send(opening + frame(frames.DATA, END_STREAM, stream, message(b"wait")))
        assert not peer.reply(stream).is_ended
        gate.opened.set_result(None)
        await turns()
        assert answers(peer, stream) == [b"wait"]
        assert (peer.reply(stream).status, peer.connection.streams) == ((0, ""), {})

    async def test_with_a_request_that_is_refused_is_for_good(self) -> None:
        def refuse(request: bytes, context: Context) -> bytes:
            raise StatusError(grpc.StatusCode.NOT_FOUND, "none")

        peer = serving(refuse)
        stream, opening = peer.headers("/test.Echo/Stream")
        peer.send(opening + frame(frames.DATA, END_STREAM, stream, message(b"x")))
        assert peer.reply(stream).status == (5, "none")
        assert not peer.connection.streams

    async def test_waits_for_the_answer_under_way(self) -> None:
        gate = Gate()
        peer = serving(gate)
        stream = peer.open()
        peer.data(stream, message(b"wait") + message(b"x"), end=True)
        assert not peer.reply(stream).is_ended
        gate.opened.set_result(None)
        await turns()
        assert answers(peer, stream) == [b"wait", b"x"]
        assert peer.reply(stream).status == (0, "")

    async def test_within_a_request_is_an_error(self) -> None:
        peer = serving(echo)
        stream = peer.open()
        peer.data(stream, message(b"x")[:-1], end=True)
        assert peer.reply(stream).status == (13, "unexpected EOF")

    async def test_by_the_handler_is_for_good(self) -> None:
        def refuse(request: bytes, context: Context) -> bytes:
            raise StatusError(grpc.StatusCode.DATA_LOSS, request.decode())

        peer = serving(refuse)
        for data in (message(b"first"), message(b"first") + message(b"second")):
            stream = peer.open()
            peer.data(stream, data)
            peer.data(stream, message(b"third"))
            assert peer.reply(stream).status == (15, "first")
            assert stream not in peer.connection.streams
        assert not peer.connection.awaiting_next

    async def test_by_an_error_while_it_waited(self) -> None:
        gate = Gate()
        peer = serving(gate)
        stream = peer.open()
        peer.data(stream, message(b"wait"))
        gate.opened.set_exception(StatusError(grpc.StatusCode.ABORTED, "told"))
        await turns()
        assert peer.reply(stream).status == (10, "told")

    async def test_by_a_request_that_cannot_be_read(self) -> None:
        peer = serving(echo, deserializer=int)
        reason = "grpc: error unmarshalling request: proto:%C2%A0cannot parse invalid"
        for data in (message(b"x"), message(b"x") * 2):
            stream = peer.open()
            peer.data(stream, data)
            code, details = peer.reply(stream).status
            assert (code, details.startswith(reason)) == (13, True)

    async def test_by_a_request_that_is_too_long(self) -> None:
        peer = serving(echo)
        stream = peer.open()
        peer.data(stream, b"\0\xff\xff\xff\xff")
        assert peer.reply(stream).status[0] == 8

    @pytest.mark.parametrize("request_", [b"x", b"wait"])
    async def test_by_the_deadline(self, request_: bytes) -> None:
        gate = Gate()
        peer = serving(gate)
        ended = asyncio.Event()
        stream = peer.open("/test.Echo/Stream", ("grpc-timeout", "10m"))
        call: Any = peer.connection.streams[stream]
        call.add_done_callback(lambda _: ended.set())
        peer.data(stream, message(request_))
        await turns()
        assert not ended.is_set()
        await peer.clock.advance(0.02)
        await turns()
        assert ended.is_set()
        assert peer.reply(stream).status == (4, "context deadline exceeded")
        assert gate.cancelled == ([b"wait"] if request_ == b"wait" else [])

    async def test_by_the_client_is_told_to_callbacks(self) -> None:
        peer = serving(echo)
        stream = peer.open()
        peer.data(stream, message(b"x"))
        call: Any = peer.connection.streams[stream]
        cancelled: list[bool] = []
        call.add_done_callback(lambda context: cancelled.append(context.cancelled()))
        peer.send(frames.rst_stream(stream, frames.CANCEL))
        await turns()
        assert cancelled == [True]
        assert (peer.connection.table.orphans, peer.connection.awaiting_next) == (0, {})

    async def test_by_the_server(self) -> None:
        gate = Gate()
        peer = serving(gate)
        idle, waiting = peer.open(), peer.open()
        peer.data(waiting, message(b"wait"))
        peer.connection.stop()
        peer.read()
        assert peer.reply(idle).status[0] == peer.reply(waiting).status[0] == 14
        assert gate.cancelled == [b"wait"]

    async def test_is_waited_for_by_a_drained_connection(self) -> None:
        peer = serving(echo)
        stream = peer.open()
        peer.connection.shut_down(peer.now)
        peer.tick(10)
        peer.data(stream, message(b"x"))
        assert answers(peer, stream) == [b"x"]
        assert not peer.connection.is_finished
        peer.data(stream, b"", end=True)
        assert peer.reply(stream).status == (0, "")
        assert peer.connection.is_finished


class TestFlowControl:
    async def test_gives_back_what_requests_took(self) -> None:
        peer = serving(echo)
        stream = peer.open()
        request = message(bytes(5000))
        grants = {0: 0, stream: 0}
        total = 0
        while total < 3 * INITIAL_STREAM_WINDOW:
            peer.data(stream, request)
            total += len(request)
            peer.send(frames.window_update(stream, 6000) + frames.window_update(0, 6000))
            for update in peer.take(frames.WINDOW_UPDATE):
                grants[update.stream_id] += parse_u32(update.payload)
        # All but less than a quarter of the window; never more than was taken.
        assert total - INITIAL_STREAM_WINDOW / 4 <= grants[stream] <= total
        assert grants[0] <= total

    async def test_counts_what_went_past_the_buffer(self) -> None:
        gate = Gate()
        peer = serving(gate)
        stream = peer.open()
        piece = message(bytes(10_000))
        for _ in range(20):
            peer.data(stream, piece)
        peer.data(stream, message(b"wait"))
        assert not [f for f in peer.take(frames.WINDOW_UPDATE) if f.stream_id == stream]
        left = INITIAL_STREAM_WINDOW - 20 * len(piece) - len(message(b"wait"))
        while left >= 0:
            peer.data(stream, piece)
            left -= len(piece)
        assert peer.reply(stream).reset == frames.FLOW_CONTROL_ERROR


def python_calls(action: Callable[[], None]) -> list[str]:
    """Return the names of the Python functions that an action calls."""
    called: list[str] = []

    def note(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            called.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(None)
    return called


async def test_answering_at_once_takes_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "are_checked", False)
    peer = serving(echo, call_type=Context)
    stream = peer.open()
    peer.data(stream, message(b"the first opens the stream"))
    request = frame(frames.DATA, 0, stream, message(b"x"))
    assert python_calls(partial(peer.connection.receive, request, peer.now)) == [
        "receive",
        "_read_expected",
        "answer_one",
        "_identity",  # the deserializer
        "echo",
        "_identity",  # the serializer
        "try_message",
    ]


async def test_a_stream_with_one_request_takes_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "are_checked", False)
    peer = serving(echo, call_type=Context)
    peer.open()  # so that the headers are known from now on
    peer.open()
    stream, opening = peer.headers("/test.Echo/Stream")
    asked = opening + frame(frames.DATA, 0, stream, message(b"x"))
    begun = python_calls(partial(peer.connection.receive, asked, peer.now))
    ended = frame(frames.DATA, END_STREAM, stream, b"")
    over = python_calls(partial(peer.connection.receive, ended, peer.now))
    assert answers(peer, stream) == []  # not read yet
    peer.read()
    assert (answers(peer, stream), peer.reply(stream).status) == ([b"x"], (0, ""))
    assert len(begun) <= 15
    assert len(over) <= 20
