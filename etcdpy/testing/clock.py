"""
A clock that stands still until it is moved: hours pass in milliseconds.

Whatever was to happen meanwhile happens at its moment, and so does what that leads to::

    clock at 100   wake_at(103, a)  wake_at(108, b)     a asks for wake_after(2, c)

    await clock.advance(7)

        103   a is called, and whatever it started goes on
        105   c is called
        107   here the clock stands again; b waits for the next time
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from contextvars import copy_context

from etcdpy.clock import Clock, Timer

#: Turns of the loop that what a timer started is given before the clock goes on. A call of this
#: server takes fewer, its timer, its task and those who wait for it included.
TURNS = 20
#: Moments after which it is awaited all the same that all has settled.
MOMENTS = 32
#: Cancelled timers that are kept at least, until there are more of them than of others.
FEW_CANCELLED = 64


class MovableClock(Clock):
    """
    Time that passes when ``advance`` says so, and at no other time.

    Args:
        monotonic: Where it starts, in seconds.
        wall: The same in seconds since 1970.
        settle: Awaited at each moment at which something happened, until everything that began
            there has been done as far as it can be without more time; by default that is so
            after ``TURNS`` turns of the loop. Whoever waits for a disk needs one.
        is_settled: Asked at each such moment, says whether all is done that is to be done before
            the clock goes on, so that nothing needs to be awaited. At most ``MOMENTS`` in a row
            are not settled for that.

    """

    def __init__(
        self,
        monotonic: float = 0.0,
        wall: float = 1_700_000_000.0,
        settle: Callable[[], Awaitable[None]] | None = None,
        is_settled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._now = self._start = monotonic
        self._wall = wall
        self._settle = settle or _turns
        self._is_settled = is_settled
        self._asked = 0
        self._cancelled = 0
        # All are later than now: what is due already is the loop's.
        self._timers: list[_Timer] = []
        self._is_moving = False

    def monotonic(self) -> float:
        """Return the seconds that never fall."""
        return self._now

    def wall(self) -> float:
        """Return the seconds since 1970."""
        return self._wall + (self._now - self._start)

    def wake_at(self, when: float, callback: Callable[..., object], *arguments: object) -> Timer:
        """Call ``callback`` on the loop, once, when the clock is moved to ``when`` or past it."""
        loop = asyncio.get_running_loop()
        if when <= self._now:
            return loop.call_soon(callback, *arguments)
        self._asked += 1
        timer = _Timer(self, when, self._asked, callback, arguments)
        heapq.heappush(self._timers, timer)
        return timer

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back, as an operator may. Nothing is due by that."""
        self._wall += seconds

    async def advance(self, seconds: float) -> None:
        """
        Let time pass, and what is due meanwhile happen, each thing at its moment.

        What is due at one moment is called in the order in which it was asked for. Then all that
        was started by it has its turns, and may ask for more within these seconds. If this is
        cancelled, the clock stands where it has come to.

        Raises:
            ValueError: If ``seconds`` is negative.
            RuntimeError: If the clock is being advanced already.

        """
        if seconds < 0:
            raise ValueError(f"time does not go back, by {-seconds} s or at all")
        if self._is_moving:
            raise RuntimeError("the clock is being advanced already")
        self._is_moving = True
        try:
            end = self._now + seconds
            await self._settle()
            unsettled = 0
            while (moment := self._next_moment()) is not None and moment <= end:
                self._now = moment
                self._call_due()
                unsettled += 1
                if unsettled == MOMENTS or not self._is_settled():
                    await self._settle()
                    unsettled = 0
            if unsettled:
                await self._settle()
            self._now = end
        finally:
            self._is_moving = False

    def _next_moment(self) -> float | None:
        timers = self._timers
        while timers and timers[0].is_cancelled:
            heapq.heappop(timers)
            self._cancelled -= 1
        return timers[0].when if timers else None

    def _call_due(self) -> None:
        """Call whatever is due now."""
        # Not by the loop: that would be a turn of it for each moment.
        while self._next_moment() == self._now:
            timer = heapq.heappop(self._timers)
            timer.is_taken = True
            try:
                timer.context.run(timer.run)
            except Exception as error:  # noqa: BLE001 - as the loop's own callbacks
                asyncio.get_running_loop().call_exception_handler(
                    {"message": f"Exception in callback {timer}", "exception": error}
                )

    def _note_cancelled(self) -> None:
        # Calls ask for timers, and cancel nearly all of them.
        self._cancelled += 1
        if self._cancelled > max(FEW_CANCELLED, len(self._timers) // 2):
            self._timers = [timer for timer in self._timers if not timer.is_cancelled]
            heapq.heapify(self._timers)
            self._cancelled = 0


class _Timer:
    """
    Something to be called at a moment.

    Attributes:
        context: Of whoever asked for it.
        is_taken: Whether the loop has it, or has called it.
        is_cancelled: Whether it is not to be called after all.

    """

    __slots__ = (
        "_arguments",
        "_callback",
        "_clock",
        "_order",
        "context",
        "is_cancelled",
        "is_taken",
        "when",
    )

    def __init__(
        self,
        clock: MovableClock,
        when: float,
        order: int,
        callback: Callable[..., object],
        arguments: tuple[object, ...],
    ) -> None:
        self._clock = clock
        self._order = order
        self._callback = callback
        self._arguments = arguments
        self.when = when
        self.context = copy_context()
        self.is_taken = self.is_cancelled = False

    def __lt__(self, other: _Timer) -> bool:
        return (self.when, self._order) < (other.when, other._order)

    def cancel(self) -> None:
        """Do not call. Harmless if it was called already, or cancelled."""
        if self.is_cancelled:
            return
        self.is_cancelled = True
        if not self.is_taken:
            self._clock._note_cancelled()

    def run(self) -> None:
        if not self.is_cancelled:
            self._callback(*self._arguments)


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
