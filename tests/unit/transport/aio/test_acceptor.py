"""Connections beyond the limit wait, and are served when others leave."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from etcdpy.testing.clock import MovableClock
from etcdpy.transport import FixedSecurity, Server, ServerOptions
from etcdpy.transport.aio.acceptor import Acceptor
from etcdpy.transport.aio.grpcio import ReferenceServer
from etcdpy.transport.aio.sniffer import Sniffer
from etcdpy.transport.http2 import frames
from etcdpy.transport.limits import UNSENT

from ..service import Service

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

HELLO = frames.PREFACE + frames.settings([])
PATIENCE = 60.0


class Queue(socket.socket):
    """A listening socket that fails as it is told to, and counts how often it is asked."""

    failures: list[int]
    asked: int

    def accept(self) -> tuple[socket.socket, object]:
        self.asked += 1
        if self.failures:
            number = self.failures.pop(0)
            raise OSError(number, os.strerror(number))
        return super().accept()


@pytest.fixture
def queue() -> Iterator[Queue]:
    queue = Queue(socket.AF_INET, socket.SOCK_STREAM)
    queue.failures, queue.asked = [], 0
    queue.bind(("127.0.0.1", 0))
    queue.listen()
    queue.setblocking(False)
    yield queue
    queue.close()


class Greeter:
    """Whoever is let in, and tells when that was."""

    def __init__(self, places: int | None) -> None:
        self.clock = MovableClock()
        self.acceptor = Acceptor(self.clock, places, self.greet)
        self.greeted = 0
        self.sniffers: set[Sniffer] = set()
        self.let_in = asyncio.Event()

    def greet(self) -> Sniffer:
        self.greeted += 1
        self.let_in.set()
        return Sniffer(
            self.clock,
            asyncio.Protocol,
            None,
            self.sniffers,
            self.acceptor.leave,
        )

    async def next(self) -> None:
        """Wait until somebody is let in."""
        await asyncio.wait_for(self.let_in.wait(), PATIENCE)
        self.let_in.clear()


def knock(queue: Queue) -> socket.socket:
    return socket.create_connection(queue.getsockname(), timeout=PATIENCE)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    for _ in range(1_000_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came to that")


async def turns() -> None:
    """Give the loop every chance to do what it should not."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_who_finds_no_place_waits_until_another_leaves(queue: Queue) -> None:
    greeter = Greeter(2)
    greeter.acceptor.listen(queue)
    guests = []
    for _ in range(2):
        guests.append(knock(queue))
        await greeter.next()
    with closing(knock(queue)):
        await turns()
        asked = queue.asked
        await turns()
        assert (greeter.greeted, greeter.acceptor.taken) == (2, 2)
        assert queue.asked == asked  # it does not even look
        guests[0].close()
        await greeter.next()
        assert (greeter.greeted, greeter.acceptor.taken) == (3, 2)
    guests[1].close()
    greeter.acceptor.close()


async def test_without_a_limit_everybody_comes_in(queue: Queue) -> None:
    greeter = Greeter(None)
    greeter.acceptor.listen(queue)
    for _ in range(20):
        knock(queue).close()
        await greeter.next()
    greeter.acceptor.close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
async def test_a_system_that_is_out_of_something_is_asked_again_a_second_later(
    queue: Queue, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    greeter = Greeter(None)
    queue.failures = [number, number]
    greeter.acceptor.listen(queue)
    with caplog.at_level(logging.WARNING), closing(knock(queue)):
        await until(lambda: queue.asked == 1)
        await turns()
        assert queue.asked == 1
        await greeter.clock.advance(1)
        await until(lambda: queue.asked == 2)
        await turns()
        assert (queue.asked, greeter.greeted) == (2, 0)
        await greeter.clock.advance(1)
        await greeter.next()
    greeter.acceptor.close()
    # Once a minute, however often.
    (record,) = [r for r in caplog.records if r.msg == "new connections have to wait"]
    assert os.strerror(number) in str(record.args)


async def test_who_leaves_makes_room_at_once(queue: Queue) -> None:
    greeter = Greeter(None)
    greeter.acceptor.listen(queue)
    guest = knock(queue)
    await greeter.next()
    queue.failures = [errno.EMFILE]
    with closing(knock(queue)):
        asked = queue.asked
        await until(lambda: not queue.failures)
        assert queue.asked == asked + 1
        guest.close()
        await greeter.next()
    greeter.acceptor.close()


async def test_a_connection_that_ended_in_the_queue_holds_nobody_up(queue: Queue) -> None:
    greeter = Greeter(None)
    queue.failures = [errno.ECONNABORTED, errno.EPROTO]
    greeter.acceptor.listen(queue)
    with closing(knock(queue)):
        await greeter.next()
    greeter.acceptor.close()


async def test_nobody_is_let_in_after_the_end(queue: Queue) -> None:
    greeter = Greeter(1)
    greeter.acceptor.listen(queue)
    guest = knock(queue)
    await greeter.next()
    address = queue.getsockname()
    waiting = knock(queue)
    await turns()
    greeter.acceptor.close()
    guest.close()
    await until(lambda: not greeter.acceptor.taken)
    assert greeter.greeted == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=PATIENCE)
    waiting.close()


@asynccontextmanager
async def one_place(
    kind: type[Server | ReferenceServer] = Server, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A server with a place for one connection; the port."""
    server = kind(ServerOptions(max_connections=1))
    Service().register(server)
    if isinstance(server, Server):
        security = None if tls is None else FixedSecurity(tls)
        yield await server.listen_tcp("127.0.0.1", 0, security=security)
    else:
        yield await server.listen_tcp("127.0.0.1", 0)
    await server.stop()


async def connect(port: int, hello: bytes, tls: ssl.SSLContext | None = None) -> Streams:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(hello)
    return reader, writer


async def served(reader: asyncio.StreamReader) -> bool:
    """Wait for the server's SETTINGS; tell whether they came, or the end of the connection."""
    try:
        return await asyncio.wait_for(reader.read(9), PATIENCE) != b""
    except ConnectionResetError:  # grpcio's server closes without having read
        return False


async def test_the_place_of_an_http_2_connection_is_free_when_it_is_closed() -> None:
    async with one_place() as port:
        for _ in range(3):
            reader, writer = await connect(port, HELLO)
            assert await served(reader)
            writer.close()


async def test_the_place_of_an_http_1_connection_is_free_when_it_is_closed() -> None:
    async with one_place() as port:
        for _ in range(3):
            first = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            reader, writer = await connect(port, first)
            answer = await asyncio.wait_for(reader.read(), PATIENCE)
            assert answer.startswith(b"HTTP/1.1 404")
            writer.close()


async def test_the_place_of_one_that_says_nonsense_is_free_again() -> None:
    async with one_place() as port:
        for _ in range(3):
            reader, writer = await connect(port, b"\0\0\0\n")
            assert not await served(reader)
            writer.close()


async def test_the_place_of_a_handshake_that_fails_is_free_again(
    certificate: tuple[Path, ssl.SSLContext],
) -> None:
    path, context = certificate
    trusting = ssl.create_default_context(cafile=str(path))
    trusting.check_hostname = False
    async with one_place(tls=context) as port:
        for _ in range(3):
            _, writer = await connect(port, b"no handshake at all\r\n\r\n")
            writer.close()
            reader, writer = await connect(port, HELLO, tls=trusting)
            assert await served(reader)
            writer.close()


async def test_grpcio_closes_those_beyond_and_takes_others_when_one_has_left() -> None:
    async with one_place(ReferenceServer) as port:
        first, writer = await connect(port, HELLO)
        assert await served(first)
        beyond, other = await connect(port, HELLO)
        assert not await served(beyond)
        other.close()
        writer.close()
        while True:
            reader, writer = await connect(port, HELLO)
            if await served(reader):
                break
            writer.close()
        writer.close()


async def test_small_replies_are_not_held_back_by_tcp(queue: Queue) -> None:
    greeter = Greeter(1)
    greeter.acceptor.listen(queue)
    with closing(socket.create_connection(queue.getsockname())):
        await greeter.next()
        for _ in range(5):
            await asyncio.sleep(0)
        (sniffer,) = greeter.sniffers
        accepted = sniffer._transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        if (option := getattr(socket, "TCP_NOTSENT_LOWAT", None)) is not None:
            # Nor do they stand behind megabytes of others.
            assert accepted.getsockopt(socket.IPPROTO_TCP, option) == UNSENT
        sniffer._transport.abort()
    greeter.acceptor.close()


async def test_while_it_is_held_who_knocks_waits(queue: Queue) -> None:
    greeter = Greeter(2)
    greeter.acceptor.listen(queue)
    assert greeter.acceptor.listeners == [queue]
    greeter.acceptor.hold()
    with closing(knock(queue)):
        await turns()
        # One that leaves makes room, but lets nobody in.
        greeter.acceptor.taken += 1
        greeter.acceptor.leave()
        await turns()
        assert greeter.greeted == 0
        greeter.acceptor.resume()
        await greeter.next()
    greeter.acceptor.close()
