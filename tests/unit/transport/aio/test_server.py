"""A listening server: addresses, loops, HTTP, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import os
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import uvloop

from etcdpy.memory import Budget
from etcdpy.testing.clock import MovableClock
from etcdpy.transport import (
    FixedSecurity,
    HttpRequest,
    HttpResponse,
    Server,
    ServerOptions,
)
from etcdpy.transport.aio import server as server_module
from etcdpy.transport.aio.grpcio import ReferenceServer
from etcdpy.transport.grpc.connection import Connection
from etcdpy.transport.http2 import frames

from ..conftest import OPTIONS, connect
from ..peer import Peer, parse, parse_u32, request_fields
from ..service import Service

ECHO = "/test.Service/Inline"


class TestAddresses:
    async def test_port_0_is_a_free_port(self, server: Server) -> None:
        first = await server.listen_tcp("127.0.0.1", 0)
        second = await server.listen_tcp("127.0.0.1", 0)
        for port in {first, second}:
            async with connect(f"127.0.0.1:{port}") as channel:
                assert await channel.unary_unary(ECHO)(b"x") == b"x"
        assert first != second

    async def test_port_in_use(self, server: Server) -> None:
        port = await server.listen_tcp("127.0.0.1", 0)
        with pytest.raises(OSError, match="in use"):
            await server.listen_tcp("127.0.0.1", port)

    async def test_ipv6_peer(self, server: Server, service: Service) -> None:
        try:
            port = await server.listen_tcp("::1", 0)
        except OSError:
            pytest.skip("no IPv6 here")
        async with connect(f"[::1]:{port}") as channel:
            await channel.unary_unary("/test.Service/Inspect")(b"")
        assert service.peers[0].startswith("ipv6:[::1]:")

    @pytest.mark.parametrize("kind", [Server, ReferenceServer])
    async def test_unix_socket(self, kind: Any, service: Service, tmp_path: Path) -> None:
        running = kind(OPTIONS)
        service.register(running)
        path = str(tmp_path / "socket")
        await running.listen_unix(path)
        async with connect(f"unix:{path}") as channel:
            await channel.unary_unary("/test.Service/Inspect")(b"")
        await running.stop()
        assert service.peers[0].startswith("unix:")
        assert not os.path.exists(path)  # noqa: ASYNC240 (after the end)

    async def test_socket_left_behind_is_replaced(self, server: Server, tmp_path: Path) -> None:
        path = str(tmp_path / "socket")
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)
        await server.listen_unix(path)
        async with connect(f"unix:{path}") as channel:
            assert await channel.unary_unary(ECHO)(b"x") == b"x"

    async def test_tls(self, server: Server, certificate: tuple[Path, ssl.SSLContext]) -> None:
        path, context = certificate
        port = await server.listen_tcp("127.0.0.1", 0, security=FixedSecurity(context))
        credentials = grpc.ssl_channel_credentials(path.read_bytes())
        async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
            echo: Any = channel.unary_unary(ECHO)
            assert await echo(bytes(100_000)) == bytes(100_000)

    async def test_tls_client_that_names_no_protocol(
        self, server: Server, certificate: tuple[Path, ssl.SSLContext]
    ) -> None:
        path, context = certificate
        port = await server.listen_tcp("127.0.0.1", 0, security=FixedSecurity(context))
        trusting = ssl.create_default_context(cafile=str(path))
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting, server_hostname="localhost"
        )
        writer.write(frames.PREFACE + frames.settings([]))
        first = await reader.readexactly(9)
        writer.close()
        assert first[3] == frames.SETTINGS


def test_uvloop() -> None:
    async def scenario() -> None:
        service, server = Service(), Server(OPTIONS)
        service.register(server)
        port = await server.listen_tcp("127.0.0.1", 0)
        async with connect(f"127.0.0.1:{port}") as channel:
            assert await channel.unary_unary(ECHO)(b"x") == b"x"
            parked = asyncio.ensure_future(channel.unary_unary("/test.Service/Parked")(b"p"))
            await service.started.wait()
            service.release.set_result(b"!")
            assert await parked == b"p!"
            write: Any = channel.unary_stream("/test.Service/Write")
            assert [len(m) async for m in write(b"30 100000")] == [100_000] * 30
        await server.stop(1)

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(scenario())
    finally:
        loop.close()


@contextlib.asynccontextmanager
async def opened(port: int, first: bytes = b"") -> AsyncIterator[tuple[Any, Any]]:
    """Connect and send some bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class TestSniffing:
    @pytest.mark.parametrize("size", [1, 7, 10_000])
    async def test_http_1_in_pieces(self, server: Server, size: int) -> None:
        port = await server.listen_tcp("127.0.0.1", 0)
        request = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
        async with opened(port) as (reader, writer):
            for start in range(0, len(request), size):
                writer.write(request[start : start + size])
                await asyncio.sleep(0)
            answer = await reader.readuntil(b"found\n")
        assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
        assert answer.endswith(b"\r\n\r\n404 page not found\n")

    @pytest.mark.parametrize(
        "first",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01",
            b"hello\r\n",
            b"GET / HTTP/2.0\r\n",
            b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
            b"GET /" + bytes(5000),
            b"G" * 5000,
        ],
    )
    async def test_anything_else_is_closed_without_a_word(
        self, server: Server, first: bytes
    ) -> None:
        port = await server.listen_tcp("127.0.0.1", 0)
        async with opened(port, first) as (reader, _):
            assert await reader.read() == b""

    async def test_preface_in_pieces(self, server: Server) -> None:
        port = await server.listen_tcp("127.0.0.1", 0)
        async with opened(port) as (reader, writer):
            for byte in frames.PREFACE + frames.settings([]):
                writer.write(bytes((byte,)))
                await asyncio.sleep(0)
            first = await reader.readexactly(9)
        assert first[3] == frames.SETTINGS


class Http2Client:
    """Just enough to send requests that are not gRPC."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.peer = Peer()

    async def request(
        self, method: str, path: str, body: bytes = b""
    ) -> tuple[dict[str, str], bytes]:
        fields = [(":method", method), *request_fields(path)[1:4]]
        stream, opening = self.peer.headers(fields=fields, end=not body)
        self.writer.write(opening)
        if body:
            self.writer.write(frames.frame(frames.DATA, frames.END_STREAM, stream, body))
        reply = self.peer.reply(stream)
        while not reply.is_ended:
            head = await self.reader.readexactly(9)
            payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
            for arrived in parse(head + payload):
                self.peer._note(arrived)
        return reply.blocks[0], reply.body


@contextlib.asynccontextmanager
async def http2(server: Server) -> AsyncIterator[Http2Client]:
    port = await server.listen_tcp("127.0.0.1", 0)
    start = frames.PREFACE + frames.settings([(frames.INITIAL_WINDOW_SIZE, 1 << 24)])
    async with opened(port, start) as (reader, writer):
        yield Http2Client(reader, writer)
    await server.stop()


class TestHttp:
    async def test_nobody_else_answers(self) -> None:
        async with http2(Server()) as client:
            headers, body = await client.request("GET", "/health")
        assert headers[":status"] == "404"
        assert body == b"404 page not found\n"

    async def test_hook_gets_the_whole_request(self) -> None:
        async def hook(request: HttpRequest) -> HttpResponse:
            seen = [
                request.method,
                request.path,
                request.authority,
                len(await request.body.read(5000)),
            ]
            return HttpResponse(201, [(b"x-a", b"b")], json.dumps(seen).encode())

        async with http2(Server(http=hook)) as client:
            headers, body = await client.request("GET", "/v?x=1", bytes(5000))
        assert (headers[":status"], headers["x-a"]) == ("201", "b")
        assert json.loads(body) == ["GET", "/v?x=1", "127.0.0.1:2379", 5000]

    async def test_body_in_pieces(self) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for n in range(5):
                yield b"%d" % n
                yield b""

        async def hook(request: HttpRequest) -> HttpResponse:
            return HttpResponse(200, (), pieces())

        async with http2(Server(http=hook)) as client:
            _, body = await client.request("GET", "/")
        assert body == b"01234"

    async def test_head_and_empty_bodies(self) -> None:
        async def hook(request: HttpRequest) -> HttpResponse:
            return HttpResponse(200, (), b"body" if request.method == "HEAD" else b"")

        async with http2(Server(http=hook)) as client:
            assert (await client.request("HEAD", "/"))[1] == b""
            assert (await client.request("GET", "/"))[1] == b""

    async def test_body_too_long(self) -> None:
        async with http2(Server(ServerOptions(max_http_body=10))) as client:
            headers, _ = await client.request("GET", "/", bytes(11))
        assert headers[":status"] == "413"

    async def test_failing_hook_resets_the_stream(self, caplog: Any) -> None:
        async def hook(request: HttpRequest) -> HttpResponse:
            raise ValueError("oops")

        server = Server(http=hook)
        port = await server.listen_tcp("127.0.0.1", 0)
        async with opened(port, frames.PREFACE + frames.settings([])) as (reader, writer):
            client = Http2Client(reader, writer)
            _, opening = client.peer.headers(
                fields=[(":method", "GET"), *request_fields("/")[1:4]], end=True
            )
            writer.write(opening)
            while True:
                head = await reader.readexactly(9)
                payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
                if head[3] == frames.RST_STREAM:
                    break
        await server.stop()
        assert parse_u32(payload) == frames.INTERNAL_ERROR
        assert "oops" in caplog.text


class TestStop:
    async def test_running_call_may_end(self, server: Server, service: Service) -> None:
        port = await server.listen_tcp("127.0.0.1", 0)
        async with connect(f"127.0.0.1:{port}") as channel:
            call = asyncio.ensure_future(channel.unary_unary("/test.Service/Parked")(b"p"))
            await service.started.wait()
            stopping = asyncio.ensure_future(server.stop(1000))
            await asyncio.sleep(0)
            service.release.set_result(b"!")
            assert await call == b"p!"
            await asyncio.wait_for(stopping, 60)

    @pytest.mark.parametrize("kind", [Server, ReferenceServer])
    async def test_endless_stream_does_not_hold_it_up(self, kind: Any, service: Service) -> None:
        server = kind(ServerOptions(stopped_message="etcdserver: server stopped"))
        service.register(server)
        port = await server.listen_tcp("127.0.0.1", 0)
        async with connect(f"127.0.0.1:{port}") as channel:
            stream: Any = channel.stream_stream("/test.Service/Endless")
            call = stream()
            await call.write(b"x")
            assert await call.read() == b"x"
            running = asyncio.ensure_future(channel.unary_unary("/test.Service/Parked")(b"p"))
            await service.started.wait()
            stopping = asyncio.ensure_future(server.stop(1000))
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
            assert await call.details() == "etcdserver: server stopped"
            assert service.cancelled.is_set()
            # Others have their time.
            assert not stopping.done()
            service.release.set_result(b"!")
            assert await running == b"p!"
            await asyncio.wait_for(stopping, 60)

    async def test_call_that_does_not_end_is_unavailable(self, service: Service) -> None:
        server = Server(ServerOptions(stopped_message="etcdserver: server stopped"))
        service.register(server)
        port = await server.listen_tcp("127.0.0.1", 0)
        async with connect(f"127.0.0.1:{port}") as channel:
            stream: Any = channel.unary_stream("/test.Service/StreamForever")
            call = stream(b"")
            assert await call.read() == b"first"
            await server.stop(0.1)
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
            assert await call.details() == "etcdserver: server stopped"
        assert service.cancelled.is_set()

    async def test_grace_is_on_the_clock(self, service: Service) -> None:
        clock = MovableClock()
        server = Server(OPTIONS, clock=clock)
        service.register(server)
        port = await server.listen_tcp("127.0.0.1", 0)
        async with connect(f"127.0.0.1:{port}") as channel:
            call = asyncio.ensure_future(channel.unary_unary("/test.Service/Forever")(b""))
            await service.started.wait()
            stopping = asyncio.ensure_future(server.stop(1000))
            await clock.advance(999)
            assert not stopping.done()
            await clock.advance(1)
            await asyncio.wait_for(service.cancelled.wait(), 60)
            with pytest.raises(grpc.aio.AioRpcError):
                await call
        await clock.advance(10)
        await asyncio.wait_for(stopping, 60)

    async def test_idle_clients_do_not_delay_it(self, server: Server) -> None:
        port = await server.listen_tcp("127.0.0.1", 0)
        async with connect(f"127.0.0.1:{port}") as channel, opened(port, b"PRI"):
            await channel.unary_unary(ECHO)(b"x")
            await asyncio.wait_for(server.stop(1000), 60)

    async def test_nobody_listens_afterwards(self, server: Server) -> None:
        port = await server.listen_tcp("127.0.0.1", 0)
        await server.stop()
        with pytest.raises(OSError, match=r"[Cc]onnect"):
            await asyncio.open_connection("127.0.0.1", port)

    async def test_stopping_twice_or_unstarted_is_harmless(self) -> None:
        server = Server()
        await server.stop()
        await server.listen_tcp("127.0.0.1", 0)
        await server.stop(1)
        await server.stop(1)

    async def test_nothing_is_left_of_calls_and_connections(
        self, server: Server, service: Service
    ) -> None:
        port = await server.listen_tcp("127.0.0.1", 0)
        for _ in range(3):
            async with connect(f"127.0.0.1:{port}") as channel:
                await channel.unary_unary(ECHO)(b"x")
                await channel.unary_unary("/test.Service/Task")(b"x")
        await server.stop()
        assert not server.connections
        gc.collect()
        kept = [o for o in gc.get_objects() if isinstance(o, Connection)]
        assert [o for o in kept if o.call_handler is server.dispatcher] == []


class TestInterruption:
    """It stops listening for a while, and goes on."""

    async def test_who_is_there_stays_while_nobody_else_can_come(self, server: Server) -> None:
        port = await server.listen_tcp("127.0.0.1", 0)
        assert [listener.getsockname()[1] for listener in server.listeners] == [port]
        async with connect(f"127.0.0.1:{port}") as channel:
            assert await channel.unary_unary(ECHO)(b"x") == b"x"
            server.stop_listening()
            assert await channel.unary_unary(ECHO)(b"x") == b"x"
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)
            assert await server.listen_tcp("127.0.0.1", port) == port
            async with connect(f"127.0.0.1:{port}") as other:
                assert await other.unary_unary(ECHO)(b"x") == b"x"

    async def test_who_comes_while_listening_is_held_waits(self, server: Server) -> None:
        port = await server.listen_tcp("127.0.0.1", 0)
        server.hold_listening()
        async with connect(f"127.0.0.1:{port}") as channel:
            call = asyncio.ensure_future(channel.unary_unary(ECHO)(b"x", wait_for_ready=True))
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            assert not server.connections
            server.resume_listening()
            assert await call == b"x"
            writer.close()

    async def test_dropped_connections_are_all_closed(self, server: Server) -> None:
        port = await server.listen_tcp("127.0.0.1", 0)
        silent, writer = await asyncio.open_connection("127.0.0.1", port)
        async with connect(f"127.0.0.1:{port}") as channel:
            stream: Any = channel.stream_stream("/test.Service/Endless")
            call = stream()
            await call.write(b"x")
            assert await call.read() == b"x"
            server.drop_connections()
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert await silent.read() == b""
        writer.close()


async def test_memory_is_glanced_at_more_often_while_somebody_is_connected() -> None:
    class Connected:
        def tick(self, now: float) -> None:
            pass

    clock, memory = MovableClock(), Budget()
    server = Server(OPTIONS, clock=clock, memory=memory)
    seen: list[str] = []
    memory.on_look.append(lambda: seen.append("look"))
    memory.on_glance = lambda is_timed: seen.append("glance" if is_timed else "")
    await server.listen_tcp("127.0.0.1", 0)
    for _ in range(16):
        await clock.advance(0.125)
    assert seen == ["look"] * 2
    connections: Any = server.connections
    connections.add(Connected())
    for _ in range(16):
        await clock.advance(0.125)
    assert seen == ["look"] * 3 + ["glance"] * 8 + ["look"] + ["glance"]
    connections.clear()
    await server.stop()


async def test_memory_is_glanced_at_when_a_crowd_has_come() -> None:
    memory, is_glanced_at = Budget(), asyncio.Event()
    server = Server(OPTIONS, memory=memory)
    memory.on_glance = lambda _: is_glanced_at.set()
    port = await server.listen_tcp("127.0.0.1", 0)
    crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(32)]
    await asyncio.wait_for(is_glanced_at.wait(), 60)
    for _, writer in crowd:
        writer.close()
    await server.stop()


async def test_thousands_of_connections_look_at_the_clock_bit_by_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Each takes a second, two of which are a turn of the loop.
    monkeypatch.setattr(server_module, "TICKING", 2.0)
    seconds = itertools.count()
    monkeypatch.setattr(server_module, "stopwatch", lambda: float(next(seconds)))
    clock = MovableClock()
    server = Server(OPTIONS, clock=clock)
    looked = []

    class Ticking:
        def tick(self, now: float) -> None:
            looked.append(now)

    await server.listen_tcp("127.0.0.1", 0)
    connections: Any = server.connections
    connections.update(Ticking() for _ in range(5))
    for _ in range(2):
        before = len(looked)
        moving = asyncio.ensure_future(clock.advance(1.0))
        seen = []
        while len(looked) < before + 5:
            await asyncio.sleep(0)
            seen.append(len(looked) - before)
        await moving
        assert [number for number in dict.fromkeys(seen) if number] == [2, 4, 5]
    connections.clear()
    await server.stop()
