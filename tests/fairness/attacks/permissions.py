"""Who may do what, asked where that takes long: leases with many keys, roles of many ranges."""

from __future__ import annotations

import itertools

from etcdpy.pb import auth_pb2
from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import Preparation, attack
from tests.fairness.attacks.users import QUICK, ROOT, SLOW
from tests.fairness.wire import Crowd, Wire

_MOST = auth_pb2.Permission.READWRITE


def _switch_on(crowd: Crowd) -> None:
    name, _, password = ROOT.partition(":")
    crowd.each(w.AUTH + "UserAdd", [pb.AuthUserAddRequest(name=name, password=password)])
    crowd.each(w.AUTH + "RoleAdd", [pb.AuthRoleAddRequest(name="root")])
    crowd.each(w.AUTH + "UserGrantRole", [pb.AuthUserGrantRoleRequest(user=name, role="root")])
    crowd.each(w.AUTH + "AuthEnable", [pb.AuthEnableRequest()])


def _ranges(number: int) -> list[auth_pb2.Permission]:
    return [
        auth_pb2.Permission(permType=_MOST, key=b"/%08d" % i, range_end=b"/%08d5" % i)
        for i in range(number)
    ]


def somebody(keys: int = 0, ranges: int = 0) -> Preparation:
    """Return what lets ``eve`` in, with a lease of so many keys, and a role of so many ranges."""

    def prepare(crowd: Crowd) -> None:
        crowd.each(w.AUTH + "UserAdd", [pb.AuthUserAddRequest(name="eve", password="good")])
        crowd.each(w.AUTH + "RoleAdd", [pb.AuthRoleAddRequest(name="eve")])
        crowd.each(w.AUTH + "UserGrantRole", [pb.AuthUserGrantRoleRequest(user="eve", role="eve")])
        perms = [
            auth_pb2.Permission(permType=_MOST, key=b"/a", range_end=b"/b"),
            auth_pb2.Permission(permType=_MOST, key=b"/c", range_end=b"/d"),
            *_ranges(ranges),
        ]
        requests = [pb.AuthRoleGrantPermissionRequest(name="eve", perm=it) for it in perms]
        crowd.each(w.AUTH + "RoleGrantPermission", requests)
        if keys:
            crowd.each(w.LEASE + "LeaseGrant", [pb.LeaseGrantRequest(ID=77, TTL=600)])
        txns = []
        for first in range(0, keys, 100):
            request = pb.TxnRequest()
            for i in range(first, first + 100):
                put = pb.PutRequest(key=b"/%c/%d" % (97 + i % 2 * 2, i), lease=77)
                request.success.add().request_put.CopyFrom(put)
            txns.append(request)
        crowd.each(w.TXN, txns)
        _switch_on(crowd)

    return prepare


def token_of(crowd: Crowd, user: str = "eve") -> bytes:
    tokens: list[bytes] = []

    class _Login(Wire):
        def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
            if kind == w.DATA:
                tokens.append(pb.AuthenticateResponse.FromString(payload[5:]).token.encode())
            super()._take(kind, flags, stream, payload)

    wire = crowd.add(_Login(crowd.address))
    wire.call(w.AUTH + "Authenticate", pb.AuthenticateRequest(name=user, password="good"))
    crowd.wait(lambda: bool(tokens))
    crowd.leave(wire)
    return w.literal(b"authorization", tokens[0])


@attack(somebody(100_000), QUICK, user=ROOT)
def keepalives_of_a_full_lease(crowd: Crowd) -> None:
    """Keep a lease alive with 100,000 keys, of two prefixes, by somebody who may write them."""
    token = token_of(crowd)
    body = w.message(pb.LeaseKeepAliveRequest(ID=77))
    wires = crowd.connect(10)
    streams = {wire: wire.begin(w.LEASE + "LeaseKeepAlive", token) for wire in wires}
    while not crowd.is_over:
        for wire in crowd.wires:
            if len(wire.out) < 1 << 13:
                wire.stream(streams[wire], body * 50)
        crowd.pump()


@attack(somebody(100_000), QUICK, user=ROOT)
def puts_on_a_full_lease(crowd: Crowd) -> None:
    """Put a key on a lease with 100,000 keys, of two prefixes, by somebody who may."""
    token = token_of(crowd)
    request = pb.PutRequest(key=b"/a/1", lease=77)
    crowd.drive(lambda wire: wire.call(w.PUT, request, token), 100, 10)


@attack(somebody(100_000), QUICK, user=ROOT)
def keys_of_a_full_lease(crowd: Crowd) -> None:
    """Have a lease tell its 100,000 keys to somebody who may read them, on 10 connections."""
    token = token_of(crowd)
    request = pb.LeaseTimeToLiveRequest(ID=77, keys=True)
    crowd.drive(lambda wire: wire.call(w.LEASE + "LeaseTimeToLive", request, token), 4, 10)


@attack(somebody(0, 5_000), QUICK, user=ROOT)
def rights_of_many_ranges(crowd: Crowd) -> None:
    """Grant one more range of 5,000 by root, and read a key by who has them, over and over."""
    token, root = token_of(crowd), token_of(crowd, "root")
    perm = auth_pb2.Permission(permType=_MOST, key=b"/x")
    grant = pb.AuthRoleGrantPermissionRequest(name="eve", perm=perm)
    numbers = itertools.count()

    def more(wire: Wire) -> None:
        if next(numbers) % 2:
            wire.call(w.AUTH + "RoleGrantPermission", grant, root)
        else:
            wire.call(w.RANGE, pb.RangeRequest(key=b"/00000077"), token)

    crowd.drive(more, 100, 4)


@attack()
def permissions_without_end(crowd: Crowd) -> None:
    """Grant one range after the other to one role."""
    crowd.each(w.AUTH + "RoleAdd", [pb.AuthRoleAddRequest(name="wide")])
    numbers = itertools.count()

    def more(wire: Wire) -> None:
        perm = auth_pb2.Permission(permType=_MOST, key=b"/%08d" % next(numbers), range_end=b"0")
        request = pb.AuthRoleGrantPermissionRequest(name="wide", perm=perm)
        wire.call(w.AUTH + "RoleGrantPermission", request)

    crowd.drive(more, 200, 2)


@attack()
def roles_without_end(crowd: Crowd) -> None:
    """Grant one role after the other to one user."""
    options = auth_pb2.UserAddOptions(no_password=True)
    crowd.each(w.AUTH + "UserAdd", [pb.AuthUserAddRequest(name="heavy", options=options)])
    numbers = itertools.count()

    def more(wire: Wire) -> None:
        name = f"role{next(numbers):08}"
        wire.call(w.AUTH + "RoleAdd", pb.AuthRoleAddRequest(name=name))
        request = pb.AuthUserGrantRoleRequest(user="heavy", role=name)
        wire.call(w.AUTH + "UserGrantRole", request)

    crowd.drive(more, 200, 2)


def _role_of_many(crowd: Crowd) -> None:
    options = auth_pb2.UserAddOptions(no_password=True)
    names = [f"user{i}" for i in range(20_000)]
    adds = [pb.AuthUserAddRequest(name=name, options=options) for name in names]
    crowd.each(w.AUTH + "UserAdd", adds, at_once=1000)
    crowd.each(w.AUTH + "RoleAdd", [pb.AuthRoleAddRequest(name="all")])
    grants = [pb.AuthUserGrantRoleRequest(user=name, role="all") for name in names]
    crowd.each(w.AUTH + "UserGrantRole", grants, at_once=1000)


@attack(_role_of_many)
def role_of_20000_users_deleted(crowd: Crowd) -> None:
    """Delete a role that 20,000 users have."""
    (wire,) = crowd.connect()
    wire.call(w.AUTH + "RoleDelete", pb.AuthRoleDeleteRequest(role="all"))
    crowd.wait(lambda: crowd.is_over)


@attack(flags=SLOW)
def passwords_to_be_hashed(crowd: Crowd) -> None:
    """Add users with passwords of a hundred milliseconds each, 200 at once on 10 connections."""
    numbers = itertools.count()

    def more(wire: Wire) -> None:
        request = pb.AuthUserAddRequest(name=f"user{next(numbers)}", password="p" * 60)
        wire.call(w.AUTH + "UserAdd", request)

    crowd.drive(more, 200, 10)
