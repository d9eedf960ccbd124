"""
What waits to be sent on one stream, in order and bounded.

A response has two parts: a start of its own and a body, which many responses to many
watchers share. So one large event costs its size once, however many clients are slow.
"""

from __future__ import annotations

from asyncio import Future, get_running_loop
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from etcdpy.watch.backlog import Backlog

#: Bytes that may wait for one client. A stream that holds more takes no requests and no events:
#: its watchers become unsynced.
QUEUE_BYTES = 1 << 20
#: What keeping a response costs besides its bytes.
RESPONSE_OVERHEAD = 150
#: From this size on a response counts as waiting until the transport has room behind it.
LARGE = 64 << 10


#: Responses that go out together, as the transport has them: nobody else looks at it.
Joined = Any


class ResponseWriter(Protocol):
    """The transport's side of a stream."""

    def try_write(self, start: bytes, body: bytes) -> bool:
        """Send one response now, or return False if it has to wait for room."""

    def joined(self, responses: list[tuple[bytes, bytes]]) -> Joined:
        """Return responses as ``try_write_joined`` takes them, on any stream of the kind."""

    def try_write_joined(self, joined: Joined) -> bool:
        """Send responses now, or none of them if one would have to wait for room."""

    def flush(self) -> None:
        """Let nothing that was sent wait for the end of the loop's turn."""

    async def write(self, start: bytes, body: bytes) -> None:
        """Send one response once there is room."""

    async def room(self) -> None:
        """Wait until what was written has mostly left, as far as the transport can tell."""


class Output:
    """
    The responses of one stream.

    Args:
        writer: Takes them.
        backlog: Counts them, with those of all other streams.
        wake: Called when ``drain`` has something to do, and is not running.
        on_room: Called when there is room again after there was none.

    """

    __slots__ = (
        "_backlog",
        "_is_closed",
        "_on_room",
        "_queue",
        "_room",
        "_try_write",
        "_wake",
        "_writer",
        "flush",
        "joined",
        "size",
    )

    def __init__(
        self,
        writer: ResponseWriter,
        backlog: Backlog,
        wake: Callable[[], None],
        on_room: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._try_write: Callable[[bytes, bytes], bool] = writer.try_write
        self.flush = writer.flush
        self.joined = writer.joined
        self._backlog = backlog
        self._wake = wake
        self._on_room = on_room
        # None while nothing waits, as it is most of the time on most streams.
        self._queue: deque[tuple[bytes, bytes]] | None = None
        self._room: Future[None] | None = None
        self._is_closed = False
        self.size = 0

    @property
    def is_full(self) -> bool:
        """Whether the client must read before it is listened to."""
        size = self.size
        return size >= QUEUE_BYTES or (size > 0 and self._backlog.is_strained)

    @property
    def takes_events(self) -> bool:
        """Whether there is room for events; if there is not, ``await_room`` tells when."""
        return not (self.is_full if self.size else self._backlog.is_exhausted)

    def await_room(self) -> None:
        """Have ``on_room`` called once there is room again, which there is not."""
        # As long as something is queued it is called as that leaves.
        if not (self.size or self._is_closed):
            self._backlog.wait(self._on_room)

    def try_write(self, start: bytes, body: bytes) -> bool:
        """Send a response past the queue, if there is none; return whether that was done."""
        return self._queue is None and len(body) < LARGE and self._try_write(start, body)

    def try_write_joined(self, joined: Joined) -> bool:
        """Send what ``joined`` made past the queue, if there is none; return whether it was."""
        return self._queue is None and self._writer.try_write_joined(joined)

    def push(self, start: bytes, body: bytes = b"") -> None:
        """Send a response, or queue it."""
        queue = self._queue
        # Fast path (bench: watch-crowd/100000): try_write() is spelled out.
        if queue is None and len(body) < LARGE and self._try_write(start, body):
            return
        if self._is_closed:
            return
        if queue is None:
            queue = self._queue = deque()
            self._wake()
        queue.append((start, body))
        self._count(len(start) + len(body) + RESPONSE_OVERHEAD, 1)

    async def drain(self, turn: Callable[[], Future[None] | None]) -> None:
        """
        Write what waits, until nothing does. One at a time.

        Args:
            turn: Returns what is to be waited for between two responses, None for nothing: one
                event may be for thousands of streams, on each of which more waits already.

        """
        writer = self._writer
        while self._queue:
            start, body = self._queue[0]
            await writer.write(start, body)
            if len(body) >= LARGE:
                await writer.room()
            if self._queue is None:  # closed meanwhile
                return
            self._queue.popleft()
            self._count(-len(start) - len(body) - RESPONSE_OVERHEAD, -1)
            # Not at the first byte: each time it is full its watchers have to read history.
            if self.size < QUEUE_BYTES // 2:
                self._has_room()
            if self._queue and (called := turn()):
                await called
        self._queue = None

    async def room(self) -> None:
        """Wait while the stream is full."""
        while self.is_full:
            if self._room is None:
                self._room = get_running_loop().create_future()
            await self._room

    def close(self) -> None:
        """Forget everything that waits, and drop all that is sent from now on."""
        self._is_closed = True
        self._backlog.forget(self._on_room)
        self._try_write = _forget
        # Its owner has these, and it has its owner by them: what holds each other is let go of
        # by the collector alone, which hardly ever comes to what has lived for long.
        self._wake = self._on_room = _do_nothing
        waiting, self._queue = len(self._queue or ()), None
        self._count(-self.size, -waiting)
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _count(self, size: int, responses: int) -> None:
        self.size += size
        self._backlog.count(size, responses)

    def _has_room(self) -> None:
        if self._room is not None:
            if not self._room.done():
                self._room.set_result(None)
            self._room = None
        self._on_room()


def _do_nothing() -> None:
    """Serve as a callback of an output that is closed."""


def _forget(_start: bytes, _body: bytes) -> bool:
    """Drop a response, whose client has gone."""
    return True
