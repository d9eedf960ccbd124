"""Responses that are held back until a future is resolved."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from etcdpy.cooperative import DeferredReply, outcome
from etcdpy.transport import StatusError, inline
from etcdpy.transport.grpc import dispatcher as dispatcher_module
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.http2 import frames

from ..peer import Peer, message
from ..serving import Handler, Heard, serving, turns


def plain(ready: asyncio.Future[None] | None) -> Handler:
    @inline
    def handler(request: bytes, context: Context) -> DeferredReply:
        return DeferredReply(request, ready)

    return handler


def after_waiting(ready: asyncio.Future[None] | None) -> Handler:
    @inline
    async def handler(request: bytes, context: Context) -> DeferredReply:
        await asyncio.sleep(0)
        return DeferredReply(request, ready)

    return handler


BOTH = pytest.mark.parametrize("kind", [plain, after_waiting])
Kind = Callable[[Any], Handler]


def pending() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def begin(kind: Kind, ready: asyncio.Future[None], **options: Any) -> tuple[Peer, int]:
    """Return a peer and the stream of its call, which waits for ``ready``."""
    peer = serving(kind(ready), **options)
    stream = peer.call(b"x")
    await turns()
    assert peer.reply(stream).blocks == []
    return peer, stream


@BOTH
async def test_response_is_sent_once_its_future_is_resolved(kind: Kind) -> None:
    ready = pending()
    peer, stream = await begin(kind, ready)
    ready.set_result(None)
    await turns()
    assert peer.reply(stream).body == message(b"x")
    assert peer.reply(stream).status == (0, "")
    assert not peer.connection.streams


@BOTH
async def test_response_that_waits_for_nothing_is_sent_at_once(kind: Kind) -> None:
    peer = serving(kind(None))
    stream = peer.call(b"x")
    await turns()
    assert peer.reply(stream).body == message(b"x")


async def test_many_that_wait_for_one_future_have_one_callback() -> None:
    ready = pending()
    peer = serving(plain(ready))
    streams = [peer.call(b"%d" % number) for number in range(20)]
    assert len(ready._callbacks) == 1
    ready.set_result(None)
    await turns()
    assert [peer.reply(it).body for it in streams] == [message(b"%d" % n) for n in range(20)]


@BOTH
async def test_call_fails_with_the_error_of_its_future(kind: Kind) -> None:
    ready = pending()
    peer, stream = await begin(kind, ready)
    ready.set_exception(StatusError(grpc.StatusCode.UNAVAILABLE, "the disk is gone"))
    await turns()
    assert peer.reply(stream).status == (14, "the disk is gone")


@BOTH
async def test_call_whose_future_was_cancelled_is_cancelled(kind: Kind) -> None:
    ready = pending()
    peer, stream = await begin(kind, ready)
    ready.cancel()
    await turns()
    assert peer.reply(stream).status[0] == 1


@BOTH
async def test_call_that_its_client_cancels_is_forgotten_with_what_it_held(kind: Kind) -> None:
    ready = pending()
    peer, stream = await begin(kind, ready)
    dispatcher: Any = peer.call_handler
    peer.send(frames.rst_stream(stream, frames.CANCEL))
    assert dispatcher._parked == {}
    assert peer.connection.table.orphans == 0
    ready.set_result(None)
    await turns()
    assert peer.reply(stream).blocks == []


async def test_one_of_many_cancelled_leaves_the_others() -> None:
    ready = pending()
    peer = serving(plain(ready))
    first, second = peer.call(b"1"), peer.call(b"2")
    peer.send(frames.rst_stream(first, frames.CANCEL))
    ready.set_result(None)
    await turns()
    assert peer.reply(first).blocks == []
    assert peer.reply(second).body == message(b"2")


async def test_error_that_nobody_waits_for_any_more_is_not_reported(caplog: Any) -> None:
    futures = [pending()]
    peer, stream = await begin(plain, futures[0])
    peer.send(frames.rst_stream(stream, frames.CANCEL))
    futures.pop().set_exception(RuntimeError("disk"))
    await turns()
    gc.collect()
    assert not caplog.records


async def test_deadline_ends_a_call_that_is_held_back() -> None:
    ended = asyncio.Event()

    @inline
    def handler(request: bytes, context: Context) -> DeferredReply:
        context.add_done_callback(lambda _: ended.set())
        return DeferredReply(request, pending())

    peer = serving(handler)
    dispatcher: Any = peer.call_handler
    stream = peer.call(b"", ("grpc-timeout", "10m"))
    await turns()
    assert not ended.is_set()
    await peer.clock.advance(0.02)
    await turns()
    assert ended.is_set()
    assert peer.reply(stream).status == (4, "context deadline exceeded")
    assert dispatcher._parked == {}


async def test_what_the_handler_has_set_goes_with_the_response() -> None:
    ready = pending()

    @inline
    def handler(request: bytes, context: Context) -> DeferredReply:
        context.set_details("said")
        if request == b"refuse":
            context.set_code(grpc.StatusCode.ABORTED)
        return DeferredReply(request, ready)

    peer = serving(handler)
    good, bad = peer.call(b"x"), peer.call(b"refuse")
    ready.set_result(None)
    await turns()
    assert (peer.reply(good).status, peer.reply(good).body) == ((0, "said"), message(b"x"))
    assert peer.reply(bad).status == (10, "said")


@pytest.mark.parametrize("error", [None, StatusError(grpc.StatusCode.NOT_FOUND, "gone")])
async def test_listeners_hear_how_long_it_took(error: StatusError | None) -> None:
    ready = pending()
    heard = Heard(slower_than=1.0)
    peer = serving(plain(ready), observer=heard.observer)
    peer.call(b"x")
    peer.now += 1.5
    if error is None:
        ready.set_result(None)
    else:
        ready.set_exception(error)
    await turns()
    [call] = heard.calls
    assert (call.request, call.response) == (b"x", b"x" if error is None else None)
    assert call.seconds == 1.5


async def test_request_is_kept_as_it_came_and_decoded_for_those_who_hear_of_it() -> None:
    ready = pending()
    heard = Heard(slower_than=1.0)

    @inline
    def handler(request: bytes, context: Context) -> DeferredReply:
        return DeferredReply(bytes(request), ready)

    peer = serving(handler, observer=heard.observer, deserializer=bytearray)
    peer.call(b"x")
    peer.now += 1.5
    [call] = peer.connection.streams.values()
    assert call.request == b"x"
    assert type(call.request) is bytes
    ready.set_result(None)
    await turns()
    [ended] = heard.calls
    assert ended.request == b"x"
    assert type(ended.request) is bytearray


@BOTH
async def test_callers_in_the_process_wait_for_it_too(kind: Kind) -> None:
    ready = pending()
    call = asyncio.ensure_future(outcome(kind(ready)(b"x", None)))  # type: ignore[arg-type]
    await turns()
    assert not call.done()
    ready.set_result(None)
    await turns()
    assert call.result() == b"x"
    assert await outcome(kind(None)(b"y", None)) == b"y"  # type: ignore[arg-type]


async def test_very_many_that_wait_for_one_future_are_answered_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatcher_module, "_RESUMED_PER_TURN", 2)
    ready = pending()
    peer = serving(plain(ready))
    streams = [peer.call(b"x") for _ in range(5)]
    ready.set_result(None)
    answered = []
    for _ in range(4):
        await asyncio.sleep(0)
        peer.read()
        answered.append(sum(peer.reply(stream).is_ended for stream in streams))
    assert answered == [2, 4, 5, 5]
