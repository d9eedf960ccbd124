"""
Where each method of etcd's services is in the gateway, and what else has to be known without it.

All are POSTs, with the request as the body. RangeStream has no path, as in etcd.
(etcd: ``api/etcdserverpb/gw``, ``v3lockpb/gw`` and ``v3electionpb/gw``)
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["DASHBOARD", "LONGEST_WRITING", "PATHS", "STREAMED"]

#: What the paths of the dashboard begin with.
DASHBOARD: Final = "/mod/dashboard"

#: Bytes of JSON for one byte of a message, at most: a byte of a text may be written ``\\u0041``.
LONGEST_WRITING: Final = 6

_KV = {
    "kv/range": "KV/Range",
    "kv/put": "KV/Put",
    "kv/deleterange": "KV/DeleteRange",
    "kv/txn": "KV/Txn",
    "kv/compaction": "KV/Compact",
}

_WATCH = {"watch": "Watch/Watch"}

_LEASE = {
    "lease/grant": "Lease/LeaseGrant",
    "lease/revoke": "Lease/LeaseRevoke",
    "kv/lease/revoke": "Lease/LeaseRevoke",
    "lease/keepalive": "Lease/LeaseKeepAlive",
    "lease/timetolive": "Lease/LeaseTimeToLive",
    "kv/lease/timetolive": "Lease/LeaseTimeToLive",
    "lease/leases": "Lease/LeaseLeases",
    "kv/lease/leases": "Lease/LeaseLeases",
}

_CLUSTER = {
    "cluster/member/add": "Cluster/MemberAdd",
    "cluster/member/remove": "Cluster/MemberRemove",
    "cluster/member/update": "Cluster/MemberUpdate",
    "cluster/member/list": "Cluster/MemberList",
    "cluster/member/promote": "Cluster/MemberPromote",
}

_MAINTENANCE = {
    "maintenance/alarm": "Maintenance/Alarm",
    "maintenance/status": "Maintenance/Status",
    "maintenance/defragment": "Maintenance/Defragment",
    "maintenance/hash": "Maintenance/Hash",
    "maintenance/hashkv": "Maintenance/HashKV",
    "maintenance/snapshot": "Maintenance/Snapshot",
    "maintenance/transfer-leadership": "Maintenance/MoveLeader",
    "maintenance/downgrade": "Maintenance/Downgrade",
}

_AUTH = {
    "auth/enable": "Auth/AuthEnable",
    "auth/disable": "Auth/AuthDisable",
    "auth/status": "Auth/AuthStatus",
    "auth/authenticate": "Auth/Authenticate",
    "auth/user/add": "Auth/UserAdd",
    "auth/user/get": "Auth/UserGet",
    "auth/user/list": "Auth/UserList",
    "auth/user/delete": "Auth/UserDelete",
    "auth/user/changepw": "Auth/UserChangePassword",
    "auth/user/grant": "Auth/UserGrantRole",
    "auth/user/revoke": "Auth/UserRevokeRole",
    "auth/role/add": "Auth/RoleAdd",
    "auth/role/get": "Auth/RoleGet",
    "auth/role/list": "Auth/RoleList",
    "auth/role/delete": "Auth/RoleDelete",
    "auth/role/grant": "Auth/RoleGrantPermission",
    "auth/role/revoke": "Auth/RoleRevokePermission",
}

_LOCK = {"lock/lock": "Lock/Lock", "lock/unlock": "Lock/Unlock"}

_ELECTION = {
    "election/campaign": "Election/Campaign",
    "election/proclaim": "Election/Proclaim",
    "election/leader": "Election/Leader",
    "election/observe": "Election/Observe",
    "election/resign": "Election/Resign",
}

_PACKAGES = {"Lock": "v3lockpb", "Election": "v3electionpb"}


def _full(name: str) -> str:
    return f"/{_PACKAGES.get(name.partition('/')[0], 'etcdserverpb')}.{name}"


#: Path, such as ``/v3/kv/range``, to the full name of the method, ``/etcdserverpb.KV/Range``.
PATHS: Mapping[str, str] = MappingProxyType(
    {
        f"/v3/{path}": _full(name)
        for table in (_KV, _WATCH, _LEASE, _CLUSTER, _MAINTENANCE, _AUTH, _LOCK, _ELECTION)
        for path, name in table.items()
    }
)

#: The paths whose bodies are any number of requests, which may come while replies go.
STREAMED: frozenset[str] = frozenset(
    f"/{version}/{path}" for version in ("v3", "v3beta") for path in ("watch", "lease/keepalive")
)
