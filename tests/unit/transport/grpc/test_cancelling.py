"""Calls that are cancelled while they wait leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from etcdpy.transport import inline
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.http2 import frames

from ..peer import Peer
from ..serving import serving, turns


class Large:
    """What a handler holds."""


@pytest.fixture
def _no_garbage_is_collected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def reset(peer: Peer, stream: int) -> None:
    peer.send(frames.frame(frames.RST_STREAM, 0, stream, bytes(4)))


@pytest.mark.usefixtures("_no_garbage_is_collected")
async def test_what_a_handler_holds_is_let_go_of_at_once() -> None:
    held: list[weakref.ref[Large]] = []

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        large = Large()
        held.append(weakref.ref(large))
        await asyncio.get_running_loop().create_future()
        return request + bytes(large.__sizeof__())

    peer = serving(handler)
    stream = peer.call(b"x")
    assert held[0]() is not None
    reset(peer, stream)
    await turns()
    assert held[0]() is None


async def test_call_may_be_cancelled_when_what_it_waits_for_is_there_already(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        await ready
        return request

    peer = serving(handler)
    stream = peer.call(b"x")
    ready.set_result(None)
    reset(peer, stream)
    await turns()
    assert caplog.records == []
    assert not peer.reply(stream).blocks
