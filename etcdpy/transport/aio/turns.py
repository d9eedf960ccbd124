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
a queue for those who are new in it (RFC 8290 4.2), but that what is left of a turn is kept. A
thousand who each send a byte at a time are all new, so those who wait have half of the time.

Handlers that have tasks are begun as their requests are read, and take their first steps later in
the turn of the loop, which are most of their cost: they count as if they were taken at once.

Output that is more than can be written at once is written in turns, too, after the input. And so
is that of thousands of connections that have a little each, as one event is for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

from etcdpy.clock import stopwatch
from etcdpy.cooperative import Trickle
from etcdpy.transport.http2.frames import HEADER_SIZE

TOGETHER: Final = 0.005
"""Seconds for which input is worked through, of all connections, in one turn of the loop."""

EACH: Final = 0.0005
"""Seconds for which one connection has its turn; what is under way then is finished."""

MANY: Final = 100
"""Connections from which on turns are shorter, so that it does not take longer until each had one:
with as many it is 50 milliseconds, a fifth of what somebody who is patient waits for."""

SHORTEST: Final = 0.0001
"""Seconds of the shortest turn: about ten requests."""

FRESH: Final = 0.001
"""Seconds that a connection may take before those who wait: some ten Puts in each round."""

AHEAD: Final = 0.002
"""Seconds for which some go before those who wait; beyond that both have half of the time."""

PIECE: Final = 4096
"""Bytes after which it is looked how long a turn has been: some forty requests, or one frame."""

FIRST_PIECE: Final = 1024
"""The same of a connection of which it is not known how long its requests take."""

FEW_FRAMES: Final = 4
"""So many frames are read at once all the same: about one request, which is all work or none."""

SMALLEST_PIECE: Final = 128
"""The same where forty requests have lately taken longer than a turn: about one."""

WRITING: Final = 0.002
"""Seconds for which long output is written, of all connections, in one turn of the loop."""

FLUSHING: Final = 0.004
"""The same of what is written at once: some hundred connections, each with a system call."""

HANDLER: Final = 40e-6
"""Seconds that the first step of a handler with a task takes, in a later turn of the loop."""

ENDED: Final = 32
"""Tasks of clients who have left that are ended in one turn of the loop: thousands leave together,
and what each had begun takes a twentieth of a millisecond to take back."""


def is_brief(data: bytes) -> bool:
    """Tell whether bytes that begin with a frame are no more than a few of them."""
    start = 0
    for _ in range(FEW_FRAMES):
        start += HEADER_SIZE + int.from_bytes(data[start : start + 3], "big")
        if start >= len(data):
            return True
    return False


class TurnTaker(Protocol):
    """A connection."""

    def take_turn(self) -> bool:
        """Work for ``each`` seconds, and tell whether there is more to do."""

    def write_more(self) -> None:
        """Write some of what there is to be written."""


class Flushable(Protocol):
    """A connection with something to write."""

    def flush(self) -> None:
        """Write it."""


class Turns:
    """
    Gives those who have more to do than others can wait for their turns.

    Attributes:
        charged: Seconds of this turn of the loop that are yet to come, of what it has begun.
        each: Seconds for which one connection has its turn, now.
        endings: Ends what clients had begun who have left.
        open_until: What arrives before that may be worked through at once, if it is little, and
            what arrives later, if ``reopen`` says so.

    """

    __slots__ = (
        "_ahead",
        "_flushing",
        "_fresh",
        "_has_turned",
        "_is_scheduled",
        "_members",
        "_owed",
        "_resting",
        "_waiting",
        "_writing",
        "charged",
        "each",
        "endings",
        "open_until",
    )

    def __init__(self) -> None:
        # Those who have had a turn since all who waited had theirs, whether they want another or
        # not, and those who go before them: they have something left of their first turn. These
        # again, to be found; most of them stand in both queues.
        self._waiting: deque[TurnTaker] = deque()
        self._fresh: deque[TurnTaker] = deque()
        self._ahead: set[TurnTaker] = set()
        # Seconds that were theirs: those who wait are due as many.
        self._owed = 0.0
        # Both, with the seconds that they have had; and which of them have nothing to do.
        self._members: dict[TurnTaker, float] = {}
        self._resting: set[TurnTaker] = set()
        self._writing: deque[TurnTaker] = deque()
        self._flushing: deque[Flushable] = deque()
        self._is_scheduled = False
        # Whether the loop has come to another turn since it was opened.
        self._has_turned = True
        self.charged = 0.0
        self.each = EACH
        self.open_until = -1.0
        self.endings = Trickle(ENDED)

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

    def charge(self) -> None:
        """Count the first step of a handler to the turn in which it was begun."""
        self.charged += HANDLER

    def _turned(self) -> None:
        self._has_turned = True

    def wait(self, connection: TurnTaker) -> None:
        """Give a connection a turn: before those who have had one, behind those who are new."""
        taken = self._members.get(connection)
        if taken is None:
            self._members[connection] = 0.0
            self._go_ahead(connection)
            self.open_until = -1.0
            self._schedule()
        elif connection in self._resting:
            self._resting.discard(connection)
            if taken < FRESH:
                self._go_ahead(connection)

    def _go_ahead(self, connection: TurnTaker) -> None:
        self._fresh.append(connection)
        self._ahead.add(connection)

    def wait_to_write(self, connection: TurnTaker) -> None:
        """Have a connection write more in a later turn of the loop."""
        self._writing.append(connection)
        self._schedule()

    def wait_to_flush(self, connection: Flushable) -> None:
        """Have a connection write what it has in the next turn of the loop, or soon after."""
        flushing = self._flushing
        if not flushing:
            asyncio.get_running_loop().call_soon(self._flush)
        flushing.append(connection)

    def _flush(self) -> None:
        flushing = self._flushing
        until = stopwatch() + FLUSHING
        # What they lead to waits for the next turn.
        for _ in range(len(flushing)):
            try:
                flushing.popleft().flush()
            except Exception as error:  # noqa: BLE001 (see below)
                _report(error)
            if stopwatch() >= until:
                break
        if flushing:
            asyncio.get_running_loop().call_soon(self._flush)

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
        fresh, waiting = self._fresh, self._waiting
        self.each = max(EACH * MANY / max(MANY, len(self._members)), SHORTEST)
        self.charged = 0.0
        now = stopwatch()
        until = now + TOGETHER
        while fresh or waiting:
            if fresh and not (waiting and self._owed >= AHEAD):
                connection = fresh.popleft()
                self._ahead.discard(connection)
                taken = self._members[connection]
                has_more = _has_more(connection)
                began, now = now, stopwatch() + self.charged
                if has_more or taken or waiting:
                    self._note(connection, taken, now - began, has_more)
                else:
                    # Fast path (bench: range/1000x1): it went before nobody.
                    del self._members[connection]
                # One turn that took very long is not for all the others to pay for.
                self._owed = min(self._owed + now - began, 2 * AHEAD)
            else:
                connection = waiting.popleft()
                if self._has_moved(connection):
                    continue
                has_more = _has_more(connection)
                began, now = now, stopwatch() + self.charged
                if has_more:
                    self._note(connection, 0.0, now - began, has_more)
                else:
                    del self._members[connection]
                self._owed = max(0.0, self._owed - (now - began))
            if now >= until:
                break

    def _has_moved(self, connection: TurnTaker) -> bool:
        """Have one whose turn it would be start anew if it needs none, or goes before others."""
        if connection in self._resting:
            self._resting.discard(connection)
            del self._members[connection]
            return True
        if connection in self._ahead:
            self._members[connection] = 0.0
            return True
        return False

    def _note(self, connection: TurnTaker, taken: float, took: float, has_more: bool) -> None:
        """Note that one has had a turn, and had had so many seconds before."""
        self._members[connection] = taken + max(took, _LEAST)
        if not has_more:
            self._resting.add(connection)
        if not taken:
            self._waiting.append(connection)

    def _write(self, until: float) -> None:
        writing = self._writing
        for _ in range(len(writing)):
            try:
                writing.popleft().write_more()
            except Exception as error:  # noqa: BLE001 (see below)
                _report(error)
            if stopwatch() >= until:
                break


def _has_more(connection: TurnTaker) -> bool:
    """Give a connection its turn, and tell whether there is more to do; never raises."""
    try:
        return connection.take_turn()
    except Exception as error:  # noqa: BLE001 (a fault of ours: all others would wait for ever)
        _report(error)
        return False


def _report(error: Exception) -> None:
    """Have an error logged as one of a callback of the loop's is."""
    asyncio.get_running_loop().call_exception_handler(
        {"message": "the turn of a connection failed", "exception": error}
    )


_LEAST: Final = 1e-9
"""Seconds that a turn has taken at least: a coarse clock may tell of none."""
