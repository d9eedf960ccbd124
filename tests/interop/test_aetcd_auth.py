"""aetcd, unchanged, with users: it logs in once, and does not by itself again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from itertools import count
from typing import Any

import aetcd
import pytest
from aetcd.exceptions import UnauthenticatedError

from etcdpy.pb import auth_pb2
from etcdpy.pb import rpc_pb2 as pb
from tests.interop import auth_house
from tests.interop.aetcd_clients import connect
from tests.interop.auth_house import BCRYPT, Root, settle_in
from tests.interop.conftest import reachable, start
from tests.interop.etcdctl import Etcdctl
from tests.support.servers import Server

TIMEOUT = 60.0
DENIED = "etcdserver: permission denied"

_numbers = count(1)


class Team:
    """
    A server with a user of a test's own, who may do everything below a prefix of its own.

    Attributes:
        name: The user; its password is ``first``, and its role is called as it is.
        prefix: Of its keys.

    """

    def __init__(self, server: Server, root: Root) -> None:
        self.name = f"user-{next(_numbers)}"
        self.prefix = b"%s/" % self.name.encode()
        self._address = server.address
        self._root = root
        auth, do = root.client.auth, root.do
        do(auth.UserAdd, pb.AuthUserAddRequest(name=self.name, password="first"))
        do(auth.RoleAdd, pb.AuthRoleAddRequest(name=self.name))
        permission = auth_pb2.Permission(
            permType=auth_pb2.Permission.READWRITE,
            key=self.prefix,
            range_end=self.prefix[:-1] + b"0",
        )
        grant = pb.AuthRoleGrantPermissionRequest(name=self.name, perm=permission)
        do(auth.RoleGrantPermission, grant)
        do(auth.UserGrantRole, pb.AuthUserGrantRoleRequest(user=self.name, role=self.name))

    def login(self, password: str = "first") -> aetcd.Client:
        """Return a client that logs in when it is entered."""
        return connect(self._address, self.name, password)

    def key(self, name: bytes) -> bytes:
        return self.prefix + name

    def change_password(self) -> None:
        request = pb.AuthUserChangePasswordRequest(name=self.name, password="second")
        self._root.do(self._root.client.auth.UserChangePassword, request)

    def delete_user(self) -> None:
        request = pb.AuthUserDeleteRequest(name=self.name)
        self._root.do(self._root.client.auth.UserDelete, request)

    def revoke_role(self) -> None:
        request = pb.AuthUserRevokeRoleRequest(name=self.name, role=self.name)
        self._root.do(self._root.client.auth.UserRevokeRole, request)

    def forget_tokens(self) -> None:
        """Have the server forget every token but those that say themselves whose they are."""
        auth = self._root.client.auth
        self._root.do(auth.AuthDisable, pb.AuthDisableRequest())
        auth.AuthEnable(pb.AuthEnableRequest(), timeout=30)
        self._root.login()

    def write(self, name: bytes) -> None:
        """Put a key as another user."""
        request = pb.PutRequest(key=self.key(name), value=b"by root")
        self._root.do(self._root.client.kv.Put, request)


@contextmanager
def _served(kind: str, etcdctl: Etcdctl, *flags: str) -> Iterator[tuple[Server, Root]]:
    with start(kind, *reachable(), BCRYPT, *flags) as server:
        if auth_house.version_of(server) < auth_house.SAME_RIGHTS:
            pytest.skip("an etcd that asks its callers less")
        settle_in(etcdctl, server)
        with closing(Root(server.address)) as root:
            yield server, root


@pytest.fixture(scope="module", params=["etcdpy", "etcd"])
def house(request: pytest.FixtureRequest, etcdctl: Etcdctl) -> Iterator[tuple[Server, Root]]:
    with _served(request.param, etcdctl) as it:
        yield it


@pytest.fixture(scope="module", params=["etcdpy", "etcd"])
def signed_house(
    request: pytest.FixtureRequest, etcdctl: Etcdctl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Root]]:
    key = tmp_path_factory.mktemp("signed") / "key"
    key.write_bytes(b"a key of thirty-two bytes or more" * 2)
    tokens = f"--auth-token=jwt,sign-method=HS256,priv-key={key}"
    with _served(request.param, etcdctl, tokens) as it:
        yield it


@pytest.fixture
def team(house: tuple[Server, Root]) -> Team:
    return Team(*house)


@pytest.fixture
def signed_team(signed_house: tuple[Server, Root]) -> Team:
    return Team(*signed_house)


@asynccontextmanager
async def watching(client: aetcd.Client, team: Team) -> AsyncIterator[Any]:
    """Watch all keys of a team; iterate over what comes."""
    watch = await client.watch_prefix(team.prefix)
    try:
        yield watch
    finally:
        await watch.cancel()


async def next_key(watch: Any) -> bytes:
    event = await asyncio.wait_for(anext(aiter(watch)), TIMEOUT)
    key: bytes = event.kv.key
    return key


async def test_a_user_does_what_its_role_allows(team: Team) -> None:
    async with team.login() as client:
        await client.put(team.key(b"a"), b"1")
        assert (await client.get(team.key(b"a"))).value == b"1"
        await client.transaction(
            compare=[client.transactions.value(team.key(b"a")) == b"1"],
            success=[client.transactions.put(team.key(b"a"), b"2")],
            failure=[],
        )
        lease = await client.lease(100)
        await client.put(team.key(b"leased"), b"1", lease=lease)
        await lease.refresh()
        await lease.revoke()
        assert [kv.key for kv in await client.get_prefix(team.prefix)] == [team.key(b"a")]
        assert len([member async for member in client.members()]) == 1


async def test_a_user_is_denied_the_rest(team: Team) -> None:
    async with team.login() as client:
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: client.put(b"other", b"1"),
            lambda: client.get(b"other"),
            client.get_all,
            lambda: client.delete_range(team.prefix, b"z"),
            lambda: client.compact(1),
        ]
        for call in calls:
            with pytest.raises(aetcd.ClientError, match=DENIED):
                await call()


@pytest.mark.parametrize("password", ["wrong", "", "first "])
async def test_who_has_another_password_does_not_come_in(team: Team, password: str) -> None:
    with pytest.raises(aetcd.InvalidArgumentError, match="authentication failed"):
        async with team.login(password):
            pass


async def test_a_watch_outlives_its_token(team: Team) -> None:
    async with team.login() as client, watching(client, team) as watch:
        await client.put(team.key(b"1"), b"")
        assert await next_key(watch) == team.key(b"1")
        team.forget_tokens()
        with pytest.raises(UnauthenticatedError, match="invalid auth token"):
            await client.get(team.key(b"1"))
        team.write(b"2")
        assert await next_key(watch) == team.key(b"2")
        async with team.login() as again:
            await again.put(team.key(b"3"), b"")
        assert await next_key(watch) == team.key(b"3")


async def test_a_changed_password_ends_sessions_but_no_watch(team: Team) -> None:
    async with team.login() as client, watching(client, team) as watch:
        team.change_password()
        with pytest.raises(UnauthenticatedError, match="invalid auth token"):
            await client.get(team.key(b"1"))
        with pytest.raises(aetcd.InvalidArgumentError, match="authentication failed"):
            async with team.login():
                pass
        async with team.login("second") as again:
            await again.put(team.key(b"1"), b"")
        assert await next_key(watch) == team.key(b"1")


async def test_a_deleted_user_is_out_but_its_watch_goes_on(team: Team) -> None:
    async with team.login() as client, watching(client, team) as watch:
        team.delete_user()
        with pytest.raises(UnauthenticatedError, match="invalid auth token"):
            await client.get(team.key(b"1"))
        team.write(b"1")
        assert await next_key(watch) == team.key(b"1")


async def test_a_revoked_role_denies_new_calls_but_no_watch(team: Team) -> None:
    async with team.login() as client, watching(client, team) as watch:
        team.revoke_role()
        with pytest.raises(aetcd.ClientError, match=DENIED):
            await client.get(team.key(b"1"))
        team.write(b"1")
        assert await next_key(watch) == team.key(b"1")


async def test_a_signed_token_ends_when_users_change(signed_team: Team) -> None:
    team = signed_team
    async with team.login() as client, watching(client, team) as watch:
        await client.put(team.key(b"1"), b"")
        team.forget_tokens()  # which ends it, for it changes the revision of users and roles
        with pytest.raises(aetcd.InvalidArgumentError, match="revision of auth store is old"):
            await client.get(team.key(b"1"))
        # It still says who calls.
        assert len([member async for member in client.members()]) == 1
        async with team.login() as again:
            await again.put(team.key(b"2"), b"")
        assert [await next_key(watch), await next_key(watch)] == [
            team.key(b"1"),
            team.key(b"2"),
        ]
