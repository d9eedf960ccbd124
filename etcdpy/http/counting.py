"""
Calls of the gateway, counted and told of as those of gRPC are.

etcd's gateway is a client of its own server, so that what it is asked in JSON are calls of gRPC
as well. Whatever does not get that far, as it cannot be read or comes too late, is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final

from google.protobuf.message import Message

from etcdpy.clock import Clock
from etcdpy.cooperative import outcome
from etcdpy.node.caller import Caller
from etcdpy.services.codes import status_of
from etcdpy.transport import EndedCall, MethodCounts, Observer, StatusCode, StatusError
from etcdpy.transport.http import HttpRequest

__all__ = ["CallCount"]

#: What becomes the metadata of a call that tells the version of its client.
_VERSION: Final = b"grpc-metadata-client-api-version"

#: What replies are that wait for nothing, as they come of reads.
_AT_ONCE: Final = (bytes, bytearray, Message)

_CANCELED: Final[int] = StatusCode.CANCELLED.value
_OK: Final[int] = StatusCode.OK.value


class CallCount:
    """
    Counts one call.

    Args:
        counts: Those of its method.
        request: What it came as.
        clock: Measures how long it takes.
        observer: Hears of it once it has ended, if it is unary.

    """

    __slots__ = ("_began", "_clock", "_counts", "_observer", "_size", "_tally")

    def __init__(
        self, counts: MethodCounts, request: HttpRequest, clock: Clock, observer: Observer
    ) -> None:
        self._counts = counts
        for name, value in request.headers:
            if name == _VERSION:
                self._tally = counts.of_version(value.decode("latin-1"))
                break
        else:
            self._tally = counts.of_version()
        self._clock = clock
        self._observer = observer
        self._began: float | None = None
        self._size = 0

    def take(self, size: int) -> None:
        """Note that a request of so many bytes has been read, for a call that has begun or not."""
        self._tally.read += 1
        if self._began is None:
            self._size = size
        else:
            self._tally.received += size

    async def unary(self, behavior: Callable[..., Any], request: Any, caller: Caller) -> Any:
        """Return the reply of a method, as it returns it."""
        self._begin()
        try:
            reply = behavior(request, caller)
            if not isinstance(reply, _AT_ONCE):
                reply = await outcome(reply)
        except BaseException as error:
            code = _code_of(error)
            self._counts.ended[code] += 1
            self._tell(request, caller, None, code)
            raise
        self._send(reply)
        self._tell(request, caller, reply, _OK)
        return reply

    async def stream(self, replies: AsyncGenerator[Message, None]) -> AsyncIterator[Message]:
        """Yield the replies of a method."""
        self._begin()
        code = _CANCELED
        # Whoever takes a reply may let go of it before the next.
        taken: list[Message] = []
        try:
            async with aclosing(replies):
                async for reply in replies:
                    self._send(reply)
                    taken.append(reply)
                    del reply
                    yield taken.pop()
            code = _OK
        except Exception as error:
            code = _code_of(error)
            raise
        finally:
            self._counts.count_end(code, self._seconds())

    def _begin(self) -> None:
        self._tally.started += 1
        self._tally.received += self._size
        self._began = self._clock.monotonic()

    def _send(self, reply: Any) -> None:
        self._tally.written += 1
        self._tally.sent += reply.ByteSize() if isinstance(reply, Message) else len(reply)

    def _tell(self, request: Any, caller: Caller, reply: Any, code: int) -> None:
        """Tell those who want to know that a unary call has ended."""
        seconds = self._seconds()
        if seconds > self._observer.limit:
            path = f"/{self._counts.service}/{self._counts.name}"
            call = EndedCall(path, caller.peer(), request, reply, seconds, code)
            self._observer.ended(call)

    def _seconds(self) -> float:
        assert self._began is not None
        return self._clock.monotonic() - self._began


def _code_of(error: BaseException) -> int:
    """Return the number of the code that a call has ended with."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return _CANCELED
    status = error if isinstance(error, StatusError) else status_of(error)
    if status is None:
        return StatusCode.UNKNOWN.value
    # The gateway gives a call up at its deadline, and so does not hear what the server says of it.
    late = status.code is StatusCode.DEADLINE_EXCEEDED
    return _CANCELED if late else status.code.value
