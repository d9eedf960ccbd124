"""Random users, roles and permissions, and random requests that they allow or do not.

A step depends on its own random source and on nothing else: leaving some out of a run does not
change what the others are like. Who makes it is a user and one of the tokens that it may have got
before, so a step can also be made with a token that is dead, or that there never was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import Message

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.auth_pb2 import Permission, UserAddOptions
from tests.conformance import messages
from tests.conformance.differences import Version
from tests.conformance.messages import ALL, Operation

T = TypeVar("T")

# The first version that judges everything as etcd 3.7.1 does; less is asked of an older one.
JUDGES_ALL = (3, 7)

KEYS = (b"\0", b"a", b"a\0", b"ab", b"b", b"b\0", b"c", b"d", b"\xff")
USERS = ("root", "alice", "bob", "carol", "dave")
ROLES = ("root", "r1", "r2", "r3")
PASSWORDS = ("one", "two")
SLOTS = (0, 1)
LEASES = (7001, 7002)
UNKNOWN_LEASE = 99
TTL = 3600
# A permission may be of none of the three kinds, and is one for nothing then.
KINDS = (Permission.READ, Permission.WRITE, Permission.READWRITE)
ODD_KIND = 3


class Who(NamedTuple):
    """A user's token, the last of those that were kept in the same slot."""

    user: str
    slot: int


class Step(NamedTuple):
    """A request, who makes it (None is nobody), and whose token it is that comes of it, if any."""

    method: str
    request: Message
    who: Who | None
    logs_in: Who | None = None


def generate(rng: Random, version: Version) -> Step:
    """Make a step which an etcd of ``version`` judges as etcd 3.7.1 does."""
    return _Generator(rng, version >= JUDGES_ALL).step()


@dataclass(frozen=True)
class _Generator:
    rng: Random
    judges_all: bool

    def step(self) -> Step:
        kinds: dict[Callable[[], tuple[str, Message]], float] = {
            self.range: 18,
            self.put: 18,
            self.delete: 7,
            self.txn: 14,
            self.watch: 3,
            self.question: 3,
        }
        if self.judges_all:
            kinds[self.lease] = 8
            kinds[self.stream] = 2
        management: dict[Callable[[], tuple[str, Message]], float] = {
            self.user: 7,
            self.role: 5,
            self.granted_role: 7,
            self.permission: 9,
            self.switch: 1.5,
        }
        if self.chance(0.1):
            return self.login()
        if self.chance(0.3):
            # Mostly of one who may, or little would ever change.
            who = Who("root", 0) if self.chance(0.85) else self.who()
            return Step(*self.one_of(management)(), who)
        return Step(*self.one_of(kinds)(), self.who())

    def who(self) -> Who | None:
        if self.chance(0.04):
            return None
        return Who(self.rng.choice(USERS), self.rng.choice(SLOTS))

    # -------------------- keys

    def range(self) -> tuple[str, Message]:
        return "KV/Range", self.get()

    def stream(self) -> tuple[str, Message]:
        return "KV/RangeStream", self.get()

    def get(self) -> pb.RangeRequest:
        request = messages.get(*self.span())
        request.serializable = self.chance(0.2)
        request.count_only = self.chance(0.1)
        request.limit = self.rng.choice([0, 0, 0, 1, 2])
        return request

    def put(self) -> tuple[str, Message]:
        return "KV/Put", self.put_of(lease=True)

    def put_of(self, *, lease: bool) -> pb.PutRequest:
        request = messages.put(self.key(), b"%d" % self.rng.randrange(100))
        if lease and self.chance(0.3):
            request.lease = self.rng.choice([*LEASES, *LEASES, UNKNOWN_LEASE])
        request.prev_kv = lease and self.chance(0.3)
        return request

    def delete(self) -> tuple[str, Message]:
        return "KV/DeleteRange", self.delete_of(is_open=True)

    def delete_of(self, *, is_open: bool) -> pb.DeleteRangeRequest:
        key, end = self.span()
        if end == ALL and not is_open:
            end = b"\xff\xff"
        return messages.delete(key, end, prev_kv=self.chance(0.3))

    def txn(self) -> tuple[str, Message]:
        return "KV/Txn", self.txn_of(1)

    def txn_of(self, depth: int) -> pb.TxnRequest:
        return messages.txn(
            *self.branch(depth),
            when=[self.compare() for _ in range(self.rng.choice([0, 0, 1, 2]))],
            otherwise=self.branch(depth),
        )

    def branch(self, depth: int) -> list[Operation]:
        return [self.operation(depth) for _ in range(self.rng.choice([0, 1, 1, 2]))]

    def operation(self, depth: int) -> Operation:
        kinds: dict[Callable[[], Operation], float] = {
            self.get: 4,
            lambda: self.put_of(lease=self.judges_all): 4,
            # One that goes to the end of all keys ends etcd itself, if a put follows.
            lambda: self.delete_of(is_open=False): 2,
        }
        if self.judges_all and depth < 3:
            kinds[lambda: self.txn_of(depth + 1)] = 2
        return self.one_of(kinds)()

    def compare(self) -> pb.Compare:
        version = self.rng.choice([-1, 0, 1])
        key, end = self.span()
        return messages.compare(key, "VERSION", "GREATER", end, version=version)

    def watch(self) -> tuple[str, Message]:
        key, end = self.span()
        if not self.judges_all and (end == ALL or key == ALL):
            end = b""
        request = pb.WatchCreateRequest(key=key, range_end=end, prev_kv=self.chance(0.5))
        return "Watch/Watch", pb.WatchRequest(create_request=request)

    def lease(self) -> tuple[str, Message]:
        lease = self.rng.choice([*LEASES, *LEASES, *LEASES, UNKNOWN_LEASE])
        requests: list[tuple[str, Message, int]] = [
            ("Lease/LeaseGrant", pb.LeaseGrantRequest(ID=self.rng.choice(LEASES), TTL=TTL), 3),
            ("Lease/LeaseRevoke", pb.LeaseRevokeRequest(ID=lease), 1),
            ("Lease/LeaseKeepAlive", pb.LeaseKeepAliveRequest(ID=lease), 2),
            (
                "Lease/LeaseTimeToLive",
                pb.LeaseTimeToLiveRequest(ID=lease, keys=self.chance(0.7)),
                3,
            ),
            ("Lease/LeaseLeases", pb.LeaseLeasesRequest(), 1),
        ]
        ((method, request, _),) = self.rng.choices(requests, [weight for *_, weight in requests])
        return method, request

    # -------------------- users and roles

    def login(self) -> Step:
        user = self.rng.choice(["root", "root", *USERS, "nobody"])
        request = pb.AuthenticateRequest(name=user, password=self.password())
        return Step("Auth/Authenticate", request, None, Who(user, self.rng.choice(SLOTS)))

    def user(self) -> tuple[str, Message]:
        user = self.rng.choice(USERS)
        if self.chance(0.5):
            # There would be no way to log in as root any more.
            options = UserAddOptions(no_password=user != "root" and self.chance(0.1))
            return "Auth/UserAdd", pb.AuthUserAddRequest(
                name=user, password=self.password(), options=options
            )
        if self.chance(0.5):
            return "Auth/UserChangePassword", pb.AuthUserChangePasswordRequest(
                name=user, password=self.password()
            )
        return "Auth/UserDelete", pb.AuthUserDeleteRequest(name=user)

    def role(self) -> tuple[str, Message]:
        role = self.rng.choice(ROLES)
        if self.chance(0.75):
            return "Auth/RoleAdd", pb.AuthRoleAddRequest(name=role)
        return "Auth/RoleDelete", pb.AuthRoleDeleteRequest(role=role)

    def granted_role(self) -> tuple[str, Message]:
        user = self.rng.choice(USERS)
        role = self.rng.choice(ROLES[1:] if self.chance(0.9) else ROLES)
        if self.chance(0.75):
            return "Auth/UserGrantRole", pb.AuthUserGrantRoleRequest(user=user, role=role)
        return "Auth/UserRevokeRole", pb.AuthUserRevokeRoleRequest(name=user, role=role)

    def permission(self) -> tuple[str, Message]:
        role = self.rng.choice(ROLES)
        key, end = self.any_span()
        if not self.judges_all and end not in (b"", ALL) and end <= key:
            end = b""
        if self.chance(0.7):
            fields: Any = {"permType": self.odd(KINDS, ODD_KIND)}
            permission = Permission(key=key, range_end=end, **fields)
            request = pb.AuthRoleGrantPermissionRequest(name=role, perm=permission)
            return "Auth/RoleGrantPermission", request
        return "Auth/RoleRevokePermission", pb.AuthRoleRevokePermissionRequest(
            role=role, key=key, range_end=end
        )

    def switch(self) -> tuple[str, Message]:
        if self.chance(0.65):
            return "Auth/AuthEnable", pb.AuthEnableRequest()
        return "Auth/AuthDisable", pb.AuthDisableRequest()

    def question(self) -> tuple[str, Message]:
        roles = ROLES if self.judges_all else ROLES[1:]
        questions: list[tuple[str, Message]] = [
            ("Auth/UserGet", pb.AuthUserGetRequest(name=self.rng.choice(USERS))),
            ("Auth/RoleGet", pb.AuthRoleGetRequest(role=self.rng.choice(roles))),
            ("Auth/UserList", pb.AuthUserListRequest()),
            ("Auth/RoleList", pb.AuthRoleListRequest()),
        ]
        if self.judges_all:
            questions.append(("Auth/AuthStatus", pb.AuthStatusRequest()))
        return self.rng.choice(questions)

    # -------------------- parts

    def password(self) -> str:
        return self.rng.choice(PASSWORDS)

    def key(self) -> bytes:
        return self.rng.choice(KEYS)

    def span(self) -> tuple[bytes, bytes]:
        """Return a key and the end of a range, which may be empty, or open."""
        # One that ends before it begins has no keys, and whether etcd lets it in depends on the
        # shape of the tree that it keeps permissions in.
        key, end = self.any_span()
        return key, (end if end in (b"", ALL) else max(key, end))

    def any_span(self) -> tuple[bytes, bytes]:
        """Return the same, with an end that may be in front of the key."""
        end = b"" if self.chance(0.4) else self.rng.choice([ALL, b"e", *KEYS])
        return self.key(), end

    def odd(self, usual: tuple[int, ...], unusual: int) -> int:
        return unusual if self.chance(0.03) else self.rng.choice(usual)

    def one_of(self, weights: dict[T, float]) -> T:
        (chosen,) = self.rng.choices(list(weights), list(weights.values()))
        return chosen

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability
