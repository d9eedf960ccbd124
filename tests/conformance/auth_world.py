"""Users, roles, keys and leases, the same on any server, and who calls it with which token.

Rights end at ``d``: a, b and c are the readers' and writers', x is nobody's but root's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import jwt
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from etcdpy.pb import auth_pb2, health_pb2, v3election_pb2, v3lock_pb2
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.auth_pb2 import Permission
from tests.conformance.messages import EVERYTHING, delete, put
from tests.conformance.peers import Call, Method, Outcome, Peer
from tests.support.certificates import Authority

READ, WRITE, READWRITE = Permission.READ, Permission.WRITE, Permission.READWRITE

#: Metadata of a call.
Metadata = tuple[tuple[str, str], ...]

NOBODY: Metadata = ()

# Hashing costs what it may cost least.
BCRYPT = "--bcrypt-cost=4"

_FILES = (pb, v3lock_pb2, v3election_pb2, health_pb2)

USERS: Mapping[str, tuple[str, ...]] = {
    "root": ("root",),
    "admin": ("root", "both"),
    "reader": ("reads",),
    "writer": ("writes",),
    "part": ("parts",),
    "both": ("both",),
    "bare": (),
    "gone": ("root",),
}
ROLES: Mapping[str, tuple[tuple[int, bytes, bytes], ...]] = {
    "root": (),
    "reads": ((READ, b"a", b"d"),),
    "writes": ((WRITE, b"a", b"d"),),
    "parts": ((READ, b"a", b""),),
    "both": ((READWRITE, b"a", b"d"),),
}

# Leases: with a key of the writer's, with one of root's, and two without keys.
WRITERS, ROOTS, BARE, SPARE = 101, 102, 103, 104


def methods() -> Iterator[tuple[str, Method]]:
    """Iterate over all methods of etcd's services by name, such as ``KV/Range``."""
    for file in _FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                reply = GetMessageClass(method.output_type)
                yield f"{service.name}/{method.name}", Method(path, reply)


METHODS = dict(methods())


def password_of(user: str) -> str:
    return f"{user}'s"


def token(text: str) -> Metadata:
    return (("token", text),)


def call(name: str, request: Message, who: Metadata = NOBODY) -> Call:
    """Return the call of a method by its short name, such as ``KV/Range``."""
    return Call(METHODS[name], request, who)


def ask(peer: Peer, name: str, request: Message, who: Metadata = NOBODY) -> Outcome:
    return peer.send(call(name, request, who))


def do(peer: Peer, name: str, request: Message, who: Metadata = NOBODY) -> Any:
    """Make a call that has to succeed; return its reply."""
    return ask(peer, name, request, who).reply


def add_user(peer: Peer, user: str, *roles: str, who: Metadata = NOBODY) -> None:
    do(peer, "Auth/UserAdd", pb.AuthUserAddRequest(name=user, password=password_of(user)), who)
    for role in roles:
        do(peer, "Auth/UserGrantRole", pb.AuthUserGrantRoleRequest(user=user, role=role), who)


def add_role(
    peer: Peer, role: str, *permissions: tuple[int, bytes, bytes], who: Metadata = NOBODY
) -> None:
    do(peer, "Auth/RoleAdd", pb.AuthRoleAddRequest(name=role), who)
    for kind, key, end in permissions:
        grant(peer, role, kind, key, end, who=who)


def grant(
    peer: Peer, role: str, kind: int, key: bytes, end: bytes = b"", *, who: Metadata = NOBODY
) -> None:
    fields: Any = {"permType": kind, "key": key, "range_end": end}
    request = pb.AuthRoleGrantPermissionRequest(name=role, perm=Permission(**fields))
    do(peer, "Auth/RoleGrantPermission", request, who)


def login(peer: Peer, user: str) -> Metadata:
    request = pb.AuthenticateRequest(name=user, password=password_of(user))
    return token(do(peer, "Auth/Authenticate", request).token)


def enable(peer: Peer) -> None:
    do(peer, "Auth/AuthEnable", pb.AuthEnableRequest())


def switch_off(peer: Peer, passwords: Sequence[str]) -> None:
    """Have nobody asked any more; one of the passwords is root's."""
    request = pb.AuthDisableRequest()
    if ask(peer, "Auth/AuthDisable", request).error is None:
        return
    for password in passwords:
        tried = ask(
            peer, "Auth/Authenticate", pb.AuthenticateRequest(name="root", password=password)
        )
        if tried.error is None:
            do(peer, "Auth/AuthDisable", request, token(tried.reply.token))
            return
    raise AssertionError("nobody can log in as root")


def clear(peer: Peer, passwords: Sequence[str]) -> None:
    """Have nobody asked any more, and delete users and roles."""
    switch_off(peer, passwords)
    for user in do(peer, "Auth/UserList", pb.AuthUserListRequest()).users:
        do(peer, "Auth/UserDelete", pb.AuthUserDeleteRequest(name=user))
    for role in do(peer, "Auth/RoleList", pb.AuthRoleListRequest()).roles:
        do(peer, "Auth/RoleDelete", pb.AuthRoleDeleteRequest(role=role))


def settle_in(peer: Peer) -> None:
    """Give a new server the users and roles, and compact what is before; nobody asks yet."""
    for role, permissions in ROLES.items():
        add_role(peer, role, *permissions)
    for user, roles in USERS.items():
        add_user(peer, user, *roles)
    without = auth_pb2.UserAddOptions(no_password=True)
    do(peer, "Auth/UserAdd", pb.AuthUserAddRequest(name="cert", options=without))
    for key in (b"first", b"second"):
        do(peer, "KV/Put", put(key))
    do(peer, "KV/Compact", pb.CompactionRequest(revision=2))


def reset(peer: Peer, root: Metadata) -> None:
    """Bring the keys and leases to where they were, whatever was done before."""
    do(peer, "KV/DeleteRange", delete(*EVERYTHING), root)
    for lease in (WRITERS, ROOTS, BARE, SPARE):
        ask(peer, "Lease/LeaseRevoke", pb.LeaseRevokeRequest(ID=lease), root)
        do(peer, "Lease/LeaseGrant", pb.LeaseGrantRequest(ID=lease, TTL=1000), root)
    for key in (b"a", b"b", b"c", b"d", b"x"):
        lease = {b"a": WRITERS, b"x": ROOTS}.get(key, 0)
        do(peer, "KV/Put", put(key, b"v", lease=lease), root)
    # The leader of an election.
    do(peer, "KV/Put", put(b"a/67", b"leader"), root)


class Kind:
    """A way to say who one is, and the callers that there are of it."""

    name: ClassVar[str]
    callers: ClassVar[tuple[str, ...]]
    args: Sequence[str] = (BCRYPT,)

    def connect(self, address: str, who: str) -> Peer:
        """Connect as a caller; ``root`` may set up everything."""
        return Peer(address)

    def tokens(self, peer: Peer) -> Mapping[str, Metadata]:
        """Switch authentication on; return what each caller sends."""
        raise NotImplementedError


class Simple(Kind):
    """Tokens that the server makes and remembers."""

    name = "simple"
    callers = (
        *("anonymous", "unknown", "malformed", "empty", "dead"),
        *("bare", "part", "reader", "writer", "admin", "root"),
    )

    def tokens(self, peer: Peer) -> Mapping[str, Metadata]:
        enable(peer)
        found = {
            "anonymous": NOBODY,
            "unknown": token("garbage"),
            "malformed": token("abc.def"),
            "empty": token(""),
            "dead": login(peer, "gone"),
        }
        for user in ("bare", "part", "reader", "writer", "admin", "root"):
            found[user] = login(peer, user)
        do(peer, "Auth/UserDelete", pb.AuthUserDeleteRequest(name="gone"), found["root"])
        return found


class Signed(Kind):
    """Tokens that say themselves whose they are, and of which revision of users and roles."""

    name = "signed"
    callers = (
        *("expired", "forged", "deleted", "deleted now", "of nothing"),
        *("reader", "old reader", "old root", "new root", "root"),
    )

    def __init__(self, directory: Path) -> None:
        self._key = b"a key that is long enough for every hash that there is: " + b"k" * 32
        path = directory / "key"
        path.write_bytes(self._key)
        self.args = (BCRYPT, f"--auth-token=jwt,sign-method=HS256,priv-key={path},ttl=1h")

    def tokens(self, peer: Peer) -> Mapping[str, Metadata]:
        enable(peer)
        root = login(peer, "root")
        do(peer, "Auth/UserDelete", pb.AuthUserDeleteRequest(name="gone"), root)
        now = do(peer, "Auth/AuthStatus", pb.AuthStatusRequest(), root).authRevision
        return {
            "root": login(peer, "root"),
            "reader": login(peer, "reader"),
            "old root": root,
            "old reader": self._sign("reader", now - 1),
            "new root": self._sign("root", now + 1),
            "expired": self._sign("root", now, ttl=-60),
            "forged": self._sign("root", now, key=b"another key" * 8),
            "deleted": self._sign("gone", now - 1),
            "deleted now": self._sign("gone", now),
            "of nothing": self._sign("root", 0),
        }

    def _sign(self, user: str, revision: int, *, ttl: int = 3600, key: bytes = b"") -> Metadata:
        claims = {"username": user, "revision": revision, "exp": int(time.time()) + ttl}
        return token(jwt.encode(claims, key or self._key, "HS256"))


class Certified(Kind):
    """Certificates, whose common name is a user's."""

    name = "certified"
    callers = (
        *("nameless", "stranger", "reader", "reader, bad token", "reader, root's token"),
        *("bare, empty token", "root"),
    )

    def __init__(self, directory: Path) -> None:
        self._authority = Authority.make(directory)
        pair = self._authority.server()
        self.args = (
            BCRYPT,
            f"--cert-file={pair.certificate}",
            f"--key-file={pair.key}",
            f"--trusted-ca-file={self._authority.path}",
            "--client-cert-auth",
            "--listen-client-urls=https://127.0.0.1:0",
            "--advertise-client-urls=https://127.0.0.1:2379",
        )

    def connect(self, address: str, who: str) -> Peer:
        user, _, _ = who.partition(",")
        pair = self._authority.client(None if user == "nameless" else user, file=user)
        return Peer(address, credentials=self._authority.credentials(pair))

    def tokens(self, peer: Peer) -> Mapping[str, Metadata]:
        enable(peer)
        return {
            **dict.fromkeys(self.callers, NOBODY),
            "reader, bad token": token("bad"),
            "reader, root's token": login(peer, "root"),
            "bare, empty token": (("token", ""),),
        }
