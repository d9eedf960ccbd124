"""
Whose input is read next, when more has arrived than can be worked through at once.

A client that sends a quarter of a megabyte of requests in one go has asked for some twenty
milliseconds of work, and forty of them for a second, behind which everybody else would stand. So
what has arrived is worked through in pieces, for half a millisecond of each connection in turns,
and all of it together for some milliseconds before the loop does something else. What waits stays
in the buffers of the system, as nothing more is read of a connection that has something left.

A connection that sends a request now and then, and waits for its answer, passes all of that by. If
others wait it goes before them, as often as it likes, until it has had twice as much time as they
have in a turn; then it stands behind them until each has had one. That is deficit round robin with
a queue for those who are new in it (RFC 8290 4.2), but that what is left of a turn is kept.

Output that is more than can be written at once is written in turns, too, after the input.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

from etcdpy.clock import stopwatch

TOGETHER: Final = 0.005
"""Seconds for which input is worked through, of all connections, in one turn of the loop."""

EACH: Final = 0.0005
"""Seconds for which one connection has its turn; what is under way then is finished."""

FRESH: Final = 0.001
"""Seconds that a connection may take before those who wait: some ten Puts in each round."""

PIECE: Final = 4096
"""Bytes after which it is looked how long a turn has been: some forty requests, or one frame."""

SMALLEST_PIECE: Final = 128
"""The same where forty requests have lately taken longer than a turn: about one."""

WRITING: Final = 0.002
"""Seconds for which long output is written, of all connections, in one turn of the loop."""


class TurnTaker(Protocol):
    """A connection."""

    def take_turn(self) -> bool:
        """Work for ``EACH``, and tell whether there is more to do."""

    def write_more(self) -> None:
        """Write some of what there is to be written."""


class Turns:
    """
    Gives those who have more to do than others can wait for their turns.

    Attributes:
        open_until: What arrives before that may be worked through at once, if it is little, and
            what arrives later, if ``reopen`` says so.

    """

    __slots__ = (
        "_fresh",
        "_has_turned",
        "_is_scheduled",
        "_members",
        "_resting",
        "_waiting",
        "_writing",
        "open_until",
    )

    def __init__(self) -> None:
        # Those who have had a turn since all who waited had theirs, whether they want another or
        # not, and those who go before them: they have something left of their first turn.
        self._waiting: deque[TurnTaker] = deque()
        self._fresh: deque[TurnTaker] = deque()
        # Both, with the seconds that they have had; and which of them have nothing to do.
        self._members: dict[TurnTaker, float] = {}
        self._resting: set[TurnTaker] = set()
        self._writing: deque[TurnTaker] = deque()
        self._is_scheduled = False
        # Whether the loop has come to another turn since it was opened.
        self._has_turned = True
        self.open_until = -1.0

    @property
    def waiting(self) -> int:
        """How many wait for a turn, or rest until they are new again."""
        return len(self._members)

    def reopen(self, now: float) -> bool:
        """Tell whether what has just arrived may be worked through at once."""
        if self._members or not self._has_turned:
            # All of this turn so far has gone into other connections' input.
            return False
        self._has_turned = False
        self.open_until = now + TOGETHER
        asyncio.get_running_loop().call_soon(self._turned)
        return True

    def _turned(self) -> None:
        self._has_turned = True

    def wait(self, connection: TurnTaker) -> None:
        """Give a connection a turn: before those who have had one, behind those who are new."""
        taken = self._members.get(connection)
        if taken is None:
            self._members[connection] = 0.0
            self._fresh.append(connection)
            self.open_until = -1.0
            self._schedule()
        elif connection in self._resting:
            self._resting.discard(connection)
            if taken < FRESH:
                self._fresh.append(connection)

    def wait_to_write(self, connection: TurnTaker) -> None:
        """Have a connection write more in a later turn of the loop."""
        self._writing.append(connection)
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._is_scheduled = False
        if self._members:
            self._work()
        if self._writing:
            self._write(stopwatch() + WRITING)
        if self._members or self._writing:
            self._schedule()

    def _work(self) -> None:
        members, resting = self._members, self._resting
        fresh, waiting = self._fresh, self._waiting
        now = stopwatch()
        until = now + TOGETHER
        while fresh or waiting:
            is_fresh = bool(fresh)
            connection = fresh.popleft() if is_fresh else waiting.popleft()
            if not is_fresh and connection in resting:
                resting.discard(connection)
                del members[connection]
                continue
            taken = members[connection] if is_fresh else 0.0
            has_more = connection.take_turn()
            began, now = now, stopwatch()
            if is_fresh or has_more:
                members[connection] = taken + max(now - began, _LEAST)
                if not has_more:
                    resting.add(connection)
                if not taken:
                    waiting.append(connection)
            else:
                del members[connection]
            if now >= until:
                break

    def _write(self, until: float) -> None:
        writing = self._writing
        for _ in range(len(writing)):
            writing.popleft().write_more()
            if stopwatch() >= until:
                break


_LEAST: Final = 1e-9
"""Seconds that a turn has taken at least: a coarse clock may tell of none."""
