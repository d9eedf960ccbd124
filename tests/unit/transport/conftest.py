"""Servers on free ports with grpcio's clients."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio

from etcdpy.transport import Server, ServerOptions
from etcdpy.transport.aio import turns
from etcdpy.transport.aio.grpcio import ReferenceServer
from etcdpy.transport.grpc import books, connection, dispatcher
from etcdpy.version import IS_COMPILED

from .checked import CALL_TYPE
from .service import Service

OPTIONS = ServerOptions(max_receive_message=5 << 20)


@pytest.fixture(autouse=True)
def checked_books(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have connections check their books after each input."""
    monkeypatch.setattr(books, "are_checked", True)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, what a test lets arrive is little for a turn of the loop."""
    if IS_COMPILED:
        # C has the numbers in it; but what time it is, it asks.
        for asking in (connection, dispatcher, turns):
            monkeypatch.setattr(asking, "stopwatch", lambda: 0.0)
        return
    for module, name in (
        (connection, "STARTING_SECONDS"),
        (dispatcher, "_RESUMING_SECONDS"),
        (turns, "TOGETHER"),
        (turns, "WRITING"),
    ):
        monkeypatch.setattr(module, name, 1000.0)


@pytest_asyncio.fixture
async def service() -> Service:
    return Service()


@pytest_asyncio.fixture
async def server(service: Service) -> AsyncIterator[Server]:
    """Our server with the service, not listening yet."""
    running = Server(OPTIONS, call_type=CALL_TYPE)
    service.register(running)
    yield running
    await running.stop()


@pytest_asyncio.fixture
async def channel(server: Server) -> AsyncIterator[Any]:
    """A client of it."""
    port = await server.listen_tcp("127.0.0.1", 0)
    async with connect(f"127.0.0.1:{port}") as opened:
        yield opened


@pytest_asyncio.fixture(params=[Server, ReferenceServer], ids=["asyncio", "grpcio"])
async def either(request: Any, service: Service) -> AsyncIterator[Any]:
    """A client of a server of either kind."""
    running: Server | ReferenceServer = request.param(OPTIONS)
    service.register(running)
    port = await running.listen_tcp("127.0.0.1", 0)
    async with connect(f"127.0.0.1:{port}") as opened:
        yield opened
    await running.stop()


def connect(target: str, **options: Any) -> Any:
    """Return a channel of its own connection that takes messages of any size."""
    # A grpc.aio.Channel, but its stubs cannot do without serializers.
    chosen = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.insecure_channel(target, options=chosen, **options)


@pytest.fixture(autouse=True)
def no_leftovers(caplog: pytest.LogCaptureFixture) -> Any:
    """Fail a test that left an exception to the event loop, or to all who come after it."""
    yield
    assert sys.exc_info()[1] is None
    left = [r.getMessage() for r in caplog.records if r.name == "asyncio"]
    assert not left
