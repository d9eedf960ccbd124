"""A server in this process, on a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from etcdpy.testing.engine import Engine
from etcdpy.testing.operations import Operations
from etcdpy.testing.requests import Requests
from etcdpy.testing.settings import Settings
from etcdpy.testing.where import Where

__all__ = ["ServerThread"]


class ServerThread:
    """
    A server that is up, driven from other threads.

    A client that blocks the test's thread cannot hold it up, and whoever calls it waits for the
    server alone, never for a client.

    Args:
        settings: What the test wants.

    Raises:
        ValueError: The settings cannot be used.
        StorageError: The data directory cannot be.
        OSError: The port cannot be.

    """

    def __init__(self, settings: Settings) -> None:
        self._loop: asyncio.AbstractEventLoop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._run, name="etcdpy.testing", daemon=True)
        self._thread.start()
        self.engine: Engine
        try:
            self._wait_for(self._start(settings))
        except BaseException:
            self._end_loop()
            raise
        _threads.add(self)

    async def _start(self, settings: Settings) -> None:
        self.engine = Engine(settings)
        await self.engine.start()
        self._operations = Operations(self.engine)

    @property
    def ident(self) -> int:
        """The number of the server's thread."""
        assert self._thread.ident is not None
        return self._thread.ident

    @property
    def where(self) -> Where:
        """Where it is."""
        places = self.engine.places
        unix = str(places.unix_path)
        return Where("127.0.0.1", places.port, unix, self.engine.certificates)

    @property
    def requests(self) -> Requests:
        """What was asked."""
        return self.engine.requests

    def call(self, operation: str, **arguments: Any) -> Any:
        """
        Do something to the server, and return what comes of it.

        Raises:
            RuntimeError: It is not there: it was stopped, or belongs to the parent of this process.

        """
        return self._wait_for(self._do(operation, arguments))

    def stop(self) -> None:
        """Stop the server and end its thread."""
        _threads.discard(self)
        if not self._loop.is_closed():
            try:
                self._wait_for(self._operations.stop())
            finally:
                self._end_loop()

    async def _do(self, operation: str, arguments: dict[str, Any]) -> Any:
        return await getattr(self._operations, operation)(**arguments)

    def _wait_for(self, work: Coroutine[Any, Any, Any]) -> Any:
        if self._loop.is_closed() or threading.current_thread() is self._thread:
            work.close()
            if self._loop.is_closed():
                raise RuntimeError("this etcd has been stopped, or belongs to the parent process")
            raise RuntimeError("the server cannot wait for itself")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def forked(self) -> None:
        """
        Let go of everything in a child of this process, without a trace at the parent's.

        What is open there stays open for as long as a child has it, too.
        """
        engine = self.engine
        descriptors = {*engine.places.descriptors}
        transport = engine.transport
        connections: list[Any] = [*transport.connections, *transport.http1_connections]
        for connection in connections:
            with suppress(AttributeError):
                descriptors.add(connection._transport.get_extra_info("socket").fileno())
        descriptors |= {listener.fileno() for listener in transport.listeners}
        descriptors |= _open_below(engine.shelter.path, engine.current.home.path)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in descriptors:
            # Not closed: what thinks that it is its own may close it yet.
            with suppress(OSError):
                os.dup2(nothing, descriptor)
        os.close(nothing)
        self._loop = _NO_LOOP


def _open_below(*folders: Path) -> set[int]:
    """Return the descriptors of files in these folders, where the system tells."""
    found = set()
    with suppress(OSError):
        for number in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                path = Path(os.readlink(f"/proc/self/fd/{number}"))
                if any(folder in path.parents for folder in folders):
                    found.add(int(number))
    return found


class _NoLoop:
    """Stands where a loop is that the parent process has."""

    @staticmethod
    def is_closed() -> bool:
        return True


_NO_LOOP: Final[Any] = _NoLoop()
_threads: weakref.WeakSet[ServerThread] = weakref.WeakSet()


def _let_go(act: Callable[[ServerThread], None] = ServerThread.forked) -> None:
    for thread in list(_threads):
        act(thread)


@atexit.register
def _stop_all() -> None:
    """Leave nothing in memory of servers that nobody has stopped."""
    for thread in list(_threads):
        with suppress(Exception):
            thread.stop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
