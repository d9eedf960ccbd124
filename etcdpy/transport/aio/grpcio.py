"""The same handlers on grpcio's own server, to compare with and to fall back to."""

from __future__ import annotations

import asyncio
import dataclasses
from asyncio import CancelledError
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

import grpc
import grpc.aio

from etcdpy.clock import Clock, SystemClock
from etcdpy.cooperative import outcome, turn
from etcdpy.transport.grpc.observer import EndedCall, Observer
from etcdpy.transport.grpc.routes import MethodHandler, is_endless, is_one_reply_per_request
from etcdpy.transport.grpc.status import (
    CANCELLED,
    DEADLINE_EXCEEDED,
    OK,
    UNIMPLEMENTED,
    UNKNOWN,
    StatusError,
    Translate,
    status_code,
    untranslated,
)
from etcdpy.transport.grpc.tally import UNARY, CallCounts, MethodCounts, Tally
from etcdpy.transport.limits import MAX_LARGE_HEADER_LIST, ServerOptions

Behavior = Callable[[Any, Any], Any]

#: grpcio's codes by their numbers.
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class ReferenceServer:
    """
    Looks like :class:`.server.Server`, as far as grpcio can do it: no HTTP, and its own words
    for what never reaches a handler. A port takes no other traffic.

    Args:
        options: Bounds and times.
        observer: Gets unary calls that have ended.
        translate: Says which status an exception of a handler stands for.
        clock: What calls are timed by; grpcio's own timers know the machine's alone.
        call_type: Makes of grpcio's context, and the path of the method, what handlers are given;
            None gives them the context.
        counts: Where calls are counted.

    """

    def __init__(
        self,
        options: ServerOptions | None = None,
        *,
        observer: Observer | None = None,
        translate: Translate = untranslated,
        clock: Clock | None = None,
        call_type: Callable[[Any, str], Any] | None = None,
        counts: CallCounts | None = None,
    ) -> None:
        self.options = options or ServerOptions()
        self.clock = clock or SystemClock()
        self.counts = counts or CallCounts()
        self.observer = observer or Observer()
        self._adapter = Adapter(self.observer, translate, self.clock, call_type, self.counts)
        self._generic: list[grpc.GenericRpcHandler] = []
        self._methods: list[tuple[str, Mapping[str, grpc.RpcMethodHandler[Any, Any]]]] = []
        self._servers: list[Any] = []

    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]
    ) -> None:
        """Register handlers that are asked for each path that has no registered method."""
        self._generic += [_Generic(handler, self._adapter) for handler in generic_rpc_handlers]

    def add_registered_method_handlers(
        self,
        service_name: str,
        method_handlers: Mapping[str, MethodHandler | grpc.RpcMethodHandler[Any, Any]],
    ) -> None:
        """Register the methods of a service."""
        adapted = {
            name: self._adapter.adapt(f"/{service_name}/{name}", handler)
            for name, handler in method_handlers.items()
        }
        self._methods.append((service_name, adapted))

    async def listen_tcp(
        self, host: str, port: int, *, security: grpc.ServerCredentials | None = None
    ) -> int:
        """
        Accept connections on a TCP port and return which it is; port 0 picks a free one.

        Raises:
            RuntimeError: The address is in use or not ours.

        """
        host = f"[{host}]" if ":" in host else host
        return await self._listen(f"{host}:{port}", security)

    async def listen_unix(
        self, path: str, *, security: grpc.ServerCredentials | None = None
    ) -> None:
        """
        Accept connections on a unix socket.

        Raises:
            RuntimeError: It cannot be made there.

        """
        await self._listen(f"unix:{path}", security)

    async def stop(self, grace: float | None = None) -> None:
        """
        Stop listening, let calls end for ``grace`` seconds, and close all connections.

        Streams that do not end by themselves end with UNAVAILABLE at once.
        """
        stopping = [asyncio.ensure_future(server.stop(grace)) for server in self._servers]
        self._servers.clear()
        # In their first turn they tell clients to go elsewhere, which has to come before.
        await turn()
        self._adapter.end_endless(self.options.stopped_message)
        for stop in stopping:
            await stop

    async def _listen(self, address: str, security: grpc.ServerCredentials | None) -> int:
        # One server for each address, as a started one takes no more.
        self._adapter.observer.use()
        server: Any = grpc.aio.server(options=_grpcio_options(self.options))
        server.add_generic_rpc_handlers(self._generic)
        for name, methods in self._methods:
            server.add_registered_method_handlers(name, methods)
        if security is None:
            port = int(server.add_insecure_port(address))
        else:
            port = int(server.add_secure_port(address, security))
        await server.start()
        self._servers.append(server)
        return port


def _grpcio_options(options: ServerOptions) -> list[tuple[str, int]]:
    chosen = [
        # By default two servers may share a port, and neither hears of it.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", options.max_receive_message),
        ("grpc.max_send_message_length", -1),
        # Between these two grpcio refuses some requests at random.
        ("grpc.max_metadata_size", MAX_LARGE_HEADER_LIST),
        ("grpc.absolute_max_metadata_size", 2 * MAX_LARGE_HEADER_LIST),
        ("grpc.http2.min_ping_interval_without_data_ms", int(options.keepalive_min_time * 1000)),
    ]
    if options.keepalive_interval:
        chosen.append(("grpc.keepalive_time_ms", int(options.keepalive_interval * 1000)))
        chosen.append(("grpc.keepalive_timeout_ms", int(options.keepalive_timeout * 1000)))
    if options.max_connections is not None:
        # Those beyond are closed, not left waiting, and each address has as many.
        chosen.append(("grpc.max_allowed_incoming_connections", options.max_connections))
    if options.max_concurrent_streams is not None:
        chosen.append(("grpc.max_concurrent_streams", options.max_concurrent_streams))
    return chosen


class _Generic(grpc.GenericRpcHandler):
    """Adapts what another generic handler finds."""

    def __init__(self, inner: grpc.GenericRpcHandler, adapter: Adapter) -> None:
        self._inner = inner
        self._adapter = adapter

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = self._inner.service(handler_call_details)
        if handler is None:
            return None
        return self._adapter.adapt(str(handler_call_details.method), handler)


@dataclasses.dataclass(frozen=True)
class _MethodHandler(grpc.RpcMethodHandler):  # type: ignore[type-arg]
    request_streaming: bool
    response_streaming: bool
    request_deserializer: Any
    response_serializer: Any
    unary_unary: Any = None
    unary_stream: Any = None
    stream_unary: Any = None
    stream_stream: Any = None


class Adapter:
    """
    Makes handlers for grpcio's server that do what ours does with the same.

    Args:
        call_type: Makes of grpcio's context, and the path of the method, what handlers are given;
            None gives them the context.
        counts: Where calls of registered methods are counted.

    Attributes:
        observer: Gets unary calls that have ended.

    """

    def __init__(
        self,
        observer: Observer,
        translate: Translate,
        clock: Clock,
        call_type: Callable[[Any, str], Any] | None = None,
        counts: CallCounts | None = None,
    ) -> None:
        self.observer = observer
        self._counts = counts or CallCounts()
        self._call_of = call_type or _itself
        self._translate = translate
        self._monotonic = clock.monotonic
        # The tasks of streams that do not end by themselves, and its words once it stops.
        self._endless: set[asyncio.Task[Any]] = set()
        self._stopped_message: str | None = None

    def end_endless(self, message: str) -> None:
        """End streams that do not end by themselves, now and from now on, with UNAVAILABLE."""
        self._stopped_message = message
        for task in self._endless:
            task.cancel()

    def adapt(
        self, path: str, handler: MethodHandler | grpc.RpcMethodHandler[Any, Any]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Return what serves a method on grpcio's server as ``handler`` does on ours."""
        unary = handler.unary_unary
        counts = self._counts.of(
            path,
            request_streaming=bool(handler.request_streaming),
            response_streaming=bool(handler.response_streaming),
        )
        return _MethodHandler(
            handler.request_streaming,
            handler.response_streaming,
            _read_by(handler.request_deserializer, counts),
            _written_by(handler.response_serializer, counts),
            None if unary is None else self._observed(path, unary, counts),
            self._stream(path, handler.unary_stream, counts),
            self._single(path, handler.stream_unary),
            self._stream(path, handler.stream_stream, counts),
        )

    def _observed(self, path: str, behavior: Behavior, counts: MethodCounts) -> Behavior:
        monotonic, observer = self._monotonic, self.observer

        async def unary(request: Any, context: Any) -> Any:
            tally = _tally(counts, context)
            tally.started += 1
            context = self._call_of(context, path)
            began = monotonic()
            response, code = None, None
            try:
                response = await outcome(behavior(request, context))
                return response
            except Exception as error:  # noqa: BLE001 (a handler may raise anything)
                code = self._code_of(error, context)
                return await self._abort(context, error)
            except CancelledError:
                left = context.time_remaining()
                code = CANCELLED if left is None or left > 0 else DEADLINE_EXCEEDED
                raise
            finally:
                code = _number_of(context, OK) if code is None else code
                reply = response if code == OK else None
                seconds = monotonic() - began
                if code == OK:
                    tally.written += 1
                else:
                    counts.ended[code] += 1
                observer.ended(EndedCall(path, context.peer(), request, reply, seconds, code))

        return unary

    def _single(self, path: str, behavior: Behavior | None) -> Behavior | None:
        if behavior is None:
            return None

        async def single(requests: Any, context: Any) -> Any:
            context = self._call_of(context, path)
            try:
                return await outcome(behavior(requests, context))
            except Exception as error:  # noqa: BLE001 (a handler may raise anything)
                return await self._abort(context, error)

        return single

    def _stream(
        self, path: str, behavior: Behavior | None, counts: MethodCounts
    ) -> Behavior | None:
        if behavior is None:
            return None
        answer = partial(_answer_each, behavior) if is_one_reply_per_request(behavior) else behavior

        async def stream(request: Any, context: Any) -> None:
            context = self._call_of(context, path)
            try:
                result = answer(request, context)
                if hasattr(result, "__aiter__"):
                    async for response in result:
                        await context.write(response)
                else:
                    await result
            except Exception as error:  # noqa: BLE001 (a handler may raise anything)
                await self._abort(context, error)

        whole = self._until_stopped(stream) if is_endless(behavior) else stream

        async def counted(request: Any, context: Any) -> None:
            _tally(counts, context).started += 1
            began, code = self._monotonic(), OK
            try:
                await whole(request, context)
                # Its iterator of requests ends with the call, too.
                code = CANCELLED if context.cancelled() else _number_of(context, OK)
            except Exception:
                code = _number_of(context, UNKNOWN)
                raise
            except CancelledError:
                code = CANCELLED
                raise
            finally:
                counts.count_end(code, self._monotonic() - began)

        return counted

    def _until_stopped(self, stream: Behavior) -> Behavior:
        async def until_stopped(request: Any, context: Any) -> None:
            if self._stopped_message is None:
                task = asyncio.current_task()
                assert task is not None
                self._endless.add(task)
                try:
                    await stream(request, context)
                    return
                except CancelledError:
                    # By end_endless(), or because the client has gone.
                    if self._stopped_message is None or context.cancelled():
                        raise
                finally:
                    self._endless.discard(task)
            await context.abort(grpc.StatusCode.UNAVAILABLE, self._stopped_message)

        return until_stopped

    def _code_of(self, error: Exception, context: Any) -> int:
        """Return the number of the status that an exception ends a call with."""
        error = self._translate(error) or error
        if isinstance(error, StatusError):
            return error.code.value
        if isinstance(error, NotImplementedError):
            return UNIMPLEMENTED
        return _number_of(context, UNKNOWN)

    async def _abort(self, context: Any, error: Exception) -> None:
        """End a call with the status of an exception; raise one that stands for none."""
        error = self._translate(error) or error
        if isinstance(error, StatusError):
            code = _CODES[error.code]
            await context.abort(code, error.details, tuple(error.trailing_metadata))
        if not isinstance(error, NotImplementedError):
            raise error
        details = context.details() or str(error) or "Method not implemented!"
        text = details.decode() if isinstance(details, bytes) else details
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)


def _number_of(context: Any, otherwise: int) -> int:
    """Return the number of the code that a handler has set, ``otherwise`` if it has set none."""
    code = context.code()
    return otherwise if code is None else status_code(code).value


def _itself(context: Any, path: str) -> Any:
    return context


async def _answer_each(answer: Behavior, requests: AsyncIterable[Any], context: Any) -> None:
    async for request in requests:
        await context.write(await outcome(answer(request, context)))


def _tally(counts: MethodCounts, context: Any) -> Tally:
    """Return what a call counts on."""
    return counts.of(context.invocation_metadata() or ())


def _read_by(deserializer: Callable[[bytes], Any] | None, counts: MethodCounts) -> Any:
    """Return a deserializer that counts what it reads, of no version: grpcio names none there."""

    def read(message: bytes) -> Any:
        request = message if deserializer is None else deserializer(message)
        tally = counts.of(())
        tally.received += len(message)
        tally.read += counts.kind != UNARY
        return request

    return read


def _written_by(
    serializer: Callable[[Any], Any] | None, counts: MethodCounts
) -> Callable[[Any], bytes]:
    """Return a serializer that counts, and gives grpcio bytes where ours takes a bytearray too."""

    def written(response: Any) -> bytes:
        message = bytes(response if serializer is None else serializer(response))
        tally = counts.of(())
        tally.sent += len(message)
        tally.written += counts.kind != UNARY
        return message

    return written
