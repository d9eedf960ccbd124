"""
When to compact by itself, as etcd's two modes do it; time is an argument.

periodic, of a period P: every tenth of min(P, 1h) the current revision joins a window as long
as P. Once P has passed since the start, and then every min(P, 1h), the store is compacted at
the window's oldest entry, the revision of P ago (etcd: v3compactor/periodic.go)::

    P = 10s   ticks at  0s 1s 2s ... 9s 10s ... 20s
    window    [at 0s, at 1s, ... at 9s] at the first compaction, at 10s; [at 9s, ... at 19s]
              at the second, at 20s

revision, of N: every five minutes at the current revision minus N (v3compactor/revision.go).
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from etcdpy.gostd.durations import go_duration

#: Longest time between two periodic compactions, in seconds.
LONGEST_INTERVAL = 3600.0
#: Looks at the revision between two of them.
LOOKS = 10
#: Seconds between two ticks of revision mode (etcd: revInterval).
REVISION_INTERVAL = 300.0


class Policy(Protocol):
    """Decides when to compact, and where."""

    @property
    def interval(self) -> float:
        """Seconds between two calls of ``tick``."""

    @property
    def name(self) -> str:
        """What log lines call this kind of compaction."""

    @property
    def fields(self) -> dict[str, object]:
        """What log lines tell of the settings."""

    def tick(self, revision: int, now: float) -> int | None:
        """
        Take note of the current revision, and tell where the store is to be compacted now.

        Returns:
            A revision, None if nothing is due. Unless ``succeeded`` hears of it, the next
            tick may tell of it again.

        """

    def succeeded(self, revision: int, now: float) -> None:
        """Note that the store is compacted there."""


class PeriodicPolicy:
    """
    Keeps the history of the last ``period`` seconds.

    Args:
        period: Above 0.
        revision: The current one.
        now: Monotonic seconds, from the clock that ``tick`` is given.

    """

    name = "periodic"

    def __init__(self, period: float, revision: int, now: float) -> None:
        self._every = min(period, LONGEST_INTERVAL)
        self.interval = self._every / LOOKS
        self.fields: dict[str, object] = {"compact-period": go_duration(period)}
        # Rounded, as a period is a whole number of nanoseconds only to Go.
        self._window = deque([revision], maxlen=int(period / self.interval + 1e-6) + 1)
        self._compacted = 0
        self._wait = period
        self._since = now

    def tick(self, revision: int, now: float) -> int | None:
        oldest = self._window[0]
        self._window.append(revision)
        # A timer may be a hair early; to wait for another tick would be far too late.
        if now - self._since < self._wait - self.interval / 100 or oldest == self._compacted:
            return None
        self._wait = self._every
        return oldest

    def succeeded(self, revision: int, now: float) -> None:
        self._compacted = revision
        self._since = now


class RevisionPolicy:
    """Keeps the last ``retention`` revisions."""

    name = "revision"
    interval = REVISION_INTERVAL

    def __init__(self, retention: int) -> None:
        self._retention = retention
        self._compacted = 0
        self.fields: dict[str, object] = {"revision-compaction-retention": retention}

    def tick(self, revision: int, now: float) -> int | None:
        wanted = revision - self._retention
        return wanted if wanted > 0 and wanted != self._compacted else None

    def succeeded(self, revision: int, now: float) -> None:
        self._compacted = revision


def policy(mode: str, retention: int, revision: int, now: float) -> Policy:
    """
    Return what a server's settings ask for.

    Args:
        mode: ``periodic`` or ``revision``.
        retention: Nanoseconds, or revisions; above 0.
        revision: The current one.
        now: Monotonic seconds.

    """
    if mode == "periodic":
        return PeriodicPolicy(retention / 1e9, revision, now)
    return RevisionPolicy(retention)
