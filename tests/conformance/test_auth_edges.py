"""The corners of users, roles and tokens, beside a real etcd.

What depends on the caller alone is in ``test_auth_matrix``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.auth_pb2 import UserAddOptions
from tests.conformance import auth_world as world
from tests.conformance.auth_outcomes import OK, word_for
from tests.conformance.auth_world import NOBODY, READ, READWRITE, WRITE, Metadata, token
from tests.conformance.conftest import REFERENCE_ARGS, SUBJECTS, StartPair, subject_server
from tests.conformance.differences import Version
from tests.conformance.locking import wait_for
from tests.conformance.messages import ALL, delete, get, put
from tests.conformance.pair import Pair
from tests.conformance.peers import Peer
from tests.support import servers

ROOTS = ("root's", "other")


class Desk:
    """One server without users, and what is asked there; an outcome is a word of the matrix."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def ask(self, method: str, request: Any, who: Metadata = NOBODY) -> str:
        error = world.ask(self.peer, method, request, who).error
        return OK if error is None else word_for(error)

    def do(self, method: str, request: Any, who: Metadata = NOBODY) -> Any:
        return world.do(self.peer, method, request, who)

    def enabled(self) -> Metadata:
        """Switch authentication on with a root; return its token."""
        world.add_user(self.peer, "root", "root")
        world.enable(self.peer)
        return world.login(self.peer, "root")

    def permitted(self, *permissions: tuple[int, bytes, bytes]) -> Metadata:
        """Switch authentication on; return the token of a user with these permissions."""
        world.add_role(self.peer, "role", *permissions)
        world.add_user(self.peer, "user", "role")
        self.enabled()
        return world.login(self.peer, "user")

    def enable(self, who: Metadata = NOBODY) -> str:
        return self.ask("Auth/AuthEnable", pb.AuthEnableRequest(), who)

    def log_in(self, user: str, password: str) -> str:
        request = pb.AuthenticateRequest(name=user, password=password)
        return self.ask("Auth/Authenticate", request)

    def add(self, user: str, password: str, who: Metadata = NOBODY, **options: Any) -> str:
        request = pb.AuthUserAddRequest(
            name=user, password=password, options=UserAddOptions(**options)
        )
        return self.ask("Auth/UserAdd", request, who)

    def grant(self, user: str, role: str) -> str:
        request = pb.AuthUserGrantRoleRequest(user=user, role=role)
        return self.ask("Auth/UserGrantRole", request)

    def read(self, key: bytes, end: bytes = b"", *, who: Metadata) -> str:
        return self.ask("KV/Range", get(key, end), who)

    def revision(self, who: Metadata = NOBODY) -> int:
        revision: int = self.do("Auth/AuthStatus", pb.AuthStatusRequest(), who).authRevision
        return revision


@pytest.fixture(scope="module")
def pair(start_pair: StartPair) -> Iterator[Pair]:
    with start_pair([world.BCRYPT]) as pair:
        yield pair


class Both:
    """Asks both servers the same, from the beginning."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def give(self, action: Callable[[Desk], Any], expected: Any, since: Version = ()) -> None:
        """Find what an action comes to on etcdpy, and on an etcd that is not older."""
        peers = self._pair.peers if self._pair.version >= since else self._pair.peers[:1]
        for peer in peers:
            world.clear(peer, ROOTS)
            assert action(Desk(peer)) == expected
            world.switch_off(peer, ROOTS)


@pytest.fixture
def both(pair: Pair) -> Both:
    return Both(pair)


# ------------------------------------------------------------------- on and off


def test_nobody_logs_in_while_it_is_off(pair: Pair, both: Both) -> None:
    request = pb.AuthenticateRequest(name="root", password="root's")
    off = ("FAILED_PRECONDITION", "etcdserver: authentication is not enabled")
    both.give(lambda desk: world.ask(desk.peer, "Auth/Authenticate", request).error, off)


def test_it_is_switched_on_with_a_user_root_that_has_the_role_root(both: Both) -> None:
    request = pb.AuthEnableRequest()

    def do(desk: Desk) -> list[Any]:
        errors = [world.ask(desk.peer, "Auth/AuthEnable", request).error]
        desk.add("root", "root's")
        errors.append(world.ask(desk.peer, "Auth/AuthEnable", request).error)
        # There need not be a role of that name to be had.
        desk.grant("root", "root")
        return [*errors, desk.enable()]

    both.give(
        do,
        [
            ("FAILED_PRECONDITION", "etcdserver: root user does not exist"),
            ("FAILED_PRECONDITION", "etcdserver: root user does not have root role"),
            OK,
        ],
    )


def test_switching_on_again_is_roots_and_changes_nothing(both: Both) -> None:
    def do(desk: Desk) -> Any:
        root = desk.enabled()
        before = desk.revision(root)
        return desk.enable(), desk.enable(root), desk.revision(root) - before

    both.give(do, ("nameless", OK, 0))


def test_switching_off_what_is_off_changes_nothing(both: Both) -> None:
    def do(desk: Desk) -> Any:
        before = desk.revision()
        return desk.ask("Auth/AuthDisable", pb.AuthDisableRequest()), desk.revision() - before

    both.give(do, (OK, 0))


def test_root_may_go_while_it_is_off(both: Both) -> None:
    def do(desk: Desk) -> list[str]:
        desk.add("root", "root's")
        desk.grant("root", "root")
        desk.ask("Auth/RoleAdd", pb.AuthRoleAddRequest(name="root"))
        revoked = pb.AuthUserRevokeRoleRequest(name="root", role="root")
        return [
            desk.ask("Auth/UserRevokeRole", revoked),
            desk.ask("Auth/RoleDelete", pb.AuthRoleDeleteRequest(role="root")),
            desk.ask("Auth/UserDelete", pb.AuthUserDeleteRequest(name="root")),
        ]

    both.give(do, [OK, OK, OK])


def test_any_token_will_do_while_it_is_off(both: Both) -> None:
    def do(desk: Desk) -> str:
        return desk.read(b"a", who=token("garbage"))

    both.give(do, OK, since=(3, 6))


def test_old_tokens_stay_dead_when_it_is_switched_on_again(both: Both) -> None:
    def do(desk: Desk) -> list[str]:
        root = desk.enabled()
        desk.do("Auth/AuthDisable", pb.AuthDisableRequest(), root)
        desk.enable()
        return [desk.read(b"a", who=root), desk.read(b"a", who=world.login(desk.peer, "root"))]

    both.give(do, ["token", OK])


# -------------------------------------------------------------------- passwords


def test_empty_password_is_one(both: Both) -> None:
    def do(desk: Desk) -> list[str]:
        desk.add("alice", "")
        desk.enabled()
        return [desk.log_in("alice", ""), desk.log_in("alice", "x")]

    both.give(do, [OK, "login"])


def test_password_that_is_changed_to_nothing_lets_nobody_in(both: Both) -> None:
    def do(desk: Desk) -> list[str]:
        desk.add("alice", "a")
        changed = pb.AuthUserChangePasswordRequest(name="alice")
        outcome = desk.ask("Auth/UserChangePassword", changed)
        desk.enabled()
        return [outcome, desk.log_in("alice", ""), desk.log_in("alice", "a")]

    both.give(do, [OK, "login", "login"])


def test_password_has_72_bytes_at_most(both: Both) -> None:
    def do(desk: Desk) -> list[str]:
        return [desk.add("alice", "x" * 72), desk.add("bob", "x" * 73)]

    both.give(do, [OK, "long"], since=(3, 6))


def test_no_more_than_72_bytes_are_looked_at_when_logging_in(both: Both) -> None:
    def do(desk: Desk) -> list[str]:
        desk.add("alice", "x" * 72)
        desk.enabled()
        return [desk.log_in("alice", "x" * length) for length in (71, 72, 73, 200)]

    both.give(do, ["login", OK, OK, OK])


def test_user_without_a_password_logs_in_with_none(both: Both) -> None:
    def do(desk: Desk) -> list[str]:
        desk.add("cert", "p", no_password=True)
        changed = pb.AuthUserChangePasswordRequest(name="cert", password="new")
        outcome = desk.ask("Auth/UserChangePassword", changed)
        desk.enabled()
        return [outcome, *(desk.log_in("cert", password) for password in ("", "p", "new"))]

    both.give(do, [OK, "password", "password", "password"])


def test_own_new_password_ends_roots_token(both: Both) -> None:
    def do(desk: Desk) -> list[str]:
        root = desk.enabled()
        changed = pb.AuthUserChangePasswordRequest(name="root", password="other")
        return [
            desk.ask("Auth/UserChangePassword", changed, root),
            desk.ask("KV/Range", get(b"a"), root),
            desk.log_in("root", "root's"),
            desk.log_in("root", "other"),
        ]

    both.give(do, [OK, "token", "login", OK])


# ----------------------------------------------------------------------- tokens


def test_token_may_come_as_a_bearer_in_these_letters(both: Both) -> None:
    def do(desk: Desk) -> list[str]:
        ((_, text),) = desk.enabled()
        sent = (
            (("authorization", text),),
            (("authorization", f"Bearer {text}"),),
            (("token", f"Bearer {text}"),),
            (("authorization", f"bearer {text}"),),
            (("authorization", f"Bearer  {text}"),),
            # The first that is called a token is the one.
            (("authorization", text), ("token", "bad")),
            (("token", "bad"), ("authorization", text)),
            (("token", text), ("token", "bad")),
            (("token", ""), ("authorization", text)),
        )
        return [desk.read(b"a", who=who) for who in sent]

    expected = [OK, OK, OK, "token", "token", "token", "token", OK, "token"]
    both.give(do, expected, since=(3, 6))


def test_user_that_is_deleted_and_added_again_is_another(both: Both) -> None:
    def do(desk: Desk) -> list[str]:
        user = desk.permitted((READWRITE, b"a", b"d"))
        root = world.login(desk.peer, "root")
        read = [desk.read(b"a", who=user)]
        deleted = pb.AuthUserDeleteRequest(name="user")
        desk.do("Auth/UserDelete", deleted, root)
        read.append(desk.read(b"a", who=user))
        world.add_user(desk.peer, "user", who=root)
        read.append(desk.read(b"a", who=user))
        return [*read, desk.read(b"a", who=world.login(desk.peer, "user"))]

    both.give(do, [OK, "token", "token", "denied"])


@pytest.mark.parametrize("subject", [*SUBJECTS, "reference"])
def test_tokens_do_not_outlive_the_server_and_users_do(subject: str) -> None:
    running = (
        servers.reference_etcd([*REFERENCE_ARGS, world.BCRYPT])
        if subject == "reference"
        else subject_server(subject, [world.BCRYPT])
    )
    with running as server:
        with closing(Peer(server.address)) as peer:
            root = Desk(peer).enabled()
            revision = Desk(peer).revision(root)
        server.restart()
        with closing(Peer(server.address)) as peer:
            desk = Desk(peer)
            assert desk.read(b"a", who=root) == "token"
            assert desk.read(b"a", who=NOBODY) == "nameless"
            assert desk.log_in("root", "root's") == OK
            assert desk.revision(world.login(peer, "root")) == revision


# ------------------------------------------------------------------- permissions


_RANGES = {
    "a key is itself and no other": (
        [(READ, b"k", b"")],
        [
            ((b"k", b""), OK),
            ((b"k", b"k\0"), OK),
            ((b"k", b"l"), "denied"),
            ((b"j", b""), "denied"),
        ],
    ),
    "what touches is one": (
        [(READ, b"a", b"c"), (READ, b"c", b"e")],
        [((b"a", b"e"), OK), ((b"b", b"d"), OK), ((b"a", b"f"), "denied")],
    ),
    "a gap is a gap": (
        [(READ, b"a", b"c"), (READ, b"d", b"e")],
        [((b"a", b"e"), "denied"), ((b"a", b"c"), OK), ((b"c", b""), "denied")],
    ),
    "a key is one with what begins behind it": (
        [(READ, b"k", b""), (READ, b"k\0", b"m")],
        [((b"k", b"m"), OK), ((b"k", b"n"), "denied")],
    ),
    "an open end is open": (
        [(READ, b"a", ALL)],
        [((b"b", ALL), OK), ((b"a", ALL), OK), ((b"b", b"\xff\xff"), OK), ((ALL, ALL), "denied")],
    ),
    "everything is everything": (
        [(READ, ALL, ALL)],
        [((ALL, ALL), OK), ((b"a", b""), OK), ((b"\xff", ALL), OK)],
    ),
    "a prefix ends": (
        [(READ, b"foo", b"fop")],
        [((b"foo", b"fop"), OK), ((b"foobar", b""), OK), ((b"foo", ALL), "denied")],
    ),
    "reading and writing are two": (
        [(WRITE, b"a", b"c"), (READ, b"b", b"d")],
        [((b"a", b""), "denied"), ((b"b", b""), OK), ((b"a", b"c"), "denied")],
    ),
}


@pytest.mark.parametrize("name", _RANGES)
def test_ranges_are_read_by_those_whose_permissions_cover_them(both: Both, name: str) -> None:
    permissions, reads = _RANGES[name]

    def do(desk: Desk) -> list[str]:
        user = desk.permitted(*permissions)
        return [desk.read(*span, who=user) for span, _ in reads]

    both.give(do, [outcome for _, outcome in reads])


def test_roles_of_a_user_are_one(both: Both) -> None:
    def do(desk: Desk) -> list[str]:
        world.add_role(desk.peer, "first", (READ, b"a", b"c"))
        world.add_role(desk.peer, "second", (READ, b"c", b"e"))
        world.add_user(desk.peer, "user", "first", "second")
        root = desk.enabled()
        user = world.login(desk.peer, "user")
        read = [desk.read(b"a", b"e", who=user)]
        deleted = pb.AuthRoleDeleteRequest(role="second")
        desk.do("Auth/RoleDelete", deleted, root)
        return [*read, desk.read(b"a", b"e", who=user), desk.read(b"a", b"c", who=user)]

    both.give(do, [OK, "denied", OK])


def test_permission_that_is_granted_again_replaces_the_first_of_its_key(both: Both) -> None:
    def do(desk: Desk) -> list[tuple[int, bytes, bytes]]:
        world.add_role(desk.peer, "role", (READ, b"a", b"b"), (READ, b"a", b"c"))
        world.grant(desk.peer, "role", WRITE, b"a", b"b")
        world.grant(desk.peer, "role", WRITE, b"a", b"c")
        reply = desk.do("Auth/RoleGet", pb.AuthRoleGetRequest(role="role"))
        return [(one.permType, one.key, one.range_end) for one in reply.perm]

    # The second is not found, and so there twice.
    both.give(do, [(WRITE, b"a", b"b"), (READ, b"a", b"c"), (WRITE, b"a", b"c")])


# ------------------------------------------------------------- around the guard


def test_full_database_is_told_of_before_rights_and_after_tokens(both: Both) -> None:
    no_space = ("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded")

    def do(desk: Desk) -> list[Any]:
        root = desk.enabled()
        alarm = pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, alarm=pb.NOSPACE)
        desk.do("Maintenance/Alarm", alarm, root)
        errors = [
            world.ask(desk.peer, "KV/Put", put(b"a"), who).error for who in (NOBODY, token("bad"))
        ]
        for raised in desk.do("Maintenance/Alarm", pb.AlarmRequest(), root).alarms:
            alarm = pb.AlarmRequest(
                action=pb.AlarmRequest.DEACTIVATE, memberID=raised.memberID, alarm=raised.alarm
            )
            desk.do("Maintenance/Alarm", alarm, root)
        return errors

    bad = ("UNAUTHENTICATED", "etcdserver: invalid auth token")
    both.give(do, [no_space, bad])


def test_leases_end_whoever_is_asked(both: Both) -> None:
    def do(desk: Desk) -> str:
        root = desk.enabled()
        lease = desk.do("Lease/LeaseGrant", pb.LeaseGrantRequest(TTL=1), root).ID
        desk.do("KV/Put", put(b"leased", lease=lease), root)
        wait_for(lambda: not desk.do("KV/Range", get(b"leased"), root).kvs, "the lease has ended")
        return desk.ask("KV/Put", put(b"again", lease=lease), root)

    both.give(do, "no-lease")


def test_keys_are_as_they_were_once_it_is_off(both: Both) -> None:
    def do(desk: Desk) -> list[str]:
        desk.do("KV/DeleteRange", delete(ALL, ALL))
        root = desk.enabled()
        desk.do("KV/Put", put(b"a"), root)
        desk.do("Auth/AuthDisable", pb.AuthDisableRequest(), root)
        return [kv.key for kv in desk.do("KV/Range", get(ALL, ALL)).kvs]

    both.give(do, [b"a"])
