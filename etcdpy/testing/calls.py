"""
The calls of a test's server: between the transport and the services of whichever node serves.

What is registered with the transport, and with the JSON gateway, are the handlers made here. Each
notes the request, lets the faults that are set have their way with it, and then asks the handler
of the node that serves now: so a node can be put in the place of another while connections stay.
All of them run in tasks, so that whatever is under way can be cut off.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError, Task
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Any, Final

from google.protobuf.message import DecodeError

from etcdpy.cooperative import outcome
from etcdpy.errors import StoppedError
from etcdpy.http.caller import HttpCaller
from etcdpy.pb.rpc_pb2 import TxnRequest
from etcdpy.services.codes import status_of, text_of
from etcdpy.services.registration import Registry
from etcdpy.testing.requests import Request, short_name
from etcdpy.testing.rules import Rules
from etcdpy.transport import MethodHandler, StatusCode, StatusError, endless, is_endless

__all__ = ["Calls", "Handlers", "as_asked"]

_TXN: Final = "/etcdserverpb.KV/Txn"
#: Calls that begin nothing by themselves when something happens.
_LISTENING: Final = frozenset({"Watch/Watch", "Lease/LeaseKeepAlive"})


class Handlers:
    """The handlers of one node, by service and method: services are registered on it."""

    def __init__(self) -> None:
        self.services: dict[str, dict[str, Any]] = {}

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Any]
    ) -> None:
        """Take the methods of a service."""
        self.services[service_name] = dict(method_handlers)

    def behaviours(self) -> dict[str, Callable[..., Any]]:
        """Return what answers each method, by its path."""
        return {
            f"/{service}/{name}": _behaviour_of(handler)
            for service, handlers in self.services.items()
            for name, handler in handlers.items()
        }


class Calls:
    """
    The calls that are under way, and the way of each.

    Args:
        note: Is given each request as it arrives.
        rules: The faults that are set.
        now: Tells the time that requests are noted with.
        user_of: Tells who a caller is, if anybody knows.

    Attributes:
        behaviours: What answers each method now, by its path.
        version: What Status is to say the version is, None for the truth.
        tokens: Those that were given to users who have logged in.
        others: How many calls are under way besides streams of watches and of renewals.

    """

    def __init__(
        self,
        note: Callable[[Request], None],
        rules: Rules,
        now: Callable[[], float],
        user_of: Callable[[Any], str | None],
    ) -> None:
        self.behaviours: Mapping[str, Callable[..., Any]] = {}
        self.version: str | None = None
        self._note = note
        self._rules = rules
        self._now = now
        self._user_of = user_of
        self._under_way: dict[Task[Any], Any] = {}
        self._cut: dict[Task[Any], StatusError] = {}
        self.tokens: set[str] = set()
        self.others = 0
        self._stopped = StatusError(StatusCode.UNAVAILABLE, text_of(StoppedError()))

    def register(self, handlers: Handlers, *servers: Registry) -> None:
        """Serve on ``servers`` what ``handlers`` has, whoever answers it at the time."""
        for service, methods in handlers.services.items():
            proxies = {
                name: self._proxy(f"/{service}/{name}", handler)
                for name, handler in methods.items()
            }
            for server in servers:
                server.add_registered_method_handlers(service, proxies)

    def cut(
        self, which: Callable[[Any], bool] = lambda caller: True, status: StatusError | None = None
    ) -> list[Task[Any]]:
        """
        End calls, and return what is still to end.

        Args:
            which: Tells of a caller whether its call is to end.
            status: What it ends with; by default as it does where a server stops.

        """
        tasks = [task for task, caller in self._under_way.items() if which(caller)]
        for task in tasks:
            self._cut[task] = status or self._stopped
            task.cancel()
        return tasks

    @property
    def under_way(self) -> int:
        """How many calls there are now."""
        return len(self._under_way)

    @contextmanager
    def noted(self, request: Request, caller: Any) -> Iterator[None]:
        """Let the block answer a request, and note how that ends."""
        task = asyncio.current_task()
        assert task is not None
        self._under_way[task] = caller
        is_other = request.method not in _LISTENING
        self.others += is_other
        try:
            yield
        except CancelledError:
            if status := self._cut.get(task):
                request.status, request.details = status.code.name, status.details
                raise status from None
            request.status = _lost(caller)
            raise
        except GeneratorExit:  # of a stream whose reader has left
            request.status = "CANCELLED"
            raise
        except Exception as error:
            known = status_of(error) or error
            if isinstance(known, StatusError):
                request.status, request.details = known.code.name, known.details
            else:
                request.status, request.details = "UNKNOWN", str(known)
            raise
        else:
            request.status = "OK"
        finally:
            self.others -= is_other
            self._under_way.pop(task, None)
            self._cut.pop(task, None)

    # ------------------------------------------------------------------- the proxies

    def _proxy(self, path: str, handler: Any) -> Any:
        behaviour = _behaviour_of(handler)
        kind = bool(handler.request_streaming), bool(handler.response_streaming)
        proxy: Any
        if kind == (False, False):
            proxy = self._unary(path)
        elif kind == (True, True):
            # etcd has two. The one whose requests each get a reply is no more than that here.
            each = not asyncio.iscoroutinefunction(behaviour)
            proxy = self._each_answered(path) if each else self._stream(path)
        else:
            assert kind == (False, True), f"there is no {path} in etcd"
            writes = asyncio.iscoroutinefunction(behaviour)
            proxy = self._writing(path) if writes else self._replies(path)
        if is_endless(behaviour):
            proxy = endless(proxy)
        read = handler.request_deserializer
        return MethodHandler.of(
            proxy,
            request_streaming=kind[0],
            response_streaming=kind[1],
            request_deserializer=_keeping(read) if path == _TXN else read,
            response_serializer=handler.response_serializer,
        )

    def _arrived(self, path: str, message: Any, caller: Any) -> Request:
        request = Request(
            time=self._now(),
            method=short_name(path),
            message=message,
            peer=caller.peer(),
            user=self._user_of(caller),
            over="http" if isinstance(caller, HttpCaller) else "grpc",
        )
        self._note(request)
        return request

    async def _outcome(self, path: str, message: Any, caller: Any) -> Any:
        return await outcome(self.behaviours[path](message, caller))

    def _unary(self, path: str) -> Callable[..., Awaitable[Any]]:
        async def unary(message: Any, caller: Any) -> Any:
            asked = message
            if type(message) is KeptTxn:
                message, asked = _message_of(message.data), message.txn
            request = self._arrived(path, message, caller)
            with self.noted(request, caller):
                answering = partial(self._outcome, path, asked, caller)
                reply = await self._rules.apply(request, caller, answering)
                if request.method == "Auth/Authenticate":
                    self.tokens.add(reply.token)
                elif self.version is not None and request.method == "Maintenance/Status":
                    reply.version = self.version
                return reply

        return unary

    def _replies(self, path: str) -> Callable[..., AsyncIterator[Any]]:
        async def replies(message: Any, caller: Any) -> AsyncIterator[Any]:
            request = self._arrived(path, message, caller)
            with self.noted(request, caller):
                await self._rules.apply(request, caller, _nothing)
                async with aclosing(self.behaviours[path](message, caller)) as answers:
                    async for reply in answers:
                        yield reply

        return replies

    def _writing(self, path: str) -> Callable[..., Awaitable[None]]:
        async def writing(message: Any, caller: Any) -> None:
            request = self._arrived(path, message, caller)
            with self.noted(request, caller):
                await self._rules.apply(
                    request, caller, lambda: self.behaviours[path](message, caller)
                )

        return writing

    def _each_answered(self, path: str) -> Callable[..., Awaitable[None]]:
        async def each(messages: AsyncIterator[Any], caller: Any) -> None:
            with self._streaming(path, caller) as taken:
                async for message in messages:
                    request = self._arrived(path, message, caller)
                    taken.append(request)
                    answering = partial(self._outcome, path, message, caller)
                    reply = await self._rules.apply(request, caller, answering)
                    request.status = "OK"
                    taken.remove(request)
                    await caller.write(reply)

        return each

    def _stream(self, path: str) -> Callable[..., Awaitable[None]]:
        async def stream(messages: AsyncIterator[Any], caller: Any) -> None:
            with self._streaming(path, caller) as taken:
                ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

                async def requests() -> AsyncIterator[Any]:
                    try:
                        async for message in messages:
                            request = self._arrived(path, message, caller)
                            taken.append(request)
                            await self._rules.apply(request, caller, _nothing)
                            yield message
                    except StatusError as error:
                        # The handler is not to clean up after it as after a mistake of its own.
                        if not ended.done():
                            ended.set_exception(error)
                        await asyncio.get_running_loop().create_future()

                handling = asyncio.ensure_future(self.behaviours[path](requests(), caller))
                try:
                    await asyncio.wait({handling, ended}, return_when=asyncio.FIRST_COMPLETED)
                    if ended.done():
                        ended.result()
                    handling.result()
                finally:
                    ended.cancel()
                    handling.cancel()
                    await asyncio.gather(handling, return_exceptions=True)

        return stream

    @contextmanager
    def _streaming(self, path: str, caller: Any) -> Iterator[list[Request]]:
        """Let the block serve a stream, and give its end to those requests that have none."""
        stream = Request(self._now(), short_name(path), None, caller.peer())
        taken: list[Request] = []
        try:
            with self.noted(stream, caller):
                self._rules.check_open(stream, caller)
                yield taken
        finally:
            for request in taken:
                request.status, request.details = stream.status, stream.details


class KeptTxn:
    """A transaction as the node has it, which is no message, and its bytes, which are one."""

    __slots__ = ("data", "txn")

    def __init__(self, txn: Any, data: bytes) -> None:
        self.txn = txn
        self.data = data


def as_asked(request: Any) -> Any:
    """Return a request as the node has it, of what its handler was given here."""
    return request.txn if type(request) is KeptTxn else request


def _keeping(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def keep(data: bytes) -> KeptTxn:
        return KeptTxn(read(data), data)

    return keep


def _message_of(data: bytes) -> TxnRequest | None:
    """Return a transaction as a message; None of one that nests deeper than protobuf reads."""
    try:
        return TxnRequest.FromString(data)
    except DecodeError:
        return None


def _behaviour_of(handler: Any) -> Callable[..., Any]:
    behaviour: Callable[..., Any] = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    return behaviour


def _lost(caller: Any) -> str:
    """Return how a call has ended that nobody waits for any more."""
    return "DEADLINE_EXCEEDED" if caller.time_remaining() == 0 else "CANCELLED"


async def _nothing() -> None:
    pass
