"""Who hears of which calls: on a connection in memory, and on both servers alike."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from etcdpy.cooperative import DeferredReply
from etcdpy.transport import (
    EndedCall,
    Observer,
    Server,
    StatusError,
    inline,
)
from etcdpy.transport.aio.grpcio import ReferenceServer
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.http2 import frames

from ..conftest import OPTIONS, connect
from ..peer import message
from ..service import Service
from ..serving import Heard, serving, turns

PATH = "/test.Echo/Unary"


def ended(seconds: float) -> EndedCall:
    return EndedCall(PATH, "", b"", b"", seconds, 0)


class TestListening:
    def test_nobody_means_no_limit(self) -> None:
        assert Observer().limit == math.inf

    def test_limit_is_the_least_that_somebody_wants(self) -> None:
        observer = Observer()
        observer.listen(print, slower_than=3.0)
        observer.listen(print, slower_than=2.0)
        assert observer.limit == 2.0
        observer.listen(print)
        assert observer.limit == -math.inf

    def test_each_hears_what_it_wants(self) -> None:
        observer = Observer()
        everything: list[EndedCall] = []
        slow: list[EndedCall] = []
        observer.listen(everything.append)
        observer.listen(slow.append, slower_than=2.0)
        calls = [ended(seconds) for seconds in (0.0, 2.0, 2.1)]
        for call in calls:
            observer.ended(call)
        assert everything == calls
        assert slow == calls[2:]

    def test_it_is_too_late_once_a_server_counts_on_fewer(self) -> None:
        observer = Observer()
        observer.listen(print, slower_than=2.0)
        assert observer.use() == 2.0
        observer.listen(print, slower_than=3.0)
        with pytest.raises(RuntimeError, match="before the server listens"):
            observer.listen(print, slower_than=1.0)

    def test_listener_that_fails_is_logged_and_the_next_one_hears(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(call: EndedCall) -> None:
            raise ValueError("oops")

        observer, heard = Observer(), list[EndedCall]()
        observer.listen(fail)
        observer.listen(heard.append)
        observer.ended(ended(1.0))
        assert heard == [ended(1.0)]
        assert "oops" in caplog.text


@inline
async def at_once(request: bytes, context: Context) -> bytes:
    return request


@inline
def plain(request: bytes, context: Context) -> bytes:
    return request


@inline
async def after_waiting(request: bytes, context: Context) -> bytes:
    await asyncio.sleep(0)
    return request


@inline
def nothing_to_wait_for(request: bytes, context: Context) -> DeferredReply:
    return DeferredReply(request, None)


async def in_a_task(request: bytes, context: Context) -> bytes:
    return request


class TestEveryCall:
    """A listener that wants to hear of all."""

    @pytest.mark.parametrize(
        "handler", [at_once, plain, after_waiting, nothing_to_wait_for, in_a_task]
    )
    async def test_is_heard_of_once_however_it_is_run(self, handler: Any) -> None:
        heard = Heard()
        peer = serving(handler, observer=heard.observer)
        stream = peer.call(b"x")
        await turns()
        assert peer.reply(stream).body == message(b"x")
        assert heard.calls == [EndedCall(PATH, "", b"x", b"x", 0.0, 0)]

    async def test_is_heard_of_when_what_it_waits_for_has_come(self) -> None:
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        @inline
        def held(request: bytes, context: Context) -> DeferredReply:
            return DeferredReply(request, ready)

        heard = Heard()
        peer = serving(held, observer=heard.observer)
        peer.call(b"x")
        peer.now += 0.25
        await turns()
        assert not heard.calls
        ready.set_result(None)
        await turns()
        assert heard.calls == [EndedCall(PATH, "", b"x", b"x", 0.25, 0)]

    @pytest.mark.parametrize("has_task", [False, True])
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (StatusError(grpc.StatusCode.NOT_FOUND, "gone"), 5),
            (NotImplementedError(), 12),
            (ValueError("oops"), 2),
        ],
    )
    async def test_that_fails_has_no_response(
        self, error: Exception, code: int, has_task: bool
    ) -> None:
        async def fail(request: bytes, context: Context) -> bytes:
            raise error

        heard = Heard()
        peer = serving(fail if has_task else inline(fail), observer=heard.observer)
        peer.call(b"x")
        await turns()
        assert heard.calls == [EndedCall(PATH, "", b"x", None, 0.0, code)]

    async def test_whose_handler_chose_a_code_has_no_response(self) -> None:
        @inline
        def choose(request: bytes, context: Context) -> bytes:
            context.set_code(grpc.StatusCode.ABORTED)
            return b"not sent"

        heard = Heard()
        serving(choose, observer=heard.observer).call(b"x")
        assert heard.calls == [EndedCall(PATH, "", b"x", None, 0.0, 10)]

    @pytest.mark.parametrize("kind", ["parked", "held", "task", "task not begun"])
    @pytest.mark.parametrize("by_deadline", [False, True])
    async def test_that_is_cancelled_has_the_code_of_why(
        self, kind: str, by_deadline: bool
    ) -> None:
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def wait(request: bytes, context: Context) -> bytes:
            await never
            return request

        @inline
        def hold(request: bytes, context: Context) -> DeferredReply:
            return DeferredReply(request, never)

        async def wait_inline(request: bytes, context: Context) -> bytes:
            return await wait(request, context)

        handlers = {"parked": inline(wait_inline), "held": hold}
        heard = Heard()
        peer = serving(handlers.get(kind, wait), observer=heard.observer)
        stream = peer.call(b"x", ("grpc-timeout", "1S"))
        if kind == "task":
            await turns()
        if by_deadline:
            await peer.clock.advance(2.0)
        else:
            peer.send(frames.rst_stream(stream, frames.CANCEL))
            await turns()
        [call] = heard.calls
        assert (call.response, call.code) == (None, 4 if by_deadline else 1)

    @pytest.mark.parametrize("has_task", [False, True])
    async def test_that_cannot_be_read_has_no_request(self, has_task: bool) -> None:
        def refuse(data: bytes) -> bytes:
            raise ValueError("no message")

        heard = Heard()
        handler = in_a_task if has_task else at_once
        peer = serving(handler, observer=heard.observer, deserializer=refuse)
        peer.call(b"x")
        await turns()
        assert heard.calls == [EndedCall(PATH, "", None, None, 0.0, 13)]


async def test_slow_call_in_a_task_is_heard_of() -> None:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def wait(request: bytes, context: Context) -> bytes:
        return await future

    heard = Heard(slower_than=1.0)
    peer = serving(wait, observer=heard.observer)
    peer.call(b"slow")
    await turns()
    peer.now += 1.5
    peer.call(b"quick")
    await turns()
    future.set_result(b"!")
    await turns()
    assert [(call.request, call.seconds) for call in heard.calls] == [(b"slow", 1.5)]


@pytest.fixture(params=[Server, ReferenceServer], ids=["asyncio", "grpcio"])
async def observed(request: Any, service: Service) -> AsyncIterator[tuple[Any, Heard]]:
    """A client of a server of either kind, and what its listener hears."""
    heard = Heard()
    running: Server | ReferenceServer = request.param(OPTIONS, observer=heard.observer)
    service.register(running)
    port = await running.listen_tcp("127.0.0.1", 0)
    async with connect(f"127.0.0.1:{port}") as channel:
        yield channel, heard
    await running.stop()


class TestBothServers:
    @pytest.mark.parametrize("method", ["Inline", "Task", "Yields"])
    async def test_hear_the_same_of_a_success(
        self, observed: tuple[Any, Heard], method: str
    ) -> None:
        channel, heard = observed
        await channel.unary_unary(f"/test.Service/{method}")(b"x")
        call = await heard.only_call()
        assert (call.path, call.request, call.response) == (f"/test.Service/{method}", b"x", b"x")
        assert call.peer.startswith("ipv4:127.0.0.1:")
        assert (call.code, 0 <= call.seconds < 60) == (0, True)

    @pytest.mark.parametrize(
        ("method", "code"),
        [("Fail", 9), ("Abort", 5), ("SetCode", 11), ("Raise", 2), ("Unimplemented", 12)],
    )
    async def test_hear_the_same_of_a_failure(
        self,
        observed: tuple[Any, Heard],
        method: str,
        code: int,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        channel, heard = observed
        with caplog.at_level(logging.CRITICAL, "grpc"), pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary(f"/test.Service/{method}")(b"x")
        call = await heard.only_call()
        assert (call.path, call.request) == (f"/test.Service/{method}", b"x")
        assert (call.response, call.code) == (None, code)

    async def test_hear_nothing_of_streams(self, observed: tuple[Any, Heard]) -> None:
        channel, heard = observed
        call = channel.unary_stream("/test.Service/Count")(b"3")
        assert len([item async for item in call]) == 3
        requests = iter([b"a", b"b"])
        echo = channel.stream_stream("/test.Service/Echo")(requests)
        assert [item async for item in echo] == [b"a", b"b"]
        assert await channel.stream_unary("/test.Service/Join")(iter([b"a"])) == b"a"
        await channel.unary_unary("/test.Service/Task")(b"x")
        assert (await heard.only_call()).path == "/test.Service/Task"
