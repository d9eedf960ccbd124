"""Long responses on a connection in memory and a real loop."""

from __future__ import annotations

import asyncio
import gzip
import math
import random
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest

from etcdpy.cooperative import LongReply, Pieces
from etcdpy.memory import Budget
from etcdpy.transport import Observer, StatusError, inline
from etcdpy.transport.grpc import deflating
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.deflating import STEPS_TOGETHER
from etcdpy.transport.grpc.messages import DEFLATED_PER_STEP
from etcdpy.transport.grpc.routes import RouteTable
from etcdpy.transport.grpc.states import HandlerState
from etcdpy.transport.http2 import frames
from etcdpy.transport.limits import STALLED_STREAM_SECONDS

from ..peer import Peer, message
from ..serving import Heard, connected, serving, turns


class Making:
    """A handler whose reply is made while it is sent, a part in each turn of the loop."""

    def __init__(self, *parts: bytes, size: int | None = None) -> None:
        self.parts = parts
        self.size = sum(map(len, parts)) if size is None else size
        self.made = 0
        self.is_closed = False
        self.error: Exception | None = None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            for part in self.parts:
                await asyncio.sleep(0)
                self.made += 1
                yield part
            if self.error is not None:
                raise self.error
        finally:
            self.is_closed = True

    def serving(self, window: int, observer: Observer | None = None) -> Peer:
        """Return a peer with that initial window."""

        @inline
        async def handler(request: bytes, context: Context) -> Any:
            assert context.takes_long_replies
            await asyncio.sleep(0)
            return LongReply(self.size, b"ends", self.pieces())

        peer = serving(handler, observer=observer)
        peer.send(frames.settings([(frames.INITIAL_WINDOW_SIZE, window)]))
        peer.send(frames.window_update(0, 1 << 30))
        return peer


PART = bytes(100_000)


async def test_long_reply_is_one_message_with_success_behind_it() -> None:
    making, heard = Making(PART, b"x", PART), Heard(slower_than=-math.inf)
    peer = making.serving(1 << 30, heard.observer)
    stream = peer.call(b"x")
    await turns(20)
    assert peer.reply(stream).body == message(PART + b"x" + PART)
    assert peer.reply(stream).status == (0, "")
    assert making.is_closed
    assert [(len(call.response), call.code) for call in heard.calls] == [(200_001, 0)]


async def test_long_reply_is_made_no_faster_than_it_is_taken() -> None:
    making = Making(*[PART] * 10)
    peer = making.serving(0)
    stream = peer.call(b"x")
    await turns(20)
    assert making.made == 1
    peer.send(frames.window_update(stream, 150_000))
    await turns(20)
    # Of the second there is less left than may wait.
    assert making.made == 3
    peer.send(frames.window_update(stream, 1 << 30))
    await turns(60)
    assert peer.reply(stream).body == message(PART * 10)
    assert peer.reply(stream).status == (0, "")


async def test_long_reply_that_nobody_wants_any_more_is_closed() -> None:
    making = Making(*[PART] * 10)
    peer = making.serving(0)
    stream = peer.call(b"x")
    await turns(20)
    peer.send(frames.rst_stream(stream, frames.CANCEL))
    await turns()
    assert making.is_closed
    assert making.made == 1
    assert peer.connection.sender.owed == 0


async def test_long_reply_ends_at_its_deadline_between_its_parts() -> None:
    making = Making(*[PART] * 10)
    peer = making.serving(150_000)
    stream = peer.call(b"x", ("grpc-timeout", "5S"))
    await turns(20)
    await peer.clock.advance(6.0)
    await turns()
    peer.read()
    assert peer.reply(stream).reset == frames.CANCEL
    assert making.is_closed


@pytest.mark.parametrize("size", [250_000, 150_000])
async def test_long_reply_that_is_not_what_it_said_resets_its_stream(
    size: int, caplog: pytest.LogCaptureFixture
) -> None:
    making = Making(PART, PART, size=size)
    peer = making.serving(1 << 30)
    stream = peer.call(b"x")
    await turns(20)
    assert peer.reply(stream).reset == frames.INTERNAL_ERROR
    assert making.is_closed


async def test_long_reply_that_fails_before_any_of_it_is_sent_has_a_status() -> None:
    making = Making(size=1)
    making.error = StatusError(grpc.StatusCode.OUT_OF_RANGE, "compacted")
    peer = making.serving(1 << 30)
    stream = peer.call(b"x")
    await turns(20)
    assert peer.reply(stream).status == (11, "compacted")


async def test_long_reply_goes_on_no_more_when_its_stream_was_cut_for_not_moving() -> None:
    making = Making(*[PART] * 10)
    peer = making.serving(50_000)
    stream = peer.call(b"x")
    await turns(20)
    await peer.clock.advance(STALLED_STREAM_SECONDS)
    for _ in range(2):
        peer.connection.sender.reset_stalled(peer.clock.monotonic())
        await peer.clock.advance(STALLED_STREAM_SECONDS)
    await turns(20)
    assert making.is_closed
    assert making.made <= 3
    peer.read()
    assert peer.reply(stream).reset == frames.CANCEL


async def test_handler_in_a_task_is_not_for_long_replies() -> None:
    told = []

    async def task(request: bytes, context: Context) -> bytes:
        told.append(context.takes_long_replies)
        return request

    @inline
    async def marked(request: bytes, context: Context) -> bytes:
        return await task(request, context)

    for method, fields in ((task, ()), (marked, ()), (marked, GZIP)):
        serving(method).call(b"x", *fields)
        await turns()
    assert told == [False, True, True]


# ------------------------------------------------------------------- compression

LONG = random.Random(1).randbytes(20 * DEFLATED_PER_STEP)
GZIP = (("grpc-encoding", "gzip"),)


def unzipped(body: bytes) -> bytes:
    """Return the one message that was compressed."""
    assert body[0] == 1
    assert int.from_bytes(body[1:5], "big") == len(body) - 5
    return gzip.decompress(body[5:])


async def parts_until_ended(peer: Peer, stream: int) -> int:
    """Return in how many parts the replies of a stream were compressed, between which others go."""
    for parts in range(100):
        if peer.reply(stream).is_ended:
            return parts
        # The thread has one part of it at a time, and then this.
        await asyncio.get_running_loop().run_in_executor(deflating._thread(), int)
        await turns(4)
    raise AssertionError("it has not ended")


@pytest.mark.parametrize("waits", [True, False])
async def test_others_have_their_turns_while_a_long_reply_is_compressed(waits: bool) -> None:
    @inline
    async def handler(request: bytes, context: Context) -> Any:
        if waits:
            await asyncio.sleep(0)
        return Pieces([LONG[:100_000], LONG[100_000:]])

    heard = Heard(slower_than=-math.inf)
    peer = serving(handler, observer=heard.observer)
    peer.send(frames.settings([(frames.INITIAL_WINDOW_SIZE, 1 << 30)]))
    peer.send(frames.window_update(0, 1 << 30))
    stream = peer.call(b"x", *GZIP)
    assert await parts_until_ended(peer, stream) >= 20 // STEPS_TOGETHER
    assert unzipped(peer.reply(stream).body) == LONG
    assert peer.reply(stream).status == (0, "")
    assert [bytes(call.response) for call in heard.calls] == [LONG]


async def test_long_reply_is_compressed_while_it_is_made() -> None:
    making, heard = Making(LONG, PART, LONG), Heard(slower_than=-math.inf)
    peer = making.serving(1 << 30, heard.observer)
    stream = peer.call(b"x", *GZIP)
    await parts_until_ended(peer, stream)
    assert unzipped(peer.reply(stream).body) == LONG + PART + LONG
    assert peer.reply(stream).status == (0, "")
    assert making.is_closed
    assert [(len(call.response), call.code) for call in heard.calls] == [(making.size, 0)]


async def test_no_more_is_held_of_a_long_reply_in_gzip_than_what_comes_of_it() -> None:
    making = Making(*[PART] * 20)
    peer = making.serving(0)
    memory = Budget(1 << 30)
    peer.join(memory)
    most = 0
    stream = peer.call(b"x", *GZIP)
    for _ in range(200):
        most = max(most, memory.used)
        await asyncio.get_running_loop().run_in_executor(deflating._thread(), int)
        await turns(4)
        if peer.connection.sender.queued:
            break
    assert making.is_closed
    assert 0 < memory.used == peer.connection.sender.queued
    assert most <= len(PART)
    peer.send(frames.rst_stream(stream, frames.CANCEL))
    assert memory.used == 0


async def test_long_reply_in_gzip_that_has_no_room_is_refused() -> None:
    making = Making(*[LONG] * 5)
    peer = making.serving(0)
    peer.join(Budget(2 * len(LONG)))
    stream = peer.call(b"x", *GZIP)
    await parts_until_ended(peer, stream)
    assert making.is_closed
    assert making.made < 5
    assert peer.reply(stream).blocks
    assert peer.connection.sender.account.budget.used == 0


async def test_reply_counts_while_it_is_compressed() -> None:
    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        await asyncio.sleep(0)
        return LONG

    peer = serving(handler)
    memory = Budget(1 << 30)
    peer.join(memory)
    stream = peer.call(b"x", *GZIP)
    await turns(4)
    assert memory.used == len(LONG)
    peer.send(frames.rst_stream(stream, frames.CANCEL))
    await turns(30)
    assert memory.used == 0


async def test_others_have_their_turns_while_a_message_of_a_stream_is_compressed() -> None:
    async def handler(request: bytes, context: Context) -> None:
        await context.write(LONG)
        await context.write(b"short")

    table = RouteTable()
    method: Any = grpc.unary_stream_rpc_method_handler(handler)
    table.add_methods("test.Echo", {"Unary": method})
    peer = connected(table, settings=[(frames.INITIAL_WINDOW_SIZE, 1 << 30)])
    peer.send(frames.window_update(0, 1 << 30))
    stream = peer.call(b"x", *GZIP)
    assert await parts_until_ended(peer, stream) >= 20 // STEPS_TOGETHER
    body = peer.reply(stream).body
    size = 5 + int.from_bytes(body[1:5], "big")
    assert (unzipped(body[:size]), unzipped(body[size:])) == (LONG, b"short")


async def test_parts_of_a_long_response_are_compressed_as_one_message_in_their_place() -> None:
    async def handler(request: bytes, context: Context) -> None:
        for start, body in ((b"a", b"first"), (b"b", LONG), (b"c", b"last")):
            await context.write_parts(start, body)

    table = RouteTable()
    method: Any = grpc.unary_stream_rpc_method_handler(handler)
    table.add_methods("test.Echo", {"Unary": method})
    peer = connected(table, settings=[(frames.INITIAL_WINDOW_SIZE, 1 << 30)])
    peer.send(frames.window_update(0, 1 << 30))
    stream = peer.call(b"x", *GZIP)
    assert await parts_until_ended(peer, stream) >= 20 // STEPS_TOGETHER
    body, messages = peer.reply(stream).body, []
    while body:
        size = 5 + int.from_bytes(body[1:5], "big")
        messages.append(unzipped(body[:size]))
        body = body[size:]
    assert messages == [b"afirst", b"b" + LONG, b"clast"]


async def test_a_call_that_is_reset_is_compressed_no_further() -> None:
    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        await asyncio.sleep(0)
        return LONG

    peer = serving(handler)
    stream = peer.call(b"x", *GZIP)
    (call,) = peer.connection.streams.values()
    await turns(4)
    assert call.coroutine is not None
    peer.send(frames.rst_stream(stream, frames.CANCEL))
    await turns(30)
    assert call.coroutine is None
    assert call.handler_state is HandlerState.CANCELLED
    assert peer.reply(stream).blocks == []
