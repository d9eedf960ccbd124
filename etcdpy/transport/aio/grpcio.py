"""The same handlers on grpcio's own server, to compare with and to fall back to."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

import grpc
import grpc.aio

from etcdpy.cooperative import outcome
from etcdpy.transport.grpc.routes import is_one_reply_per_request
from etcdpy.transport.grpc.status import StatusError, Translate, untranslated
from etcdpy.transport.limits import MAX_HEADER_LIST, ServerOptions

Behavior = Callable[[Any, Any], Any]


class ReferenceServer:
    """
    Looks like :class:`.server.Server`, as far as grpcio can do it: no HTTP, and its own words
    for what never reaches a handler. A port takes no other traffic.
    """

    def __init__(
        self, options: ServerOptions | None = None, *, translate: Translate = untranslated
    ) -> None:
        self.options = options or ServerOptions()
        self._translate = translate
        self._generic: list[grpc.GenericRpcHandler] = []
        self._methods: list[tuple[str, Mapping[str, grpc.RpcMethodHandler[Any, Any]]]] = []
        self._servers: list[Any] = []

    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]
    ) -> None:
        """Register handlers that are asked for each path that has no registered method."""
        self._generic += [_Generic(handler, self._translate) for handler in generic_rpc_handlers]

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Register the methods of a service."""
        adapted = {
            name: adapt(handler, self._translate) for name, handler in method_handlers.items()
        }
        self._methods.append((service_name, adapted))

    async def listen_tcp(self, host: str, port: int) -> int:
        """
        Accept connections on a TCP port and return which it is; port 0 picks a free one.

        Raises:
            RuntimeError: The address is in use or not ours.

        """
        host = f"[{host}]" if ":" in host else host
        return await self._listen(f"{host}:{port}")

    async def listen_unix(self, path: str) -> None:
        """
        Accept connections on a unix socket.

        Raises:
            RuntimeError: It cannot be made there.

        """
        await self._listen(f"unix:{path}")

    async def stop(self, grace: float | None = None) -> None:
        """Stop listening, let calls end for ``grace`` seconds, and close all connections."""
        for server in self._servers:
            await server.stop(grace)
        self._servers.clear()

    async def _listen(self, address: str) -> int:
        # One server for each address, as a started one takes no more.
        server: Any = grpc.aio.server(options=_grpcio_options(self.options))
        server.add_generic_rpc_handlers(self._generic)
        for name, methods in self._methods:
            server.add_registered_method_handlers(name, methods)
        port = int(server.add_insecure_port(address))
        await server.start()
        self._servers.append(server)
        return port


def _grpcio_options(options: ServerOptions) -> list[tuple[str, int]]:
    chosen = [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", options.max_receive_message),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", MAX_HEADER_LIST),
        ("grpc.absolute_max_metadata_size", 2 * MAX_HEADER_LIST),
        ("grpc.http2.min_ping_interval_without_data_ms", int(options.keepalive_min_time * 1000)),
    ]
    if options.keepalive_interval:
        chosen.append(("grpc.keepalive_time_ms", int(options.keepalive_interval * 1000)))
        chosen.append(("grpc.keepalive_timeout_ms", int(options.keepalive_timeout * 1000)))
    if options.max_concurrent_streams is not None:
        chosen.append(("grpc.max_concurrent_streams", options.max_concurrent_streams))
    return chosen


class _Generic(grpc.GenericRpcHandler):
    """Adapts what another generic handler finds."""

    def __init__(self, inner: grpc.GenericRpcHandler, translate: Translate) -> None:
        self._inner = inner
        self._translate = translate

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = self._inner.service(handler_call_details)
        return None if handler is None else adapt(handler, self._translate)


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


def adapt(
    handler: grpc.RpcMethodHandler[Any, Any], translate: Translate = untranslated
) -> grpc.RpcMethodHandler[Any, Any]:
    """Return a handler for grpcio's server that does what ours does with this one."""

    def wrap(behavior: Behavior | None) -> Behavior | None:
        if behavior is None:
            return None
        make = _stream if handler.response_streaming else _unary
        return make(behavior, translate)

    return _MethodHandler(
        handler.request_streaming,
        handler.response_streaming,
        handler.request_deserializer,
        _exactly_bytes(handler.response_serializer),
        wrap(handler.unary_unary),
        wrap(handler.unary_stream),
        wrap(handler.stream_unary),
        wrap(handler.stream_stream),
    )


def _exactly_bytes(serializer: Callable[[Any], Any] | None) -> Callable[[Any], bytes]:
    """Return a serializer for grpcio, which takes bytes where ours takes a bytearray too."""
    if serializer is None:
        return bytes
    return lambda response: bytes(serializer(response))


def _unary(behavior: Behavior, translate: Translate) -> Behavior:
    async def unary(request: Any, context: Any) -> Any:
        try:
            return await outcome(behavior(request, context))
        except Exception as error:  # noqa: BLE001 (a handler may raise anything)
            return await _abort(context, error, translate)

    return unary


def _stream(behavior: Behavior, translate: Translate) -> Behavior:
    if is_one_reply_per_request(behavior):
        behavior = partial(_answer_each, behavior)

    async def stream(request: Any, context: Any) -> None:
        try:
            result = behavior(request, context)
            if hasattr(result, "__aiter__"):
                async for response in result:
                    await context.write(response)
            else:
                await result
        except Exception as error:  # noqa: BLE001 (a handler may raise anything)
            await _abort(context, error, translate)

    return stream


async def _answer_each(answer: Behavior, requests: AsyncIterable[Any], context: Any) -> None:
    async for request in requests:
        await context.write(await outcome(answer(request, context)))


async def _abort(context: Any, error: Exception, translate: Translate) -> None:
    """End a call with the status that an exception stands for; raise one that stands for none."""
    error = translate(error) or error
    if isinstance(error, StatusError):
        await context.abort(error.code, error.details, tuple(error.trailing_metadata))
    if not isinstance(error, NotImplementedError):
        raise error
    details = context.details() or str(error) or "Method not implemented!"
    text = details.decode() if isinstance(details, bytes) else details
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)
