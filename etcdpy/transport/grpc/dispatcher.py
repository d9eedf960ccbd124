"""
Runs handlers: the marked ones step by step without a task; the others have one each.

A handler without a task that has to wait is parked on the future it waits for, and so is a
response that is held back until a future is resolved. Many park on the same future (a batch on
its way to the disk), so a future gets one callback, which resumes all of them and has each
connection written once.
"""

from __future__ import annotations

import asyncio
import math
from asyncio import CancelledError, Future
from collections import deque
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, Final

from etcdpy.clock import Clock, stopwatch
from etcdpy.cooperative import DeferredReply, LongReply, Turnstile
from etcdpy.transport.grpc.context import Context, unreadable
from etcdpy.transport.grpc.deadlines import DeadlineTimer
from etcdpy.transport.grpc.endings import Endings, count_failed
from etcdpy.transport.grpc.long_responses import (
    Compressed,
    Sent,
    compress_long,
    compressed,
    send_long,
)
from etcdpy.transport.grpc.messages import is_long
from etcdpy.transport.grpc.observer import Observer
from etcdpy.transport.grpc.states import HandlerInput, HandlerState, move_handler
from etcdpy.transport.grpc.status import (
    DEADLINE_EXCEEDED,
    ProtocolStatus,
    Translate,
    untranslated,
)
from etcdpy.transport.grpc.task_handlers import TaskHandlers
from etcdpy.transport.http import HttpHandler

_ANSWERS_PER_TURN: Final = 64
"""Requests of one stream answered between two turns of the loop: thousands may have come."""

_ANSWERED_BYTES_PER_TURN: Final = 64 << 10
"""The same in bytes of requests, inflated: ten megabytes may have come in ten kilobytes."""

_RESUMED_PER_TURN: Final = 256
"""Calls that have waited for the same, resumed in one turn of the loop: about two milliseconds."""

_RESUMING_SECONDS: Final = 0.002
"""How long handlers that have waited go on in one turn of the loop: each does so for a millisecond
or so, and there may be hundreds. The others have their turn in the next one."""

# Constants of this module are found faster than members of an enum.
_IDLE: Final = HandlerState.IDLE
_RUNNING: Final = HandlerState.RUNNING


class Dispatcher:
    """
    Runs the calls of all connections of a server; see :class:`.CallHandler`.

    Args:
        loop: Where it runs.
        http: Answers requests that are not gRPC.
        clock: What deadlines are on.
        observer: Gets unary calls that have ended.
        translate: Says which status an exception of a handler stands for.
        call_type: What calls are made of.
        on_task: Called for each handler that begins in a task.

    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        http: HttpHandler,
        clock: Clock,
        *,
        observer: Observer | None = None,
        translate: Translate = untranslated,
        call_type: type[Context] = Context,
        on_task: Callable[[], None] = lambda: None,
    ) -> None:
        self.call_type = call_type
        self.clock = clock
        self.turnstile = Turnstile()
        self._loop = loop
        self._monotonic = clock.monotonic
        self._deadlines = DeadlineTimer(clock, self._expired)
        observer = observer or Observer()
        self._endings = Endings(loop, self._deadlines, clock, observer, translate)
        self._tasks = TaskHandlers(loop, self._endings, self._deadlines, clock, http, on_task)
        self._limit = self._endings.limit
        # Calls that had arrived before this are reported when they end.
        self._reported_before = math.inf if self._limit == -math.inf else -math.inf
        self._parked: dict[Future[Any], list[Context]] = {}
        # Those that have given way, in the order in which they have their turns; whether one is
        # due, and until when handlers may go on in this turn of the loop.
        self._yielded: deque[Context] = deque()
        self._is_resuming = False
        self._until = 0.0

    # Starting.

    def start_unary(self, call: Context, message: bytes) -> None:
        """Run the handler of a method that takes one request."""
        route = call.head.route
        assert route is not None
        if not route.inline:
            self._tasks.start_unary(call, message)
            return
        # Fast path (bench: range/100x1, put/100x1): 2 µs less than a task. deserialize() is
        # spelled out, and a handler that does not wait leaves no trace in the call.
        try:
            request = route.deserialize(message)
        except Exception:  # noqa: BLE001 (whatever a deserializer raises)
            call.head.tally.received += len(message)
            self._endings.fail(call, unreadable())
            return
        tally = call.head.tally
        tally.started += 1
        tally.received += len(message)
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
            count_failed(call, self._endings.fail(call, error))
            self._endings.ended(call)
            return
        if type(response) is DeferredReply:
            response, future = response
            if future is not None:
                # Of thousands that wait for the disk the messages alone are kept.
                self._waits(call, message)
                self._hold(call, response, future)
                return
        if coroutine is not None:
            self._waits(call, message if route.patient else request)
            self._park(call, coroutine, waiting)
        elif response is not None and call.response_options is None:
            try:
                body = route.serialize(response)
            except Exception as error:  # noqa: BLE001
                count_failed(call, self._endings.fail(call, error))
                return
            call.channel.sender.reply(call, body)
        else:
            count_failed(call, self._endings.answer(call, response))
            self._endings.ended(call)

    def start_stream(self, call: Context) -> None:
        """Run the handler of a method that takes a stream of requests."""
        assert call.head.route is not None
        call.head.tally.started += 1
        call.arrived = call.channel.now
        if call.head.route.one_reply_per_request:
            # Fast path (bench: keepalive/100): IDLE and WAIT.
            call.handler_state = _RUNNING
            call.started = math.inf  # streams are not reported
            if call.deadline is not None:
                self._deadlines.watch(call)
            call.channel.expect(call)
            return
        self._tasks.start_stream(call)

    def start_http(self, call: Context, body: bytes | None) -> None:
        """Answer a request that is not gRPC."""
        self._tasks.start_http(call, body)

    def cancel(self, call: Context) -> None:
        """Stop the handler, if it runs, of a call whose stream is closed."""
        if call.tick:
            self._deadlines.discard(call)
        if call.handler_state is not _RUNNING:
            return
        call.handler_state = move_handler(call.handler_state, HandlerInput.LOSE_STREAM)
        # Until it has ended it takes a place, or resets would buy work (CVE-2023-44487).
        call.channel.orphaned()
        if call.task is not None:
            if call.passing is not None:
                call.channel.expect_no_more(call)
            call.task.cancel()
        elif call.coroutine is not None:
            coroutine, call.coroutine = call.coroutine, None
            self._unpark(call)
            # As a task would be cancelled: its finally blocks run, now.
            self._step(call, coroutine, CancelledError())
        elif call.waiting is not None:
            self._unpark(call)
            call.held = None
            self._endings.ended(call)
            code = self._endings.lost_code(call)
            count_failed(call, code)
            if call.started < self._reported_before:
                self._endings.report(call, None, code)
        else:
            # A stream all of whose requests so far have their responses.
            call.channel.expect_no_more(call)
            self._endings.ended(call)
            self._endings.count(call, self._endings.lost_code(call))

    async def close(self) -> None:
        """Cancel what still runs and wait for it, but not for ever."""
        self._deadlines.close()
        await self._tasks.close()

    # Streams each of whose requests gets a response.

    def answer_one(self, call: Context, message: bytes) -> None:
        """Answer the next request of a stream that is expected."""
        if call.passing is not None:
            self._pass_on(call, message, *call.passing)
            return
        route = call.head.route
        assert route is not None
        # Fast path (bench: keepalive/100): a third of the cost of waking a coroutine that reads and
        # writes.
        try:
            request = route.deserialize(message)
        except Exception:  # noqa: BLE001 (whatever a deserializer raises)
            self._break(call, unreadable())
            return
        tally = call.head.tally
        tally.read += 1
        tally.received += len(message)
        try:
            response = route.behavior(request, call)
            if type(response) is not CoroutineType:
                body = route.serialize(response)
                if type(body) is bytes and call.channel.sender.try_message(call, b"", body):
                    return
        except (Exception, CancelledError) as error:  # noqa: BLE001
            self._break(call, error)
            return
        # It has to wait, for itself or for room, and so has what comes after it.
        call.channel.expect_no_more(call)
        self._step(call, self._answer_late(call, response))

    def _pass_on(
        self,
        call: Context,
        message: bytes,
        take: Callable[[Any], bool],
        take_encoded: Callable[[bytes], bool] | None,
        refused: Future[Any],
    ) -> None:
        """Give the next request of a stream to what takes them, or wake its handler with it."""
        # Fast path (bench: watch-crowd/100000): half the cost of waking a handler that reads.
        # deserialize_next() is spelled out.
        route = call.head.route
        assert route is not None
        tally = call.head.tally
        tally.read += 1
        tally.received += len(message)
        if take_encoded is not None and take_encoded(message):
            return
        try:
            request = route.deserialize(message)
        except Exception:  # noqa: BLE001 (whatever a deserializer raises)
            refused.set_exception(unreadable())
            call.channel.expect_no_more(call)
            return
        try:
            if take(request):
                return
        except Exception as error:  # noqa: BLE001 (a handler may do anything)
            refused.set_exception(error)
        else:
            refused.set_result(request)
        call.channel.expect_no_more(call)

    def answer_arrived(self, call: Context) -> None:
        """Answer what waits in a stream each of whose requests gets a response; see to its end."""
        # A coroutine that waits will look by itself.
        if call.coroutine is not None:
            return
        call.channel.expect_no_more(call)
        if call.incoming is not None:
            self._step(call, self._answer_all(call))
        else:
            # Fast path (bench: keepalive/100): all that came had its answer already.
            self._answered(call, is_over=call.stream_state.is_ended_by_client)

    async def _answer_late(self, call: Context, response: Any) -> bool:
        """Give a response that has to wait, then answer what has arrived meanwhile."""
        await self._respond(call, response)
        return await self._answer_all(call)

    async def _answer_all(self, call: Context) -> bool:
        """Answer what has arrived; return whether that was all of the stream."""
        assert call.head.route is not None
        answered = size = 0
        while (message := call.take_message()) is not None:
            await self._respond(
                call, call.head.route.behavior(call.deserialize_next(message), call)
            )
            answered += 1
            size += len(message)
            if answered >= _ANSWERS_PER_TURN or size >= _ANSWERED_BYTES_PER_TURN:
                await self.turnstile.turn()
                answered = size = 0
        return call.stream_state.is_ended_by_client

    async def _respond(self, call: Context, response: Any) -> None:
        await call.write(await response if type(response) is CoroutineType else response)

    def _answered(self, call: Context, *, is_over: bool) -> None:
        """Wait for the next request of such a stream, or end it with success."""
        if is_over:
            self._endings.ended(call)
            self._endings.count(call, self._endings.finish(call))
        else:
            call.channel.expect(call)

    def _break(self, call: Context, error: BaseException) -> None:
        """End a stream whose requests are answered one by one with an error."""
        call.channel.expect_no_more(call)
        self._endings.ended(call)
        self._endings.count(call, self._endings.fail(call, error))

    # Handlers without a task.

    def _waits(self, call: Context, request: Any) -> None:
        """
        Note that a call is not answered in the turn in which it arrived.

        Args:
            request: What its handler was given, or the message that it was decoded from.

        """
        # Fast path (bench: put/100x1): IDLE and WAIT, for its handler has just been called.
        call.handler_state = _RUNNING
        call.request = request
        # A clock that was read anyway: what never waits pays nothing for being timed.
        call.started = call.channel.now
        if call.deadline is not None:
            self._deadlines.watch(call)

    def _step(
        self, call: Context, coroutine: Coroutine[Any, Any, Any], error: BaseException | None = None
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
            if type(response) is LongReply:
                long = compress_long if call.compresses else send_long
                self._step(call, long(call, response))
            elif type(response) is Sent:
                self._end(call, response.reply, is_sent=True)
            else:
                self._end(call, response)
        except (Exception, CancelledError) as failure:  # noqa: BLE001
            # It would hold itself, by the frames that it came through, and all that these hold.
            error = None
            self._end_badly(call, failure)
        else:
            self._park(call, coroutine, waiting)

    def _park(self, call: Context, coroutine: Coroutine[Any, Any, Any], waiting: Any) -> None:
        """Resume a handler once what it has yielded is done."""
        call.coroutine = coroutine
        if waiting is None:
            # A bare yield, as in asyncio.sleep(0).
            self._yielded.append(call)
            self._resume_soon()
            return
        # What asyncio.Task expects of a future, too.
        if getattr(waiting, "_asyncio_future_blocking", None) is None:
            self._step(call, coroutine, RuntimeError(f"awaited {waiting!r}, which is no future"))
            return
        waiting._asyncio_future_blocking = False
        self._wait(call, waiting)

    def _hold(self, call: Context, response: Any, future: Future[Any]) -> None:
        """Answer once ``future`` is resolved."""
        call.held = response
        self._wait(call, future)

    def _wait(self, call: Context, future: Future[Any]) -> None:
        """Have :meth:`_resume` called for a call, with all others that wait for the future."""
        call.waiting = future
        calls = self._parked.get(future)
        if calls is None:
            self._parked[future] = [call]
            future.add_done_callback(self._wake)
        else:
            calls.append(call)

    def _unpark(self, call: Context) -> None:
        """Let a call wait for nothing any more."""
        future, call.waiting = call.waiting, None
        # Of many that wait for one future, :meth:`_resume` skips those that do no more. What is
        # for one alone may never be resolved, and must not be kept.
        if future is not None and self._parked.get(future) == [call]:
            del self._parked[future]
            future.remove_done_callback(self._wake)
            future.add_done_callback(_retrieve)

    def _wake(self, future: Future[Any]) -> None:
        # None are left if the last of them has been cancelled since it was resolved.
        calls = self._parked.pop(future, [])
        if len(calls) <= _RESUMED_PER_TURN:
            self._resume(calls, future)
        else:
            self._resume_some(calls, future, 0)

    def _resume_some(self, calls: list[Context], future: Future[Any], first: int) -> None:
        """Go on with very many calls, some in each turn of the loop."""
        last = first + _RESUMED_PER_TURN
        if last < len(calls):
            self._loop.call_soon(self._resume_some, calls, future, last)
        self._resume(calls[first:last], future)

    def _resume_soon(self) -> None:
        if not self._is_resuming:
            self._is_resuming = True
            self._loop.call_soon(self._resume_yielded)

    def _resume_yielded(self) -> None:
        """Go on with calls that have given way, for a while; each at most once."""
        self._is_resuming = False
        self._until = 0.0
        self._reported_before = self._monotonic() - self._limit
        yielded, channels = self._yielded, set()
        until = self._begin_resuming() if yielded else 0.0
        for _ in range(len(yielded)):
            if stopwatch() >= until:
                break
            call = yielded.popleft()
            coroutine = call.coroutine
            # Cancelled meanwhile, it has ended or waits for something else.
            if coroutine is not None and call.waiting is None:
                call.coroutine = None
                self._step(call, coroutine)
                channels.add(call.channel)
        for channel in channels:
            channel.flush()
        if yielded:
            self._resume_soon()

    def _begin_resuming(self) -> float:
        """Return until when handlers may go on in this turn of the loop, of which none has yet."""
        self._until = stopwatch() + _RESUMING_SECONDS
        # With which the next one begins.
        self._resume_soon()
        return self._until

    def _resume(self, calls: list[Context], future: Future[Any]) -> None:
        """Go on with calls that waited for one future."""
        self._reported_before = self._monotonic() - self._limit
        # Fast path (bench: put/100x1): a future is asked once for all who wait for it.
        is_good = not future.cancelled() and future.exception() is None
        handlers: list[Context] = []
        for call in calls:
            # Cancelled meanwhile, it has ended or waits for something else.
            if call.waiting is not future:
                continue
            if call.coroutine is not None:
                # After the others, who have only to be sent their replies.
                handlers.append(call)
            elif is_good:
                call.waiting = None
                response, call.held = call.held, None
                self._end(call, response)
            else:
                call.waiting = call.held = None
                self._end_badly(call, _error_of(future))
        if handlers:
            self._resume_handlers(handlers, future)
        for channel in {call.channel for call in calls}:
            channel.flush()

    def _resume_handlers(self, calls: list[Context], future: Future[Any]) -> None:
        """Go on with handlers that waited for a future, or put them behind those that gave way."""
        until = self._until or self._begin_resuming()
        for call in calls:
            coroutine = call.coroutine
            # One may have cancelled another.
            if coroutine is None or call.waiting is not future:
                continue
            call.waiting = None
            if stopwatch() < until:
                call.coroutine = None
                self._step(call, coroutine)
            else:
                self._yielded.append(call)

    def _end(self, call: Context, response: Any, *, is_sent: bool = False) -> None:
        """End a call whose handler has returned; the response may have been sent already."""
        message = None
        if call.head.is_gzip:
            if type(response) is Compressed:
                response, message = response
            elif is_long(response) and call.compresses and not call.is_answered:
                if call.handler_state is _IDLE:
                    self._waits(call, call.request)
                self._step(call, compressed(call, response))
                return
        endings = self._endings
        endings.ended(call)
        code = endings.finish(call) if is_sent else endings.answer(call, response, message)
        if code:
            count_failed(call, code)
        if call.started < self._reported_before:
            endings.report(call, response, code)

    def _end_badly(self, call: Context, error: BaseException) -> None:
        """End a call whose handler has raised."""
        self._endings.ended(call)
        code = self._endings.fail(call, error)
        self._endings.count(call, code)
        if call.started < self._reported_before:
            self._endings.report(call, None, code)

    # Deadlines.

    def watch(self, call: Context) -> None:
        """End a call at its deadline, if it has one."""
        self._deadlines.watch(call)

    def unwatch(self, call: Context) -> None:
        """Watch its deadline no more."""
        self._deadlines.discard(call)

    def _expired(self, call: Context) -> None:
        # Before the handler is cancelled, which would end the call with a status of its own.
        call.channel.sender.cut(call, DEADLINE_EXCEEDED, "context deadline exceeded")
        self.cancel(call)
        call.channel.touch()


class ObservedDispatcher(Dispatcher):
    """Runs handlers where a listener gets every unary call, also those that do not wait."""

    def start_unary(self, call: Context, message: bytes) -> None:
        """Run the handler of a method that takes one request."""
        route = call.head.route
        assert route is not None
        if not route.inline:
            self._tasks.start_unary(call, message)
            return
        # As in Dispatcher, but that each way out ends in _report: a coroutine around the handler
        # would be shorter, and cost as much again as a Range of one key.
        call.request = None
        call.started = call.channel.now
        coroutine = None
        try:
            request = call.request = call.deserialize(message)
        except ProtocolStatus as error:
            self._endings.report(call, None, self._endings.fail(call, error))
            return
        tally = call.head.tally
        tally.started += 1
        tally.received += len(message)
        try:
            response = route.behavior(request, call)
            if type(response) is CoroutineType:
                waiting = response.send(None)
                coroutine = response
        except StopIteration as stop:
            response = stop.value
        except (Exception, CancelledError) as error:  # noqa: BLE001 (a handler may do anything)
            self._end_badly(call, error)
            return
        if coroutine is not None:
            self._waits(call, message if route.patient else request)
            self._park(call, coroutine, waiting)
            return
        if type(response) is DeferredReply:
            response, future = response
            if future is not None:
                self._waits(call, request)
                self._hold(call, response, future)
                return
        self._end(call, response)


def dispatcher_type(observer: Observer) -> type[Dispatcher]:
    """Return which of the two serves the listeners of an observer."""
    return ObservedDispatcher if observer.limit == -math.inf else Dispatcher


def _error_of(future: Future[Any]) -> BaseException:
    """Return why a future has no result."""
    try:
        future.result()
    except (Exception, CancelledError) as error:  # noqa: BLE001 (it may have failed with any)
        return error
    raise AssertionError("it has one")


def _retrieve(future: Future[Any]) -> None:
    """Look at the error of a future that nobody waits for any more: asyncio would report it."""
    if not future.cancelled():
        future.exception()
