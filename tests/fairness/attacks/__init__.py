"""
What one client does to the others: each is a line of the table that ``make fairness`` prints.

A module has the attacks of one kind, or through one door.
"""

from __future__ import annotations

import time

from tests.fairness.attacks.table import ATTACKS, Attack, attack
from tests.fairness.wire import Crowd

__all__ = ["ATTACKS", "Attack"]


@attack()
def nobody(crowd: Crowd) -> None:
    """Do nothing."""
    time.sleep(max(0.0, crowd.until - time.monotonic()))


from tests.fairness.attacks import (  # noqa: E402, I001 (in the order in which they are run)
    transactions as _transactions,  # noqa: F401
    queues as _queues,  # noqa: F401
    watches as _watches,  # noqa: F401
    crowds as _crowds,  # noqa: F401
    leases as _leases,  # noqa: F401
    reading as _reading,  # noqa: F401
    writing as _writing,  # noqa: F401
    frames as _frames,  # noqa: F401
    tls as _tls,  # noqa: F401
    http1 as _http1,  # noqa: F401
    odd_http1 as _odd_http1,  # noqa: F401
    sockets as _sockets,  # noqa: F401
    gateway as _gateway,  # noqa: F401
    v2 as _v2,  # noqa: F401
    pages as _pages,  # noqa: F401
    users as _users,  # noqa: F401
    small_things as _small_things,  # noqa: F401
    crowded_streams as _crowded_streams,  # noqa: F401
    compressed as _compressed,  # noqa: F401
    permissions as _permissions,  # noqa: F401
    histories as _histories,  # noqa: F401
    storms as _storms,  # noqa: F401
)
