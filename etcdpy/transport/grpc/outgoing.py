"""What waits to be sent on one stream; :mod:`.sender` decides when it goes."""

from __future__ import annotations

from asyncio import Future
from collections import deque

from etcdpy.cooperative import Pieces


class Outgoing:
    """
    What one stream has yet to send. Made when something has to wait for the first time.

    A stream with two messages of 100 bytes, of whose first 16 bytes were sent, then its end:

        queue     (prefix, 100 bytes), (prefix, 100 bytes)
        offset    16
        size      194
        trailers  the block with grpc-status

    Attributes:
        queue: Prefixes and bodies; a body in pieces is one with its prefix and others without.
        offset: What was sent of the first of them.
        size: The bytes left in ``queue``.
        owed: The bytes of the message that is last which are not there yet.
        trailers: The block that ends the stream after the queue; b"" ends it with the last DATA.
        is_ready: Whether the stream is among those that take turns.
        waiters: Producers to wake when there is room.
        sent: All bytes sent, to notice a stall by.

    """

    __slots__ = ("is_ready", "offset", "owed", "queue", "sent", "size", "trailers", "waiters")

    def __init__(self) -> None:
        self.queue: deque[tuple[bytes, bytes]] = deque()
        self.offset = 0
        self.size = 0
        self.owed = 0
        self.trailers: bytes | None = None
        self.is_ready = False
        self.waiters: list[Future[None]] = []
        self.sent = 0

    def add(self, prefix: bytes, body: bytes | Pieces) -> None:
        """Queue a message, or some bytes, behind what waits; never none."""
        if isinstance(body, Pieces):
            first, *others = body.pieces
            self.queue.append((prefix, first))
            self.queue += [(b"", piece) for piece in others]
        else:
            self.queue.append((prefix, body))
        self.size += len(prefix) + len(body)

    @property
    def is_mid_message(self) -> bool:
        """Whether a part of the message that is first was sent, and a part was not."""
        # Messages begin with their prefix.
        return self.offset > 0 or (not self.queue[0][0] if self.queue else self.owed > 0)

    def take(self, limit: int) -> bytes:
        """
        Remove up to ``limit`` bytes of the first message, at least one, and return them.

        What is returned never holds parts of two messages.
        """
        prefix, body = self.queue[0]
        offset = self.offset
        left = len(prefix) + len(body) - offset
        size = min(left, limit)
        assert size > 0
        start = offset - len(prefix)
        if start >= 0:
            piece = body[start : start + size]
        else:
            piece = prefix[offset : offset + size] + body[: max(0, start + size)]
        if size < left:
            self.offset = offset + size
        else:
            self.queue.popleft()
            self.offset = 0
        self.size -= size
        self.sent += size
        return piece

    def clear(self) -> None:
        """Drop all that waits, the end too; producers are left for :meth:`wake`."""
        self.queue.clear()
        self.size = self.offset = self.owed = 0
        self.trailers = None

    def wake(self) -> None:
        """Let producers look again whether there is room."""
        wake_all(self.waiters)


def wake_all(waiters: list[Future[None]]) -> None:
    """Let all who wait look again; the list is emptied."""
    for waiter in waiters:
        if not waiter.done():  # cancelled
            waiter.set_result(None)
    waiters.clear()
