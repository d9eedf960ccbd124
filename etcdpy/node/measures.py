"""
What a node notes of its own work, for figures: how often, and how long it took.

Bounds are etcd's. What the parts of a node count by themselves (the store its operations, the
journal its writes) stays with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from etcdpy.clock import Clock
from etcdpy.counters import Histogram, doubling

__all__ = ["HealthCounts", "Measures"]

_WORK, _WAIT = doubling(0.0001, 20), doubling(0.001, 14)

#: Requests that figures tell the time of from the start, before there is one.
REQUESTS = ("Put", "DeleteRange", "Txn", "Range", "ReadonlyTxn", "LeaseGrant", "LeaseRevoke")

#: The others, as their methods and then as etcd calls them. Those that its log does not have, such
#: as ``MemberList``, have no time. (etcd: etcdserver/v3_server.go, getRequestType)
OTHER_REQUESTS: Final = {
    "Alarm": "Alarm",
    "AuthDisable": "AuthDisable",
    "AuthEnable": "AuthEnable",
    "AuthStatus": "AuthStatus",
    "Authenticate": "Authenticate",
    "Compact": "Compaction",
    "RoleAdd": "AuthRoleAdd",
    "RoleDelete": "AuthRoleDelete",
    "RoleGet": "AuthRoleGet",
    "RoleGrantPermission": "AuthRoleGrantPermission",
    "RoleList": "AuthRoleList",
    "RoleRevokePermission": "AuthRoleRevokePermission",
    "UserAdd": "AuthUserAdd",
    "UserChangePassword": "AuthUserChangePassword",
    "UserDelete": "AuthUserDelete",
    "UserGet": "AuthUserGet",
    "UserGrantRole": "AuthUserGrantRole",
    "UserList": "AuthUserList",
    "UserRevokeRole": "AuthUserRevokeRole",
}
_KINDS: Final = {**OTHER_REQUESTS, **{kind: kind for kind in REQUESTS}}


class HealthCounts:
    """
    How checks of health ended; whoever answers such a request notes it here.

    Attributes:
        successes: Of ``/health``.
        failures: Of ``/health``.
        checks: Of each check of ``/livez`` and ``/readyz`` how often it ended well and badly,
            and whether it did the last time, by the name of the page and its own.

    """

    def __init__(self) -> None:
        self.successes = self.failures = 0
        self.checks: dict[tuple[str, str], tuple[int, int, bool]] = {}

    def note_health(self, *, is_good: bool) -> None:
        """Note an answer of ``/health``."""
        if is_good:
            self.successes += 1
        else:
            self.failures += 1

    def note_check(self, page: str, name: str, *, is_good: bool) -> None:
        """Note how a check ended, such as ``serializable_read`` of ``livez``."""
        good, bad, _ = self.checks.get((page, name), (0, 0, False))
        self.checks[page, name] = (good + is_good, bad + (not is_good), is_good)


class Measures:
    """
    Of one node.

    Attributes:
        health: How checks of health ended.
        hash_all: Seconds of hashing all buckets.
        hash_keys: Seconds of hashing the keys at a revision.
        snapshot: Seconds of sending a snapshot.
        defragment: Seconds of a defragmentation.
        defragmenting: How many are asked for and not done.
        compaction: Milliseconds of a compaction.
        compaction_slice: Milliseconds for which it let nobody else run.
        index_slice: The same, by the bounds that etcd has for the index, which goes with the rows.
        compacted_rows: Rows that compactions dropped.
        compacted_at: When the last one ended, in seconds since 1970; 0 if none did.
        applied: Seconds of the work of writes, by what they were; puts are measured only if all
            requests are.
        read: Seconds of reads, of those that are measured.
        requests: Seconds of whole requests, if all are measured, by what they were and whether
            they went well.

    """

    def __init__(self) -> None:
        self.health = HealthCounts()
        self.hash_all = Histogram(doubling(0.01, 15))
        self.hash_keys = Histogram(doubling(0.01, 15))
        self.snapshot = Histogram(doubling(0.01, 17))
        self.defragment = Histogram(doubling(0.1, 13))
        self.defragmenting = 0
        self.compaction = Histogram(doubling(100, 14))
        self.compaction_slice = Histogram(doubling(1, 13))
        self.index_slice = Histogram(doubling(0.5, 14))
        self.compacted_rows = 0
        self.compacted_at = 0.0
        self.applied = {kind: Histogram(_WORK) for kind in ("DeleteRange", "Put", "Txn")}
        self.read = Histogram(_WORK)
        self.requests = {(kind, True): Histogram(_WAIT) for kind in REQUESTS}

    def note_compaction_slice(self, seconds: float) -> None:
        """Note for how long a compaction let nobody else run."""
        self.compaction_slice.observe(1000 * seconds)
        self.index_slice.observe(1000 * seconds)

    def note_applied(self, kind: str, seconds: float) -> None:
        """Note the work of a request on keys: a write, or a read, whose kind is ``Range``."""
        self.applied.get(kind, self.read).observe(seconds)

    def note_request(self, kind: str, is_good: bool, seconds: float) -> None:
        """Note how long a client of a method waited for an answer."""
        told = _KINDS.get(kind)
        if told is not None:
            if (told, is_good) not in self.requests:
                self.requests[told, is_good] = Histogram(_WAIT)
            self.requests[told, is_good].observe(seconds)

    @contextmanager
    def timed(self, histogram: Histogram, clock: Clock) -> Iterator[None]:
        """Observe the seconds that the block takes, unless it raises."""
        began = clock.monotonic()
        yield
        histogram.observe(clock.monotonic() - began)

    @contextmanager
    def defragmentation(self, clock: Clock) -> Iterator[None]:
        """Observe a defragmentation, the block."""
        self.defragmenting += 1
        try:
            with self.timed(self.defragment, clock):
                yield
        finally:
            self.defragmenting -= 1
