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
from asyncio import CancelledError, Future
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from types import CoroutineType
from typing import Any, Final

from etcdpy.clock import Clock, stopwatch
from etcdpy.cooperative import DeferredReply, LongReply, Pieces, Turnstile
from etcdpy.transport.grpc.context import Context, RequestIterator, unreadable
from etcdpy.transport.grpc.deadlines import DeadlineTimer
from etcdpy.transport.grpc.http_call import answer_http
from etcdpy.transport.grpc.long_responses import (
    Compressed,
    Sent,
    compress_long,
    compressed,
    send_long,
)
from etcdpy.transport.grpc.messages import is_long
from etcdpy.transport.grpc.observer import EndedCall, Observer
from etcdpy.transport.grpc.states import (
    HandlerInput,
    HandlerState,
    StreamState,
    move_handler,
)
from etcdpy.transport.grpc.status import (
    CANCELLED,
    DEADLINE_EXCEEDED,
    OK,
    UNIMPLEMENTED,
    UNKNOWN,
    ProtocolStatus,
    StatusError,
    Translate,
    untranslated,
)
from etcdpy.transport.http import HttpHandler

_logger: Final = logging.getLogger(__name__)

_ANSWERS_PER_TURN: Final = 64
"""Requests of one stream answered between two turns of the loop: thousands may have come."""

_ANSWERED_BYTES_PER_TURN: Final = 64 << 10
"""The same in bytes of requests, inflated: ten megabytes may have come in ten kilobytes."""

_RESUMED_PER_TURN: Final = 256
"""Calls that have waited for the same, resumed in one turn of the loop: about two milliseconds."""

_RESUMING_SECONDS: Final = 0.002
"""How long handlers that have waited go on in one turn of the loop: each does so for a millisecond
or so, and there may be hundreds. The others have their turn in the next one."""

_CLOSE_SECONDS: Final = 1.0
"""How long cancelled handlers may take to end when a server closes."""

# Constants of this module are found faster than members of an enum.
_IDLE: Final = HandlerState.IDLE
_RUNNING: Final = HandlerState.RUNNING
_ENDED: Final = HandlerState.ENDED
_ORPHANED: Final = HandlerState.ORPHANED
_WAIT: Final = HandlerInput.WAIT
_OPEN_RESPONDING: Final = StreamState.OPEN_RESPONDING
_ENDING: Final = StreamState.OPEN_ENDING
_CLOSED: Final = StreamState.CLOSED


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
    ) -> None:
        self.call_type = call_type
        self.clock = clock
        self.turnstile = Turnstile()
        self._loop = loop
        self._http = http
        self._translate = translate
        self._monotonic = clock.monotonic
        self._observer = observer or Observer()
        self._limit = self._observer.use()
        # Calls that had arrived before this are reported when they end.
        self._reported_before = math.inf if self._limit == -math.inf else -math.inf
        self._deadlines = DeadlineTimer(clock, self._expired)
        self._parked: dict[Future[Any], list[Context]] = {}
        # Those that have given way, in the order in which they have their turns; whether one is
        # due, and until when handlers may go on in this turn of the loop.
        self._yielded: deque[Context] = deque()
        self._is_resuming = False
        self._until = 0.0
        # The loop itself only keeps weak references to tasks.
        self._tasks: set[asyncio.Task[None]] = set()

    # Starting.

    def start_unary(self, call: Context, message: bytes) -> None:
        """Run the handler of a method that takes one request."""
        route = call.head.route
        assert route is not None
        if not route.inline:
            self._spawn_unary(call, message)
            return
        # Fast path (bench: range/100x1, put/100x1): 2 µs less than a task. deserialize() is
        # spelled out, and a handler that does not wait leaves no trace in the call.
        try:
            request = route.deserialize(message)
        except Exception:  # noqa: BLE001 (whatever a deserializer raises)
            call.head.tally.received += len(message)
            self._fail(call, unreadable())
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
            _count_failed(call, self._fail(call, error))
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
                _count_failed(call, self._fail(call, error))
                return
            call.channel.sender.reply(call, body)
        else:
            _count_failed(call, self._answer(call, response))
            self._ended(call)

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
        self._spawn(call, self._run_stream(call, RequestIterator(call)))

    def start_http(self, call: Context, body: bytes | None) -> None:
        """Answer a request that is not gRPC."""
        self._spawn(call, self._run_http(call, body))

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
            self._ended(call)
            code = self._lost_code(call)
            _count_failed(call, code)
            if call.started < self._reported_before:
                self._report(call, None, code)
        else:
            # A stream all of whose requests so far have their responses.
            call.channel.expect_no_more(call)
            self._ended(call)
            self._count_end(call, self._lost_code(call))

    async def close(self) -> None:
        """Cancel what still runs and wait for it, but not for ever."""
        self._deadlines.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            ended = asyncio.ensure_future(asyncio.wait(tasks))
            timer = self.clock.wake_after(_CLOSE_SECONDS, ended.cancel)
            await asyncio.wait([ended])
            timer.cancel()

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
                if isinstance(body, bytes) and call.channel.sender.try_message(call, b"", body):
                    return
        except (Exception, CancelledError) as error:  # noqa: BLE001
            self._break(call, error)
            return
        # It has to wait, for itself or for room, and so has what comes after it.
        call.channel.expect_no_more(call)
        self._step(call, self._answer_late(call, response))

    def _pass_on(
        self, call: Context, message: bytes, take: Callable[[Any], bool], refused: Future[Any]
    ) -> None:
        """Give the next request of a stream to what takes them, or wake its handler with it."""
        # Fast path (bench: watch-crowd/100000): half the cost of waking a handler that reads.
        # deserialize_next() is spelled out.
        route = call.head.route
        assert route is not None
        tally = call.head.tally
        tally.read += 1
        tally.received += len(message)
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
            self._ended(call)
            self._count_end(call, self._finish(call))
        else:
            call.channel.expect(call)

    def _break(self, call: Context, error: BaseException) -> None:
        """End a stream whose requests are answered one by one with an error."""
        call.channel.expect_no_more(call)
        self._ended(call)
        self._count_end(call, self._fail(call, error))

    # Handlers without a task.

    def _waits(self, call: Context, request: Any) -> None:
        """Note that a call is not answered in the turn in which it arrived."""
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
                self._end_sent(call, response.reply)
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

    def _end(self, call: Context, response: Any) -> None:
        """End a call whose handler has returned."""
        message = None
        if call.head.is_gzip:
            if type(response) is Compressed:
                response, message = response
            elif is_long(response) and call.compresses and not call.is_answered:
                if call.handler_state is _IDLE:
                    self._waits(call, call.request)
                self._step(call, compressed(call, response))
                return
        self._ended(call)
        code = self._answer(call, response, message)
        if code:
            _count_failed(call, code)
        if call.started < self._reported_before:
            self._report(call, response, code)

    def _end_sent(self, call: Context, reply: LongReply) -> None:
        """End a call whose response was sent while it was made."""
        self._ended(call)
        code = self._finish(call)
        _count_failed(call, code)
        if call.started < self._reported_before:
            self._report(call, reply, code)

    def _end_badly(self, call: Context, error: BaseException) -> None:
        """End a call whose handler has raised."""
        self._ended(call)
        code = self._fail(call, error)
        self._count_end(call, code)
        if call.started < self._reported_before:
            self._report(call, None, code)

    def _count_end(self, call: Context, code: int) -> None:
        """Count the end of a call of any kind, once it was counted that it had started."""
        route = call.head.route
        assert route is not None
        if route.request_streaming or route.response_streaming:
            route.counts.count_end(code, self._monotonic() - call.arrived)
        else:
            _count_failed(call, code)

    def _report(self, call: Context, response: Any, code: int) -> None:
        """Hand a unary call that has ended to the observer."""
        seconds = self._monotonic() - call.started
        response = response if code == OK else None
        self._observer.ended(
            EndedCall(call.head.path, call.channel.peer, call.request, response, seconds, code)
        )

    def _report_task(self, call: Context, response: Any, code: int) -> None:
        """Report a call that had a task, if it is unary and took long enough for a listener."""
        route = call.head.route
        if route is None or route.request_streaming or route.response_streaming:
            return
        if call.started < self._monotonic() - self._limit:
            self._report(call, response, code)

    def _lost_code(self, call: Context) -> int:
        """Return the code of a call whose outcome was decided before its handler ended."""
        deadline = call.deadline
        is_over = deadline is not None and deadline <= self._monotonic()
        return DEADLINE_EXCEEDED if is_over else CANCELLED

    # Handlers in tasks.

    def _spawn_unary(self, call: Context, message: bytes) -> None:
        call.request = None
        call.started = call.arrived = call.channel.now
        self._spawn(call, self._run_unary(call, message))

    def _spawn(self, call: Context, coroutine: Coroutine[Any, Any, None]) -> None:
        call.handler_state = move_handler(call.handler_state, _WAIT)
        self._deadlines.watch(call)
        call.task = task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(partial(self._task_ended, call))

    def _task_ended(self, call: Context, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if call.handler_state is _RUNNING or call.handler_state is _ORPHANED:
            # It was cancelled before its first step, and so no line of it ran.
            self._ended(call)
            if call.head.route is not None and call.head.route.request_streaming:
                self._count_end(call, self._lost_code(call))
            self._report_task(call, None, self._lost_code(call))

    async def _run_unary(self, call: Context, message: bytes) -> None:
        try:
            request = call.request = call.deserialize(message)
        except ProtocolStatus as error:
            self._ended(call)
            response, code = None, self._fail(call, error)
            call.channel.touch()
        else:
            tally = call.head.tally
            tally.started += 1
            tally.received += len(message)
            response, code = await self._run(call, request)
        self._report_task(call, response, code)

    async def _run_stream(self, call: Context, requests: RequestIterator) -> None:
        await self._run(call, requests)

    async def _run(self, call: Context, request: Any) -> tuple[Any, int]:
        """Run a handler of any kind to its end, see to the status, and return both."""
        route = call.head.route
        assert route is not None
        response = None
        try:
            result = route.behavior(request, call)
            if not hasattr(result, "__aiter__"):
                response = await result
            elif route.response_streaming:
                async for item in result:
                    await call.write(item)
            else:
                response = result
        except (Exception, CancelledError) as error:  # noqa: BLE001
            self._ended(call)
            code = self._fail(call, error)
        else:
            self._ended(call)
            code = self._finish(call) if route.response_streaming else self._answer(call, response)
        self._count_end(call, code)
        call.channel.touch()
        return response, code

    async def _run_http(self, call: Context, body: bytes | None) -> None:
        try:
            await answer_http(call, body, self._http)
        finally:
            self._ended(call)
            call.channel.touch()

    # Ending.

    def _ended(self, call: Context) -> None:
        """Note that a handler runs no more; not needed if it neither waited nor set anything."""
        # Fast path (bench: put/100x1): RUNNING and END.
        if call.handler_state is _RUNNING:
            call.handler_state = _ENDED
        elif call.handler_state is not _IDLE:
            call.handler_state = move_handler(call.handler_state, HandlerInput.END)
            call.channel.orphan_ended()
        call.task = None
        if call.tick:
            self._deadlines.discard(call)
        if call.response_options is not None and call.response_options.callbacks:
            # When the status has been sent, as grpcio has it.
            self._loop.call_soon(self._call_back, call)

    def _call_back(self, call: Context) -> None:
        assert call.response_options is not None
        for callback in call.response_options.callbacks:
            try:
                callback(call)
            except Exception:
                _logger.exception("done callback %r failed", callback)

    # These return the number of the status that the call has ended with.

    def _answer(
        self, call: Context, response: Any, message: tuple[bytes, bytes | Pieces] | None = None
    ) -> int:
        """
        End a call with one response, unless the handler chose another code.

        Args:
            message: The same with its prefix, if it is encoded and compressed already.

        """
        # A response is what the end would wait behind: without one it is not queued.
        if call.stream_state is _CLOSED:
            return self._lost_code(call)
        options = call.response_options
        if options is not None and options.code != OK:
            return self._finish(call)
        assert call.head.route is not None
        if message is not None:
            call.channel.sender.encoded_reply(call, *message)
            return OK
        try:
            body = call.head.route.serialize(response)
        except Exception as error:  # noqa: BLE001 (whatever a serializer raises)
            return self._fail(call, error)
        call.channel.sender.reply(call, body)
        return OK

    def _finish(self, call: Context) -> int:
        """End a call with the status that the handler chose, or success."""
        if call.is_answered:
            return self._lost_code(call)
        sender, options = call.channel.sender, call.response_options
        if options is not None:
            sender.status(call, options.code, options.details, options.trailing_metadata)
            return options.code
        if call.stream_state < _OPEN_RESPONDING:
            # Success is never in the first block: some clients take that for an error.
            sender.open(call)
        sender.succeed(call)
        return OK

    def _fail(self, call: Context, error: BaseException) -> int:
        """End a call with the status that an exception stands for."""
        if call.is_answered:
            return self._lost_code(call)
        options = call.response_options
        metadata = call.trailing_metadata()
        error = self._translate(error) or error
        # After abort() the status is in the options, whatever is raised in the end.
        if isinstance(error, StatusError) and not (options is not None and options.is_aborted):
            code, details = error.code.value, error.details
            metadata = error.trailing_metadata or metadata
        elif options is not None and options.code != OK:
            # Generated servicers set a code and raise NotImplementedError.
            code, details = options.code, options.details
        elif isinstance(error, NotImplementedError):
            code, details, metadata = UNIMPLEMENTED, str(error) or "Method not implemented!", ()
        elif isinstance(error, CancelledError):
            code, details, metadata = CANCELLED, "the handler was cancelled", ()
        else:
            _logger.error("handler of %s failed", call.head.path, exc_info=error)
            code, details, metadata = UNKNOWN, f"Unexpected {type(error)}: {error}", ()
        call.channel.sender.status(call, code, details, metadata)
        return code

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
            self._spawn_unary(call, message)
            return
        # As in Dispatcher, but that each way out ends in _report: a coroutine around the handler
        # would be shorter, and cost as much again as a Range of one key.
        call.request = None
        call.started = call.channel.now
        coroutine = None
        try:
            request = call.request = call.deserialize(message)
        except ProtocolStatus as error:
            self._report(call, None, self._fail(call, error))
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
            self._waits(call, request)
            self._park(call, coroutine, waiting)
            return
        if type(response) is DeferredReply:
            response, future = response
            if future is not None:
                self._waits(call, request)
                self._hold(call, response, future)
                return
        self._end(call, response)


def _count_failed(call: Context, code: int) -> None:
    """Count the end of a unary call; that of one with success was when its response went."""
    if code != OK:
        call.head.tally.method.ended[code] += 1


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
