"""
The JSON gateway: etcd's services under ``/v3/``, with requests and replies in JSON.

It is one more server that services are registered on: what it has of each method is the handler
that gRPC has, so nothing of a method is written twice, and both ask the same node. Streams are
lines of JSON, each sent as soon as there is one. (etcd: ``grpc-gateway/v2/runtime``)
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from etcdpy.clock import Clock, stopwatch
from etcdpy.cooperative import Baton, LongReply, Pieces, Turnstile, outcome, run, turn
from etcdpy.http.caller import HttpCaller, out_of_time
from etcdpy.http.counting import CallCount
from etcdpy.http.gateway_errors import (
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    error_line,
    error_response,
    status_for,
)
from etcdpy.http.json_decode import MOST_AT_ONCE, decode, decode_plain
from etcdpy.http.json_encode import BASE64, PIECE, TEXT
from etcdpy.http.json_pieces import JsonPieces
from etcdpy.http.json_reader import read_message
from etcdpy.http.json_scanner import JsonError
from etcdpy.http.json_stream import Values
from etcdpy.http.paths import LONGEST_WRITING, PATHS
from etcdpy.memory import UNCOUNTED, Loan
from etcdpy.pb import rpc_pb2, v3election_pb2, v3lock_pb2
from etcdpy.pb.builder import class_of
from etcdpy.transport import (
    CallCounts,
    MethodCounts,
    Observer,
    StatusCode,
    StatusError,
    is_one_reply_per_request,
)
from etcdpy.transport.http import Body, BodyTooLargeError, HttpRequest, HttpResponse

__all__ = ["Gateway"]

#: Headers of an answer that went well. (etcd: ``runtime.ForwardResponseMessage``)
_HEADERS: Final = (
    (b"content-type", b"application/json"),
    (b"grpc-metadata-content-type", b"application/grpc"),
)

#: (etcd: ``runtime/context.go``, timeoutDecode)
_TIMEOUT: Final = re.compile(r"([+-]?[0-9]{1,30})([HMSmun])", re.ASCII).fullmatch
#: In nanoseconds.
_UNITS: Final = {
    "H": 3600 * 10**9,
    "M": 60 * 10**9,
    "S": 10**9,
    "m": 10**6,
    "u": 10**3,
    "n": 1,
}

_INT64: Final = 2**63

#: Bytes of a line that is not counted while it is taken: an idle connection has more.
_SHORT: Final = 4096

#: Long lines of streams that are made at the same time, of which thousands may have one.
MADE_AT_ONCE: Final = 2

#: Seconds for which requests of one stream are read before others have their turn.
ASKING: Final = 0.0005


class _Slices:
    """
    Whose turn it is, of those with long work: one of all of them in each turn of the loop.

    Attributes:
        reading: Who reads a long request.
        asking: Who reads one more of many requests.
        writing: Who writes one more piece of a long reply.
        making: Of whose long replies lines are being made, each of which is there four times
            meanwhile. Only of those that a handler writes, which holds, and counts, the others.

    """

    def __init__(self) -> None:
        self.reading = Baton()
        self.asking = Turnstile()
        self.writing = Turnstile()
        self.making = asyncio.Semaphore(MADE_AT_ONCE)


class _Method:
    """
    What there is of one method.

    Attributes:
        takes_message: Whether the handler takes the message of protobuf that its request is.
        has_streams: Whether there are many requests, and whether there are many replies.

    """

    __slots__ = ("counts", "handler", "has_streams", "reply", "request", "takes_message")

    def __init__(
        self, handler: Any, counts: MethodCounts, request: type[Message], reply: type[Message]
    ) -> None:
        self.handler = handler
        self.counts = counts
        self.request = request
        self.reply = reply
        self.takes_message: bool = handler.request_deserializer == request.FromString
        self.has_streams = (handler.request_streaming, handler.response_streaming)


class Gateway:
    """
    Answers requests for paths under ``/v3/``.

    Methods are registered as on a server of gRPC, before the first request.

    Args:
        clock: What deadlines are on.
        max_message_bytes: The largest message that is taken, as of gRPC.
        counts: Where calls are counted.
        observer: Gets unary calls that have ended.

    """

    def __init__(
        self,
        clock: Clock,
        max_message_bytes: int,
        counts: CallCounts | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._clock = clock
        self._most = max_message_bytes
        self._counts = counts or CallCounts()
        self._observer = observer or Observer()
        self._methods: dict[str, _Method] = {}
        self._slices = _Slices()

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Any]
    ) -> None:
        """Serve these methods of a service, those that have a path."""
        service = _SERVICES.get(service_name)
        if service is None:
            return
        for path, full_name in PATHS.items():
            name = full_name.removeprefix(f"/{service_name}/")
            if name in method_handlers:
                descriptor = service.methods_by_name[name]
                handler = method_handlers[name]
                self._methods[path] = _Method(
                    handler,
                    self._counts.of(
                        full_name,
                        request_streaming=handler.request_streaming,
                        response_streaming=handler.response_streaming,
                    ),
                    class_of(descriptor.input_type),
                    class_of(descriptor.output_type),
                )

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer a request; what is wrong with it is told in the answer."""
        if request.upgrade == "websocket":
            from etcdpy.http.websocket import accept

            return accept(request, self.handle)
        path, _, query = request.path.partition("?")
        method = self._methods.get(path)
        if method is None:
            return error_response(NOT_FOUND)
        if request.method != "POST":
            return error_response(METHOD_NOT_ALLOWED)
        try:
            seconds = _timeout(request)
        except StatusError as status:
            return error_response(status)
        caller = HttpCaller(request, self._clock, seconds)
        if seconds is not None:
            await turn()  # what ends it at its deadline is a task's
        count = CallCount(method.counts, request, self._clock, self._observer)
        call = _Call(
            method,
            request.body,
            caller,
            self._most,
            count,
            self._slices,
            as_text=_wants_text(query),
        )
        streams = method.has_streams
        try:
            if streams == (False, False):
                return await call.answer()
            if streams[1] and caller.time_remaining() == 0:
                return error_response(out_of_time())
            if streams == (False, True):
                replies = call.replies(await call.request())
            elif is_one_reply_per_request(method.handler.stream_stream):
                replies = call.each_answered()
            else:
                replies = call.written()
            return await call.answer_lines(count.stream(replies))
        except _UnreadableError as error:
            # The stream has not begun.
            return error_response(error)
        except Exception as error:  # noqa: BLE001 (whatever a handler raises)
            return error_response(status_for(error), in_stream=streams[1])


class _UnreadableError(StatusError):
    """A request cannot be read, so nobody is called."""


class _Call:
    """
    A request on its way to its reply, or to many.

    Args:
        method: What is called.
        body: The request, or the requests.
        caller: Who calls.
        most: Bytes of the largest message.
        count: Counts it.
        slices: Shared with all others.
        as_text: Whether bytes are written as the text that they are.

    """

    def __init__(
        self,
        method: _Method,
        body: Body,
        caller: HttpCaller,
        most: int,
        count: CallCount,
        slices: _Slices,
        *,
        as_text: bool,
    ) -> None:
        self._method = method
        self._handler = method.handler
        self._body = body
        self._caller = caller
        self._most = most
        self._most_text = most * LONGEST_WRITING
        self._count = count
        self._slices = slices
        self._as_text = as_text
        self._writer = TEXT if as_text else BASE64
        # Whether it is one of ``slices.making``.
        self._is_making = False

    async def answer(self) -> HttpResponse:
        """Answer the only request with the only reply."""
        message = await self.request()
        behavior, caller = self._handler.unary_unary, self._caller
        if caller.has_deadline:
            with caller.limited():
                answer = await self._count.unary(behavior, message, caller)
        else:
            answer = await self._count.unary(behavior, message, caller)
        if isinstance(answer, LongReply | Pieces):
            return HttpResponse(200, _HEADERS, self._rewritten(answer))
        reply = self._reply(answer)
        if reply.ByteSize() > PIECE:
            return HttpResponse(200, _HEADERS, self._in_pieces(reply))
        body = self._writer.encode(reply)
        return HttpResponse(200, (*_HEADERS, (b"content-length", b"%d" % len(body))), body)

    async def answer_lines(self, replies: AsyncIterator[Message]) -> HttpResponse:
        """Answer with the lines of a stream, as soon as there is the first one."""
        first = await anext(replies, None)
        if first is None:
            return HttpResponse(200)
        last = error_line(_STOPPED)
        body = self._lines(first, replies)
        return HttpResponse(200, _HEADERS, body, is_endless=True, last=last)

    async def _lines(self, first: Message, rest: AsyncIterator[Message]) -> AsyncIterator[bytes]:
        loan = Loan(self._caller.memory or UNCOUNTED)
        # Only whoever takes what is yielded has it from then on, as long as it has.
        lines: list[bytes] = []
        try:
            reply: Message | None = first
            del first
            while reply is not None:
                lines.append(await self._line(reply))
                del reply
                # Until the client has taken most of it there is no other.
                if len(lines[0]) > _SHORT:
                    loan.keep(len(lines[0]))
                self._has_made()
                yield lines.pop()
                loan.close()
                reply = await anext(rest, None)
        except Exception as error:  # noqa: BLE001 (whatever a handler raises)
            yield error_line(status_for(error))
        finally:
            loan.close()

    async def _line(self, reply: Message) -> bytes:
        if reply.ByteSize() <= PIECE:
            return b'{"result":%b}\n' % self._writer.encode(reply)
        parts = [b'{"result":']
        for piece in self._writer.pieces(reply):
            parts.append(piece)
            await self._slices.writing.turn()
        parts.append(b"}\n")
        return b"".join(parts)

    async def _in_pieces(self, reply: Message) -> AsyncIterator[bytes]:
        loan = Loan(self._caller.memory or UNCOUNTED)
        loan.keep(reply.ByteSize())
        try:
            for piece in self._writer.pieces(reply):
                yield piece
                await self._slices.writing.turn()
        finally:
            loan.close()

    async def _rewritten(self, reply: LongReply | Pieces) -> AsyncIterator[bytes]:
        """Yield the JSON of a reply that comes in pieces of protobuf."""
        pieces = JsonPieces(self._method.reply, self._writer)
        loan = Loan(self._caller.memory or UNCOUNTED)
        try:
            if isinstance(reply, LongReply):
                async for piece in reply.pieces:
                    if made := pieces.feed(piece):
                        yield made
                    await self._slices.writing.turn()
            else:
                loan.keep(len(reply))
                parts = reply.pieces[::-1]
                reply.pieces.clear()
                while parts:
                    if made := pieces.feed(parts.pop()):
                        yield made
                    await self._slices.writing.turn()
            yield pieces.end()
        finally:
            loan.close()
            if isinstance(reply, LongReply):
                await reply.pieces.aclose()

    # ------------------------------------------------------------------ requests

    async def request(self) -> Any:
        """
        Read the only request.

        Raises:
            StatusError: It is too large, or cannot be read.

        """
        try:
            body = await self._body.read(self._most_text)
        except BodyTooLargeError:
            raise _too_large(self._most_text + 1, self._most) from None
        return await self._decoded(body)

    async def _requests(self) -> AsyncIterator[Any]:
        """Yield requests as they come; what cannot be read is the end of them."""
        values = Values()
        until = stopwatch() + ASKING
        with suppress(StatusError):
            while piece := await self._body.next_piece():
                values.feed(piece)
                while (value := values.next()) is not None:
                    yield await self._decoded(value)
                    # That took what its handler took as well, if nobody was waited for.
                    if stopwatch() >= until:
                        await self._slices.asking.turn()
                        until = stopwatch() + ASKING
                if values.size > self._most_text:
                    return

    async def _decoded(self, body: bytes) -> Any:
        kind, as_text = self._method.request, self._as_text
        is_large = len(body) > MOST_AT_ONCE
        message = None if is_large else decode_plain(body, kind, as_text=as_text)
        if message is None:
            try:
                if is_large:
                    steps = decode(body, kind, as_text=as_text)
                    message = await self._slices.reading.rest(steps)
                else:
                    message = await run(read_message(body, kind, as_text=as_text))
            except JsonError as error:
                raise _UnreadableError(StatusCode.INVALID_ARGUMENT, str(error)) from None
        # It is what gRPC would have been sent, and as large.
        size = message.ByteSize()
        if size > self._most:
            raise _too_large(size, self._most)
        self._count.take(size)
        if self._method.takes_message:
            return message
        return self._handler.request_deserializer(message.SerializeToString())

    # ------------------------------------------------------------------- replies

    async def each_answered(self) -> AsyncGenerator[Message, None]:
        """Yield the reply to each request."""
        requests = self._requests()
        while True:
            with self._caller.limited():
                request = await anext(requests, None)
                if request is None:
                    return
                answer = await outcome(self._handler.stream_stream(request, self._caller))
            yield self._reply(answer)

    def replies(self, message: Any) -> AsyncGenerator[Message, None]:
        """Yield the replies to the only request, which a handler yields, or writes."""
        behavior = self._handler.unary_stream
        if inspect.isasyncgenfunction(behavior):
            return self._yielded(behavior, message)
        return self._written(behavior, message)

    async def _yielded(self, behavior: Any, message: Any) -> AsyncGenerator[Message, None]:
        async with aclosing(behavior(message, self._caller)) as answers:
            while True:
                with self._caller.limited():
                    answer = await anext(answers, None)
                if answer is None:
                    return
                yield self._reply(answer)

    def written(self) -> AsyncGenerator[Message, None]:
        """Yield what a handler writes, which takes all requests."""
        return self._written(self._handler.stream_stream, self._requests())

    async def _written(self, behavior: Any, asked: Any) -> AsyncGenerator[Message, None]:
        # Of one reply at a time. Nothing here is a task of its own, or a future without need: one
        # event may be for thousands of streams.
        sink: list[Any] = []
        wanted = asyncio.Semaphore(0)
        arrived: asyncio.Future[None] | None = None

        def wake(_: object = None) -> None:
            if arrived is not None and not arrived.done():
                arrived.set_result(None)

        async def write(reply: Any) -> None:
            # Whoever writes goes on when it is taken: until then it is held where it is counted.
            await wanted.acquire()
            sink.append(reply)
            wake()
            del reply
            # There is no other before this one has gone.
            await wanted.acquire()
            wanted.release()

        async def write_parts(start: bytes, body: bytes) -> None:
            await wanted.acquire()
            if len(body) > PIECE:
                await self._slices.making.acquire()
                self._is_making = True
            # Not before, as there may be thousands who wait with the same body.
            sink.append(start + body)
            wake()

        self._caller.write, self._caller.write_parts = write, write_parts
        handling = asyncio.ensure_future(behavior(asked, self._caller))
        handling.add_done_callback(wake)
        try:
            while True:
                wanted.release()
                while not sink:
                    if handling.done():
                        handling.result()
                        return
                    arrived = asyncio.get_running_loop().create_future()
                    with self._caller.limited():
                        await arrived
                yield self._reply(sink.pop())
        finally:
            self._has_made()
            handling.cancel()
            # What it fails with by now, as its client has left, is not what has ended this; and
            # raised here it would refer to itself, by way of this frame.
            handling.add_done_callback(_hear)
            try:
                await asyncio.wait((handling,))
            finally:
                # Also for whoever is cancelled twice: said goodbye, and hung up.
                del handling
                # These refer to whom they are of.
                del self._caller.write, self._caller.write_parts

    def _has_made(self) -> None:
        """Let somebody else make a line, if it was this one's turn."""
        if self._is_making:
            self._is_making = False
            self._slices.making.release()

    def _reply(self, answer: Any) -> Message:
        if isinstance(answer, Message):
            return answer
        return self._method.reply.FromString(bytes(answer))


def _hear(handling: asyncio.Task[Any]) -> None:
    """Note how it has ended, so that asyncio does not say that nobody has."""
    if not handling.cancelled():
        handling.exception()


#: What a stream ends with as the server stops. (etcd: grpc-go's words for it)
_STOPPED: Final = StatusError(StatusCode.UNAVAILABLE, "error reading from server: EOF")


def _wants_text(query: str) -> bool:
    """Return whether bytes are to be text, which is no part of etcd's gateway."""
    # The last one counts. Nothing is made of the others, of which there may be a megabyte.
    _, found, rest = f"&{query}".rpartition("&utf8=")
    return bool(found) and rest.partition("&")[0] == "true"


def _too_large(size: int, most: int) -> StatusError:
    text = f"grpc: received message larger than max ({size} vs. {most})"
    return StatusError(StatusCode.RESOURCE_EXHAUSTED, text)


def _timeout(request: HttpRequest) -> float | None:
    """
    Return the seconds that a call may take, None without a limit.

    Raises:
        StatusError: The header is malformed.

    """
    text = request.header(b"grpc-timeout")
    if not text:
        return None
    found = _TIMEOUT(text)
    amount = int(found[1]) if found else _INT64
    if found is None or not -_INT64 <= amount < _INT64:
        raise StatusError(StatusCode.INVALID_ARGUMENT, f"invalid grpc-timeout: {text}")
    # Go's durations are whole nanoseconds, and begin again at the other end. None is no limit.
    # (etcd: ``runtime/context.go``, annotateContext)
    nanoseconds = (amount * _UNITS[found[2]] + _INT64) % (2 * _INT64) - _INT64
    return max(0, nanoseconds) / 10**9 if nanoseconds else None


_SERVICES: Final[dict[str, ServiceDescriptor]] = {
    service.full_name: service
    for file in (rpc_pb2, v3lock_pb2, v3election_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
}
