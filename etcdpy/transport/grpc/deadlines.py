"""When calls run out of time, coarsely: adding and removing one must cost next to nothing."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from typing import Final

from etcdpy.clock import Clock, Timer
from etcdpy.cooperative import Trickle
from etcdpy.transport.grpc.context import Context

ENDED_PER_TURN: Final = 32
"""Calls that are out of time ended in one turn of the loop: thousands may be in the same tick, and
what each has begun takes a twentieth of a millisecond to take back."""


class Deadlines:
    """
    Calls that wait for something, by deadline.

    Deadlines are rounded up to ticks. Most calls are answered long before theirs, so a call
    is in a set, which it leaves at the cost of a look-up; only the ticks are in order.

        tick 1000 (10.00 s): {call, call}      heap: 1000, 1003
        tick 1003 (10.03 s): {call}
    """

    TICK: Final = 0.01

    def __init__(self) -> None:
        self._calls: dict[int, set[Context]] = {}
        self._ticks: list[int] = []

    def __len__(self) -> int:
        return sum(map(len, self._calls.values()))

    def add(self, call: Context) -> bool:
        """Watch a call that has a deadline; return whether :meth:`next` has become earlier."""
        assert call.deadline is not None
        # Up, as a call that ends before its deadline would be wrong, and one a tick late is not.
        tick = int(call.deadline / self.TICK) + 1
        call.tick = tick
        calls = self._calls.get(tick)
        if calls is not None:
            calls.add(call)
            return False
        self._calls[tick] = {call}
        heapq.heappush(self._ticks, tick)
        return self._ticks[0] == tick

    def discard(self, call: Context) -> None:
        """Watch a call no more; harmless if it was not."""
        calls = self._calls.get(call.tick)
        if calls is not None:
            calls.discard(call)
            if not calls:
                del self._calls[call.tick]
                self._trim()
        call.tick = 0

    def _trim(self) -> None:
        # Ticks without calls stay in the heap: those far ahead must not pile up there.
        if len(self._ticks) > 100 + 2 * len(self._calls):
            self._ticks = sorted(self._calls)

    def next(self) -> float | None:
        """Return when to call :meth:`expire`, None if there is nothing to wait for."""
        while self._ticks and self._ticks[0] not in self._calls:
            heapq.heappop(self._ticks)
        return self._ticks[0] * self.TICK if self._ticks else None

    def expire(self, now: float) -> list[Context]:
        """Remove the calls whose deadline has passed and return them; they keep their ticks."""
        expired: list[Context] = []
        while self._ticks and self._ticks[0] * self.TICK <= now:
            expired.extend(self._calls.pop(heapq.heappop(self._ticks), ()))
        return expired


class DeadlineTimer(Deadlines):
    """
    The same with one timer for all of them.

    Args:
        clock: What deadlines are on.
        expired: Called with each call that is out of time, with no more than
            ``ENDED_PER_TURN`` of them in one turn of the loop.

    """

    def __init__(self, clock: Clock, expired: Callable[[Context], None]) -> None:
        super().__init__()
        self._clock = clock
        self._expired = expired
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._endings = Trickle(ENDED_PER_TURN)
        self._is_closed = False

    def watch(self, call: Context) -> None:
        """Watch a call, if it has a deadline and is not watched yet."""
        if call.deadline is not None and not call.tick and self.add(call):
            earliest = call.tick * self.TICK
            # A timer that comes too early costs less than setting one for each call.
            if self._timer is None or earliest < self._timer_at:
                self._arm(earliest)

    def close(self) -> None:
        """Watch no calls any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_closed = True

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._clock.wake_at(at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        for call in self.expire(self._clock.monotonic()):
            self._endings.call(partial(self._end, call))
        earliest = self.next()
        if earliest is not None:
            self._arm(earliest)

    def _end(self, call: Context) -> None:
        # One that was answered until it is its turn has no tick any more.
        if call.tick and not self._is_closed:
            self.discard(call)
            self._expired(call)
