"""kill -9 right after a change of users or roles was acknowledged: it is there after the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.auth_pb2 import Permission
from tests.support.client import Client
from tests.support.servers import Server, etcdpy_server

Who = list[tuple[str, str]]

ROUNDS = 3


@pytest.fixture
def server() -> Iterator[Server]:
    with etcdpy_server(args=["--bcrypt-cost=4"]) as server:
        with closing(Client(server.address)) as client:
            client.auth.UserAdd(pb.AuthUserAddRequest(name="root", password="0"))
            client.auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user="root", role="root"))
        yield server


def crashed(server: Server, change: Callable[[Client], Any]) -> Client:
    """Kill a server the moment a change is acknowledged; return a client of the next."""
    with closing(Client(server.address)) as client:
        change(client)
        server.kill()
    server.start()
    return Client(server.address)


def log_in(client: Client, password: str, user: str = "root") -> Who:
    request = pb.AuthenticateRequest(name=user, password=password)
    return [("token", client.auth.Authenticate(request).token)]


def error(call: Any, request: Any, who: Who) -> str:
    with pytest.raises(grpc.RpcError) as raised:
        call(request, metadata=who)
    failed: Any = raised.value
    return str(failed.details())


def test_nobody_gets_in_once_that_was_acknowledged(server: Server) -> None:
    with closing(
        crashed(server, lambda one: one.auth.AuthEnable(pb.AuthEnableRequest()))
    ) as client:
        assert error(client.kv.Range, pb.RangeRequest(key=b"a"), []) == (
            "etcdserver: user name is empty"
        )
        log_in(client, "0")


def test_tokens_of_before_are_dead(server: Server) -> None:
    tokens: list[Who] = []

    def change(client: Client) -> None:
        client.auth.AuthEnable(pb.AuthEnableRequest())
        tokens.append(log_in(client, "0"))
        client.kv.Put(pb.PutRequest(key=b"a"), metadata=tokens[0])

    with closing(crashed(server, change)) as client:
        assert error(client.kv.Range, pb.RangeRequest(key=b"a"), tokens[0]) == (
            "etcdserver: invalid auth token"
        )
        assert client.kv.Range(pb.RangeRequest(key=b"a"), metadata=log_in(client, "0")).count == 1


def test_users_roles_and_passwords_are_as_they_were_acknowledged(server: Server) -> None:
    with closing(Client(server.address)) as client:
        client.auth.AuthEnable(pb.AuthEnableRequest())
    for number in range(ROUNDS):
        revisions: list[int] = []

        def change(client: Client, number: int = number, revisions: list[int] = revisions) -> None:
            auth = client.auth
            who = log_in(client, str(number))
            name = f"new {number}"
            permission = Permission(permType=Permission.READ, key=b"a")
            auth.UserAdd(pb.AuthUserAddRequest(name=name, password=name), metadata=who)
            auth.RoleAdd(pb.AuthRoleAddRequest(name=name), metadata=who)
            auth.RoleGrantPermission(
                pb.AuthRoleGrantPermissionRequest(name=name, perm=permission), metadata=who
            )
            auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user=name, role=name), metadata=who)
            if number:
                gone = pb.AuthUserDeleteRequest(name=f"new {number - 1}")
                auth.UserDelete(gone, metadata=who)
            before = auth.AuthStatus(pb.AuthStatusRequest()).authRevision
            revisions.append(before + 1)
            # The last that is acknowledged.
            changed = pb.AuthUserChangePasswordRequest(name="root", password=str(number + 1))
            auth.UserChangePassword(changed, metadata=who)

        with closing(crashed(server, change)) as client:
            wrong = pb.AuthenticateRequest(name="root", password=str(number))
            assert "authentication failed" in error(client.auth.Authenticate, wrong, [])
            who = log_in(client, str(number + 1))
            listed = client.auth.UserList(pb.AuthUserListRequest(), metadata=who).users
            assert list(listed) == [f"new {number}", "root"]
            status = client.auth.AuthStatus(pb.AuthStatusRequest())
            assert (status.enabled, status.authRevision) == (True, revisions[0])
            new = log_in(client, f"new {number}", f"new {number}")
            client.kv.Range(pb.RangeRequest(key=b"a"), metadata=new)


def test_everybody_gets_in_once_that_was_acknowledged(server: Server) -> None:
    def change(client: Client) -> None:
        client.auth.AuthEnable(pb.AuthEnableRequest())
        client.auth.AuthDisable(pb.AuthDisableRequest(), metadata=log_in(client, "0"))

    with closing(crashed(server, change)) as client:
        client.kv.Put(pb.PutRequest(key=b"a"))
        assert not client.auth.AuthStatus(pb.AuthStatusRequest()).enabled
