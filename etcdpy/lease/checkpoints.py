"""
Checkpoints: now and then, what long leases have left is written down.

Without them a lease starts with its full time whenever a server does, so one of a day
never ends on a server that is restarted daily. etcd has them behind the feature gate
LeaseCheckpoint.
"""

from __future__ import annotations

import heapq
import math

from etcdpy.lease.lease import Lease
from etcdpy.lease.lessor import Lessor

#: Seconds between two checkpoints of a lease; one with less to live has none.
INTERVAL = 300


class Checkpoints:
    """
    When to write down which lease.

    Args:
        lessor: Knows the leases.

    """

    def __init__(self, lessor: Lessor) -> None:
        self._lessor = lessor
        self._due: list[tuple[float, int]] = []
        # The moment that counts, of each lease with entries in the heap.
        self._moments: dict[int, float] = {}

    def schedule(self, lease: Lease, now: float) -> None:
        """Plan the next checkpoint of a lease that was granted, renewed or written down."""
        if lease.span > INTERVAL:
            moment = self._moments[lease.lease_id] = now + INTERVAL
            heapq.heappush(self._due, (moment, lease.lease_id))

    def next_due(self) -> float | None:
        """Return when to call ``take_due`` next, None if there is nothing to wait for."""
        return self._due[0][0] if self._due else None

    def take_due(self, now: float, limit: int) -> list[Lease]:
        """Set the ``checkpoint`` of up to ``limit`` leases; the caller writes them down."""
        taken: list[Lease] = []
        due = self._due
        while due and due[0][0] <= now and len(taken) < limit:
            moment, lease_id = heapq.heappop(due)
            if self._moments.get(lease_id) != moment:
                continue
            del self._moments[lease_id]
            lease = self._lessor.get(lease_id)
            if lease is None or lease.deadline <= now:
                continue
            left = math.ceil(lease.deadline - now)
            if left < lease.ttl:
                self._lessor.checkpoint(lease, left)
                taken.append(lease)
            self.schedule(lease, now)
        return taken
