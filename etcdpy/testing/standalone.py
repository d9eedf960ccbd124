"""
A test's server in a process of its own, which ends with whoever has started it.

It says where it is in one line of JSON on standard output. It ends when its standard input does,
or its parent: whatever becomes of the test, nothing is left behind.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from etcdpy.clock import SystemClock
from etcdpy.testing.control import Control
from etcdpy.testing.engine import Engine
from etcdpy.testing.log import Log
from etcdpy.testing.operations import Operations
from etcdpy.testing.settings import Settings
from etcdpy.testing.where import Where
from etcdpy.transport import Server, Traffic
from etcdpy.version import __version__

__all__ = ["run"]

#: How often it is looked whether the parent is there: its input tells sooner, as a rule.
_LOOK_SECONDS: Final = 1.0


def run(settings: Settings, *, control: str = "127.0.0.1:0") -> int:
    """
    Serve until the input ends, the parent dies, or SIGTERM or SIGINT arrives; return 0.

    Args:
        settings: What the test wants.
        control: Where to listen for the test: an address of this machine, or a path behind
            ``unix:``.

    Raises:
        ValueError: The settings cannot be used, or the address is none of this machine's own.
        StorageError: The data directory cannot be used.
        OSError: It cannot be listened.

    """
    loop = asyncio.SelectorEventLoop()
    try:
        return loop.run_until_complete(_serve(settings, control))
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _serve(settings: Settings, control: str) -> int:
    # Before anybody is told of it, who may end at once.
    parent = os.getppid()
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    log = Log()
    log.open()
    engine = Engine(settings)
    await engine.start()
    operations = Operations(engine)
    server = Server(http=Control(engine, operations, log).handle)
    try:
        told = {
            **_where(engine).described(),
            "control": await _listen(server, control),
            "pid": os.getpid(),
            "version": __version__,
        }
        # Last, so that whoever reads it can use all of it.
        print(json.dumps(told), flush=True)
        _end_with_input(sys.stdin.fileno(), lambda: loop.call_soon_threadsafe(over.set))
        watching = asyncio.ensure_future(_end_with_parent(parent, over))
        await over.wait()
        watching.cancel()
    finally:
        await server.stop()
        await operations.stop()
        log.close()
    return 0


def _where(engine: Engine) -> Where:
    places = engine.places
    return Where("127.0.0.1", places.port, str(places.unix_path), engine.certificates)


async def _listen(server: Server, address: str) -> str:
    """Listen at the control address, and return how clients of HTTP write it."""
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        await server.listen_unix(path)
        return f"unix:{path}"
    host, _, port = address.rpartition(":")
    if host not in ("127.0.0.1", "localhost", "[::1]"):
        raise ValueError(f"the control address is of this machine alone, and not {address}")
    host = {"localhost": "127.0.0.1", "[::1]": "::1"}.get(host, host)
    number = await server.listen_tcp(host, int(port), traffic=Traffic(grpc=False))
    return f"http://{'[::1]' if host == '::1' else host}:{number}"


def _end_with_input(descriptor: int, end: Callable[[], object]) -> None:
    """Call ``end`` when no more can come from a descriptor."""

    def wait() -> None:
        # What is written there means nothing.
        with suppress(OSError):
            while os.read(descriptor, 4096):
                pass
        with suppress(RuntimeError):  # the loop has ended before
            end()

    # As a daemon it keeps nobody waiting who ends otherwise.
    threading.Thread(target=wait, name="input", daemon=True).start()


async def _end_with_parent(parent: int, over: asyncio.Event) -> None:
    """Set an event when another process has become the parent of this one."""
    clock = SystemClock()
    while os.getppid() == parent:
        await clock.sleep(_LOOK_SECONDS)
    over.set()
