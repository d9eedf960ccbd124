"""Handlers with a task each, on a connection in memory."""

from __future__ import annotations

import asyncio
from typing import Any

from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.states import HandlerState
from etcdpy.transport.http2 import frames

from ..serving import serving, turns


async def test_unmarked_handler_has_a_task_of_its_own() -> None:
    tasks = []

    async def handler(request: bytes, context: Context) -> bytes:
        tasks.append(asyncio.current_task())
        return request

    peer = serving(handler)
    stream = peer.call(b"x")
    await turns()
    assert peer.reply(stream).status == (0, "")
    assert tasks[0] is not asyncio.current_task()


async def test_task_cancelled_before_its_first_step_has_ended_all_the_same() -> None:
    called: list[bool] = []

    async def handler(request: bytes, context: Context) -> bytes:
        raise AssertionError("it is cancelled first")

    peer = serving(handler)
    stream = peer.call(b"x")
    call: Any = peer.connection.streams[stream]
    call.add_done_callback(lambda context: called.append(context.cancelled()))
    peer.send(frames.rst_stream(stream, frames.CANCEL))
    assert peer.connection.table.orphans == 1
    await turns()
    assert called == [True]
    assert peer.connection.table.orphans == 0
    assert call.handler_state is HandlerState.CANCELLED


async def test_closing_waits_for_cancelled_handlers_but_not_for_ever() -> None:
    may_end = asyncio.Event()

    async def stubborn(request: bytes, context: Context) -> bytes:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await may_end.wait()
        return request

    peer = serving(stubborn)
    dispatcher: Any = peer.call_handler
    peer.call(b"x")
    await turns()
    closing = asyncio.ensure_future(dispatcher.close())
    await turns()
    assert not closing.done()
    await peer.clock.advance(1.0)
    assert closing.done()
    may_end.set()
    await turns()
    assert not dispatcher._tasks._tasks
