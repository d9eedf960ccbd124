"""How calls end, on a connection in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from etcdpy.transport import EndedCall, StatusError, inline
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.routes import RouteTable

from ..serving import Heard, connected, serving, turns


@pytest.mark.parametrize("fails", [False, True])
async def test_done_callback_of_a_handler_that_does_not_wait(fails: bool) -> None:
    called: list[Context] = []

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        context.add_done_callback(called.append)
        if fails:
            raise StatusError(grpc.StatusCode.ABORTED, "told")
        return request

    peer = serving(handler)
    peer.call(b"x")
    await turns()
    assert [context.done() for context in called] == [True]


@pytest.mark.parametrize("code", [grpc.StatusCode.OK, grpc.StatusCode.ABORTED])
async def test_details_go_with_the_code(code: grpc.StatusCode) -> None:
    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        context.set_code(code)
        context.set_details("said")
        return request

    peer = serving(handler)
    reply = peer.reply(peer.call(b"x"))
    assert reply.status == (code.value[0], "said")
    assert bool(reply.data) is (code is grpc.StatusCode.OK)


async def test_call_that_waited_and_failed_is_heard_of_without_a_response() -> None:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        await future
        raise StatusError(grpc.StatusCode.NOT_FOUND, "gone")

    heard = Heard(slower_than=1.0)
    peer = serving(handler, observer=heard.observer)
    stream = peer.call(b"x")
    peer.now += 2.0
    future.set_result(b"")
    await turns()
    assert peer.reply(stream).status == (5, "gone")
    assert heard.calls == [EndedCall("/test.Echo/Unary", "", b"x", None, 2.0, 5)]


@pytest.mark.parametrize("has_task", [False, True])
@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (StatusError(grpc.StatusCode.NOT_FOUND, "gone"), (5, "gone")),
        (NotImplementedError(), (12, "Method not implemented!")),
        (asyncio.CancelledError(), (1, "the handler was cancelled")),
        (ValueError("what?"), (2, "Unexpected <class 'ValueError'>: what?")),
    ],
)
async def test_each_exception_stands_for_a_status(
    raised: BaseException, status: tuple[int, str], has_task: bool
) -> None:
    async def handler(request: bytes, context: Context) -> bytes:
        raise raised

    peer = serving(handler if has_task else inline(handler))
    stream = peer.call(b"x")
    await turns()
    assert peer.reply(stream).status == status


async def test_status_that_was_chosen_counts_whatever_is_raised() -> None:
    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        context.set_code(grpc.StatusCode.ABORTED)
        context.set_details("chosen")
        raise ValueError("what?")

    peer = serving(handler)
    assert peer.reply(peer.call(b"x")).status == (10, "chosen")


async def test_response_that_cannot_be_encoded_fails_the_call() -> None:
    def refuse(response: bytes) -> bytes:
        raise ValueError("no message")

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        return request

    table = RouteTable()
    method: Any = grpc.unary_unary_rpc_method_handler(handler, None, refuse)
    table.add_methods("test.Echo", {"Unary": method})
    peer = connected(table)
    code, details = peer.reply(peer.call(b"x")).status
    assert (code, "no message" in details) == (2, True)
