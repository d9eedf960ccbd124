"""
The lessor: which leases there are, and when each of them ends.

It reads no clock: every call that depends on time is told it. A lease that has run out is
handed out by ``take_expired`` and still exists until whoever took it has revoked it.

Deadlines are kept in a heap whose entries are not removed when a lease is renewed or
revoked; an entry counts only while it names its lease's current deadline.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from etcdpy.errors import LeaseExistsError, LeaseTTLTooLargeError
from etcdpy.pb.lease_pb2 import Lease as StoredLease

#: Longest time to live, in seconds (etcd: MaxLeaseTTL).
MAX_TTL = 9_000_000_000

#: Shortest time to live that is granted, in seconds: one and a half election timeouts of
#: one second, rounded up (etcd: minLeaseTTL).
MIN_TTL = 2


class Lease:
    """
    A lease.

    Attributes:
        lease_id: Its number, any int64 but 0.
        ttl: What was granted, in seconds.
        deadline: When it runs out, on the clock of the lessor's callers.
        checkpoint: Seconds that were left when that was last written down; 0 if never.
        is_expired: Whether it was handed out to be revoked.

    """

    __slots__ = ("checkpoint", "deadline", "is_expired", "lease_id", "ttl")

    def __init__(self, lease_id: int, ttl: int, deadline: float, checkpoint: int = 0) -> None:
        self.lease_id = lease_id
        self.ttl = ttl
        self.deadline = deadline
        self.checkpoint = checkpoint
        self.is_expired = False

    def encoded(self) -> bytes:
        """Return the lease as it is stored."""
        stored = StoredLease(ID=self.lease_id, TTL=self.ttl, RemainingTTL=self.checkpoint)
        return stored.SerializeToString()


class Lessor:
    """
    All leases.

    Args:
        min_ttl: Shortest time to live that is granted, in seconds.

    """

    def __init__(self, min_ttl: int = MIN_TTL) -> None:
        self._min_ttl = min_ttl
        self._leases: dict[int, Lease] = {}
        self._deadlines: list[tuple[float, int]] = []

    def __len__(self) -> int:
        """Return the number of leases."""
        return len(self._leases)

    def __contains__(self, lease_id: int) -> bool:
        """Tell whether a lease exists; one that has run out does until it is revoked."""
        return lease_id in self._leases

    def get(self, lease_id: int) -> Lease | None:
        """Return a lease, or None."""
        return self._leases.get(lease_id)

    def grant(self, lease_id: int, ttl: int, now: float) -> Lease:
        """
        Create a lease; a time to live below the minimum is raised to it.

        Raises:
            LeaseTTLTooLargeError: If ``ttl`` is above the maximum.
            LeaseExistsError: If there is one with that id.

        """
        if ttl > MAX_TTL:
            raise LeaseTTLTooLargeError
        if lease_id in self._leases:
            raise LeaseExistsError
        ttl = max(ttl, self._min_ttl)
        return self._add(Lease(lease_id, ttl, now + ttl))

    def restore(self, encoded: bytes, now: float, extra: float) -> Lease:
        """
        Bring a stored lease back.

        Its time starts again, from the last checkpoint if there was one, ``extra`` seconds
        longer so that its holder can find the server first.
        """
        stored = StoredLease.FromString(encoded)
        ttl = max(stored.TTL, self._min_ttl)
        left = stored.RemainingTTL or ttl
        return self._add(Lease(stored.ID, ttl, now + left + extra, stored.RemainingTTL))

    def renew(self, lease: Lease, now: float) -> None:
        """Let a lease start again with the time it was granted."""
        lease.deadline = now + lease.ttl
        lease.checkpoint = 0
        self._push(lease)

    def remove(self, lease: Lease) -> None:
        """Forget a lease."""
        del self._leases[lease.lease_id]

    def take_expired(self, now: float, limit: int) -> list[Lease]:
        """
        Hand out up to ``limit`` leases that have run out, longest ago first.

        Each is handed out once, unless it is given back with ``retry``.
        """
        expired: list[Lease] = []
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now and len(expired) < limit:
            deadline, lease_id = heapq.heappop(deadlines)
            lease = self._leases.get(lease_id)
            if lease is not None and lease.deadline == deadline and not lease.is_expired:
                lease.is_expired = True
                expired.append(lease)
        return expired

    def retry(self, lease: Lease, at: float) -> None:
        """Hand an expired lease, whose revocation failed, out again at ``at``."""
        lease.is_expired = False
        lease.deadline = at
        self._push(lease)

    def by_deadline(self) -> Iterator[Lease]:
        """Iterate over the leases, the one to run out first first."""
        return iter(sorted(self._leases.values(), key=lambda lease: lease.deadline))

    def _add(self, lease: Lease) -> Lease:
        self._leases[lease.lease_id] = lease
        self._push(lease)
        return lease

    def _push(self, lease: Lease) -> None:
        heapq.heappush(self._deadlines, (lease.deadline, lease.lease_id))
        # Renewals leave their old entries behind; rebuild before they are most of the heap.
        if len(self._deadlines) > 4 * len(self._leases) + 1024:
            self._deadlines = [(each.deadline, each.lease_id) for each in self._leases.values()]
            heapq.heapify(self._deadlines)
