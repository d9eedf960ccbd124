"""
The buckets of etcd's backend, one LMDB sub-database each.

Names and content are etcd's own (etcd: server/storage/schema/bucket.go), so a
snapshot file is a straight copy in either direction; but for ``v2``, which etcd does not
know, keeps as it is, and is given only if there is something in it::

    bucket           key                                  value
    key              revision, see ``mvcc.revision``      KeyValue
    meta             consistent_index, term, ...          u64, revision, text: each its own
    lease            u64 lease ID                         leasepb.Lease
    alarm            AlarmMember                          nothing
    cluster          clusterVersion, downgrade            text, JSON
    members          member ID in hexadecimal             JSON
    members_removed  member ID in hexadecimal             "removed"
    auth             authEnabled, authRevision            a byte, u64
    authUsers        name                                 authpb.User
    authRoles        name                                 authpb.Role
    v2               node, event                          see ``v2.records``

All integers are big-endian.
"""

from __future__ import annotations

import enum


class Bucket(enum.Enum):
    """
    A named table of the backend; the value is its name on disk.

    What is added here gets a number for the journal in ``storage.record``.
    """

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
    V2 = "v2"

    # There is one of each. By its name, as enums have it, would be a call of Python's each time.
    __hash__ = object.__hash__

    @property
    def is_etcds(self) -> bool:
        """Whether etcd has it, so that it is in every file, also when it is empty."""
        return self is not Bucket.V2
