"""
Runs handlers: the marked ones step by step without a task, the others each in a task.

A handler without a task that has to wait is parked on the future it waits for, and so is a
response that is held back until a future is resolved. Many park on the same future (a batch on
its way to the disk), so a future gets one callback, which resumes all of them and has each
connection written once.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from asyncio import CancelledError, Future
from collections.abc import Coroutine
from types import CoroutineType
from typing import Any, Final

from etcdpy.cooperative import DeferredReply
from etcdpy.transport.grpc.call import Call
from etcdpy.transport.grpc.context import Context, RequestIterator, unreadable
from etcdpy.transport.grpc.deadlines import Deadlines
from etcdpy.transport.grpc.observer import SlowCalls
from etcdpy.transport.grpc.status import (
    CANCELLED,
    DEADLINE_EXCEEDED,
    NUMBER_OF,
    OK,
    UNIMPLEMENTED,
    UNKNOWN,
    ProtocolStatus,
    StatusError,
    Translate,
    untranslated,
)
from etcdpy.transport.http import HttpHandler, HttpRequest, HttpResponse, plain_text
from etcdpy.transport.http2.frames import INTERNAL_ERROR

_logger: Final = logging.getLogger(__name__)

_ANSWERS_PER_TURN: Final = 64
"""Requests of one stream answered between two turns of the loop: thousands may have come."""


class Dispatcher:
    """Runs the calls of all connections of a server; see :class:`.connection.CallHandler`."""

    call_type: type[Call] = Context

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        http: HttpHandler,
        slow: SlowCalls | None = None,
        translate: Translate = untranslated,
    ) -> None:
        self._loop = loop
        self._http = http
        self._translate = translate
        self._slow = slow or SlowCalls()
        # Calls that had arrived before this are slow.
        self._slow_before = 0.0
        self._deadlines = Deadlines()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._parked: dict[Future[Any], list[Call]] = {}
        self._yielded: list[Call] = []
        # The loop itself only keeps weak references to tasks.
        self._tasks: set[asyncio.Task[None]] = set()

    # Starting.

    def start_unary(self, call: Call, message: bytes) -> None:
        """Run the handler of a method that takes one request."""
        route = call.head.route
        assert route is not None
        if not route.inline:
            self._spawn(call, self._run_unary(call, message))
            return
        # Fast path, measured: 2 µs less than a task. deserialize() is spelled out.
        try:
            request = route.deserialize(message)
        except Exception:  # noqa: BLE001 (whatever a deserializer raises)
            self._fail(call, unreadable())
            return
        try:
            response = route.behavior(request, call)
            if type(response) is CoroutineType:
                waiting = response.send(None)
                coroutine = response
            else:
                coroutine = None
        except StopIteration as stop:
            coroutine, response = None, stop.value
        except (Exception, CancelledError) as error:  # noqa: BLE001 (a handler may do anything)
            self._fail(call, error)
            self._ended(call)
            return
        if type(response) is DeferredReply:
            response, future = response
            if future is not None:
                self._waits(call, request)
                self._hold(call, response, future)
                return
        if coroutine is not None:
            self._waits(call, request)
            self._park(call, coroutine, waiting)
        elif response is not None and call.response_options is None:
            try:
                body = route.serialize(response)
            except Exception as error:  # noqa: BLE001
                self._fail(call, error)
                return
            call.connection.sender.reply(call, body)
        else:
            self._answer(call, response)
            self._ended(call)

    def start_stream(self, call: Call) -> None:
        """Run the handler of a method that takes a stream of requests."""
        assert isinstance(call, Context)
        assert call.head.route is not None
        if call.head.route.one_reply_per_request:
            call.is_running = True
            call.started = math.inf  # such a stream is never slow
            self.watch(call)
            call.connection.expect(call)
            return
        requests = RequestIterator(call)
        self._spawn(call, self._run(call, requests))

    def start_http(self, call: Call, body: bytes | None) -> None:
        """Answer a request that is not gRPC."""
        self._spawn(call, self._run_http(call, body))

    def cancel(self, call: Call) -> None:
        """Forget a call and stop its handler: the client will not read an answer."""
        call.is_answered = True
        if call.tick:
            self._deadlines.discard(call)
        if not call.is_running:
            return
        if not call.is_orphan:
            call.connection.orphaned(call)
        if call.task is not None:
            call.task.cancel()
        elif call.coroutine is not None:
            coroutine, call.coroutine = call.coroutine, None
            self._unpark(call)
            self._step(call, coroutine, CancelledError())
        elif call.waiting is not None:
            self._unpark(call)
            self._ended(call)
        else:
            # A stream all of whose requests so far have their responses.
            call.connection.awaiting_next.pop(call.stream_id, None)
            self._ended(call)

    async def close(self) -> None:
        """Cancel what still runs and wait for it, but not for ever."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)

    # Streams each of whose requests gets a response.

    def answer_one(self, call: Call, message: bytes) -> None:
        """Answer the next request of a stream in ``connection.awaiting_next``."""
        route = call.head.route
        assert route is not None
        # Fast path, measured: a third of the cost of waking a coroutine that reads and writes.
        try:
            request = route.deserialize(message)
        except Exception:  # noqa: BLE001 (whatever a deserializer raises)
            self._break(call, unreadable())
            return
        try:
            response = route.behavior(request, call)
            if type(response) is not CoroutineType:
                body = route.serialize(response)
                if call.connection.sender.try_message(call, b"", body):
                    return
        except (Exception, CancelledError) as error:  # noqa: BLE001
            self._break(call, error)
            return
        # It has to wait, for itself or for room, and so has what comes after it.
        call.connection.awaiting_next.pop(call.stream_id, None)
        self._step(call, self._answer_late(call, response))

    def answer_arrived(self, call: Call) -> None:
        """Answer what waits in a stream each of whose requests gets a response; see to its end."""
        # A coroutine that waits will look by itself.
        if call.coroutine is None:
            call.connection.awaiting_next.pop(call.stream_id, None)
            self._step(call, self._answer_all(call))

    async def _answer_late(self, call: Call, response: Any) -> bool:
        """Give a response that has to wait; then as below."""
        await self._respond(call, response)
        return await self._answer_all(call)

    async def _answer_all(self, call: Call) -> bool:
        """Answer what has arrived; return whether that was all of the stream."""
        assert isinstance(call, Context)
        assert call.head.route is not None
        answered = 0
        while (message := call.next_message()) is not None:
            await self._respond(call, call.head.route.behavior(call.deserialize(message), call))
            answered += 1
            if answered % _ANSWERS_PER_TURN == 0:
                await asyncio.sleep(0)
        return call.remote_closed

    async def _respond(self, call: Call, response: Any) -> None:
        assert isinstance(call, Context)
        await call.write(await response if type(response) is CoroutineType else response)

    def _answered(self, call: Call, *, is_over: bool) -> None:
        if is_over:
            self._ended(call)
            self._finish(call)
        else:
            call.connection.expect(call)

    def _break(self, call: Call, error: BaseException) -> None:
        call.connection.awaiting_next.pop(call.stream_id, None)
        self._ended(call)
        self._fail(call, error)

    # Handlers without a task.

    def _waits(self, call: Call, request: Any) -> None:
        """Note that a call is not answered in the turn in which it arrived."""
        call.is_running = True
        call.request = request
        # A clock that was read anyway: what never waits pays nothing for being timed.
        call.started = call.connection.now
        if call.deadline is not None:
            self.watch(call)

    def _step(
        self, call: Call, coroutine: Coroutine[Any, Any, Any], error: BaseException | None = None
    ) -> None:
        """Resume a parked handler; its output is for the caller to have written."""
        try:
            waiting = coroutine.send(None) if error is None else coroutine.throw(error)
        except StopIteration as stop:
            response = stop.value
            assert call.head.route is not None
            if call.head.route.one_reply_per_request:
                self._answered(call, is_over=response)
                return
            if type(response) is DeferredReply:
                response, future = response
                if future is not None:
                    self._hold(call, response, future)
                    return
            self._end(call, response)
        except (Exception, CancelledError) as failure:  # noqa: BLE001
            self._end_badly(call, failure)
        else:
            self._park(call, coroutine, waiting)

    def _park(self, call: Call, coroutine: Coroutine[Any, Any, Any], waiting: Any) -> None:
        call.coroutine = coroutine
        if waiting is None:
            # A bare yield, as in asyncio.sleep(0).
            if not self._yielded:
                self._loop.call_soon(self._resume_yielded)
            self._yielded.append(call)
            return
        # What asyncio.Task expects of a future, too.
        if getattr(waiting, "_asyncio_future_blocking", None) is None:
            self._step(call, coroutine, RuntimeError(f"awaited {waiting!r}, which is no future"))
            return
        waiting._asyncio_future_blocking = False
        self._wait(call, waiting)

    def _hold(self, call: Call, response: Any, future: Future[Any]) -> None:
        """Answer once ``future`` is resolved."""
        call.held = response
        self._wait(call, future)

    def _wait(self, call: Call, future: Future[Any]) -> None:
        call.waiting = future
        calls = self._parked.get(future)
        if calls is None:
            self._parked[future] = [call]
            future.add_done_callback(self._wake)
        else:
            calls.append(call)

    def _unpark(self, call: Call) -> None:
        future, call.waiting = call.waiting, None
        # Of many who wait for one future, :meth:`_resume` finds out who does no more. What is
        # for one alone may never be resolved, and must not be kept.
        if future is not None and self._parked.get(future) == [call]:
            del self._parked[future]
            future.remove_done_callback(self._wake)
            future.add_done_callback(_retrieve)

    def _wake(self, future: Future[Any]) -> None:
        self._resume(self._parked.pop(future), future)

    def _resume_yielded(self) -> None:
        calls, self._yielded = self._yielded, []
        self._resume(calls, None)

    def _resume(self, calls: list[Call], future: Future[Any] | None) -> None:
        self._slow_before = time.monotonic() - self._slow.limit
        for call in calls:
            # Cancelled meanwhile, it has ended or waits for something else.
            if call.waiting is not future:
                continue
            coroutine = call.coroutine
            if coroutine is not None:
                call.coroutine = call.waiting = None
                self._step(call, coroutine)
            elif future is not None:
                call.waiting = None
                self._release(call, future)
        for connection in {call.connection for call in calls}:
            connection.write()

    def _release(self, call: Call, future: Future[Any]) -> None:
        """Answer what was held back."""
        response, call.held = call.held, None
        try:
            future.result()
        except (Exception, CancelledError) as error:  # noqa: BLE001
            self._end_badly(call, error)
        else:
            self._end(call, response)

    def _end(self, call: Call, response: Any) -> None:
        self._ended(call)
        self._answer(call, response)
        if call.started < self._slow_before:
            self._slow.ended(call, response)

    def _end_badly(self, call: Call, error: BaseException) -> None:
        self._ended(call)
        self._fail(call, error)
        if call.started < self._slow_before:
            self._slow.ended(call, None)

    # Handlers in tasks.

    def _spawn(self, call: Call, coroutine: Coroutine[Any, Any, None]) -> None:
        call.is_running = True
        self.watch(call)
        call.task = task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_unary(self, call: Call, message: bytes) -> None:
        assert isinstance(call, Context)
        try:
            request = call.deserialize(message)
        except ProtocolStatus as error:
            self._ended(call)
            self._fail(call, error)
            call.connection.touch()
            return
        await self._run(call, request)

    async def _run(self, call: Context, request: Any) -> None:
        """Run a handler of any kind to its end and see to the status."""
        route = call.head.route
        assert route is not None
        try:
            result = route.behavior(request, call)
            if not hasattr(result, "__aiter__"):
                result = await result
            elif route.response_streaming:
                async for response in result:
                    await call.write(response)
                result = None
        except (Exception, CancelledError) as error:  # noqa: BLE001
            self._ended(call)
            self._fail(call, error)
        else:
            self._ended(call)
            if route.response_streaming:
                self._finish(call)
            else:
                self._answer(call, result)
        call.connection.touch()

    async def _run_http(self, call: Call, body: bytes | None) -> None:
        head = call.head
        assert head.http_fields is not None
        sender = call.connection.sender
        try:
            if body is None:
                response = plain_text(413, b"request body too large\n")
            else:
                request = HttpRequest(
                    head.method,
                    head.path,
                    head.authority,
                    head.http_fields,
                    body,
                    call.connection.peer,
                )
                response = await self._http(request)
            await self._send_http(call, response)
        except (Exception, CancelledError) as error:
            if not isinstance(error, CancelledError):
                _logger.exception("request %s %s failed", head.method, head.path)
            if not call.is_closed:
                call.is_answered = True
                sender.reset(call, INTERNAL_ERROR)
        finally:
            self._ended(call)
            call.connection.touch()

    async def _send_http(self, call: Call, response: HttpResponse) -> None:
        if call.is_closed:
            return
        sender = call.connection.sender
        if call.head.method == "HEAD" or response.body == b"":
            call.is_answered = True
            sender.end(call, response.block())
            return
        call.is_opened = True
        sender.headers(call.stream_id, response.block())
        if isinstance(response.body, bytes):
            sender.data(call, b"", response.body)
        else:
            async for piece in response.body:
                await call.room()
                if piece:
                    sender.data(call, b"", piece)
                    call.connection.touch()
        call.is_answered = True
        sender.end(call, b"")

    # Ending.

    def _ended(self, call: Call) -> None:
        """Note that a handler runs no more; not needed if it neither waited nor set anything."""
        call.is_running = False
        call.task = None
        if call.tick:
            self._deadlines.discard(call)
        if call.is_orphan:
            call.connection.orphan_ended()
        if call.response_options is not None and call.response_options.callbacks:
            # When the status has been sent, as grpcio has it.
            self._loop.call_soon(self._call_back, call)

    def _call_back(self, call: Call) -> None:
        assert call.response_options is not None
        for callback in call.response_options.callbacks:
            try:
                callback(call)
            except Exception:
                _logger.exception("done callback %r failed", callback)

    def _answer(self, call: Call, response: Any) -> None:
        """End a call with one response, unless the handler chose another code."""
        extra = call.response_options
        if call.is_answered:
            return
        if extra is not None and extra.code != OK:
            self._finish(call)
            return
        assert call.head.route is not None
        try:
            body = call.head.route.serialize(response)
        except Exception as error:  # noqa: BLE001
            self._fail(call, error)
            return
        call.connection.sender.reply(call, body)

    def _finish(self, call: Call) -> None:
        """End a call with the status that the handler chose, or success."""
        sender, extra = call.connection.sender, call.response_options
        if extra is not None:
            sender.status(call, extra.code, extra.details, extra.trailing_metadata)
            return
        if not call.is_opened and not call.is_answered:
            # Success is never told in the first block: some clients take that for an error.
            sender.open(call)
        sender.status(call, OK, "")

    def _fail(self, call: Call, error: BaseException) -> None:
        """End a call with the status that an exception stands for."""
        if call.is_answered:
            return
        extra = call.response_options
        sender = call.connection.sender
        error = self._translate(error) or error
        if isinstance(error, StatusError) and not (extra is not None and extra.is_aborted):
            metadata = error.trailing_metadata or call.trailing_metadata()
            sender.status(call, NUMBER_OF[error.code], error.details, metadata)
        elif extra is not None and extra.code != OK:
            # Generated servicers set a code and raise NotImplementedError.
            sender.status(call, extra.code, extra.details, extra.trailing_metadata)
        elif isinstance(error, NotImplementedError):
            sender.status(call, UNIMPLEMENTED, str(error) or "Method not implemented!")
        elif isinstance(error, CancelledError):
            sender.status(call, CANCELLED, "the handler was cancelled")
        else:
            _logger.error("handler of %s failed", call.head.path, exc_info=error)
            sender.status(call, UNKNOWN, f"Unexpected {type(error)}: {error}")

    # Deadlines.

    def watch(self, call: Call) -> None:
        """End a call at its deadline, if it has one."""
        if call.deadline is not None and not call.tick and self._deadlines.add(call):
            earliest = call.tick * Deadlines.TICK
            # A timer that comes too early costs less than setting one for each call.
            if self._timer is None or earliest < self._timer_at:
                self._arm(earliest)

    def unwatch(self, call: Call) -> None:
        """Do not."""
        self._deadlines.discard(call)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        delay = max(0.0, at - time.monotonic())
        self._timer = self._loop.call_later(delay, self._expire)

    def _expire(self) -> None:
        for call in self._deadlines.expire(time.monotonic()):
            call.connection.sender.cut(call, DEADLINE_EXCEEDED, "context deadline exceeded")
            self.cancel(call)
            call.connection.touch()
        self._timer = None
        earliest = self._deadlines.next()
        if earliest is not None:
            self._arm(earliest)


def _retrieve(future: Future[Any]) -> None:
    """Look at the error of a future that nobody waits for any more: asyncio would report it."""
    if not future.cancelled():
        future.exception()
