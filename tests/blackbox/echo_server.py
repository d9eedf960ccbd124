"""
A server with one service of every kind of call, for peers to try the transport on.

    python echo_server.py '{"max_concurrent_streams": 3}'

prints its port, serves until SIGTERM, then drains and ends. Messages are plain bytes; what a
method takes as its arguments is JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from etcdpy.transport import (
    Context,
    FixedSecurity,
    HttpRequest,
    HttpResponse,
    Server,
    ServerOptions,
    StatusError,
    endless,
    inline,
    one_reply_per_request,
)

COUNTS: Counter[str] = Counter()
"""What ``Stats`` returns: calls running, started, cancelled, items produced."""


@contextlib.contextmanager
def counted() -> Iterator[None]:
    COUNTS["started"] += 1
    COUNTS["running"] += 1
    try:
        yield
    except (asyncio.CancelledError, GeneratorExit):
        COUNTS["cancelled"] += 1
        raise
    finally:
        COUNTS["running"] -= 1


MOST = 64 << 20
"""Bytes in one answer; what asks for more is noise."""


@contextlib.contextmanager
def checked() -> Iterator[None]:
    """Blame the client for arguments that cannot be understood."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise StatusError(grpc.StatusCode.INVALID_ARGUMENT, repr(error)) from None


@inline
async def unary(request: bytes, context: Context) -> bytes:
    return request


async def task(request: bytes, context: Context) -> bytes:
    with counted():
        await asyncio.sleep(0)
        return request


async def sleep(request: bytes, context: Context) -> bytes:
    """Answer after the given seconds."""
    with counted(), checked():
        seconds = float(json.loads(request))
        await asyncio.sleep(seconds)
        return request


@inline
async def large(request: bytes, context: Context) -> bytes:
    """Answer with the given number of bytes."""
    with checked():
        return b"x" * min(int(json.loads(request)), MOST)


@inline
async def fail(request: bytes, context: Context) -> bytes:
    with checked():
        code, details = json.loads(request)
        raise StatusError(grpc.StatusCode[code], str(details))


async def abort(request: bytes, context: Context) -> bytes:
    code, details = json.loads(request)
    await context.abort(grpc.StatusCode[code], details)
    raise AssertionError("abort returned")


async def crash(request: bytes, context: Context) -> bytes:
    raise RuntimeError("expected by a test")


async def metadata(request: bytes, context: Context) -> bytes:
    """Answer with the metadata received, after sending the metadata given."""
    given = json.loads(request) or {}
    if "initial" in given:
        await context.send_initial_metadata([tuple(pair) for pair in given["initial"]])
    if "trailing" in given:
        context.set_trailing_metadata([tuple(pair) for pair in given["trailing"]])
    if "fail" in given:
        raise StatusError(grpc.StatusCode[given["fail"]], "after metadata")
    found = [
        (key, value.hex() if isinstance(value, bytes) else value)
        for key, value in context.invocation_metadata() or ()
    ]
    return json.dumps(found).encode()


@inline
async def stats(request: bytes, context: Context) -> bytes:
    return json.dumps(COUNTS).encode()


@inline
async def parsed(request: StringValue, context: Context) -> StringValue:
    return request


async def repeat(request: bytes, context: Context) -> AsyncIterator[bytes]:
    """Send ``count`` messages of ``size`` bytes, ``pause`` seconds apart, then maybe fail."""
    with checked():
        given = json.loads(request)
        count, size = int(given["count"]), min(int(given.get("size", 1)), MOST)
        pause = float(given.get("pause", 0))
        error = grpc.StatusCode[given["fail"]] if "fail" in given else None
    with counted():
        for _ in range(count):
            COUNTS["produced"] += 1
            yield b"x" * size
            await asyncio.sleep(pause)
        if error is not None:
            raise StatusError(error, "after messages")


async def chat(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
    """Echo each message; end when the peer has half-closed."""
    with counted():
        async for request in requests:
            yield request


@one_reply_per_request
def each(request: bytes, context: Context) -> bytes | Coroutine[Any, Any, bytes]:
    """Echo each message, those that begin with a "w" a little later."""
    return task(request, context) if request.startswith(b"w") else request


@endless
async def watch(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
    """Echo each message; when the peer has half-closed say so, and stay."""
    with counted():
        async for request in requests:
            yield request
        yield b"half-closed"
        await asyncio.Event().wait()


async def collect(requests: AsyncIterator[bytes], context: Context) -> bytes:
    """Answer with the number of messages and bytes that came."""
    sizes = [len(request) async for request in requests]
    return json.dumps([len(sizes), sum(sizes)]).encode()


async def deaf(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
    """Never read a message."""
    with counted():
        yield b"ready"
        await asyncio.Event().wait()


async def health(request: HttpRequest) -> HttpResponse:
    """Answer what is not gRPC."""
    if request.path != "/health":
        return HttpResponse(404, (), b"not found")
    return HttpResponse(200, ((b"content-type", b"application/json"),), b'{"health":"true"}')


def handlers() -> grpc.GenericRpcHandler:
    unary_methods = {
        "Unary": unary,
        "Task": task,
        "Sleep": sleep,
        "Large": large,
        "Fail": fail,
        "Abort": abort,
        "Crash": crash,
        "Metadata": metadata,
        "Stats": stats,
    }
    methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(f) for name, f in unary_methods.items()
    }
    methods["Parsed"] = grpc.unary_unary_rpc_method_handler(
        parsed, StringValue.FromString, StringValue.SerializeToString
    )
    methods["Repeat"] = grpc.unary_stream_rpc_method_handler(repeat)
    methods["Collect"] = grpc.stream_unary_rpc_method_handler(collect)
    stream_methods: dict[str, Callable[..., Any]] = {
        "Chat": chat,
        "Each": each,
        "Watch": watch,
        "Deaf": deaf,
    }
    for name, function in stream_methods.items():
        methods[name] = grpc.stream_stream_rpc_method_handler(function)
    return grpc.method_handlers_generic_handler("echo.Echo", methods)


async def serve(options: dict[str, Any]) -> None:
    grace = options.pop("grace", None)
    tls = None
    if certificate := options.pop("certificate", None):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        tls.set_alpn_protocols(["h2", "http/1.1"])
    server = Server(ServerOptions(**options), http=health)
    server.add_generic_rpc_handlers((handlers(),))
    security = None if tls is None else FixedSecurity(tls)
    port = await server.listen_tcp("127.0.0.1", 0, security=security)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    print(port, flush=True)
    await stopped.wait()
    await server.stop(grace)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(serve(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))
