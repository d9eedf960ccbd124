"""What is made of handlers for grpcio's server; tests of contexts and observers try it."""

from __future__ import annotations

import contextlib
from typing import Any

import grpc
import pytest

from etcdpy.clock import SystemClock
from etcdpy.cooperative import DeferredReply
from etcdpy.transport import CallCounts, EndedCall, Observer, StatusError, one_reply_per_request
from etcdpy.transport.aio.grpcio import Adapter

PATH = "/test.Service/Method"


class GrpcioContext:
    """The parts of grpcio's context that are used."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.aborted: tuple[Any, ...] = ()

    def peer(self) -> str:
        return "ipv4:10.0.0.1:5000"

    def invocation_metadata(self) -> Any:
        return ()

    def cancelled(self) -> bool:
        return False

    def code(self) -> Any:
        return self.aborted[0] if self.aborted else None

    def details(self) -> Any:
        return b""

    async def write(self, response: Any) -> None:
        self.written.append(response)

    async def abort(self, code: Any, details: str, metadata: Any = ()) -> None:
        self.aborted = (code, details, metadata)
        raise grpc.aio.AbortError


def adapter(observer: Observer | None = None, **options: Any) -> Adapter:
    def translate(error: BaseException) -> StatusError | None:
        return StatusError(grpc.StatusCode.NOT_FOUND, "gone") if type(error) is KeyError else None

    return Adapter(observer or Observer(), translate, SystemClock(), **options)


def adapted(method: Any, **options: Any) -> Any:
    return adapter(**options).adapt(PATH, method)


def unary(behavior: Any, **options: Any) -> Any:
    return adapted(grpc.unary_unary_rpc_method_handler(behavior), **options).unary_unary


@pytest.mark.parametrize("is_deferred", [False, True])
async def test_unary_handler_may_be_a_plain_function(is_deferred: bool) -> None:
    def plain(request: bytes, context: Any) -> Any:
        return DeferredReply(request, None) if is_deferred else request

    assert await unary(plain)(b"x", GrpcioContext()) == b"x"


async def test_exception_is_translated_to_its_status_and_observed() -> None:
    observer, ended = Observer(), list[EndedCall]()
    observer.listen(ended.append)

    async def fail(request: bytes, context: Any) -> bytes:
        raise KeyError

    context = GrpcioContext()
    with pytest.raises(grpc.aio.AbortError):
        await unary(fail, observer=observer)(b"x", context)
    assert context.aborted == (grpc.StatusCode.NOT_FOUND, "gone", ())
    [call] = ended
    assert call[:4] == (PATH, "ipv4:10.0.0.1:5000", b"x", None)
    assert call.code == 5


async def test_handler_gets_the_call_type() -> None:
    seen: list[Any] = []

    class Caller(GrpcioContext):
        def __init__(self, context: Any, method: str) -> None:
            super().__init__()
            self.context = context
            self.method = method

    def plain(request: bytes, context: Any) -> bytes:
        seen.append(context)
        return request

    await unary(plain, call_type=Caller)(b"x", GrpcioContext())
    assert type(seen[0]) is Caller
    assert seen[0].method.startswith("/")


async def test_each_request_of_a_stream_is_answered() -> None:
    @one_reply_per_request
    def each(request: bytes, context: Any) -> bytes:
        return request * 2

    async def requests() -> Any:
        for request in (b"a", b"b"):
            yield request

    method: Any = grpc.stream_stream_rpc_method_handler(each)
    context = GrpcioContext()
    await adapted(method).stream_stream(requests(), context)
    assert context.written == [b"aa", b"bb"]


async def test_responses_of_a_generator_are_written() -> None:
    async def count(request: bytes, context: Any) -> Any:
        for number in range(3):
            yield b"%d" % number

    method: Any = grpc.unary_stream_rpc_method_handler(count)
    context = GrpcioContext()
    await adapted(method).unary_stream(b"", context)
    assert context.written == [b"0", b"1", b"2"]


def test_serializers_give_bytes_though_ours_takes_a_bytearray() -> None:
    serializer: Any = bytearray
    made = adapted(
        grpc.unary_unary_rpc_method_handler(lambda *_: b"", response_serializer=serializer)
    )
    assert type(made.response_serializer(b"x")) is bytes
    assert made.unary_stream is made.stream_unary is made.stream_stream is None


async def test_calls_are_counted_as_the_native_server_does() -> None:
    async def echo(request: bytes, context: Any) -> bytes:
        if request == b"unknown":
            raise KeyError
        return request

    counts = CallCounts()
    method = adapted(grpc.unary_unary_rpc_method_handler(echo), counts=counts)
    for request in (b"abc", b"unknown"):
        read = method.request_deserializer(request)
        with contextlib.suppress(grpc.aio.AbortError):
            method.response_serializer(await method.unary_unary(read, GrpcioContext()))
    found = counts.methods[PATH]
    assert (found.started, found.read, found.written) == (2, 2, 2)
    assert (found.handled[0], found.handled[5], sum(found.handled)) == (1, 1, 2)
    assert (found.of(()).received, found.of(()).sent) == (10, 3)


async def test_streams_are_counted_by_their_messages() -> None:
    async def count(request: bytes, context: Any) -> Any:
        for number in range(3):
            yield b"%d" % number

    counts = CallCounts()
    method = adapted(grpc.unary_stream_rpc_method_handler(count), counts=counts)
    context = GrpcioContext()
    await method.unary_stream(method.request_deserializer(b""), context)
    for response in context.written:
        method.response_serializer(response)
    found = counts.methods[PATH]
    assert (found.started, found.read, found.written) == (1, 1, 3)
    assert (found.handled[0], sum(found.handled)) == (1, 1)
