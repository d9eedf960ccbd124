"""A store with users outgrows one node: they, their rights and their passwords come along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest

from etcdpy.pb import auth_pb2
from etcdpy.pb import rpc_pb2 as pb
from tests.interop.outgrowing import CLUSTER, OLD, SECOND_DOOR, Play, hashes
from tests.interop.outgrowing import WITH_USERS as SECTION
from tests.support.client import Client

BEGIN = (
    f"etcdpy --data-dir store.etcd --listen-client-urls http://{OLD}"
    f" --advertise-client-urls http://{OLD} --bcrypt-cost 4"
)
LEASE, TTL = 7 << 40, 3600
PASSWORDS = {"root": "secret", "alice": "alice's", "bob": "bob's"}

Metadata = tuple[tuple[str, str], ...]


class Seen(NamedTuple):
    """What root sees of a store's users, and what is left of a lease."""

    users: dict[str, list[str]]
    roles: dict[str, list[tuple[int, bytes, bytes]]]
    auth_revision: int
    lease: tuple[int, list[bytes]]


class Session:
    """A connection with the token of a user."""

    def __init__(self, address: str, user: str) -> None:
        self.client = Client(address)
        request = pb.AuthenticateRequest(name=user, password=PASSWORDS[user])
        token = self.client.auth.Authenticate(request, timeout=60).token
        self.metadata: Metadata = (("token", token),)

    def do(self, method: Any, request: Any) -> Any:
        return method(request, metadata=self.metadata, timeout=60)

    def put(self, key: bytes, lease: int = 0) -> Any:
        return self.do(self.client.kv.Put, pb.PutRequest(key=key, value=b"v", lease=lease))

    def get(self, key: bytes) -> list[bytes]:
        found = self.do(self.client.kv.Range, pb.RangeRequest(key=key))
        return [kv.value for kv in found.kvs]

    def close(self) -> None:
        self.client.close()


def fill(address: str) -> None:
    """Leave keys, a lease, and users who have to log in."""
    with closing(Client(address)) as client:
        auth = client.auth
        for user, password in PASSWORDS.items():
            auth.UserAdd(pb.AuthUserAddRequest(name=user, password=password))
        without = auth_pb2.UserAddOptions(no_password=True)
        auth.UserAdd(pb.AuthUserAddRequest(name="cert", options=without))
        for role, kind, key, end in (
            ("team", auth_pb2.Permission.READWRITE, b"team/", b"team0"),
            ("reader", auth_pb2.Permission.READ, b"\0", b"\0"),
        ):
            auth.RoleAdd(pb.AuthRoleAddRequest(name=role))
            permission = auth_pb2.Permission(permType=kind, key=key, range_end=end)
            auth.RoleGrantPermission(pb.AuthRoleGrantPermissionRequest(name=role, perm=permission))
        for user, role in (("root", "root"), ("alice", "team"), ("bob", "reader")):
            auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user=user, role=role))
        auth.AuthEnable(pb.AuthEnableRequest())
    with closing(Session(address, "root")) as root:
        root.do(root.client.lease.LeaseGrant, pb.LeaseGrantRequest(ID=LEASE, TTL=TTL))
        for key in (b"team/1", b"other/1"):
            root.put(key)
        root.put(b"team/held", LEASE)


def seen_at(address: str) -> Seen:
    with closing(Session(address, "root")) as root:
        auth, do = root.client.auth, root.do
        names = do(auth.UserList, pb.AuthUserListRequest()).users
        roles = do(auth.RoleList, pb.AuthRoleListRequest()).roles
        lease = do(
            root.client.lease.LeaseTimeToLive, pb.LeaseTimeToLiveRequest(ID=LEASE, keys=True)
        )
        return Seen(
            {
                name: list(do(auth.UserGet, pb.AuthUserGetRequest(name=name)).roles)
                for name in names
            },
            {
                role: [
                    (p.permType, p.key, p.range_end)
                    for p in do(auth.RoleGet, pb.AuthRoleGetRequest(role=role)).perm
                ]
                for role in roles
            },
            do(auth.AuthStatus, pb.AuthStatusRequest()).authRevision,
            (lease.grantedTTL, list(lease.keys)),
        )


def code_of(call: Any, *arguments: Any) -> str:
    """Make a call that has to fail; return what it fails with."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments)
    refused: Any = caught.value
    return f"{refused.code().name}: {refused.details()}"


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    with Play([SECTION], tmp_path) as scene:
        scene.begin(BEGIN)
        scene.wait_until_served(OLD)
        fill(scene.address(OLD))
        yield scene


def test_users_log_in_as_before_on_each_node_of_the_cluster(play: Play) -> None:
    play.stop("etcdpy")
    play.step()
    play.wait_until_served(SECOND_DOOR)
    before = seen_at(play.address(SECOND_DOOR))
    assert before.users == {"alice": ["team"], "bob": ["reader"], "cert": [], "root": ["root"]}
    with closing(Session(play.address(SECOND_DOOR), "alice")) as alice:
        token = alice.metadata
    _, hashed, leases = play.step()
    play.stop("etcdpy")
    play.copy("store.db")
    play.step()
    play.wait_until_served(*CLUSTER)
    health, all_hashed, all_leases, users, roles = play.step()
    assert health == "" or health.count("is healthy") == 3
    assert set(hashes(all_hashed)) == set(hashes(hashed))
    assert all_leases == leases
    assert (users.split(), roles.split()) == (sorted(before.users), sorted(before.roles))
    play.end()
    for address in play.cluster():
        assert seen_at(address) == before
        the_same_logins_have_the_same_rights(address)
        tokens_from_before_are_gone(address, token)


def the_same_logins_have_the_same_rights(address: str) -> None:
    denied = "PERMISSION_DENIED: etcdserver: permission denied"
    with closing(Client(address)) as nobody:
        request = pb.RangeRequest(key=b"team/1")
        assert code_of(nobody.kv.Range, request).endswith("etcdserver: user name is empty")
        wrong = pb.AuthenticateRequest(name="alice", password="bob's")
        assert "authentication failed" in code_of(nobody.auth.Authenticate, wrong)
    with closing(Session(address, "alice")) as alice:
        alice.put(b"team/1")
        assert alice.get(b"team/1") == [b"v"]
        assert code_of(alice.get, b"other/1") == denied
    with closing(Session(address, "bob")) as bob:
        assert bob.get(b"other/1") == [b"v"]
        assert code_of(bob.put, b"other/1") == denied


def tokens_from_before_are_gone(address: str, token: Metadata) -> None:
    with closing(Client(address)) as client:
        request = pb.RangeRequest(key=b"team/1")
        # etcd waits for a token with a number that its log has not reached.
        refused = code_of(lambda: client.kv.Range(request, metadata=token, timeout=3))
        assert refused.startswith(("UNAUTHENTICATED: ", "DEADLINE_EXCEEDED: "))
