"""
A committer that is kept from the interpreter lock.

The loop's thread and the committer share it. A busy loop lets go of it many times a millisecond,
each time that it asks what has arrived, and has it back before the other thread is awake. Only who
has waited for the *switch interval* in vain, 5 ms unless set, is let go first, and most turns of a
loop are shorter than that. So a write that takes the disk 10 ms was seen to take 400.

Always to have the interval short costs a tenth of the throughput: the committer comes sooner, and
finds smaller groups. So it is made short when the oldest batch has been with the committer for some
time, and until that is written. (CPython: ``ceval_gil.c``, ``take_gil``)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from etcdpy.clock import Clock, Timer

__all__ = ["PATIENCE", "SHORT_INTERVAL", "Starvation"]

PATIENCE: Final = 0.02
"""Seconds after which it is looked whether the oldest batch is still the same."""

SHORT_INTERVAL: Final = 0.0005
"""Seconds for which the lock is kept from the committer at most then: a slice of long work."""


class Starvation:
    """
    Notices that nothing is written for long, and has the committer come first until it is.

    Args:
        clock: Wakes it.
        oldest: Returns the sequence of the oldest batch that is with the committer, 0 for none.

    Attributes:
        is_watching: Whether it looks by itself.
        is_found: Whether the committer comes first.

    """

    __slots__ = ("_clock", "_interval", "_oldest", "_seen", "_timer", "is_found")

    def __init__(self, clock: Clock, oldest: Callable[[], int]) -> None:
        self._clock = clock
        self._oldest = oldest
        self._seen = 0
        self._timer: Timer | None = None
        # What it is when it is not short: whoever runs this may have set it.
        self._interval = 0.0
        self.is_found = False

    @property
    def is_watching(self) -> bool:
        return self._timer is not None

    def watch(self) -> None:
        """Look by itself, now and then, as long as batches are with the committer."""
        self._seen = self._oldest()
        if self._seen:
            self._timer = self._clock.wake_after(PATIENCE, self._look)

    def relieve(self) -> None:
        """Let the loop go on as always: something was written."""
        if self.is_found:
            self.is_found = False
            sys.setswitchinterval(self._interval)

    def close(self) -> None:
        """Look no more."""
        self.relieve()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._seen == self._oldest() and not self.is_found:
            self.is_found = True
            self._interval = sys.getswitchinterval()
            sys.setswitchinterval(min(SHORT_INTERVAL, self._interval))
        self.watch()
