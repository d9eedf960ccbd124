"""
Handlers that run in a task each: those that are not marked, of streams, and of HTTP.

Theirs is the time that a task takes; in return a handler may do whatever asyncio offers.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from etcdpy.clock import Clock
from etcdpy.transport.grpc.context import Context, RequestIterator
from etcdpy.transport.grpc.deadlines import DeadlineTimer
from etcdpy.transport.grpc.endings import Endings
from etcdpy.transport.grpc.http_call import answer_http
from etcdpy.transport.grpc.states import HandlerInput, HandlerState, move_handler
from etcdpy.transport.grpc.status import ProtocolStatus
from etcdpy.transport.http import HttpHandler

_CLOSE_SECONDS: Final = 1.0
"""How long cancelled handlers may take to end when a server closes."""

# Constants of this module are found faster than members of an enum.
_RUNNING: Final = HandlerState.RUNNING
_ORPHANED: Final = HandlerState.ORPHANED


class TaskHandlers:
    """
    Runs the handlers of a server that have tasks.

    Args:
        loop: Where they run.
        endings: Ends their calls.
        deadlines: Watches those while they run.
        clock: Bounds how long closing takes.
        http: Answers requests that are not gRPC.
        on_task: Called for each that has begun, and takes its first step in a later turn.

    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        endings: Endings,
        deadlines: DeadlineTimer,
        clock: Clock,
        http: HttpHandler,
        on_task: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._endings = endings
        self._deadlines = deadlines
        self._clock = clock
        self._http = http
        self._on_task = on_task
        # The loop itself only keeps weak references to tasks.
        self._tasks: set[asyncio.Task[None]] = set()

    def start_unary(self, call: Context, message: bytes) -> None:
        """Run the handler of a method that takes one request."""
        call.request = None
        call.started = call.arrived = call.channel.now
        self._spawn(call, self._run_unary(call, message))

    def start_stream(self, call: Context) -> None:
        """Run the handler of a method that takes a stream of requests, which was counted."""
        self._spawn(call, self._run_stream(call, RequestIterator(call)))

    def start_http(self, call: Context, body: bytes | None) -> None:
        """Answer a request that is not gRPC; its body is None if that was too long."""
        self._spawn(call, self._run_http(call, body))

    async def close(self) -> None:
        """Cancel those that still run and wait for them, but not for ever."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            ended = asyncio.ensure_future(asyncio.wait(tasks))
            timer = self._clock.wake_after(_CLOSE_SECONDS, ended.cancel)
            await asyncio.wait([ended])
            timer.cancel()

    def _spawn(self, call: Context, coroutine: Coroutine[Any, Any, None]) -> None:
        call.handler_state = move_handler(call.handler_state, HandlerInput.WAIT)
        self._deadlines.watch(call)
        call.task = task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(partial(self._task_ended, call))
        self._on_task()

    def _task_ended(self, call: Context, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if call.handler_state is _RUNNING or call.handler_state is _ORPHANED:
            # It was cancelled before its first step, and so no line of it ran.
            endings = self._endings
            endings.ended(call)
            if call.head.route is not None and call.head.route.request_streaming:
                endings.count(call, endings.lost_code(call))
            endings.report_slow(call, None, endings.lost_code(call))

    async def _run_unary(self, call: Context, message: bytes) -> None:
        route = call.head.route
        assert route is not None
        try:
            request = call.deserialize(message)
        except ProtocolStatus as error:
            self._endings.ended(call)
            response, code = None, self._endings.fail(call, error)
            call.channel.touch()
        else:
            tally = call.head.tally
            tally.started += 1
            tally.received += len(message)
            call.request = message if route.patient else request
            running = self._run(call, request)
            # The handler decides how long it is there.
            request = None
            response, code = await running
        self._endings.report_slow(call, response, code)

    async def _run_stream(self, call: Context, requests: RequestIterator) -> None:
        await self._run(call, requests)

    async def _run(self, call: Context, request: Any) -> tuple[Any, int]:
        """Run a handler of any kind to its end, see to the status, and return both."""
        route, endings = call.head.route, self._endings
        assert route is not None
        response = None
        try:
            result = route.behavior(request, call)
            request = None
            if not hasattr(result, "__aiter__"):
                response = await result
            elif route.response_streaming:
                async for item in result:
                    await call.write(item)
            else:
                response = result
        except (Exception, CancelledError) as error:  # noqa: BLE001 (a handler may do anything)
            endings.ended(call)
            code = endings.fail(call, error)
        else:
            endings.ended(call)
            if route.response_streaming:
                code = endings.finish(call)
            else:
                code = endings.answer(call, response)
        endings.count(call, code)
        call.channel.touch()
        return response, code

    async def _run_http(self, call: Context, body: bytes | None) -> None:
        try:
            await answer_http(call, body, self._http)
        finally:
            self._endings.ended(call)
            call.channel.touch()
