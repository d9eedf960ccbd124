"""
Taking connections off listening sockets, no more at a time than there are descriptors for.

asyncio's own servers accept whatever comes. A client that opens connections and keeps them then
takes every descriptor that the process may have, and those that hold its files are no exception.
Here a connection beyond the limit stays in the kernel's queue, unseen by us, until one is closed.
(etcd: ``pkg/transport``, ``LimitListener``)
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from etcdpy.clock import Clock, Timer
from etcdpy.transport.aio.sniffer import Sniffer
from etcdpy.transport.limits import UNSENT

if TYPE_CHECKING:  # few listeners have it, and it is imported for these
    from etcdpy.transport.aio.handshake import Handshake

logger = logging.getLogger(__name__)

_AT_A_TIME: Final = 16
"""Connections accepted in one turn of the loop, two milliseconds of work with what they send first:
those who are served already get theirs, too."""

_SHORTAGE_SECONDS: Final = 1.0
"""After the system had no descriptor or memory for a connection, before it is asked again."""

_QUIET_SECONDS: Final = 60.0
"""Between two log lines that say that connections have to wait."""

_UNSENT_OPTION: Final[int | None] = getattr(socket, "TCP_NOTSENT_LOWAT", None)
"""Where the platform has it."""

_OVER_ALREADY: Final = frozenset(
    {
        errno.ECONNABORTED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPROTO,
    }
)
"""Errors of a connection that ended in the queue, which accept(2) passes on."""


Greet: TypeAlias = "Callable[[], Sniffer | Handshake]"
"""Makes the first protocol of a connection."""


class Acceptor:
    """
    Accepts connections while there are places for them. On the event loop's thread alone.

    Args:
        clock: What pauses are on.
        places: How many connections may be open at a time; None for any number.
        greet: Makes the first protocol of connections without TLS.

    Attributes:
        taken: How many of the places are taken.

    """

    def __init__(self, clock: Clock, places: int | None, greet: Greet) -> None:
        self.taken = 0
        self._clock = clock
        self._places = places
        self._greet = greet
        self._listeners: dict[socket.socket, Greet] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self._is_paused = self._is_held = False
        self._timer: Timer | None = None
        self._quiet_until = float("-inf")

    def listen(self, listener: socket.socket, greet: Greet | None = None) -> None:
        """
        Accept from a socket that listens already and does not block; ``close`` closes it.

        Args:
            listener: The socket.
            greet: Makes the first protocol of its connections, if they have one of their own.

        """
        self._listeners[listener] = greet or self._greet
        if not self._is_paused:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def leave(self) -> None:
        """Note that an accepted connection is closed, or about to be."""
        self.taken -= 1
        self._resume()

    @property
    def listeners(self) -> list[socket.socket]:
        """The sockets that it accepts from."""
        return list(self._listeners)

    def hold(self) -> None:
        """Accept nothing until ``resume``."""
        self._stop_reading()
        self._is_paused = self._is_held = True

    def resume(self) -> None:
        """Accept again."""
        self._is_held = False
        self._resume()

    def close(self) -> None:
        """Stop listening, and drop what no protocol has seen yet."""
        self._stop_reading()
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for task in list(self._connecting):
            task.cancel()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_AT_A_TIME):
            if self._places is not None and self.taken >= self._places:
                self._pause("there are as many as the limit of open files allows")
                return
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OVER_ALREADY:
                    continue
                # EMFILE, ENFILE, ENOBUFS, ENOMEM: the connection is still in the queue, so the
                # loop would come back at once, and find no more than now.
                self._pause(str(error))
                self._timer = self._clock.wake_after(_SHORTAGE_SECONDS, self._resume)
                return
            self._take(connection, self._listeners[listener])

    def _take(self, connection: socket.socket, greet: Greet) -> None:
        self.taken += 1
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            # Nagle's algorithm would hold small replies back. asyncio itself sees to that only if
            # the listening socket was made with the number of TCP.
            with contextlib.suppress(OSError):  # the peer has gone already
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if _UNSENT_OPTION is not None:
                    connection.setsockopt(socket.IPPROTO_TCP, _UNSENT_OPTION, UNSENT)
        task = asyncio.get_running_loop().create_task(self._connect(connection, greet))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket, greet: Greet) -> None:
        """Hand a connection to its first protocol."""
        first = greet()
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: first, connection)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is one connection's matter
            logger.debug("failed to begin a connection", {"error": str(error)})
        finally:
            if not first.is_connected:
                connection.close()
                self.leave()

    def _pause(self, why: str) -> None:
        self._stop_reading()
        self._is_paused = True
        now = self._clock.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET_SECONDS
            fields = {"connections": self.taken, "reason": why}
            logger.warning("new connections have to wait", fields)

    def _resume(self) -> None:
        self._cancel_timer()
        if self._is_paused and not self._is_held:
            self._is_paused = False
            loop = asyncio.get_running_loop()
            for listener in self._listeners:
                loop.add_reader(listener, self._accept, listener)

    def _stop_reading(self) -> None:
        self._cancel_timer()
        if not self._is_paused:
            loop = asyncio.get_running_loop()
            for listener in self._listeners:
                loop.remove_reader(listener)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
