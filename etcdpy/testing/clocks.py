"""The clock of a test's server, as the test has it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

__all__ = ["Clock"]


class Clock:
    """
    The server's time: lease ends and remaining TTLs, tokens, compaction, notifications.

    It goes with the machine's until the test has it otherwise. Clients have clocks of their own.

    Args:
        call: Does something to the server.

    """

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def now(self) -> float:
        """Return the seconds since 1970."""
        now: float = self._call("now")
        return now

    def advance(self, seconds: float | timedelta) -> None:
        """
        Let time pass, at once.

        When this returns, all that was due by then has happened, in the order in which it was
        due: leases have expired, in a revision each, and the events of that are on their way to
        those who watch.

        Raises:
            ValueError: Time does not go back; see ``jump``.

        """
        self._call("advance", seconds=_seconds(seconds))

    def freeze(self) -> None:
        """Let it stand, until ``resume``; ``advance`` moves it all the same."""
        self._call("freeze")

    def resume(self) -> None:
        """Let it go on with the machine's, from where it stands."""
        self._call("resume")

    def jump(self, seconds: float | timedelta) -> None:
        """Set the wall clock forward or back, as NTP would: nothing is due by that."""
        self._call("jump", seconds=_seconds(seconds))


def _seconds(given: float | timedelta) -> float:
    return given.total_seconds() if isinstance(given, timedelta) else float(given)
