"""Which handler a path leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from etcdpy.cooperative import Pieces
from etcdpy.gostd.quoting import go_quote, go_text
from etcdpy.transport.grpc.status import UNIMPLEMENTED, ProtocolStatus
from etcdpy.transport.grpc.tally import CallCounts, MethodCounts

if TYPE_CHECKING:  # grpcio takes as long to import as all of the transport
    import grpc

_INLINE = "_transport_inline"
_ONE_REPLY_PER_REQUEST = "_transport_one_reply_per_request"
_ENDLESS = "_transport_endless"
_PATIENT = "_transport_patient"

Handler = TypeVar("Handler", bound=Callable[..., Any])


def inline(handler: Handler) -> Handler:
    """
    Mark a unary handler as one that needs no asyncio Task.

    It starts as soon as its request is complete, and its answer is written in the same turn
    of the loop if it does not wait. It may await futures, and many calls the same one;
    ``asyncio.sleep(0)`` too. It must not use ``current_task()``, timeouts or task groups.
    It is an ``async def``, or a plain function that returns the response, or a coroutine where
    it has to wait. Either may give a ``DeferredReply``, which is the cheapest way to wait for
    one future at the end. Callers in this process await any of them with
    ``cooperative.outcome``.
    """
    setattr(handler, _INLINE, True)
    return handler


def is_inline(handler: Callable[..., Any]) -> bool:
    """Tell whether a handler was marked with :func:`inline`."""
    return bool(getattr(handler, _INLINE, False))


def one_reply_per_request(handler: Handler) -> Handler:
    """
    Mark the handler of a stream of requests each of which gets one response.

    It is a plain function of one request and the context, called as soon as that is complete.
    What it returns is the response, written in the same turn of the loop; or a coroutine that
    returns it, if it has to wait, of which :func:`inline` says what it may do. The requests of
    a stream are taken one after the other; after the last the stream ends with success.
    """
    setattr(handler, _ONE_REPLY_PER_REQUEST, True)
    return handler


def is_one_reply_per_request(handler: Callable[..., Any]) -> bool:
    """Tell whether a handler was marked with :func:`one_reply_per_request`."""
    return bool(getattr(handler, _ONE_REPLY_PER_REQUEST, False))


def endless(handler: Handler) -> Handler:
    """
    Mark the handler of a stream that does not end by itself: it waits for what may come.

    A graceful stop does not wait for it. Its calls end with UNAVAILABLE as soon as their clients
    are told to go elsewhere, so that these come back, to whoever serves next.
    """
    setattr(handler, _ENDLESS, True)
    return handler


def is_endless(handler: Callable[..., Any]) -> bool:
    """Tell whether a handler was marked with :func:`endless`."""
    return bool(getattr(handler, _ENDLESS, False))


def patient(handler: Handler) -> Handler:
    """
    Mark the handler of one request that may wait for very long, as thousands of others do.

    Meanwhile the request is kept encoded, and decoded again if somebody wants to see it: protobuf
    has a table of all messages that there are, which never becomes smaller. So the handler has to
    let go of its request as well, before it waits.
    """
    setattr(handler, _PATIENT, True)
    return handler


def is_patient(handler: Callable[..., Any]) -> bool:
    """Tell whether a handler was marked with :func:`patient`."""
    return bool(getattr(handler, _PATIENT, False))


class MethodHandler(NamedTuple):
    """
    A method as it is registered, with the attributes of ``grpc.RpcMethodHandler``.

    Attributes:
        request_streaming: Whether requests are a stream.
        response_streaming: Whether responses are.
        request_deserializer: Bytes to request; None leaves it bytes.
        response_serializer: Response to bytes; None for bytes.
        unary_unary: The handler, if neither is a stream.
        unary_stream: The handler, if responses are.
        stream_unary: The handler, if requests are.
        stream_stream: The handler, if both are.

    """

    request_streaming: bool
    response_streaming: bool
    request_deserializer: Callable[[bytes], Any] | None
    response_serializer: Callable[[Any], bytes] | None
    unary_unary: Callable[..., Any] | None = None
    unary_stream: Callable[..., Any] | None = None
    stream_unary: Callable[..., Any] | None = None
    stream_stream: Callable[..., Any] | None = None

    @classmethod
    def of(
        cls,
        behavior: Callable[..., Any],
        *,
        request_streaming: bool,
        response_streaming: bool,
        request_deserializer: Callable[[bytes], Any] | None = None,
        response_serializer: Callable[[Any], bytes] | None = None,
    ) -> MethodHandler:
        """Return what registers ``behavior`` as a method of that kind."""
        asked = "stream" if request_streaming else "unary"
        answered = "stream" if response_streaming else "unary"
        return cls(
            request_streaming,
            response_streaming,
            request_deserializer,
            response_serializer,
            **{f"{asked}_{answered}": behavior},
        )


def _identity(message: Any) -> Any:
    return message


class Route:
    """
    One method of one service.

    Attributes:
        behavior: The handler: of a request, or of a request iterator, and a context.
        request_streaming: Whether requests are a stream.
        response_streaming: Whether responses are.
        deserialize: Bytes to request.
        serialize: Response to bytes, in pieces where it is long.
        inline: Whether ``behavior`` was marked with :func:`inline`.
        one_reply_per_request: Whether it was marked with :func:`one_reply_per_request`.
        endless: Whether it was marked with :func:`endless`.
        patient: Whether it was marked with :func:`patient`.
        counts: How many calls there were of it.

    """

    __slots__ = (
        "behavior",
        "counts",
        "deserialize",
        "endless",
        "inline",
        "one_reply_per_request",
        "patient",
        "request_streaming",
        "response_streaming",
        "serialize",
    )

    def __init__(
        self,
        behavior: Callable[..., Any],
        request_streaming: bool,
        response_streaming: bool,
        deserialize: Callable[[bytes], Any],
        serialize: Callable[[Any], bytes | Pieces],
        inline: bool,
        one_reply_per_request: bool = False,
        endless: bool = False,
        patient: bool = False,
        counts: MethodCounts | None = None,
    ) -> None:
        self.behavior = behavior
        self.request_streaming = request_streaming
        self.response_streaming = response_streaming
        self.deserialize = deserialize
        self.serialize = serialize
        self.inline = inline
        self.one_reply_per_request = one_reply_per_request
        self.endless = endless
        self.patient = patient
        # Those of a method that nobody asks for, by default.
        self.counts = counts or MethodCounts("/none/none")

    @classmethod
    def of(
        cls,
        handler: MethodHandler | grpc.RpcMethodHandler[Any, Any],
        counts: MethodCounts | None = None,
    ) -> Route:
        """Return the route to what generated code registers."""
        streaming = bool(handler.request_streaming), bool(handler.response_streaming)
        behavior: Callable[..., Any] | None = {
            (False, False): handler.unary_unary,
            (False, True): handler.unary_stream,
            (True, False): handler.stream_unary,
            (True, True): handler.stream_stream,
        }[streaming]
        if behavior is None:
            raise ValueError("a method handler without the behavior it names")
        return cls(
            behavior,
            *streaming,
            handler.request_deserializer or _identity,
            handler.response_serializer or _identity,
            streaming == (False, False) and is_inline(behavior),
            streaming == (True, True) and is_one_reply_per_request(behavior),
            is_endless(behavior),
            not streaming[0] and is_patient(behavior),
            counts,
        )


class _CallDetails(NamedTuple):
    """What a generic handler is asked about."""

    method: str
    invocation_metadata: tuple[()] = ()


class RouteTable:
    """
    Every route of a server, with the registration surface of ``grpc.aio.Server``.

    Args:
        counts: Where the calls of registered methods are counted.

    Attributes:
        version: Rises with each registration, so that results may be kept meanwhile.

    """

    def __init__(self, counts: CallCounts | None = None) -> None:
        self.version = 0
        self._counts = counts or CallCounts()
        self._routes: dict[str, Route] = {}
        self._services: set[str] = set()
        self._generic: list[grpc.GenericRpcHandler] = []

    def add_generic(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Add handlers that are asked for each path that no registered method has."""
        for handler in handlers:
            # Those of one service can tell its name. (``grpc.ServiceRpcHandler``)
            service_name = getattr(handler, "service_name", None)
            if service_name is not None:
                self._services.add(service_name())
            self._generic.append(handler)
        self.version += 1

    def add_methods(
        self,
        service: str,
        handlers: Mapping[str, MethodHandler | grpc.RpcMethodHandler[Any, Any]],
    ) -> None:
        """Add the methods of a service by name."""
        self._services.add(service)
        for method, handler in handlers.items():
            path = f"/{service}/{method}"
            counts = self._counts.of(
                path,
                request_streaming=bool(handler.request_streaming),
                response_streaming=bool(handler.response_streaming),
            )
            self._routes[path] = Route.of(handler, counts)
        self.version += 1

    def find(self, path: bytes) -> Route:
        """
        Return the route of a ``:path``; a query string counts as part of the method's name.

        Raises:
            ProtocolStatus: UNIMPLEMENTED, in grpc-go's words.

        """
        # At the last slash, as grpc-go has it: ``/a/b/c`` is method c of service a/b.
        service, slash, method = path[1:].rpartition(b"/")
        if path[:1] != b"/" or not slash:
            raise ProtocolStatus(UNIMPLEMENTED, f"malformed method name: {go_quote(path)}")
        name = go_text(path)
        route = self._routes.get(name) or self._ask(name)
        if route is not None:
            return route
        if go_text(service) not in self._services:
            raise ProtocolStatus(UNIMPLEMENTED, f"unknown service {go_text(service)}")
        raise ProtocolStatus(
            UNIMPLEMENTED, f"unknown method {go_text(method)} for service {go_text(service)}"
        )

    def _ask(self, path: str) -> Route | None:
        details: Any = _CallDetails(path)
        for generic in self._generic:
            handler = generic.service(details)
            if handler is not None:
                return Route.of(handler)
        return None
