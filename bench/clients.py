"""The connections of a load: opened together, read as they become readable, closed together."""

from __future__ import annotations

import select
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar

from bench.http2 import Connection, LoadError

C = TypeVar("C", bound=Connection)
S = TypeVar("S", bound="Clients[Any]")
#: Seconds without any reply, while some are due, after which a server has hung.
SILENCE = 60.0
#: Of ``epoll``: a connection's number, and what it is ready for.
Ready = list[tuple[int, int]]


class Clients(Generic[C]):
    """
    Connections to one server; a context manager that closes them.

    Attributes:
        connections: All of them, by the numbers of their sockets.

    """

    def __init__(self) -> None:
        self.connections: dict[int, C] = {}
        self._epoll = select.epoll()

    def add(self, connection: C) -> C:
        """Take over a connection."""
        number = connection.socket.fileno()
        self.connections[number] = connection
        self._epoll.register(number, select.EPOLLIN)
        return connection

    def poller(self) -> Callable[[], Ready]:
        """What waits for readable connections: with a single one, its read may as well wait."""
        if len(self.connections) == 1:
            ready = [(number, select.EPOLLIN) for number in self.connections]
            return lambda: ready
        return self._wait

    def _wait(self) -> Ready:
        ready = self._epoll.poll(SILENCE)
        if not ready:
            raise LoadError(f"no reply came in {SILENCE:.0f} s")
        return ready

    def poll(self, timeout: float) -> Ready:
        """Return the readable connections; wait so many seconds for one."""
        return self._epoll.poll(timeout)

    def __enter__(self: S) -> S:  # noqa: PYI019 - Self is newer than 3.10
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, whatever is under way."""
        for connection in self.connections.values():
            connection.close()
        self._epoll.close()
