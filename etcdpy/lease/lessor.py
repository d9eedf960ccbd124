"""
The lessor: which leases there are, and when each of them ends.

It reads no clock: every call that depends on time is told it. A lease that has run out is
handed out by ``take_expired`` and still exists until whoever took it has revoked it.

When to look at a lease is kept in a heap. A renewal leaves it alone: the lease is looked at
when its old time is over, and then put back with its new one. So keeping a lease alive costs
two assignments, and the heap an entry a lease::

    now 100   grant(7, ttl=10)    heap (110, 7)
    now 105   renew(7)            heap (110, 7)       its deadline is 115
    now 110   take_expired        heap (115, 7)
    now 115   take_expired -> 7   heap (122, 7)       in case its revocation fails

An entry counts only while it names the moment its lease is ``due``: an id may have been
revoked and granted again, or its deadline brought forward.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from etcdpy.counters import Histogram, doubling
from etcdpy.errors import LeaseExistsError, LeaseTTLTooLargeError
from etcdpy.lease.lease import Lease, LeaseInput
from etcdpy.lease.spreading import spread
from etcdpy.pb.lease_pb2 import Lease as StoredLease

#: Longest time to live, in seconds (etcd: MaxLeaseTTL).
MAX_TTL = 9_000_000_000


class Lessor:
    """
    All leases.

    Args:
        min_ttl: Shortest time to live that is granted, in seconds.
        retry_after: Seconds after which a lease that was handed out to be revoked, and is
            still there, is handed out again.
        on_sooner: Called when a renewal lets a lease end earlier than it would have.

    Attributes:
        granted: How many leases were, since the start, as in those that follow.
        renewed: How often any was.
        revoked: How many were, also because they had run out.
        ttls: Seconds that leases were granted for.

    """

    def __init__(
        self, min_ttl: int, retry_after: float, on_sooner: Callable[[], None] | None = None
    ) -> None:
        self._min_ttl = min_ttl
        self._retry_after = retry_after
        self._on_sooner = on_sooner
        self._leases: dict[int, Lease] = {}
        self._due: list[tuple[float, int]] = []
        self.granted = self.renewed = self.revoked = 0
        self.ttls = Histogram(doubling(1, 24))

    def __len__(self) -> int:
        """Return the number of leases."""
        return len(self._leases)

    def __contains__(self, lease_id: int) -> bool:
        """Tell whether a lease exists; one that has run out does until it is revoked."""
        return lease_id in self._leases

    def __iter__(self) -> Iterator[Lease]:
        """Iterate over the leases; none may come or go meanwhile."""
        return iter(self._leases.values())

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
        lease = self._leases[lease_id] = Lease(lease_id, ttl, now + ttl)
        self._push(lease)
        self.granted += 1
        self.ttls.observe(ttl)
        return lease

    def restore(self, stored: Iterable[bytes], now: float, extra: float) -> None:
        """
        Bring stored leases back, all of them at once, to a lessor that has none.

        The time of each starts again, from its last checkpoint if there was one, ``extra``
        seconds longer so that its holder can find the server first. Of very many that would
        end together, some get longer still (see ``spreading``).
        """
        for encoded in stored:
            row = StoredLease.FromString(encoded)
            ttl = max(row.TTL, self._min_ttl)
            deadline = now + (row.RemainingTTL or ttl) + extra
            self._leases[row.ID] = Lease(row.ID, ttl, deadline, row.RemainingTTL)
        for lease, delay in spread(self._leases.values(), now):
            lease.deadline = lease.due = now + lease.span + extra + delay
        self._rebuild()

    def renew(self, lease: Lease, now: float) -> None:
        """Let a lease that has not run out start again with the time it was granted."""
        lease.move(LeaseInput.RENEW)
        self.renewed += 1
        lease.deadline = deadline = now + lease.ttl
        lease.checkpoint = 0
        if deadline < lease.due:
            self._bring_forward(lease)

    def renew_plain(self, lease_id: int, now: float) -> Lease | None:
        """
        Renew a lease that has not run out and has no checkpoint; return None of any other.

        Nearly every renewal is one of these.
        """
        # Fast path (bench: keepalive): the move is not looked up. Only a lease whose deadline has
        # passed is ever anything else than GRANTED, and a renewal leaves it that.
        lease = self._leases.get(lease_id)
        if lease is None or lease.deadline <= now or lease.checkpoint:
            return None
        self.renewed += 1
        lease.deadline = deadline = now + lease.ttl
        if deadline < lease.due:
            self._bring_forward(lease)
        return lease

    def _bring_forward(self, lease: Lease) -> None:
        # It had been given more than its time at a restart.
        lease.due = lease.deadline
        self._push(lease)
        if self._on_sooner is not None:
            self._on_sooner()

    def checkpoint(self, lease: Lease, left: int) -> None:
        """Note that a lease which has not run out is written down with so many seconds left."""
        lease.move(LeaseInput.CHECKPOINT)
        lease.checkpoint = left

    def remove(self, lease: Lease) -> None:
        """Forget a lease, which has just been revoked."""
        lease.move(LeaseInput.REVOKE)
        self.revoked += 1
        del self._leases[lease.lease_id]
        self._shorten()

    def next_due(self) -> float | None:
        """
        Return when to call ``take_expired`` next, None if there is nothing to wait for.

        No lease runs out before; there need not be one that runs out then, as it may have been
        renewed.
        """
        due, leases = self._due, self._leases
        while due:
            moment, lease_id = due[0]
            lease = leases.get(lease_id)
            if lease is not None and lease.due == moment:
                return moment
            # It was revoked, or has a place that is sooner. Nobody is to be woken for it.
            heapq.heappop(due)
        return None

    def take_expired(self, now: float, limit: int) -> list[Lease]:
        """
        Hand out up to ``limit`` leases that have run out, longest ago first.

        Those that the caller cannot revoke come again, after a while.
        """
        expired: list[Lease] = []
        while (due := self._due) and due[0][0] <= now and len(expired) < limit:
            moment, lease_id = heapq.heappop(due)
            lease = self._leases.get(lease_id)
            if lease is None or lease.due != moment:
                continue
            if lease.deadline > now:
                lease.due = lease.deadline
            else:
                lease.move(LeaseInput.EXPIRE)
                lease.due = now + self._retry_after
                expired.append(lease)
            self._push(lease)
        return expired

    def _push(self, lease: Lease) -> None:
        heapq.heappush(self._due, (lease.due, lease.lease_id))
        self._shorten()

    def _shorten(self) -> None:
        # Long leases that were revoked leave theirs; rebuild before they are most of the heap.
        leases, due = len(self._leases), len(self._due)
        if due > 4 * leases + 1024 or (due and not leases):
            self._rebuild()

    def _rebuild(self) -> None:
        self._due = [(lease.due, lease.lease_id) for lease in self._leases.values()]
        heapq.heapify(self._due)
