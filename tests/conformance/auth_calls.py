"""At least one call of every method that there is, as it matters who makes it.

The order is of no account, but for one that is last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message
from google.protobuf.text_format import MessageToString

from etcdpy.pb import health_pb2 as health
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2 as elect
from etcdpy.pb import v3lock_pb2 as lock
from etcdpy.pb.auth_pb2 import Permission, UserAddOptions
from tests.conformance.auth_world import BARE, ROOTS, SPARE, WRITERS
from tests.conformance.messages import ALL, compare, delete, get, put, txn

UNKNOWN_LEASE = 999

# A revision that no store here gets to.
FUTURE = 10**9

# Of a password: one byte more than bcrypt takes.
TOO_LONG = "x" * 73


def _has(key: bytes, end: bytes = b"") -> pb.Compare:
    return compare(key, "VERSION", "GREATER", end, version=-1)


KEYS: dict[str, list[Message]] = {
    "KV/Range": [
        get(b"a"),
        get(b"a", b"c"),
        get(b"a", b"d"),
        get(b"a", b"e"),
        get(b"d"),
        get(b"a", ALL),
        get(ALL, ALL),
        get(b"c", b"b"),
        get(b"c", b"c"),
        get(b"d", b"b"),
        get(b""),
        get(b"a", revision=FUTURE),
        get(b"x", revision=FUTURE),
        get(b"a", revision=1),
        get(b"x", revision=1),
        get(b"a", serializable=True),
        get(b"x", serializable=True),
        get(b"a", b"e", count_only=True),
        get(b"a", b"e", keys_only=True),
    ],
    "KV/RangeStream": [
        get(b"a"),
        get(b"x"),
        get(b"a", b"d"),
        get(b"a", b"e"),
        get(b"a", ALL),
        get(b"a", b"e", count_only=True),
        get(b""),
    ],
    "KV/Put": [
        put(b"a"),
        put(b"a", prev_kv=True),
        put(b"x"),
        put(b"b", lease=WRITERS),
        put(b"b", lease=ROOTS),
        put(b"x", lease=UNKNOWN_LEASE),
        put(b"b", lease=UNKNOWN_LEASE),
        put(b""),
        put(b"a", b"w", ignore_value=True),
        put(b"a", ignore_value=True),
        put(b"x", ignore_lease=True),
    ],
    "KV/DeleteRange": [
        delete(b"b"),
        delete(b"b", prev_kv=True),
        delete(b"x"),
        delete(b"b", b"d"),
        delete(b"b", b"d", prev_kv=True),
        delete(b"b", b"e"),
        delete(b"b", ALL),
        delete(b""),
    ],
    "KV/Txn": [
        txn(),
        txn(get(b"a")),
        txn(get(b"a"), otherwise=[get(b"x")]),
        txn(get(b"a", b"e")),
        txn(put(b"a")),
        txn(put(b"a"), otherwise=[put(b"x")]),
        txn(put(b"a", prev_kv=True)),
        txn(put(b"a", lease=ROOTS)),
        txn(put(b"b", lease=WRITERS)),
        txn(delete(b"x")),
        txn(delete(b"b", prev_kv=True)),
        txn(delete(b"b", b"e")),
        txn(when=[_has(b"a")]),
        txn(when=[_has(b"x")]),
        txn(when=[_has(b"a", b"e")]),
        txn(when=[_has(b"a", ALL)]),
        txn(put(b"a"), when=[_has(b"a")]),
        txn(txn()),
        txn(txn(put(b"x"))),
        txn(txn(otherwise=[put(b"x")])),
        txn(txn(txn(get(b"x")))),
        txn(txn(when=[_has(b"x")])),
        txn(txn(put(b"a", lease=ROOTS))),
        txn(txn(put(b"a", prev_kv=True))),
        txn(txn(delete(b"b", prev_kv=True))),
        txn(otherwise=[txn(delete(b"b", b"e"))]),
        txn(put(b"x"), put(b"x")),
        txn(put(b"x", lease=UNKNOWN_LEASE)),
        txn(get(b"x", revision=FUTURE)),
    ],
    "KV/Compact": [pb.CompactionRequest(revision=1), pb.CompactionRequest(revision=FUTURE)],
}


def _watch(key: bytes, end: bytes = b"", **options: Any) -> pb.WatchRequest:
    return pb.WatchRequest(create_request=pb.WatchCreateRequest(key=key, range_end=end, **options))


WATCHES: dict[str, list[Message]] = {
    "Watch/Watch": [
        _watch(b"a"),
        _watch(b"a", b"d"),
        _watch(b"a", b"e"),
        _watch(b"x"),
        _watch(b"a", ALL),
        _watch(b"", ALL),
        _watch(b""),
        _watch(b"x", start_revision=-1),
        _watch(b"c", b"b"),
        _watch(b"a", b"e", prev_kv=True, fragment=True, progress_notify=True),
        _watch(b"a", ALL, filters=[pb.WatchCreateRequest.NOPUT], watch_id=7),
    ]
}

LEASES: dict[str, list[Message]] = {
    "Lease/LeaseGrant": [
        pb.LeaseGrantRequest(TTL=100),
        pb.LeaseGrantRequest(ID=WRITERS, TTL=100),
    ],
    "Lease/LeaseKeepAlive": [
        pb.LeaseKeepAliveRequest(ID=lease) for lease in (WRITERS, ROOTS, BARE, UNKNOWN_LEASE)
    ],
    "Lease/LeaseTimeToLive": [
        pb.LeaseTimeToLiveRequest(ID=lease, keys=keys)
        for lease in (WRITERS, ROOTS, BARE, UNKNOWN_LEASE)
        for keys in (False, True)
    ],
    "Lease/LeaseLeases": [pb.LeaseLeasesRequest()],
    "Lease/LeaseRevoke": [
        pb.LeaseRevokeRequest(ID=lease) for lease in (ROOTS, SPARE, UNKNOWN_LEASE)
    ],
}

_PEER = "http://127.0.0.1:2380"

# A new voter would leave etcd without a majority: the one that is asked for is there already.
OPERATIONS: dict[str, list[Message]] = {
    "Cluster/MemberList": [pb.MemberListRequest(), pb.MemberListRequest(linearizable=True)],
    "Cluster/MemberAdd": [pb.MemberAddRequest(peerURLs=[url]) for url in ("x", _PEER)],
    "Cluster/MemberRemove": [pb.MemberRemoveRequest(ID=5)],
    "Cluster/MemberUpdate": [
        pb.MemberUpdateRequest(ID=5, peerURLs=[url]) for url in ("x", "http://a:1")
    ],
    "Cluster/MemberPromote": [pb.MemberPromoteRequest(ID=5)],
    "Maintenance/Status": [pb.StatusRequest()],
    "Maintenance/Alarm": [
        pb.AlarmRequest(),
        pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, alarm=pb.NONE),
        pb.AlarmRequest(action=pb.AlarmRequest.DEACTIVATE, alarm=pb.NOSPACE),
    ],
    "Maintenance/Defragment": [pb.DefragmentRequest()],
    "Maintenance/Hash": [pb.HashRequest()],
    "Maintenance/HashKV": [pb.HashKVRequest(), pb.HashKVRequest(revision=FUTURE)],
    "Maintenance/Snapshot": [pb.SnapshotRequest()],
    "Maintenance/MoveLeader": [pb.MoveLeaderRequest(targetID=5)],
    "Maintenance/Downgrade": [
        pb.DowngradeRequest(action=pb.DowngradeRequest.VALIDATE, version="9.9"),
        pb.DowngradeRequest(action=pb.DowngradeRequest.ENABLE, version="9.9"),
        pb.DowngradeRequest(action=pb.DowngradeRequest.CANCEL),
    ],
}

_AB = Permission(key=b"b", range_end=b"a")

USERS: dict[str, list[Message]] = {
    "Auth/AuthStatus": [pb.AuthStatusRequest()],
    "Auth/AuthEnable": [pb.AuthEnableRequest()],
    "Auth/Authenticate": [
        pb.AuthenticateRequest(name="reader", password="reader's"),
        pb.AuthenticateRequest(name="reader", password="wrong"),
        pb.AuthenticateRequest(name="nobody", password="nobody's"),
        pb.AuthenticateRequest(name="cert"),
        pb.AuthenticateRequest(name="cert", password="cert's"),
        pb.AuthenticateRequest(),
    ],
    "Auth/UserAdd": [
        pb.AuthUserAddRequest(password="any"),
        pb.AuthUserAddRequest(name="root", password="any"),
        pb.AuthUserAddRequest(name="new", password=TOO_LONG),
        pb.AuthUserAddRequest(name="root", options=UserAddOptions(no_password=True)),
    ],
    "Auth/UserGet": [
        pb.AuthUserGetRequest(name=name)
        for name in ("reader", "writer", "root", "nobody", "", "bare")
    ],
    "Auth/UserList": [pb.AuthUserListRequest()],
    "Auth/UserDelete": [pb.AuthUserDeleteRequest(name=name) for name in ("root", "nobody", "")],
    "Auth/UserChangePassword": [
        pb.AuthUserChangePasswordRequest(name="nobody", password="any"),
        pb.AuthUserChangePasswordRequest(name="nobody", password=TOO_LONG),
        pb.AuthUserChangePasswordRequest(name="nobody"),
        pb.AuthUserChangePasswordRequest(name="bare", hashedPassword="!!"),
    ],
    "Auth/UserGrantRole": [
        pb.AuthUserGrantRoleRequest(user="nobody", role="reads"),
        pb.AuthUserGrantRoleRequest(user="reader", role="none"),
        pb.AuthUserGrantRoleRequest(user="reader", role="reads"),
    ],
    "Auth/UserRevokeRole": [
        pb.AuthUserRevokeRoleRequest(name="nobody", role="reads"),
        pb.AuthUserRevokeRoleRequest(name="reader", role="none"),
        pb.AuthUserRevokeRoleRequest(name="root", role="root"),
    ],
    "Auth/RoleAdd": [pb.AuthRoleAddRequest(name=name) for name in ("", "reads")],
    "Auth/RoleGet": [
        pb.AuthRoleGetRequest(role=role)
        for role in ("reads", "writes", "root", "none", "parts", "")
    ],
    "Auth/RoleList": [pb.AuthRoleListRequest()],
    "Auth/RoleDelete": [pb.AuthRoleDeleteRequest(role=role) for role in ("root", "none", "")],
    "Auth/RoleGrantPermission": [
        pb.AuthRoleGrantPermissionRequest(name="reads"),
        pb.AuthRoleGrantPermissionRequest(name="none"),
        pb.AuthRoleGrantPermissionRequest(name="none", perm=Permission(key=b"a")),
        pb.AuthRoleGrantPermissionRequest(name="reads", perm=_AB),
        pb.AuthRoleGrantPermissionRequest(name="none", perm=_AB),
        pb.AuthRoleGrantPermissionRequest(name="reads", perm=Permission()),
    ],
    "Auth/RoleRevokePermission": [
        pb.AuthRoleRevokePermissionRequest(role="none", key=b"a"),
        pb.AuthRoleRevokePermissionRequest(role="reads", key=b"a"),
    ],
}


def _leader(name: bytes) -> elect.LeaderKey:
    return elect.LeaderKey(name=name, key=name + b"/67", rev=1, lease=BARE)


QUEUES: dict[str, list[Message]] = {
    "Lock/Lock": [
        lock.LockRequest(name=b"b", lease=BARE),
        lock.LockRequest(name=b"x", lease=BARE),
        lock.LockRequest(name=b"xx"),
        lock.LockRequest(name=b"b", lease=UNKNOWN_LEASE),
    ],
    "Lock/Unlock": [lock.UnlockRequest(key=key) for key in (b"b/67", b"x/67", b"")],
    "Election/Campaign": [
        elect.CampaignRequest(name=b"bb", lease=BARE),
        elect.CampaignRequest(name=b"xxx", lease=BARE),
    ],
    "Election/Leader": [elect.LeaderRequest(name=name) for name in (b"a", b"b", b"x")],
    "Election/Observe": [elect.LeaderRequest(name=b"a")],
    "Election/Proclaim": [
        *(elect.ProclaimRequest(leader=_leader(name)) for name in (b"a", b"x")),
        elect.ProclaimRequest(),
    ],
    "Election/Resign": [
        *(elect.ResignRequest(leader=_leader(name)) for name in (b"a", b"x")),
        elect.ResignRequest(),
    ],
}

HEALTH: dict[str, list[Message]] = {
    "Health/Check": [health.HealthCheckRequest()],
    "Health/List": [health.HealthListRequest()],
    "Health/Watch": [health.HealthCheckRequest()],
}

# It ends what the others are about.
LAST: dict[str, list[Message]] = {"Auth/AuthDisable": [pb.AuthDisableRequest()]}

# Methods of which the first reply is all that is waited for.
ENDLESS = {"Watch/Watch", "Election/Observe", "Health/Watch"}


def calls() -> Iterator[tuple[str, Message]]:
    """Iterate over the calls: the method's short name, and the request."""
    for table in (KEYS, WATCHES, LEASES, OPERATIONS, USERS, QUEUES, HEALTH, LAST):
        for method, requests in table.items():
            for request in requests:
                yield method, request


def name_of(method: str, request: Message) -> str:
    """Return what a call is called in the tables of outcomes."""
    text = MessageToString(request, as_one_line=True)
    return re.sub(r"x{9,}", lambda run: f"x*{len(run[0])}", f"{method} {text}").strip()
