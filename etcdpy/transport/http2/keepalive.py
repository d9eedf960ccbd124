"""
Pings in both directions: how many a peer may send, and when we ask whether it is alive.

The two follow grpc-go's ``keepalive.EnforcementPolicy`` and ``ServerParameters``.
"""

from typing import Final

IDLE_MIN_TIME: Final = 7200.0
"""Least seconds between pings of a peer that has no call open, as in grpc-go."""

# As in grpc-go: the first ping is free, the fourth in quick succession is one too many.
MAX_STRIKES: Final = 2


class PingPolicy:
    """
    Decides whether a peer pings too often.

    Attributes:
        sent: Set by whoever sends HEADERS or DATA. A peer may ping after each, which is how
            it measures bandwidth.

    """

    __slots__ = ("_last", "_min_time", "_strikes", "sent")

    def __init__(self, min_time: float) -> None:
        self._min_time = min_time
        self._last: float | None = None
        self._strikes = 0
        self.sent = False

    def is_too_many(self, now: float, *, open_streams: bool) -> bool:
        """Count a ping (no acknowledgement) and return whether it is one too many."""
        last, self._last = self._last, now
        if self.sent:
            # grpc-go's rule. Its clients ping after our DATA: without this we would cut them off.
            self.sent = False
            self._strikes = 0
            return False
        least = self._min_time if open_streams else IDLE_MIN_TIME
        if last is not None and now - last < least:
            self._strikes += 1
        return self._strikes > MAX_STRIKES


class Keepalive:
    """Notices a peer that has gone away without a word."""

    __slots__ = ("_interval", "_pinged_at", "_timeout", "last_read")

    def __init__(self, interval: float, timeout: float, now: float) -> None:
        self._interval = interval
        self._timeout = timeout
        self._pinged_at: float | None = None
        self.last_read = now

    def needs_ping(self, now: float) -> bool:
        """Return whether to send a PING now; it counts as sent."""
        if not self._interval or now - self.last_read < self._interval:
            return False
        # One is not answered yet; is_dead() looks after it.
        if self._pinged_at is not None and self._pinged_at > self.last_read:
            return False
        self._pinged_at = now
        return True

    def is_dead(self, now: float) -> bool:
        """Return whether nothing was read for too long after a ping."""
        return (
            self._pinged_at is not None
            and self._pinged_at > self.last_read
            and now - self._pinged_at >= self._timeout
        )
