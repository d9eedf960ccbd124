"""
Pacing the handshakes of TLS: each costs up to a millisecond, and whoever knocks decides how many.

Clients that are connected already must not feel those that are about to be, however many: in one
turn of the loop handshakes get about a millisecond, whoever is left waits for the next. Of what
arrives for handshakes under way and of those that begin the queues take turns, so that neither
keeps the other out.

A client that says nothing, or half of something, costs what it has sent. Only one that has said
hello has a session, and of those there is a limit: beyond it the one that has had the most time
goes, as with half-open connections in a kernel. One that is there to be served needs a round trip.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final, Protocol

from etcdpy.clock import stopwatch
from etcdpy.cooperative import Trickle
from etcdpy.transport.aio.secure import BEHIND

__all__ = ["MOST_UNDER_WAY", "READ_SIZE", "Handshakes", "Step"]

logger = logging.getLogger(__name__)

BUDGET_SECONDS: Final = 0.001
"""What handshakes may take of a turn; one step is always taken, or there were no end of them."""

MOST_UNDER_WAY: Final = 1000
"""Sessions that are not agreed on yet: some 50 KiB each."""

READ_SIZE: Final = 64 << 10
"""Bytes taken off a socket at a time. OpenSSL's buffers grow to what they are given, and stay."""


class Step(Protocol):
    """A handshake, as its queue sees it."""

    def step(self) -> None:
        """Do what can be done with what has arrived."""

    def give_up(self, why: str) -> None:
        """End it: others need its place."""

    def close(self) -> None:
        """End it without a word: the server stops."""


class Handshakes:
    """
    The handshakes of a server, in their order. On the event loop's thread alone.

    Args:
        most: How many may be under way.

    Attributes:
        scratch: What sockets are read into, by whoever reads at the moment.
        behind: Lets those read on whose handshake is over and who have sent many small records.

    """

    def __init__(self, most: int = MOST_UNDER_WAY) -> None:
        self.scratch = memoryview(bytearray(READ_SIZE))
        self.behind = Trickle(BEHIND)
        self._most = most
        self._all: set[Step] = set()
        self._under_way: dict[Step, None] = {}
        self._beginning: deque[Step] = deque()
        self._going_on: deque[Step] = deque()
        self._is_scheduled = False

    def __len__(self) -> int:
        """Return how many connections have not finished theirs, or not begun it."""
        return len(self._all)

    def arrived(self, handshake: Step) -> None:
        """Note a connection that has said nothing yet."""
        self._all.add(handshake)

    def left(self, handshake: Step) -> None:
        """Note that a handshake is over, however it ended. Harmless the second time."""
        self._all.discard(handshake)
        self._under_way.pop(handshake, None)

    def ask(self, handshake: Step) -> None:
        """Have ``handshake.step`` called when it is its turn."""
        if handshake in self._under_way:
            self._going_on.append(handshake)
        else:
            self._beginning.append(handshake)
        if not self._is_scheduled:
            self._schedule()

    def close(self) -> None:
        """End all of them."""
        for handshake in list(self._all):
            handshake.close()

    def _schedule(self) -> None:
        self._is_scheduled = True
        asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._is_scheduled = False
        began = stopwatch()
        while self._going_on or self._beginning:
            if self._going_on:
                self._take(self._going_on.popleft())
            if self._beginning:
                self._begin(self._beginning.popleft())
            if stopwatch() - began >= BUDGET_SECONDS:
                break
        if self._going_on or self._beginning:
            self._schedule()

    def _begin(self, handshake: Step) -> None:
        if handshake not in self._all:
            return
        if len(self._under_way) >= self._most:
            next(iter(self._under_way)).give_up("tls: too many handshakes at a time")
        self._under_way[handshake] = None
        self._take(handshake)

    def _take(self, handshake: Step) -> None:
        if handshake not in self._all:
            return
        try:
            handshake.step()
        except Exception:
            # A fault of ours, or of a protocol above: it costs one connection.
            logger.exception("handshake failed")
            handshake.close()
