"""
How calls end: with a response or a status, which is then counted, and told to who wants to hear.

Of what a handler has returned, raised or chosen, and of what has become of its stream, that is
made here, whoever has run the handler.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import CancelledError
from typing import Any, Final

from etcdpy.clock import Clock
from etcdpy.cooperative import Pieces
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.deadlines import DeadlineTimer
from etcdpy.transport.grpc.observer import EndedCall, Observer
from etcdpy.transport.grpc.states import HandlerInput, HandlerState, StreamState, move_handler
from etcdpy.transport.grpc.status import (
    CANCELLED,
    DEADLINE_EXCEEDED,
    OK,
    UNIMPLEMENTED,
    UNKNOWN,
    StatusError,
    Translate,
)

_logger: Final = logging.getLogger(__name__)

# Constants of this module are found faster than members of an enum.
_IDLE: Final = HandlerState.IDLE
_RUNNING: Final = HandlerState.RUNNING
_ENDED: Final = HandlerState.ENDED
_OPEN_RESPONDING: Final = StreamState.OPEN_RESPONDING
_CLOSED: Final = StreamState.CLOSED


class Endings:
    """
    Ends the calls of all connections of a server.

    Args:
        loop: Where done callbacks are called.
        deadlines: Whose calls have ended are watched no more.
        clock: What deadlines are on.
        observer: Gets unary calls that have ended.
        translate: Says which status an exception of a handler stands for.

    Attributes:
        limit: Of unary calls that take so long, in seconds, the observer wants to hear.

    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        deadlines: DeadlineTimer,
        clock: Clock,
        observer: Observer,
        translate: Translate,
    ) -> None:
        self.limit = observer.use()
        self._loop = loop
        self._deadlines = deadlines
        self._monotonic = clock.monotonic
        self._observer = observer
        self._translate = translate

    def ended(self, call: Context) -> None:
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

    def answer(
        self, call: Context, response: Any, message: tuple[bytes, bytes | Pieces] | None = None
    ) -> int:
        """
        End a call with one response, unless the handler chose another code.

        Args:
            message: The same with its prefix, if it is encoded and compressed already.

        """
        # A response is what the end would wait behind: without one it is not queued.
        if call.stream_state is _CLOSED:
            return self.lost_code(call)
        options = call.response_options
        if options is not None and options.code != OK:
            return self.finish(call)
        assert call.head.route is not None
        if message is not None:
            call.channel.sender.encoded_reply(call, *message)
            return OK
        try:
            body = call.head.route.serialize(response)
        except Exception as error:  # noqa: BLE001 (whatever a serializer raises)
            return self.fail(call, error)
        call.channel.sender.reply(call, body)
        return OK

    def finish(self, call: Context) -> int:
        """End a call with the status that the handler chose, or success."""
        if call.is_answered:
            return self.lost_code(call)
        sender, options = call.channel.sender, call.response_options
        if options is not None:
            sender.status(call, options.code, options.details, options.trailing_metadata)
            return options.code
        if call.stream_state < _OPEN_RESPONDING:
            # Success is never in the first block: some clients take that for an error.
            sender.open(call)
        sender.succeed(call)
        return OK

    def fail(self, call: Context, error: BaseException) -> int:
        """End a call with the status that an exception stands for."""
        if call.is_answered:
            return self.lost_code(call)
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

    def lost_code(self, call: Context) -> int:
        """Return the code of a call whose outcome was decided before its handler ended."""
        deadline = call.deadline
        is_over = deadline is not None and deadline <= self._monotonic()
        return DEADLINE_EXCEEDED if is_over else CANCELLED

    # Who hears of it.

    def count(self, call: Context, code: int) -> None:
        """Count the end of a call of any kind, once it was counted that it had started."""
        route = call.head.route
        assert route is not None
        if route.request_streaming or route.response_streaming:
            route.counts.count_end(code, self._monotonic() - call.arrived)
        else:
            count_failed(call, code)

    def report(self, call: Context, response: Any, code: int) -> None:
        """Hand a unary call that has ended to the observer."""
        seconds = self._monotonic() - call.started
        response = response if code == OK else None
        request = call.request
        if type(request) is bytes and call.head.route is not None:
            # It was kept as it came, see ``Call.request``.
            request = call.head.route.deserialize(request)
        self._observer.ended(
            EndedCall(call.head.path, call.channel.peer, request, response, seconds, code)
        )

    def report_slow(self, call: Context, response: Any, code: int) -> None:
        """Report a call that had a task, if it is unary and took long enough for a listener."""
        route = call.head.route
        if route is None or route.request_streaming or route.response_streaming:
            return
        if call.started < self._monotonic() - self.limit:
            self.report(call, response, code)


def count_failed(call: Context, code: int) -> None:
    """Count the end of a unary call; that of one with success was when its response went."""
    if code != OK:
        call.head.tally.method.ended[code] += 1
