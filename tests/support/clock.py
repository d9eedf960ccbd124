"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

from etcdpy.clock import Clock


class _Alarm:
    """A call that is due at a time, unless it is cancelled."""

    def __init__(self, callback: Callable[..., object], arguments: tuple[object, ...]) -> None:
        self.callback: Callable[..., object] | None = callback
        self.arguments = arguments

    def cancel(self) -> None:
        self.callback = None


class MovableClock(Clock):
    """
    Tells the time that it was set to.

    Timers that a move makes due are called in the loop's next turn, in the order of their times.

    Args:
        now: What ``monotonic`` tells at first.
        wall: What ``wall`` tells at first; it moves together with the other.

    """

    def __init__(self, now: float = 1000.0, wall: float = 1_600_000_000.0) -> None:
        self._now = now
        self._wall_offset = wall - now
        self._alarms: list[tuple[float, int, _Alarm]] = []
        self._numbers = count()

    def monotonic(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now + self._wall_offset

    def wake_at(self, when: float, callback: Callable[..., object], *arguments: object) -> _Alarm:
        alarm = _Alarm(callback, arguments)
        heapq.heappush(self._alarms, (when, next(self._numbers), alarm))
        if when <= self._now:
            asyncio.get_running_loop().call_soon(self._ring)
        return alarm

    @property
    def next_alarm(self) -> float | None:
        """When the next call is due, None if none is."""
        return min((when for when, _, alarm in self._alarms if alarm.callback), default=None)

    def advance(self, seconds: float) -> None:
        """Move on; what is due then is called when the loop turns."""
        self._now += seconds
        if self._alarms and self._alarms[0][0] <= self._now:
            asyncio.get_running_loop().call_soon(self._ring)

    def set_wall(self, wall: float) -> None:
        """Set the wall clock, as an operator may."""
        self._wall_offset = wall - self._now

    def _ring(self) -> None:
        while self._alarms and self._alarms[0][0] <= self._now:
            _, _, alarm = heapq.heappop(self._alarms)
            if alarm.callback is not None:
                alarm.callback(*alarm.arguments)
