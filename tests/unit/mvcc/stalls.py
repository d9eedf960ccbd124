"""
How long the loop stood still: the longest gap in a chain of callbacks.

Measured in CPU time of the loop's thread, so that what else a busy machine does is left out.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

#: How often something may be tried. What holds the loop up by itself does so each time; a host that
#: takes the processor away for a while, which counts as time of ours, does not.
TRIES = 3


class Probe:
    """Runs on every turn of the loop between ``start`` and ``stop``."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = 0.0
        self._running = False

    def start(self) -> None:
        self._running = True
        self._last = time.thread_time()
        asyncio.get_running_loop().call_soon(self._look)

    def stop(self) -> None:
        self._note()
        self._running = False

    def _look(self) -> None:
        if self._running:
            self._note()
            asyncio.get_running_loop().call_soon(self._look)

    def _note(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self._last = now


@contextmanager
def probed() -> Iterator[Probe]:
    """Probe while the body awaits; what it does without awaiting counts as well."""
    probe = Probe()
    gc.collect()
    gc.disable()  # the server keeps long-lived objects out of it, a test run does not
    probe.start()
    try:
        yield probe
    finally:
        probe.stop()
        gc.enable()


async def least_stall(bound: float, act: Callable[[], Awaitable[object]]) -> float:
    """Return the longest gap while something is done, of the best of a few tries."""
    least = float("inf")
    for _ in range(TRIES):
        with probed() as probe:
            await act()
        least = min(least, probe.longest)
        if least < bound:
            break
    return least
