"""Handlers run on a connection in memory and a real loop."""

from __future__ import annotations

import asyncio
import gc
import math
from typing import Any
from weakref import WeakSet

import grpc
import pytest

from etcdpy.cooperative import DeferredReply
from etcdpy.transport import EndedCall, StatusError, inline, patient
from etcdpy.transport.grpc import dispatcher as dispatcher_module
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.request_head_cache import RequestHeadCache
from etcdpy.transport.grpc.routes import RouteTable
from etcdpy.transport.grpc.states import HandlerState
from etcdpy.transport.http2 import frames

from ..checked import CheckedContext
from ..peer import message
from ..serving import Heard, connected, serving, turns


async def test_handler_that_does_not_wait_is_answered_in_the_same_turn() -> None:
    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        return request

    peer = serving(handler)
    assert peer.reply(peer.call(b"x")).status == (0, "")


async def test_plain_function_answers_at_once_or_returns_who_waits() -> None:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def late(request: bytes) -> bytes:
        return request + await future

    @inline
    def handler(request: bytes, context: Context) -> Any:
        if request == b"refused":
            raise StatusError(grpc.StatusCode.NOT_FOUND, "it is not there")
        return late(request) if request == b"late" else request

    peer = serving(handler)
    assert peer.reply(peer.call(b"x")).body == message(b"x")
    assert peer.reply(peer.call(b"refused")).status == (5, "it is not there")
    stream = peer.call(b"late")
    assert peer.reply(stream).blocks == []
    future.set_result(b"!")
    await turns()
    assert peer.reply(stream).body == message(b"late!")


async def test_one_future_resumes_all_who_wait_for_it_with_one_callback() -> None:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        return request + await future

    peer = serving(handler)
    calls = [peer.call(b"%d" % n) for n in range(20)]
    assert len(future._callbacks) == 1
    future.set_result(b"!")
    await turns()
    assert [peer.reply(s).body for s in calls] == [message(b"%d!" % n) for n in range(20)]


async def test_one_of_them_cancelled_leaves_the_others_and_the_future() -> None:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    ended = []

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        try:
            return await future
        except asyncio.CancelledError:
            ended.append(request)
            raise

    peer = serving(handler)
    first, second = peer.call(b"1"), peer.call(b"2")
    peer.send(frames.rst_stream(first, frames.CANCEL))
    assert ended == [b"1"]
    future.set_result(b"ok")
    await turns()
    assert peer.reply(first).blocks == []
    assert peer.reply(second).body == message(b"ok")


async def test_cancelled_call_leaves_nothing_with_a_future_that_never_ends() -> None:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        return await future

    peer = serving(handler)
    dispatcher: Any = peer.call_handler
    peer.send(frames.rst_stream(peer.call(b""), frames.CANCEL))
    assert dispatcher._parked == {}
    assert dispatcher._wake not in [callback for callback, *_ in future._callbacks]


async def test_error_that_nobody_waits_for_any_more_is_not_reported(caplog: Any) -> None:
    futures: list[asyncio.Future[bytes]] = [asyncio.get_running_loop().create_future()]

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        return await futures[0]

    peer = serving(handler)
    peer.send(frames.rst_stream(peer.call(b""), frames.CANCEL))
    futures.pop().set_exception(RuntimeError("disk"))
    await turns()
    gc.collect()
    assert not caplog.records


async def test_waiting_on_several_futures_in_turn() -> None:
    futures = [asyncio.get_running_loop().create_future() for _ in range(3)]

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        parts = []
        for future in futures:
            parts.append(await future)  # noqa: PERF401 (one by one)
        return b"".join(parts)

    peer = serving(handler)
    stream = peer.call(b"")
    for number, future in enumerate(futures):
        assert peer.reply(stream).blocks == []
        future.set_result(b"%d" % number)
        await turns()
    assert peer.reply(stream).body == message(b"012")


async def test_handler_that_waits_again_while_it_is_cancelled_is_let_end() -> None:
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()
    steps = []

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        try:
            await first
        finally:
            steps.append("cleaning")
            await second
            steps.append("clean")
        return b""

    peer = serving(handler)
    stream = peer.call(b"")
    call = peer.connection.streams[stream]
    peer.send(frames.rst_stream(stream, frames.CANCEL))
    assert steps == ["cleaning"]
    assert call.handler_state is HandlerState.ORPHANED
    first.set_result(None)
    await turns()
    assert steps == ["cleaning"]
    second.set_result(None)
    await turns()
    assert steps == ["cleaning", "clean"]
    assert peer.connection.table.orphans == 0


async def test_awaiting_what_is_no_future_fails_the_call(caplog: Any) -> None:
    class Odd:
        def __await__(self) -> Any:
            yield "odd"

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        await Odd()
        return b""

    peer = serving(handler)
    code, details = peer.reply(peer.call(b"")).status
    assert code == 2
    assert "no future" in details


async def test_deadline_of_a_parked_call() -> None:
    cancelled = asyncio.Event()

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        try:
            await asyncio.get_running_loop().create_future()
            return b""
        except asyncio.CancelledError:
            cancelled.set()
            raise

    peer = serving(handler)
    stream = peer.call(b"", ("grpc-timeout", "10m"))
    await turns()
    assert not cancelled.is_set()
    await peer.clock.advance(0.02)
    await turns()
    assert cancelled.is_set()
    assert peer.reply(stream).status == (4, "context deadline exceeded")


async def test_answered_calls_are_watched_no_more() -> None:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        return await future

    peer = serving(handler)
    dispatcher: Any = peer.call_handler
    for _ in range(10):
        peer.call(b"", ("grpc-timeout", "5S"))
    assert len(dispatcher._deadlines) == 10
    future.set_result(b"")
    await turns()
    assert len(dispatcher._deadlines) == 0


async def test_unreadable_request() -> None:
    def refuse(data: bytes) -> bytes:
        raise ValueError("no message")

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        return request

    async def task(request: bytes, context: Context) -> bytes:
        return request

    for behavior in (handler, task):
        peer = serving(behavior)
        table = RouteTable()
        method: Any = grpc.unary_unary_rpc_method_handler(behavior, refuse)
        table.add_methods("test.Echo", {"Unary": method})
        peer.connection._head_reader._cache = RequestHeadCache(table)
        stream = peer.call(b"x")
        await turns()
        assert peer.reply(stream).status == (
            13,
            "grpc: error unmarshalling request: proto:%C2%A0cannot parse invalid wire-format data",
        )


async def test_call_refers_to_its_handler_only_while_that_runs() -> None:
    contexts: list[Context] = []

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        contexts.append(context)
        await asyncio.sleep(0)
        return request

    peer = serving(handler)
    peer.call(b"x")
    assert contexts[0].coroutine is not None
    await turns()
    assert contexts[0].coroutine is None
    assert contexts[0].handler_state is HandlerState.ENDED


@pytest.mark.parametrize(
    ("slower_than", "is_heard"), [(1.0, True), (3600.0, False), (math.inf, False)]
)
async def test_call_that_waited_longer_than_a_listener_allows_is_heard_of(
    slower_than: float, is_heard: bool
) -> None:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        await asyncio.sleep(0)
        return request + await future

    heard = Heard(slower_than)
    peer = serving(handler, observer=heard.observer)
    stream = peer.call(b"x")
    await turns()
    assert not heard.calls
    peer.now += 2.0
    future.set_result(b"!")
    await turns()
    assert peer.reply(stream).body == message(b"x!")
    expected = EndedCall("/test.Echo/Unary", "", b"x", b"x!", 2.0, 0)
    assert heard.calls == [expected] * is_heard


@pytest.mark.parametrize("slower_than", [1.0, -math.inf])
@pytest.mark.parametrize("has_task", [False, True])
async def test_request_of_a_patient_handler_is_not_kept_but_can_be_told(
    has_task: bool, slower_than: float
) -> None:
    class Asked:
        def __init__(self, message: bytes) -> None:
            self.message = message
            asked.add(self)

    asked: WeakSet[Asked] = WeakSet()
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    @patient
    async def handler(request: Any, context: Context) -> bytes:
        text: bytes = request.message
        del request
        return text + await future

    heard = Heard(slower_than)
    marked = handler if has_task else inline(handler)
    peer = serving(marked, observer=heard.observer, deserializer=Asked)
    stream = peer.call(b"x")
    await turns()
    assert not asked
    peer.now += 2.0
    future.set_result(b"!")
    await turns()
    assert peer.reply(stream).body == message(b"x!")
    assert [call.request.message for call in heard.calls] == [b"x"]


async def test_call_that_never_waits_is_not_heard_of_by_who_wants_slow_ones() -> None:
    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        return request

    heard = Heard(slower_than=1e-9)
    peer = serving(handler, observer=heard.observer)
    assert peer.reply(peer.call(b"x")).status == (0, "")
    await turns()
    assert not heard.calls


async def test_calls_are_made_of_the_type_that_was_asked_for() -> None:
    class Caller(CheckedContext):
        __slots__ = ("user",)
        user: str

    seen: list[Context] = []

    @inline
    def handler(request: bytes, context: Context) -> bytes:
        assert isinstance(context, Caller)
        context.user = request.decode()
        seen.append(context)
        return request

    table = RouteTable()
    table.add_methods("test.Echo", {"Unary": grpc.unary_unary_rpc_method_handler(handler)})
    peer = connected(table, call_type=Caller)
    peer.call(b"root")
    peer.data(peer.open("/test.Echo/Unary"), message(b"alice"))
    assert [getattr(context, "user", None) for context in seen] == ["root", "alice"]


async def test_time_remaining_is_on_the_servers_clock() -> None:
    left: list[float | None] = []

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        left.append(context.time_remaining())
        await asyncio.sleep(0)
        left.append(context.time_remaining())
        return request

    peer = serving(handler)
    peer.call(b"", ("grpc-timeout", "5S"))
    peer.now += 2.0
    await turns()
    assert left == [5.0, 3.0]


async def test_handlers_that_give_way_go_on_some_in_each_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[bytes] = []

    @inline
    async def handler(request: bytes, context: Context) -> bytes:
        for _ in range(2):
            await asyncio.sleep(0)
            steps.append(request)
        return request

    peer = serving(handler)
    monkeypatch.setattr(dispatcher_module, "stopwatch", Watch())
    monkeypatch.setattr(dispatcher_module, "_RESUMING_SECONDS", 3.0)
    streams = [peer.call(name) for name in (b"a", b"b", b"c")]
    seen = []
    for _ in range(4):
        await asyncio.sleep(0)
        seen.append(b"".join(steps))
    assert seen == [b"ab", b"abca", b"abcabc", b"abcabc"]
    peer.read()
    assert [peer.reply(stream).status for stream in streams] == [(0, "")] * 3


async def test_who_has_only_to_be_answered_waits_for_no_handler_that_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work(request: bytes) -> bytes:
        await batch
        return request

    @inline
    def handler(request: bytes, context: Context) -> Any:
        return DeferredReply(request, batch) if request == b"put" else work(request)

    peer = serving(handler)
    monkeypatch.setattr(dispatcher_module, "stopwatch", Watch())
    monkeypatch.setattr(dispatcher_module, "_RESUMING_SECONDS", 3.0)
    working = [peer.call(b"work") for _ in range(4)]
    put = peer.call(b"put")
    batch.set_result(None)
    answered = []
    for _ in range(4):
        await asyncio.sleep(0)
        peer.read()
        answered.append([bool(peer.reply(stream).blocks) for stream in (put, *working)])
    assert answered[0] == [True, True, True, False, False]
    assert answered[-1] == [True] * 5


class Watch:
    """A stopwatch that is moved on by a second each time it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now
