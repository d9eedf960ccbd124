"""
The buckets of etcd's backend, one LMDB sub-database each.

Names and content are etcd's own (etcd: server/storage/schema/bucket.go), so a
snapshot file is a straight copy in either direction.
"""

from __future__ import annotations

import enum


class Bucket(enum.Enum):
    """A named table of the backend; the value is its name on disk."""

    KEY = "key"
    META = "meta"
    LEASE = "lease"
    ALARM = "alarm"
    AUTH = "auth"
    AUTH_USERS = "authUsers"
    AUTH_ROLES = "authRoles"
    CLUSTER = "cluster"
    MEMBERS = "members"
    MEMBERS_REMOVED = "members_removed"
