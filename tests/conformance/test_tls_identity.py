"""Certificates say who a client is: with users and roles, both servers let it do the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.support.certificates import Authority, Pair
from tests.support.client import Client
from tests.support.servers import Server, Transport, etcdpy_server, reference_etcd

TIMEOUT = 30.0

#: Whose certificates there are. The last names a user who is none, the one before nobody.
NAMES = ("root", "alice", "bob", "nameless", "stranger")

Outcome = tuple[str, str]


class Certified(NamedTuple):
    """Both servers, each with users who are known by their certificates."""

    authority: Authority
    pairs: dict[str, Pair]
    servers: dict[str, Server]

    def connect(self, server: str, name: str) -> Client:
        credentials = self.authority.credentials(self.pairs[name])
        return Client(self.servers[server].address, credentials=credentials)


@pytest.fixture(scope="module", params=["native", "grpcio"])
def certified(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Certified]:
    transport: Transport = request.param
    authority = Authority.make(tmp_path_factory.mktemp("identity"))
    pair = authority.server()
    flags = (
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        f"--trusted-ca-file={authority.path}",
        "--client-cert-auth",
        "--listen-client-urls=https://127.0.0.1:0",
        "--advertise-client-urls=https://127.0.0.1:2379",
        "--bcrypt-cost=4",
    )
    pairs = {
        name: authority.client(None if name == "nameless" else name, file=name) for name in NAMES
    }
    with ExitStack() as stack:
        servers = {
            "etcdpy": stack.enter_context(etcdpy_server(transport, flags)),
            "etcd": stack.enter_context(reference_etcd(flags)),
        }
        found = Certified(authority, pairs, servers)
        for server in servers:
            with closing(found.connect(server, "root")) as root:
                _found_users(root)
        yield found


def _found_users(root: Client) -> None:
    """Have root, alice, who may write ``a``, and bob, who may nothing and has a password."""
    without = pb.AuthUserAddRequest
    root.auth.UserAdd(without(name="root", options={"no_password": True}))  # type: ignore[arg-type]
    root.auth.UserAdd(without(name="alice", options={"no_password": True}))  # type: ignore[arg-type]
    root.auth.UserAdd(pb.AuthUserAddRequest(name="bob", password="bob"))
    root.auth.RoleAdd(pb.AuthRoleAddRequest(name="root"))
    root.auth.RoleAdd(pb.AuthRoleAddRequest(name="writer"))
    root.auth.RoleGrantPermission(
        pb.AuthRoleGrantPermissionRequest(name="writer", perm={"permType": 2, "key": b"a"})  # type: ignore[arg-type]
    )
    root.auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user="root", role="root"))
    root.auth.UserGrantRole(pb.AuthUserGrantRoleRequest(user="alice", role="writer"))
    root.auth.AuthEnable(pb.AuthEnableRequest())


def outcome(call: Any, request: Any, *metadata: tuple[str, str]) -> Outcome:
    try:
        call(request, timeout=TIMEOUT, metadata=metadata)
    except grpc.RpcError as error:
        failed: Any = error
        return failed.code().name, failed.details()
    return "OK", ""


def asked(client: Client) -> dict[str, Outcome]:
    """Make a call of each kind that asks differently who makes it."""
    return {
        "own key": outcome(client.kv.Put, pb.PutRequest(key=b"a")),
        "other key": outcome(client.kv.Put, pb.PutRequest(key=b"b")),
        "read": outcome(client.kv.Range, pb.RangeRequest(key=b"a")),
        "lease": outcome(client.lease.LeaseGrant, pb.LeaseGrantRequest(TTL=100)),
        "users": outcome(client.auth.UserList, pb.AuthUserListRequest()),
        "oneself": outcome(client.auth.UserGet, pb.AuthUserGetRequest(name="alice")),
        "alarms": outcome(client.maintenance.Alarm, pb.AlarmRequest()),
        "bad token": outcome(client.kv.Put, pb.PutRequest(key=b"a"), ("token", "x.1")),
    }


@pytest.mark.parametrize("name", NAMES)
def test_certificate_is_allowed_what_its_user_is(certified: Certified, name: str) -> None:
    with (
        closing(certified.connect("etcdpy", name)) as ours,
        closing(certified.connect("etcd", name)) as theirs,
    ):
        found = asked(ours)
        assert found == asked(theirs)
    assert (found["own key"] == ("OK", "")) is (name in ("root", "alice"))


def test_token_counts_before_the_certificate(certified: Certified) -> None:
    for server in certified.servers:
        with closing(certified.connect(server, "root")) as client:
            token = client.auth.Authenticate(
                pb.AuthenticateRequest(name="bob", password="bob"), timeout=TIMEOUT
            ).token
            write = pb.PutRequest(key=b"a")
            assert outcome(client.kv.Put, write) == ("OK", "")
            assert outcome(client.kv.Put, write, ("token", token)) == (
                "PERMISSION_DENIED",
                "etcdserver: permission denied",
            )
