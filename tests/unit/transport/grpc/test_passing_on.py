"""Streams whose requests are taken as they come, on a connection in memory and a real loop."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc
import pytest

from etcdpy.transport import EOF, StatusError
from etcdpy.transport.grpc import books
from etcdpy.transport.grpc.context import PASSED_PER_TURN, Context
from etcdpy.transport.grpc.routes import RouteTable
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.frames import frame
from etcdpy.transport.limits import INITIAL_STREAM_WINDOW

from ..checked import CALL_TYPE
from ..peer import Peer, message, parse_u32
from ..serving import connected, turns
from .test_one_reply_per_request import python_calls


class Taker:
    """
    A handler that takes requests as they come, but reads those that begin with ``wait``.

    Args:
        takes_encoded: Whether it takes those that begin with ``plain`` without decoding them.

    """

    def __init__(self, *, takes_encoded: bool = False) -> None:
        self.takes_encoded = self.take_encoded if takes_encoded else None
        self.seen: list[bytes] = []
        self.refused: list[bytes] = []
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: list[str] = []

    def take(self, request: bytes) -> bool:
        if request.startswith(b"wait"):
            return False
        if request == b"fail":
            raise StatusError(grpc.StatusCode.DATA_LOSS, "failed")
        self.seen.append(request)
        return True

    def take_encoded(self, request: bytes) -> bool:
        if request.startswith(b"plain"):
            self.seen.append(request)
            return True
        return False

    async def __call__(
        self, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        try:
            while (request := await context.pass_on(self.take, self.takes_encoded)) is not EOF:
                self.refused.append(request)
                await self.opened
                self.seen.append(request)
                yield request
            self.ended.append("by the client")
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise


def serving(
    taker: Taker, *, deserializer: Any = None, call_type: type[Context] = CALL_TYPE
) -> Peer:
    """Return a peer whose ``/test.Echo/Stream`` is served by a handler."""
    table = RouteTable()
    handler: Any = taker
    method: Any = grpc.stream_stream_rpc_method_handler(handler, deserializer)
    table.add_methods("test.Echo", {"Stream": method})
    peer = connected(table, call_type=call_type)
    peer.take(frames.SETTINGS)
    return peer


async def opened(peer: Peer) -> int:
    """Open a stream whose handler waits for requests."""
    stream = peer.open()
    await turns()
    assert stream in peer.connection.awaiting_next
    return stream


class TestRequests:
    async def test_are_taken_in_the_turn_in_which_they_come(self) -> None:
        taker = Taker()
        peer = serving(taker)
        stream = await opened(peer)
        for n in range(5):
            peer.data(stream, message(b"%d" % n))
            assert taker.seen[-1] == b"%d" % n

    @pytest.mark.parametrize("size", [1, 3, 7, 5000])
    async def test_are_taken_in_order_however_they_are_cut(self, size: int) -> None:
        taker = Taker()
        taker.opened.set_result(None)
        peer = serving(taker)
        stream = await opened(peer)
        requests = [b"", b"a", b"wait", b"bc" * 300, b"wait more", b"d", b"e"]
        together = b"".join(frame(frames.DATA, 0, stream, message(it)) for it in requests)
        for start in range(0, len(together), size):
            peer.send(together[start : start + size])
        await turns(20)
        assert taker.seen == requests
        assert taker.refused == [b"wait", b"wait more"]

    @pytest.mark.parametrize("size", [1, 7, 5000])
    async def test_may_be_taken_without_decoding_them(self, size: int) -> None:
        taker = Taker(takes_encoded=True)
        taker.opened.set_result(None)
        peer = serving(taker, deserializer=bytes.upper)
        stream = await opened(peer)
        requests = [b"plain", b"a", b"plain b", b"c", b"plain d", b"plain e", b"f"]
        together = b"".join(frame(frames.DATA, 0, stream, message(it)) for it in requests)
        for start in range(0, len(together), size):
            peer.send(together[start : start + size])
        together = b"".join(map(message, requests))
        peer.data(stream, together)
        await turns(20)
        once = [b"plain", b"A", b"plain b", b"C", b"plain d", b"plain e", b"F"]
        assert taker.seen == once * 2
        tally = peer.connection.streams[stream].head.tally
        assert tally.read == len(requests) * 2
        assert tally.received == sum(map(len, requests)) * 2

    async def test_that_come_in_one_frame_are_taken_in_order_with_those_that_follow(self) -> None:
        taker = Taker()
        peer = serving(taker)
        stream = await opened(peer)
        peer.data(stream, message(b"a") + message(b"b"))
        peer.data(stream, message(b"c"))
        peer.data(stream, message(b"d")[:3])
        peer.data(stream, message(b"d")[3:])
        peer.data(stream, message(b"e"))
        await turns()
        assert taker.seen == [b"a", b"b", b"c", b"d", b"e"]
        peer.data(stream, message(b"f"))
        assert taker.seen[-1] == b"f"

    async def test_behind_one_that_was_refused_wait_for_it(self) -> None:
        taker = Taker()
        peer = serving(taker)
        stream = await opened(peer)
        peer.data(stream, message(b"a"))
        peer.data(stream, message(b"wait"))
        peer.data(stream, message(b"b"))
        await turns()
        peer.data(stream, message(b"c"))
        await turns()
        assert (taker.seen, taker.refused) == ([b"a"], [b"wait"])
        taker.opened.set_result(None)
        await turns()
        assert taker.seen == [b"a", b"wait", b"b", b"c"]
        assert [payload[5:] for payload in peer.reply(stream).data] == [b"wait"]

    async def test_that_are_thousands_in_one_go_leave_others_their_turn(self) -> None:
        taker = Taker()
        peer = serving(taker)
        stream = peer.open()
        peer.data(stream, message(b"") * (3 * PASSED_PER_TURN))
        await turns(1)
        assert 0 < len(taker.seen) < 3 * PASSED_PER_TURN
        await turns(8)
        assert len(taker.seen) == 3 * PASSED_PER_TURN

    async def test_that_are_megabytes_in_a_few_bytes_leave_others_their_turn(self) -> None:
        taker = Taker()
        peer = serving(taker)
        stream = peer.open("/test.Echo/Stream", ("grpc-encoding", "gzip"))
        peer.data(stream, message(gzip.compress(bytes(1 << 20)), flag=1) * 5)
        await turns(1)
        assert len(taker.seen) == 1
        await turns(30)
        assert len(taker.seen) == 5

    async def test_give_back_the_window_that_they_took(self) -> None:
        peer = serving(Taker())
        stream = await opened(peer)
        request = message(bytes(5000))
        granted = total = 0
        while total < 3 * INITIAL_STREAM_WINDOW:
            peer.data(stream, request)
            total += len(request)
            peer.send(frames.window_update(0, 6000))
            for update in peer.take(frames.WINDOW_UPDATE):
                if update.stream_id == stream:
                    granted += parse_u32(update.payload)
        assert total - INITIAL_STREAM_WINDOW / 4 <= granted <= total


class TestEnd:
    async def test_of_the_requests_is_told_to_the_handler(self) -> None:
        taker = Taker()
        peer = serving(taker)
        stream = await opened(peer)
        peer.data(stream, message(b"a"))
        peer.data(stream, message(b"b"), end=True)
        await turns()
        assert taker.seen == [b"a", b"b"]
        assert taker.ended == ["by the client"]
        assert peer.reply(stream).status == (0, "")
        assert not peer.connection.awaiting_next

    async def test_by_an_error_of_what_takes_them_is_the_status(self) -> None:
        taker = Taker()
        peer = serving(taker)
        for data in (message(b"fail"), message(b"a") + message(b"fail")):
            stream = await opened(peer)
            peer.data(stream, data)
            peer.data(stream, message(b"late"))
            await turns()
            assert peer.reply(stream).status == (15, "failed")
        assert b"late" not in taker.seen
        assert not peer.connection.awaiting_next

    async def test_by_a_request_that_cannot_be_read(self) -> None:
        peer = serving(Taker(), deserializer=int)
        for data in (message(b"x"), message(b"x") * 2):
            stream = await opened(peer)
            peer.data(stream, data)
            await turns()
            code, details = peer.reply(stream).status
            assert (code, details.startswith("grpc: error unmarshalling request")) == (13, True)

    async def test_by_the_client_is_nothing_more_taken(self) -> None:
        taker = Taker()
        peer = serving(taker)
        stream = await opened(peer)
        late = frame(frames.DATA, 0, stream, message(b"late"))
        peer.send(frames.rst_stream(stream, frames.CANCEL) + late)
        assert not peer.connection.awaiting_next
        await turns()
        assert (taker.seen, taker.ended) == ([], ["cancelled"])
        assert peer.connection.table.orphans == 0

    async def test_by_the_server(self) -> None:
        taker = Taker()
        peer = serving(taker)
        stream = await opened(peer)
        peer.connection.stop()
        peer.read()
        assert peer.reply(stream).status[0] == 14
        await turns()
        assert taker.ended == ["cancelled"]
        assert not peer.connection.awaiting_next


async def test_taking_a_request_takes_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "are_checked", False)
    taker = Taker()
    peer = serving(taker, call_type=Context)
    stream = await opened(peer)
    request = frame(frames.DATA, 0, stream, message(b"x"))
    assert python_calls(partial(peer.connection.receive, request, peer.now)) == [
        "receive",
        "_read_expected",
        "answer_one",
        "_pass_on",
        "_identity",  # the deserializer
        "take",
    ]
