"""Users, roles and logging in, as a node is asked for them."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from etcdpy import errors
from etcdpy.cooperative import outcome
from etcdpy.mvcc.slices import SLICE
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node.api import NodeApi
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.auth_pb2 import Permission, UserAddOptions
from tests.unit.node.askers import Asker
from tests.unit.node.nodes import ANYBODY
from tests.unit.node.timed_node import TimedNode, opened

NOBODY = Asker()


class Site:
    """A node with a ``root`` whose password is ``r``, and what asks it."""

    def __init__(self, timed: TimedNode) -> None:
        self.timed = timed
        self.node = timed.node
        self.users = timed.node.parts.users

    async def ask(self, answer: Any) -> Any:
        """Return what a call comes to; the disk has what it writes."""
        task = asyncio.ensure_future(outcome(answer))
        while not task.done():
            await self.timed.settle()
        return task.result()

    async def add(self, name: str, password: str, *roles: str) -> None:
        node = self.node
        await self.ask(node.user_add(pb.AuthUserAddRequest(name=name, password=password), ANYBODY))
        for role in roles:
            request = pb.AuthUserGrantRoleRequest(user=name, role=role)
            await self.ask(node.user_grant_role(request, ANYBODY))

    async def enable(self) -> None:
        await self.ask(self.node.auth_enable(pb.AuthEnableRequest(), ANYBODY))

    async def log_in(self, name: str, password: str) -> Asker:
        request = pb.AuthenticateRequest(name=name, password=password)
        reply = await self.ask(self.node.authenticate(request, NOBODY))
        return Asker(reply.token)

    async def get(self, key: bytes, caller: Asker) -> pb.RangeResponse:
        reply = await self.ask(self.node.range(pb.RangeRequest(key=key), caller))
        return pb.RangeResponse.FromString(bytes(reply))


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with opened() as timed:
        site = Site(timed)
        await site.add("root", "r", "root")
        yield site
        timed.node.parts.tokens.close()
        timed.node.parts.passwords.close()


async def test_nobody_is_asked_for_anything_until_it_is_switched_on(site: Site) -> None:
    await site.get(b"a", Asker("nonsense"))
    with pytest.raises(errors.AuthNotEnabledError):
        await site.log_in("root", "r")
    await site.enable()
    with pytest.raises(errors.InvalidAuthTokenError):
        await site.get(b"a", Asker("nonsense"))
    with pytest.raises(errors.EmptyUserError):
        await site.get(b"a", NOBODY)


async def test_who_logs_in_may_do_what_is_his(site: Site) -> None:
    await site.add("alice", "a")
    await site.enable()
    await site.get(b"a", await site.log_in("root", "r"))
    with pytest.raises(errors.PermissionDeniedError):
        await site.get(b"a", await site.log_in("alice", "a"))


@pytest.mark.parametrize(("name", "password"), [("root", "x"), ("root", ""), ("nobody", "r")])
async def test_wrong_user_and_wrong_password_are_told_the_same(
    site: Site, name: str, password: str
) -> None:
    await site.enable()
    with pytest.raises(errors.AuthFailedError):
        await site.log_in(name, password)


async def test_user_without_a_password_cannot_log_in_with_one(site: Site) -> None:
    options = UserAddOptions(no_password=True)
    request = pb.AuthUserAddRequest(name="cert", password="p", options=options)
    await site.ask(site.node.user_add(request, ANYBODY))
    await site.enable()
    for password in ("", "p"):
        with pytest.raises(errors.PasswordGivenError):
            await site.log_in("cert", password)


async def test_reply_is_held_back_until_the_change_is_durable(site: Site) -> None:
    site.timed.log.flush()
    task = asyncio.ensure_future(site.node.role_add(pb.AuthRoleAddRequest(name="r"), ANYBODY))
    for _ in range(5):
        await asyncio.sleep(0)
    site.timed.log.flush()
    assert not task.done()
    await site.timed.settle()
    reply = task.result()
    assert reply.header.revision == site.timed.store.revision


async def test_password_that_is_empty_is_one_too(site: Site) -> None:
    await site.add("alice", "")
    await site.enable()
    assert (await site.log_in("alice", "")).token


async def test_password_may_have_72_bytes_and_more_are_refused_even_to_nobody(site: Site) -> None:
    await site.add("alice", "x" * 72)
    await site.enable()
    assert (await site.log_in("alice", "x" * 73)).token
    request = pb.AuthUserAddRequest(name="bob", password="x" * 73)
    with pytest.raises(errors.PasswordTooLongError):
        await site.ask(site.node.user_add(request, NOBODY))


async def test_who_may_not_add_users_has_nothing_hashed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.enable()

    async def hash_nothing(password: str) -> bytes:
        raise AssertionError("hashed")

    monkeypatch.setattr(site.node.parts.passwords, "hash", hash_nothing)
    for change in (
        site.node.user_add(pb.AuthUserAddRequest(name="bob", password="b"), NOBODY),
        site.node.user_change_password(
            pb.AuthUserChangePasswordRequest(name="root", password="b"), NOBODY
        ),
    ):
        with pytest.raises(errors.EmptyUserError):
            await site.ask(change)


async def test_new_password_ends_what_the_old_one_began(site: Site) -> None:
    await site.enable()
    root = await site.log_in("root", "r")
    request = pb.AuthUserChangePasswordRequest(name="root", password="new")
    await site.ask(site.node.user_change_password(request, root))
    with pytest.raises(errors.InvalidAuthTokenError):
        await site.get(b"a", root)
    await site.get(b"a", await site.log_in("root", "new"))


async def test_hash_may_be_given_in_place_of_a_password(site: Site) -> None:
    await site.add("alice", "a")
    await site.add("bob", "b")
    hashed = site.node.parts.users.user("alice").password
    given = b64encode(hashed).decode()
    for text in (given, given[:10] + "\r\n" + given[10:]):
        request = pb.AuthUserChangePasswordRequest(name="bob", hashedPassword=text)
        await site.ask(site.node.user_change_password(request, ANYBODY))
        assert site.node.parts.users.user("bob").password == hashed
    for text in ("!!", given[:-1], given + " ", "é"):
        request = pb.AuthUserChangePasswordRequest(name="bob", hashedPassword=text)
        with pytest.raises(errors.PasswordGivenError):
            await site.ask(site.node.user_change_password(request, ANYBODY))


async def test_user_that_is_deleted_is_out_and_stays_out_when_added_again(site: Site) -> None:
    await site.add("alice", "a", "root")
    await site.enable()
    alice = await site.log_in("alice", "a")
    await site.get(b"a", alice)
    request = pb.AuthUserDeleteRequest(name="alice")
    await site.ask(site.node.user_delete(request, alice))
    await site.add("alice", "a")
    with pytest.raises(errors.InvalidAuthTokenError):
        await site.get(b"a", alice)
    with pytest.raises(errors.PermissionDeniedError):
        await site.get(b"a", await site.log_in("alice", "a"))


async def test_who_has_logged_in_has_to_do_so_again_once_it_was_off(site: Site) -> None:
    await site.enable()
    root = await site.log_in("root", "r")
    await site.ask(site.node.auth_disable(pb.AuthDisableRequest(), root))
    await site.get(b"a", NOBODY)
    await site.enable()
    with pytest.raises(errors.InvalidAuthTokenError):
        await site.get(b"a", root)


async def test_user_that_changes_while_it_logs_in_is_looked_at_again(site: Site) -> None:
    await site.add("alice", "a")
    await site.enable()
    logging_in = asyncio.ensure_future(site.log_in("alice", "a"))
    await asyncio.sleep(0)
    site.node.parts.users.delete_user("alice")
    with pytest.raises(errors.AuthFailedError):
        await logging_in


async def test_password_is_hashed_once_whatever_others_change_meanwhile(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.add("alice", "a")
    await site.enable()
    users, check = site.node.parts.users, site.node.parts.passwords.check
    asked: list[str] = []

    async def checked(password: str, *others: Any) -> bool:
        asked.append(password)
        users.add_role(f"r{len(asked)}")
        return await check(password, *others)

    monkeypatch.setattr(site.node.parts.passwords, "check", checked)
    alice = await site.log_in("alice", "a")
    assert asked == ["a"]
    # The token is of the revision as of now, and so is good.
    await site.ask(site.node.user_get(pb.AuthUserGetRequest(name="alice"), alice))


async def test_new_password_is_asked_for_if_it_changes_meanwhile(site: Site) -> None:
    await site.add("alice", "a")
    await site.enable()
    logging_in = asyncio.ensure_future(site.log_in("alice", "a"))
    await asyncio.sleep(0)
    site.node.parts.users.change_password("alice", b"")
    with pytest.raises(errors.AuthFailedError):
        await logging_in


async def test_login_is_refused_if_it_is_switched_off_meanwhile(site: Site) -> None:
    await site.enable()
    logging_in = asyncio.ensure_future(site.log_in("root", "r"))
    await asyncio.sleep(0)
    site.node.parts.users.disable()
    with pytest.raises(errors.AuthNotEnabledError):
        await logging_in


async def test_status_tells_whether_it_is_on_and_its_revision(site: Site) -> None:
    before = await site.ask(site.node.auth_status(pb.AuthStatusRequest(), NOBODY))
    assert (before.enabled, before.authRevision) == (False, 3)
    await site.enable()
    after = await site.ask(site.node.auth_status(pb.AuthStatusRequest(), NOBODY))
    assert (after.enabled, after.authRevision) == (True, 3)


async def test_role_is_made_used_and_taken_apart(site: Site) -> None:
    node, ask = site.node, site.ask
    await ask(node.role_add(pb.AuthRoleAddRequest(name="r"), ANYBODY))
    without = pb.AuthRoleGrantPermissionRequest(name="nothing")
    with pytest.raises(errors.PermissionNotGivenError):
        await ask(node.role_grant_permission(without, ANYBODY))
    permission = Permission(permType=Permission.READ, key=b"a")
    grant = pb.AuthRoleGrantPermissionRequest(name="r", perm=permission)
    await ask(node.role_grant_permission(grant, ANYBODY))
    await site.add("alice", "a", "r")
    shown = await ask(node.role_get(pb.AuthRoleGetRequest(role="r"), ANYBODY))
    assert list(shown.perm) == [permission]
    user = await ask(node.user_get(pb.AuthUserGetRequest(name="alice"), ANYBODY))
    assert list(user.roles) == ["r"]
    assert list((await ask(node.role_list(pb.AuthRoleListRequest(), ANYBODY))).roles) == ["r"]
    users = await ask(node.user_list(pb.AuthUserListRequest(), ANYBODY))
    assert list(users.users) == ["alice", "root"]
    await site.enable()
    alice = await site.log_in("alice", "a")
    await site.get(b"a", alice)
    revoke = pb.AuthRoleRevokePermissionRequest(role="r", key=b"a")
    await ask(node.role_revoke_permission(revoke, ANYBODY))
    with pytest.raises(errors.PermissionDeniedError):
        await site.get(b"a", alice)
    await ask(node.user_revoke_role(pb.AuthUserRevokeRoleRequest(name="alice", role="r"), ANYBODY))
    await ask(node.role_delete(pb.AuthRoleDeleteRequest(role="r"), ANYBODY))
    assert not (await ask(node.role_list(pb.AuthRoleListRequest(), ANYBODY))).roles


async def test_role_root_is_shown_to_permit_everything(site: Site) -> None:
    node, ask = site.node, site.ask
    with pytest.raises(errors.RoleNotFoundError):
        await ask(node.role_get(pb.AuthRoleGetRequest(role="root"), ANYBODY))
    await ask(node.role_add(pb.AuthRoleAddRequest(name="root"), ANYBODY))
    shown = await ask(node.role_get(pb.AuthRoleGetRequest(role="root"), ANYBODY))
    everything = Permission(permType=Permission.READWRITE, key=b"", range_end=b"\0")
    assert list(shown.perm) == [everything]


#: Methods that ask nobody for a token when they are called.
WITHOUT_TOKENS = {"authenticate", "watch"}


@pytest.mark.parametrize(
    "method",
    [name for name in vars(NodeApi) if not name.startswith("_") and name not in WITHOUT_TOKENS],
)
async def test_every_method_asks_for_a_good_token(site: Site, method: str) -> None:
    await site.enable()
    with pytest.raises(errors.InvalidAuthTokenError):  # noqa: PT012
        answer = getattr(site.node, method)(_request(method), Asker("nonsense"))
        if hasattr(answer, "__anext__"):
            await site.ask(_first(answer))
        else:
            await site.ask(answer)


def _request(method: str) -> Any:
    """Return a request that is well formed, as far as it has to be to be asked for a token."""
    from etcdpy.mvcc.txn_request import Txn

    requests: dict[str, Any] = {
        "range": pb.RangeRequest(key=b"a"),
        "range_stream": pb.RangeRequest(key=b"a"),
        "put": pb.PutRequest(key=b"a"),
        "delete_range": pb.DeleteRangeRequest(key=b"a"),
        "txn": Txn.of(pb.TxnRequest()),
        "lease_keep_alive": pb.LeaseKeepAliveRequest(),
        "member_add": pb.MemberAddRequest(peerURLs=["http://a:1"]),
        "alarm": pb.AlarmRequest(),
        "user_add": pb.AuthUserAddRequest(name="a"),
        "user_change_password": pb.AuthUserChangePasswordRequest(name="a", password="p"),
    }
    return requests.get(method, _Anything())


class _Anything:
    """A request of which nothing is looked at but its size."""

    def ByteSize(self) -> int:
        return 0

    def __getattr__(self, name: str) -> Any:
        return b""


async def _first(answer: Any) -> Any:
    return await anext(answer)


# ----------------------------------------------------- reads that take a while


@pytest.fixture
async def full(site: Site) -> Site:
    """A site with keys of which a Range is not read in one go."""
    changes = site.node.parts.store.begin()
    for number in range(12 * SLICE):
        changes.put(b"k%05d" % number, b"", 0)
    changes.commit()
    await site.timed.done(site.node.put(pb.PutRequest(key=b"k"), ANYBODY))
    return site


ALL_KEYS = pb.RangeRequest(key=b"k", range_end=b"l")


@pytest.mark.parametrize("is_txn", [False, True])
async def test_what_was_read_is_kept_back_if_rights_change_meanwhile(
    full: Site, is_txn: bool
) -> None:
    await full.enable()
    root = await full.log_in("root", "r")

    def read() -> asyncio.Future[Any]:
        if is_txn:
            ops = [pb.RequestOp(request_range=ALL_KEYS)]
            answer = full.node.txn(Txn.of(pb.TxnRequest(success=ops)), root)
        else:
            answer = full.node.range(ALL_KEYS, root)
        return asyncio.ensure_future(outcome(answer))

    assert await read()
    reading = read()
    await asyncio.sleep(0)
    assert not reading.done()
    full.users.add_role("new")
    with pytest.raises(errors.OldAuthRevisionError):
        await reading


async def test_stream_ends_if_rights_change_meanwhile(full: Site) -> None:
    await full.enable()
    stream = full.node.range_stream(ALL_KEYS, await full.log_in("root", "r"))
    await anext(stream)
    full.users.add_role("new")
    with pytest.raises(errors.OldAuthRevisionError):
        await anext(stream)


async def test_read_that_began_while_nobody_was_asked_goes_on(full: Site) -> None:
    reading = asyncio.ensure_future(outcome(full.node.range(ALL_KEYS, NOBODY)))
    await asyncio.sleep(0)
    assert not reading.done()
    full.users.add_role("new")
    await full.enable()
    assert await reading
