"""
Counts acts of a peer that are no fault once but an attack when done a thousand times.

Nothing here reads a clock: each call is told the time, in monotonic seconds that never fall.
"""

from __future__ import annotations

from typing import Final

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.faults import ConnectionFault
from etcdpy.transport.limits import MAX_FAULT_RESETS


class AbuseGuard:
    """
    Counts what one peer does that costs us more than it.

    Every method raises :class:`ConnectionFault` with ENHANCE_YOUR_CALM (RFC 9113 10.5) when it
    is too much.
    """

    __slots__ = ("_faults", "_resets", "_useless")

    def __init__(self) -> None:
        self._faults = 0
        self._resets = reset_bucket()
        self._useless = UselessFrames()

    def count_fault(self) -> None:
        """
        Count a fault that we answer with a reset of the stream.

        Raises:
            ConnectionFault: If there were too many.

        """
        # A stream that we have reset is no longer open, so a limit on open streams does not help.
        self._faults += 1
        if self._faults > MAX_FAULT_RESETS:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too many faults")

    def count_reset(self, now: float) -> None:
        """
        Count a call that was begun for nothing: given up by the peer, or refused.

        Args:
            now: Monotonic seconds, no earlier than in the call before.

        Raises:
            ConnectionFault: If there are too many of late.

        """
        if not self._resets.take(now):
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too many resets")

    def count_useless(self, now: float, progress: int) -> None:
        """
        Count a frame that brings no call forward; see :meth:`UselessFrames.is_flood`.

        Raises:
            ConnectionFault: If it is one of a flood.

        """
        if self._useless.is_flood(now, progress):
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too many useless frames")


class RateBucket:
    """
    A token bucket: bursts up to ``capacity``, ``per_second`` in the long run.

    Does not read a clock; ``now`` never falls.
    """

    __slots__ = ("_capacity", "_per_second", "_then", "_tokens")

    def __init__(self, capacity: float, per_second: float) -> None:
        self._capacity = capacity
        self._per_second = per_second
        self._tokens = capacity
        self._then = 0.0

    def take(self, now: float) -> bool:
        """Take one token and return whether there was one."""
        refilled = self._tokens + (now - self._then) * self._per_second
        self._tokens = min(self._capacity, refilled) - 1
        self._then = now
        if self._tokens < 0:
            self._tokens = 0.0
            return False
        return True


def reset_bucket() -> RateBucket:
    """
    Return the allowance for resets of unanswered calls (CVE-2023-44487).

    Clients do cancel in bursts (a page closed, a race lost), but not for ever.
    """
    return RateBucket(capacity=1000, per_second=200)


class UselessFrames:
    """
    Counts frames that bring no call forward: empty DATA, PRIORITY, WINDOW_UPDATE, SETTINGS.

    Honest clients send some for each call and each DATA frame they get, perhaps much later,
    so those earn an allowance; apart from that there are 1000 at once and 100 a second.
    """

    __slots__ = ("_bucket", "_earned", "_progress")

    # Twice what old releases of Mint send: a pair of WINDOW_UPDATE for each DATA frame they get.
    PER_STEP: Final = 4
    # Without a bound, hours of honest calls would save up for a flood.
    MAX_EARNED: Final = 65536

    def __init__(self) -> None:
        self._bucket = RateBucket(capacity=1000, per_second=100)
        self._earned = 0
        self._progress = 0

    def is_flood(self, now: float, progress: int) -> bool:
        """
        Count one frame and return whether it is one too many.

        Args:
            now: Monotonic seconds.
            progress: Calls begun and DATA frames sent since the connection began.

        """
        if progress != self._progress:
            earned = self._earned + self.PER_STEP * (progress - self._progress)
            self._earned = min(earned, self.MAX_EARNED)
            self._progress = progress
        if self._earned:
            self._earned -= 1
            return False
        return not self._bucket.take(now)
