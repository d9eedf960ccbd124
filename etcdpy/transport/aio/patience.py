"""
Waiting for room before a connection is read further, but not for long.

What a client holds with requests is given back as they are answered, mostly within milliseconds:
whoever sends faster than the disk writes is read more slowly. But requests that are not complete
are given back by nothing but more input, and so may be those that wait for one that was not read
yet. So if there is still no room after a while it is read on, and what is too much is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from etcdpy.clock import Clock, Timer
from etcdpy.memory import Account

PATIENCE_SECONDS: Final = 0.5
"""How long: many times what a disk takes, and little for whoever waits in vain."""


class Patience:
    """
    Of one connection.

    Args:
        clock: What the time is on.
        go_on: Called when it is to be read further.

    Attributes:
        is_waiting: Whether it is not to be read.

    """

    __slots__ = ("_clock", "_go_on", "_is_lost", "_timer", "is_waiting")

    def __init__(self, clock: Clock, go_on: Callable[[], None]) -> None:
        self._clock = clock
        self._go_on = go_on
        self._timer: Timer | None = None
        # Whether it was waited for room, and there has been none since.
        self._is_lost = False
        self.is_waiting = False

    def wait(self, account: Account) -> bool:
        """Wait until an account is not over its share; return False if that was in vain lately."""
        if self._is_lost:
            return False
        if not self.is_waiting:
            self.is_waiting = True
            self._timer = self._clock.wake_after(PATIENCE_SECONDS, self._lose)
            account.budget.wait(account, self._regain)
        return True

    def end(self) -> None:
        """Wait no more: the connection is gone, and nothing is called any more."""
        self.is_waiting = False
        self._stop()
        # It is the connection's, which has this: without it both go as soon as nobody needs them.
        self._go_on = _nothing

    def _regain(self) -> None:
        self._is_lost = False
        self._read_on()

    def _lose(self) -> None:
        self._is_lost = True
        self._read_on()

    def _read_on(self) -> None:
        self._stop()
        if self.is_waiting:
            self.is_waiting = False
            self._go_on()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nothing() -> None:
    pass
