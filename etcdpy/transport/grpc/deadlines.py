"""When calls run out of time, coarsely: adding and removing one must cost next to nothing."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from etcdpy.transport.grpc.call import Call


class Deadlines:
    """
    Calls that wait for something, by deadline.

    Deadlines are rounded up to ticks. Most calls are answered long before theirs, so a call
    is in a set that it leaves in no time; only the ticks themselves are in order.

        tick 1000 (10.00 s): {call, call}      heap: 1000, 1003
        tick 1003 (10.03 s): {call}
    """

    TICK: Final = 0.01

    def __init__(self) -> None:
        self._calls: dict[int, set[Call]] = {}
        self._ticks: list[int] = []

    def __len__(self) -> int:
        return sum(map(len, self._calls.values()))

    def add(self, call: Call) -> bool:
        """Watch a call that has a deadline; return whether :meth:`next` has become earlier."""
        assert call.deadline is not None
        tick = int(call.deadline / self.TICK) + 1
        call.tick = tick
        calls = self._calls.get(tick)
        if calls is not None:
            calls.add(call)
            return False
        self._calls[tick] = {call}
        heapq.heappush(self._ticks, tick)
        return self._ticks[0] == tick

    def discard(self, call: Call) -> None:
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

    def expire(self, now: float) -> list[Call]:
        """Remove the calls whose deadline has passed and return them."""
        expired: list[Call] = []
        while self._ticks and self._ticks[0] * self.TICK <= now:
            expired.extend(self._calls.pop(heapq.heappop(self._ticks), ()))
        for call in expired:
            call.tick = 0
        return expired
