"""
Spreading the ends of leases after a restart.

All leases start again when a server does. Thousands of them with one time to live would
then end at one moment, unless their holders come back. So each second gets no more than
three quarters of what etcd revokes in one; whoever comes later is given a little longer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from etcdpy.lease.lease import Lease

#: Leases that etcd revokes in a second, at the most; fewer are not spread (leaseRevokeRate).
REVOKE_RATE = 1000
#: Leases that may end in a second.
ENDS_PER_SECOND = 3 * REVOKE_RATE // 4


def spread(leases: Collection[Lease], now: float) -> Iterator[tuple[Lease, float]]:
    """Yield the leases that shall last longer, and the seconds by which (etcd: Promote)."""
    if len(leases) < REVOKE_RATE:
        return
    ordered = sorted(leases, key=lambda lease: lease.deadline)
    base = ordered[0].deadline - now
    window_end = base + 1.0
    ends = 0
    for lease in ordered:
        left = lease.deadline - now
        if left > window_end:
            base, window_end = left, left + 1.0
            ends = 1
            continue
        ends += 1
        if ends > ENDS_PER_SECOND:
            # One that would end a while after the window began is delayed by less.
            delay = ends / ENDS_PER_SECOND - (left - base)
            window_end = base + delay
            yield lease, delay
