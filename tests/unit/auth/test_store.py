"""Users and roles: what can be done with them, what it costs, and that it stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from etcdpy import errors
from etcdpy.auth.store import AuthStore
from etcdpy.cooperative import finish
from etcdpy.pb.auth_pb2 import Permission, Role, User, UserAddOptions
from etcdpy.storage import Bucket
from tests.unit.mvcc.fake_log import FakeLog

READ, WRITE, READWRITE = Permission.READ, Permission.WRITE, Permission.READWRITE


@pytest.fixture
async def log() -> AsyncIterator[FakeLog]:
    log = FakeLog()
    yield log
    log.lose()


@pytest.fixture
def store(log: FakeLog) -> AuthStore:
    return AuthStore(log)


def add(store: AuthStore, *names: str) -> None:
    for name in names:
        store.add_user(name, b"hash", has_password=True)


def with_root(store: AuthStore) -> AuthStore:
    """Switch authentication on, with ``root`` in charge."""
    add(store, "root")
    store.grant_role("root", "root")
    store.enable()
    return store


def reopened(log: FakeLog) -> AuthStore:
    """Return what a crash leaves, and a start makes of it."""
    log.flush()
    log.settle()
    other = FakeLog()
    other.disk = log.disk
    return AuthStore(other)


def permission(key: bytes, range_end: bytes = b"", kind: Any = READ) -> Permission:
    return Permission(permType=kind, key=key, range_end=range_end)


def granted(store: AuthStore, role: str) -> list[tuple[int, bytes, bytes]]:
    return [(one.permType, one.key, one.range_end) for one in store.role(role).keyPermission]


async def test_new_store_is_off_and_at_its_first_revision(store: AuthStore) -> None:
    assert (store.is_enabled, store.revision) == (False, 1)
    assert (store.user_names(), store.role_names()) == ([], [])


async def test_everything_is_there_after_a_start(log: FakeLog, store: AuthStore) -> None:
    with_root(store)
    add(store, "alice")
    store.add_role("reader")
    store.grant_role("alice", "reader")
    store.grant_permission("reader", permission(b"a", b"c"))
    again = reopened(log)
    assert (again.is_enabled, again.revision) == (True, store.revision)
    assert again.user("alice") == store.user("alice")
    assert granted(again, "reader") == [(READ, b"a", b"c")]
    rights = again.rights("alice")
    assert rights is not None
    assert rights.reads.covers(b"a", b"c")


async def test_rows_are_etcds(log: FakeLog, store: AuthStore) -> None:
    add(store, "alice")
    store.add_user("bob", b"", has_password=False)
    store.add_role("reader")
    log.flush()
    log.settle()
    values = log.disk.values
    # name=1, password=2, roles=3, options=4 {no_password=1}; options are there though empty
    assert values[Bucket.AUTH_USERS, b"alice"] == b"\x0a\x05alice\x12\x04hash\x22\x00"
    assert values[Bucket.AUTH_USERS, b"bob"] == b"\x0a\x03bob\x22\x02\x08\x01"
    assert values[Bucket.AUTH_ROLES, b"reader"] == b"\x0a\x06reader"
    assert values[Bucket.AUTH, b"authRevision"] == (4).to_bytes(8, "big")
    with_root(store)
    log.flush()
    log.settle()
    assert values[Bucket.AUTH, b"authEnabled"] == b"\1"
    store.disable()
    log.flush()
    log.settle()
    assert values[Bucket.AUTH, b"authEnabled"] == b"\0"


async def test_every_change_is_a_revision_and_switching_on_is_none(store: AuthStore) -> None:
    revisions = [store.revision]
    changes: list[Callable[[], None]] = [
        lambda: add(store, "root"),
        lambda: add(store, "alice"),
        lambda: store.add_role("reader"),
        lambda: store.grant_permission("reader", permission(b"a")),
        lambda: store.grant_permission("reader", permission(b"a")),
        lambda: store.grant_role("alice", "reader"),
        lambda: store.change_password("alice", b"other"),
        lambda: store.revoke_role("alice", "reader"),
        lambda: store.revoke_permission("reader", b"a", b""),
        lambda: store.delete_role("reader"),
        lambda: store.delete_user("alice"),
        lambda: store.grant_role("root", "root"),
    ]
    for change in changes:
        change()
        revisions.append(store.revision)
    assert revisions == list(range(1, 14))
    nothings: list[Callable[[], None]] = [
        store.enable,
        store.enable,
        lambda: store.grant_role("root", "root"),
    ]
    for nothing in nothings:
        nothing()
        assert store.revision == 13
    store.disable()
    assert store.revision == 14
    store.disable()
    assert store.revision == 14


async def test_change_that_is_refused_changes_nothing(log: FakeLog, store: AuthStore) -> None:
    with_root(store)
    store.add_role("reader")
    log.flush()
    log.settle()
    before = dict(log.disk.values), store.revision
    refused: list[tuple[type[Exception], Callable[[], None]]] = [
        (errors.EmptyUserError, lambda: add(store, "")),
        (errors.UserExistsError, lambda: add(store, "root")),
        (errors.RequestTooLargeError, lambda: add(store, "u" * 512)),
        (errors.InvalidAuthManagementError, lambda: store.delete_user("root")),
        (errors.UserNotFoundError, lambda: store.delete_user("nobody")),
        (errors.UserNotFoundError, lambda: store.change_password("nobody", b"")),
        (errors.UserNotFoundError, lambda: store.grant_role("nobody", "nothing")),
        (errors.RoleNotFoundError, lambda: store.grant_role("root", "nothing")),
        (errors.InvalidAuthManagementError, lambda: store.revoke_role("root", "root")),
        (errors.UserNotFoundError, lambda: store.revoke_role("nobody", "reader")),
        (errors.RoleNotGrantedError, lambda: store.revoke_role("root", "reader")),
        (errors.EmptyRoleError, lambda: store.add_role("")),
        (errors.RoleExistsError, lambda: store.add_role("reader")),
        (errors.RequestTooLargeError, lambda: store.add_role("ä" * 256)),
        (errors.InvalidAuthManagementError, lambda: store.delete_role("root")),
        (errors.RoleNotFoundError, lambda: store.delete_role("nothing")),
        (
            errors.InvalidAuthManagementError,
            lambda: store.grant_permission("nothing", permission(b"b", b"a")),
        ),
        (
            errors.RoleNotFoundError,
            lambda: store.grant_permission("nothing", permission(b"a")),
        ),
        (errors.RoleNotFoundError, lambda: store.revoke_permission("nothing", b"a", b"")),
        (errors.PermissionNotGrantedError, lambda: store.revoke_permission("reader", b"a", b"")),
    ]
    for error, change in refused:
        with pytest.raises(error):
            change()
    log.flush()
    log.settle()
    assert (log.disk.values, store.revision) == before


async def test_nobody_may_switch_it_on_and_be_left_without_root(store: AuthStore) -> None:
    with pytest.raises(errors.RootUserNotFoundError):
        store.enable()
    add(store, "root")
    with pytest.raises(errors.RootRoleNotGrantedError):
        store.enable()
    store.grant_role("root", "root")
    store.enable()
    assert store.is_enabled
    # The role itself need not be there.
    assert store.role_names() == []


async def test_root_may_go_while_it_is_off(store: AuthStore) -> None:
    add(store, "root")
    store.grant_role("root", "root")
    store.add_role("root")
    store.revoke_role("root", "root")
    store.delete_role("root")
    store.delete_user("root")
    assert (store.user_names(), store.role_names()) == ([], [])


async def test_names_are_listed_in_the_order_of_their_bytes(store: AuthStore) -> None:
    names = ["z", "é", "a", "\U0001f600", "ﬀ", "B"]
    add(store, *names)
    for name in names:
        store.add_role(name)
    in_order = sorted(names, key=str.encode)
    assert (store.user_names(), store.role_names()) == (in_order, in_order)


async def test_roles_of_a_user_are_sorted_and_there_once(store: AuthStore) -> None:
    add(store, "alice")
    for role in ("b", "a", "c", "a"):
        if role not in store.role_names():
            store.add_role(role)
        store.grant_role("alice", role)
    assert list(store.user("alice").roles) == ["a", "b", "c"]


async def test_role_that_is_deleted_is_taken_from_all_who_had_it(
    log: FakeLog, store: AuthStore
) -> None:
    add(store, "alice", "bob", "carol")
    store.add_role("reader")
    store.add_role("writer")
    for user, role in (("alice", "reader"), ("bob", "reader"), ("bob", "writer")):
        store.grant_role(user, role)
    store.delete_role("reader")
    for now in (store, reopened(log)):
        roles = [list(now.user(name).roles) for name in ("alice", "bob", "carol")]
        assert roles == [[], ["writer"], []]


async def test_password_is_kept_as_it_comes_and_who_has_none_gets_none(store: AuthStore) -> None:
    add(store, "alice")
    store.add_user("bob", b"ignored", has_password=False)
    store.change_password("alice", b"")
    store.change_password("bob", b"hash")
    assert store.user("alice").password == b""
    assert store.user("bob") == User(name=b"bob", options=UserAddOptions(no_password=True))


async def test_permission_for_the_same_keys_replaces_the_one_before(store: AuthStore) -> None:
    store.add_role("r")
    store.grant_permission("r", permission(b"b", b"c"))
    store.grant_permission("r", permission(b"a"))
    store.grant_permission("r", permission(b"b", b"c", READWRITE))
    assert granted(store, "r") == [(READ, b"a", b""), (READWRITE, b"b", b"c")]


async def test_second_permission_of_a_key_is_not_found_and_so_there_twice(store: AuthStore) -> None:
    store.add_role("r")
    for range_end, kind in ((b"c", READ), (b"d", READ), (b"d", WRITE)):
        store.grant_permission("r", permission(b"a", range_end, kind))
    assert granted(store, "r") == [(READ, b"a", b"c"), (READ, b"a", b"d"), (WRITE, b"a", b"d")]
    store.revoke_permission("r", b"a", b"d")
    assert granted(store, "r") == [(READ, b"a", b"c")]


async def test_permission_of_an_unknown_kind_is_kept(store: AuthStore) -> None:
    store.add_role("r")
    store.grant_permission("r", permission(b"a", kind=9))
    assert granted(store, "r") == [(9, b"a", b"")]


async def test_rights_follow_each_change(store: AuthStore) -> None:
    assert store.rights("alice") is None
    add(store, "alice")
    store.add_role("r")

    def may_read() -> bool:
        rights = store.rights("alice")
        assert rights is not None
        return b"a" in rights.reads

    assert not may_read()
    store.grant_role("alice", "r")
    assert not may_read()
    store.grant_permission("r", permission(b"a"))
    assert may_read()
    store.revoke_permission("r", b"a", b"")
    assert not may_read()
    store.grant_permission("r", permission(b"a"))
    store.delete_role("r")
    assert not may_read()
    store.delete_user("alice")
    assert store.rights("alice") is None


async def test_rights_are_as_they_were_if_what_is_changed_is_none_of_theirs(
    store: AuthStore,
) -> None:
    add(store, "alice")
    store.add_role("r")
    store.grant_permission("r", permission(b"a", b"c"))
    store.grant_role("alice", "r")
    rights = store.rights("alice")
    store.grant_permission("r", permission(b"b"))
    store.grant_permission("r", permission(b"a", b"c"))
    add(store, "bob")
    store.add_role("s")
    assert store.rights("alice") is rights
    store.grant_permission("r", permission(b"a", b"c", WRITE))
    changed = store.rights("alice")
    assert changed is not None
    assert b"a" not in changed.reads
    assert b"a" in changed.writes
    assert b"b" in changed.reads


async def test_rights_are_the_same_after_a_start(log: FakeLog, store: AuthStore) -> None:
    add(store, "alice")
    store.add_role("r")
    store.grant_role("alice", "r")
    for range_end in (b"c", b"\0", b""):
        assert store.rights("alice") is not None
        store.grant_permission("r", permission(b"b", range_end))
    store.revoke_permission("r", b"b", b"\0")
    store.grant_permission("r", permission(b"c", b"e", READWRITE))
    for users in (store, reopened(log)):
        rights = users.rights("alice")
        assert rights is not None
        assert list(rights.reads.ranges()) == [(b"b", b"e")]
        assert list(rights.writes.ranges()) == [(b"c", b"e")]


async def test_foreign_store_with_odd_rows_is_read(log: FakeLog) -> None:
    log.disk.values[Bucket.AUTH_USERS, b"\xff"] = User(
        name=b"\xff", roles=["gone"]
    ).SerializeToString()
    log.disk.values[Bucket.AUTH_ROLES, b"r"] = Role(
        name=b"r", keyPermission=[permission(b"b", b"a")]
    ).SerializeToString()
    store = AuthStore(log)
    (name,) = store.user_names()
    store.grant_role(name, "r")
    rights = store.rights(name)
    assert rights is not None
    assert b"b" not in rights.reads
    assert store.user(name).name == b"\xff"


USERS = [f"user{number:03}" for number in range(100)]


class TestRoleOfMany:
    def prepared(self, store: AuthStore) -> None:
        store.add_role("all")
        store.add_role("other")
        add(store, *USERS, "nobody")
        for name in USERS:
            store.grant_role(name, "all")

    async def test_is_taken_from_all_in_turns_and_deleted_in_one(
        self, store: AuthStore, log: FakeLog
    ) -> None:
        self.prepared(store)
        steps = store.without_role("all")
        next(steps)
        assert list(store.user(USERS[0]).roles) == ["all"]
        changed = finish(steps)
        assert [one.name for one in changed] == USERS
        before = store.revision
        store.delete_role("all", changed)
        assert store.revision == before + 1
        for now in (store, reopened(log)):
            assert not any(now.user(name).roles for name in USERS)

    def test_is_taken_from_those_who_have_changed_meanwhile(self, store: AuthStore) -> None:
        self.prepared(store)
        changed = finish(store.without_role("all"))
        store.grant_role(USERS[0], "other")
        store.grant_role("nobody", "all")
        store.delete_user(USERS[1])
        store.delete_role("all", changed)
        assert list(store.user(USERS[0]).roles) == ["other"]
        assert not store.user("nobody").roles
        with pytest.raises(errors.UserNotFoundError):
            store.user(USERS[1])

    def test_may_go_from_a_user_while_it_is_looked_at(self, store: AuthStore) -> None:
        self.prepared(store)
        steps = store.without_role("all")
        next(steps)
        store.delete_user(USERS[-1])
        store.revoke_role(USERS[-2], "all")
        assert [one.name for one in finish(steps)] == USERS[:-2]
