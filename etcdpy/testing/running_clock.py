"""
A clock that goes with the machine's, and can be stopped and moved ahead of it.

::

    machine     0      1      2      3      4      5
    this one    0      1      2 ---- advance(3600) ---- 3602      3603

    freeze()    it stands until resume(); advance() moves it all the same
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from heapq import heappop

from etcdpy.clock import Clock, SystemClock, Timer
from etcdpy.testing.clock import MovableClock

__all__ = ["RunningClock"]


class RunningClock(MovableClock):
    """
    The time of a test's server. On the loop's thread alone, but for reading it.

    Args:
        settle: See ``MovableClock``.
        machine: What it goes with.
        is_settled: See ``MovableClock``.

    """

    def __init__(
        self,
        settle: Callable[[], Awaitable[None]] | None = None,
        machine: Clock | None = None,
        is_settled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._machine = machine or SystemClock()
        super().__init__(self._machine.monotonic(), self._machine.wall(), settle, is_settled)
        # When the machine's clock was what it is while this one reads ``_now``; None: it stands.
        self._since: float | None = self._machine.monotonic()
        self._bell: Timer | None = None
        self._bell_at = 0.0

    @property
    def is_frozen(self) -> bool:
        """Whether it stands."""
        return self._since is None

    def monotonic(self) -> float:
        """Return the seconds that never fall."""
        since = self._since
        return self._now if since is None else self._now + self._machine.monotonic() - since

    def wall(self) -> float:
        """Return the seconds since 1970."""
        return self._wall + (self.monotonic() - self._start)

    def wake_at(self, when: float, callback: Callable[..., object], *arguments: object) -> Timer:
        """Call ``callback`` on the loop, once, when this clock reaches ``when``."""
        if when <= self.monotonic():
            return asyncio.get_running_loop().call_soon(callback, *arguments)
        timer = super().wake_at(when, callback, *arguments)
        self._set_bell()
        return timer

    def freeze(self) -> None:
        """Let it stand."""
        if self._since is not None:
            self._now, self._since = self.monotonic(), None
            self._silence()
            self._call_all_due()

    def resume(self) -> None:
        """Let it go on with the machine's, from where it stands."""
        if self._since is None:
            self._since = self._machine.monotonic()
            self._set_bell()

    def set_right(self) -> None:
        """Have the wall clock tell the machine's time again, whatever was done to this one."""
        self._wall = self._machine.wall() - (self.monotonic() - self._start)

    async def advance(self, seconds: float) -> None:
        """Let time pass at once, as ``MovableClock`` does; then it goes on as it did."""
        was_frozen = self.is_frozen
        self.freeze()
        try:
            await super().advance(seconds)
        finally:
            if not was_frozen:
                self.resume()

    def close(self) -> None:
        """Ring no more."""
        self._silence()

    def _set_bell(self) -> None:
        """Have the machine's clock wake whoever is next."""
        moment = self._next_moment()
        if self._since is None or moment is None:
            return
        if self._bell is not None:
            if self._bell_at <= moment:
                return
            self._bell.cancel()
        self._bell_at = moment
        self._bell = self._machine.wake_after(max(0.0, moment - self.monotonic()), self._ring)

    def _ring(self) -> None:
        self._bell = None
        self._call_all_due()
        self._set_bell()

    def _call_all_due(self) -> None:
        loop = asyncio.get_running_loop()
        while (moment := self._next_moment()) is not None and moment <= self.monotonic():
            timer = heappop(self._timers)
            timer.is_taken = True
            loop.call_soon(timer.run, context=timer.context)

    def _silence(self) -> None:
        if self._bell is not None:
            self._bell.cancel()
            self._bell = None
