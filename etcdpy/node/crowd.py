"""
Of each client few long reads at a time: what they have read so far is in memory.

A client may ask for five megabytes two thousand times at once, and take none of it. Its reads take
turns anyway, so those that have to wait lose nothing by not having begun. One that ends lets in the
next.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["MOST", "Crowd"]

MOST: Final = 4
"""Long reads of one client that go on at a time."""


class Crowd:
    """
    The long reads that go on, by who asked.

    Attributes:
        going: How many there are of each who has any.

    """

    __slots__ = ("_waiting", "going")

    def __init__(self) -> None:
        self.going: dict[str, int] = {}
        self._waiting: dict[str, deque[Future[None]]] = {}

    async def place(self, who: str) -> None:
        """Wait until a client may begin another one, which it then does at once."""
        while self.going.get(who, 0) >= MOST:
            called: Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(who, deque()).append(called)
            try:
                await called
            except asyncio.CancelledError:
                # It may have been called already, and then the place is another one's.
                if called.done() and not called.cancelled():
                    self.pass_on(who)
                raise

    @contextmanager
    def among(self, who: str) -> Iterator[None]:
        """Count a read among those that go on during the block."""
        self.going[who] = self.going.get(who, 0) + 1
        try:
            yield
        finally:
            self.going[who] -= 1
            if not self.going[who]:
                del self.going[who]
            self.pass_on(who)

    def pass_on(self, who: str) -> None:
        """Let the next that waits have a place that is not taken."""
        waiting = self._waiting.get(who)
        while waiting:
            called = waiting.popleft()
            if not called.done():
                called.set_result(None)
                break
        if waiting is not None and not waiting:
            del self._waiting[who]
