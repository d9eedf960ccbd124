"""
Time, from one place.

Whatever depends on time is handed a ``Clock``, or is told the time by whoever was. Nothing else
reads one, so a test that hands over a clock of its own decides what time it is.

``stopwatch`` is something else: it measures how long work takes, on this machine and for real,
to cut it into slices or to judge the pace of a disk. Moving the clock does not move it.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["Clock", "SystemClock", "Timer", "stopwatch"]

#: Returns seconds from some moment on, for differences only.
stopwatch: Final[Callable[[], float]] = time.perf_counter


class Timer(Protocol):
    """A call that ``wake_at`` has arranged."""

    def cancel(self) -> None:
        """Call it off. Harmless if the callback was called already, or this was."""


class Clock(ABC):
    """Tells the time, and calls back at a given one. Loop thread only."""

    #: Seconds for which news of a moment may be on its way to a client: what is promised to last
    #: until then lasts that much longer here, so that it never ends early over there.
    transit: float = 0.0

    @abstractmethod
    def monotonic(self) -> float:
        """Return seconds that never fall, from some moment on."""

    @abstractmethod
    def wall(self) -> float:
        """Return the seconds since 1970, which an operator may set back."""

    @abstractmethod
    def wake_at(self, when: float, callback: Callable[..., object], *arguments: object) -> Timer:
        """
        Call ``callback`` on the loop, once, when ``monotonic`` reaches ``when``.

        One that is due already is called in a later turn of the loop, never within this call.
        """

    def wake_after(
        self, seconds: float, callback: Callable[..., object], *arguments: object
    ) -> Timer:
        """Call ``callback`` on the loop, once, so many seconds from now."""
        return self.wake_at(self.monotonic() + seconds, callback, *arguments)

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait until an event is set; after so many seconds it is set here. Safe to cancel."""
        timer = self.wake_after(seconds, event.set)
        try:
            await event.wait()
        finally:
            timer.cancel()

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds. Safe to cancel."""
        await self.wait(asyncio.Event(), seconds)


class SystemClock(Clock):
    """The machine's time, and the running loop's timers."""

    transit = 0.1

    # Not methods of ours: the hot path asks before every batch of input.
    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def wake_at(self, when: float, callback: Callable[..., object], *arguments: object) -> Timer:
        # The loop's own clock may be that of a turn ago (uvloop): it is asked for a delay only.
        delay = max(0.0, when - time.monotonic())
        return asyncio.get_running_loop().call_later(delay, callback, *arguments)
