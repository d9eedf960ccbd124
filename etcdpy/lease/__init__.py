"""Leases: claims that end by themselves and take their keys with them."""

from __future__ import annotations

from etcdpy.lease.keeper import LeaseKeeper, LeaseRules
from etcdpy.lease.lease import Lease, LeaseState
from etcdpy.lease.lessor import Lessor

__all__ = ["Lease", "LeaseKeeper", "LeaseRules", "LeaseState", "Lessor"]
