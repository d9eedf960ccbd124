"""
Whose input is read next, when more has arrived than can be worked through at once.

A client that sends a quarter of a megabyte of requests in one go has asked for some twenty
milliseconds of work, and forty of them for a second, behind which everybody else would stand. So
what has arrived is worked through in pieces, for a millisecond of each connection in turns, and all
of it together for some milliseconds before the loop does something else. What waits stays in the
buffers of the system, as nothing more is read of a connection that has something left.

A connection that sends a request now and then, and waits for its answer, passes all of that by.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

from etcdpy.clock import stopwatch

TOGETHER: Final = 0.005
"""Seconds for which input is worked through, of all connections, in one turn of the loop."""

EACH: Final = 0.001
"""Seconds for which one connection has its turn; what is under way then is finished."""

PIECE: Final = 4096
"""Bytes after which it is looked how long a turn has been: some forty requests, or one frame."""


class TurnTaker(Protocol):
    """A connection."""

    def take_turn(self) -> bool:
        """Work for ``EACH``, and tell whether there is more to do."""


class Turns:
    """
    Gives those who have more to do than others can wait for their turns.

    Attributes:
        open_until: What arrives before that may be worked through at once, if it is little, and
            what arrives later, if ``reopen`` says so.

    """

    __slots__ = (
        "_has_turned",
        "_is_scheduled",
        "_members",
        "_waiting",
        "open_until",
    )

    def __init__(self) -> None:
        self._waiting: deque[TurnTaker] = deque()
        self._members: set[TurnTaker] = set()
        self._is_scheduled = False
        # Whether the loop has come to another turn since it was opened.
        self._has_turned = True
        self.open_until = -1.0

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return len(self._waiting)

    def reopen(self, now: float) -> bool:
        """Tell whether what has just arrived may be worked through at once."""
        if self._waiting or not self._has_turned:
            # All of this turn so far has gone into other connections' input.
            return False
        self._has_turned = False
        self.open_until = now + TOGETHER
        asyncio.get_running_loop().call_soon(self._turned)
        return True

    def _turned(self) -> None:
        self._has_turned = True

    def wait(self, connection: TurnTaker) -> None:
        """Give a connection a turn, behind those that wait already."""
        if connection not in self._members:
            self._members.add(connection)
            self._waiting.append(connection)
            self.open_until = -1.0
            self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._is_scheduled = False
        waiting, members = self._waiting, self._members
        until = stopwatch() + TOGETHER
        while waiting:
            connection = waiting.popleft()
            members.discard(connection)
            if connection.take_turn() and connection not in members:
                members.add(connection)
                waiting.append(connection)
            if stopwatch() >= until:
                break
        if waiting:
            self._schedule()
