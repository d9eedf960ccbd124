"""Users and roles travel with the keys: who could log in still can, and may do the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.auth_pb2 import Permission, UserAddOptions
from tests.snapshot.stores import Kind, restore, save, saving, started
from tests.support.client import Client
from tests.support.servers import Server

ROOT = "root:its password"
BCRYPT = "--bcrypt-cost=4"
USERS = {"root": "its password", "alice": "a", "bob": "", "carol": "c"}
ROLES = {
    "root": (),
    "reads": (Permission(permType=Permission.READ, key=b"a", range_end=b"c"),),
    "writes": (
        Permission(permType=Permission.WRITE, key=b"a"),
        Permission(permType=Permission.READWRITE, key=b"k", range_end=b"\0"),
    ),
}
GRANTED = {"root": ["root"], "alice": ["reads"], "bob": ["reads", "writes"], "carol": []}


def found(client: Client) -> None:
    """Have users and roles, some keys, and authentication."""
    for key in (b"a", b"b", b"k"):
        client.kv.Put(pb.PutRequest(key=key, value=b"value"))
    for role, permissions in ROLES.items():
        client.auth.RoleAdd(pb.AuthRoleAddRequest(name=role))
        for permission in permissions:
            request = pb.AuthRoleGrantPermissionRequest(name=role, perm=permission)
            client.auth.RoleGrantPermission(request)
    for user, password in USERS.items():
        client.auth.UserAdd(pb.AuthUserAddRequest(name=user, password=password))
        for role in GRANTED[user]:
            client.auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user=user, role=role))
    without = UserAddOptions(no_password=True)
    client.auth.UserAdd(pb.AuthUserAddRequest(name="cert", options=without))
    client.auth.AuthEnable(pb.AuthEnableRequest())


def seen(server: Server) -> dict[str, Any]:
    """Return everything that root, the others and nobody can see of users and roles."""
    with closing(Client(server.address)) as client:
        root = _log_in(client, "root", USERS["root"])
        assert isinstance(root, list)
        auth = client.auth
        status = auth.AuthStatus(pb.AuthStatusRequest(), metadata=root)
        users = list(auth.UserList(pb.AuthUserListRequest(), metadata=root).users)
        roles = list(auth.RoleList(pb.AuthRoleListRequest(), metadata=root).roles)
        return {
            "status": (status.enabled, status.authRevision),
            "users": {
                user: list(auth.UserGet(pb.AuthUserGetRequest(name=user), metadata=root).roles)
                for user in users
            },
            "roles": {
                role: str(auth.RoleGet(pb.AuthRoleGetRequest(role=role), metadata=root).perm)
                for role in roles
                if role != "root"  # which etcd has shown differently
            },
            "keys": {user: _readable(client, user) for user in USERS},
            "refused": [
                _log_in(client, *tried)
                for tried in (("alice", "x"), ("alice", ""), ("bob", "b"), ("cert", ""))
            ],
            "nobody": _error(client.kv.Range, pb.RangeRequest(key=b"a"), []),
        }


def _log_in(client: Client, user: str, password: str) -> list[tuple[str, str]] | str:
    """Return the metadata of who has logged in, or why not."""
    request = pb.AuthenticateRequest(name=user, password=password)
    try:
        return [("token", client.auth.Authenticate(request).token)]
    except grpc.RpcError as error:
        failed: Any = error
        return str(failed.details())


def _readable(client: Client, user: str) -> list[str | None]:
    who = _log_in(client, user, USERS[user])
    assert isinstance(who, list), who
    return [
        _error(client.kv.Range, pb.RangeRequest(key=key, range_end=end), who)
        for key, end in ((b"a", b""), (b"a", b"c"), (b"k", b"\0"), (b"\0", b"\0"))
    ]


def _error(call: Any, request: Any, who: Sequence[tuple[str, str]]) -> str | None:
    try:
        call(request, metadata=who)
    except grpc.RpcError as error:
        failed: Any = error
        return str(failed.details())
    return None


@pytest.mark.parametrize(
    "homes", [("etcdpy", "etcd", "etcdpy"), ("etcd", "etcdpy", "etcd")], ids="-".join
)
def test_users_and_roles_travel_there_and_back(tmp_path: Path, homes: tuple[Kind, ...]) -> None:
    before: dict[str, Any] = {}
    for number, kind in enumerate(homes):
        file, data_dir = tmp_path / f"{number}.db", tmp_path / f"{number}"
        if number:
            restore(kind, tmp_path / f"{number - 1}.db", data_dir)
        with started(kind, data_dir, BCRYPT) as server:
            if number == 0:
                with closing(Client(server.address)) as client:
                    found(client)
                before = seen(server)
                assert before["status"] == (True, 16)
            assert seen(server) == before
            # Each is saved by the other's command.
            save("etcd" if kind == "etcdpy" else "etcdpy", server, file, ROOT)


@pytest.mark.parametrize("by", ["etcdpy", "etcd"])
@pytest.mark.parametrize("user", ["", "alice:a", "root:wrong"])
def test_snapshot_is_saved_by_root_alone(tmp_path: Path, by: Kind, user: str) -> None:
    file = tmp_path / "snapshot.db"
    with started("etcdpy", tmp_path / "data", BCRYPT) as server:
        with closing(Client(server.address)) as client:
            found(client)
        refused = saving(by, server, file, user)
        assert refused.returncode != 0
        assert not file.exists()
        expected = {
            "": "user name is empty",
            "alice:a": "permission denied",
            "root:wrong": "authentication failed",
        }
        assert expected[user] in refused.stderr + refused.stdout
        save(by, server, file, ROOT)
        assert file.exists()
