"""Random users, roles, permissions and requests to both servers, with authentication on and off.

``ETCDPY_SEED`` repeats a run, ``ETCDPY_CONFORMANCE_COUNT`` sets its length. A mismatch
is cut down to the few steps that show it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from random import Random

import grpc
import pytest
from google.protobuf.text_format import MessageToString

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import auth_world as world
from tests.conformance.auth_generator import (
    JUDGES_ALL,
    LEASES,
    PASSWORDS,
    ROLES,
    TTL,
    USERS,
    Step,
    Who,
    generate,
)
from tests.conformance.auth_world import METHODS, NOBODY, READWRITE, Metadata
from tests.conformance.conftest import StartPair, steps_of
from tests.conformance.messages import EVERYTHING, delete, get, put
from tests.conformance.pair import MismatchError, Pair
from tests.conformance.peers import CALL_TIMEOUT, Call, Outcome, Peer
from tests.conformance.shrinking import shrink
from tests.conformance.test_random import COUNT, EPOCH
from tests.support.seeds import SEED

GARBAGE = world.token("garbage")
# etcd keeps the permissions of one key in the order in which they were granted only while a role
# has this few: it sorts them, and more of them not stably. Go before 1.19 does so sooner.
# (Go: sort/zsortinterface.go, sort.go)
MOST_PERMISSIONS = 12
MOST_PERMISSIONS_BEFORE = 6


def test_random_users_and_requests(start_pair: StartPair) -> None:
    print(f"ETCDPY_SEED={SEED}")
    with start_pair([world.BCRYPT]) as pair:
        count = steps_of(pair, COUNT)
        for first in range(0, count, EPOCH):
            steps = range(first, min(first + EPOCH, count))
            try:
                Epoch(pair).run(steps)
            except MismatchError as error:
                pytest.fail(_report(pair, steps, error), pytrace=False)


def _report(pair: Pair, steps: Sequence[int], error: MismatchError) -> str:
    few, error = shrink(lambda fewer: Epoch(pair).run(fewer), list(steps), error)
    shown = (_shown(generate(_source(step), pair.version)) for step in few)
    return (
        f"seed {SEED}, step {steps[0] + len(error.calls) - 1} or a later one; it takes these steps "
        f"after the first:\n" + "\n".join(shown) + f"\n{error}"
    )


def _source(step: int) -> Random:
    return Random(f"{SEED}/{step}")


def _shown(step: Step) -> str:
    who = f"{step.who.user}, token {step.who.slot}" if step.who else "nobody"
    return f"{who}: {step.method} {MessageToString(step.request, as_one_line=True)}"


class Epoch:
    """Some steps on both servers, from a few users and an empty store to a look at all of it."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._tokens: dict[Who, tuple[Metadata, Metadata]] = {}
        self._is_on = False
        self._revisions = (0, 0)
        self._permissions = Counter[str]()
        judges_all = pair.version >= JUDGES_ALL
        self._most_permissions = MOST_PERMISSIONS if judges_all else MOST_PERMISSIONS_BEFORE

    def run(self, steps: Sequence[int]) -> None:
        """Make the steps, and compare what there is then.

        Raises:
            MismatchError: If the servers do not answer one alike.
        """
        self._begin()
        made: list[Call] = []
        try:
            for number in steps:
                step = generate(_source(number), self._pair.version)
                made.append(world.call(step.method, step.request))
                if not self._is_one_permission_too_many(step):
                    self._make(step)
            self._compare_all()
        except MismatchError as error:
            error.calls = made
            raise

    # -------------------- one step

    def _make(self, step: Step) -> None:
        sent = self._sent(step.who)
        got, expected = (
            _outcome(peer, step, who) for peer, who in zip(self._pair.peers, sent, strict=True)
        )
        if step.logs_in and not got.error and not expected.error:
            tokens = world.token(got.reply.token), world.token(expected.reply.token)
            self._tokens[step.logs_in] = tokens
        lines = [
            self._comparable(outcome, revision)
            for outcome, revision in zip((got, expected), self._revisions, strict=True)
        ]
        if lines[0] != lines[1]:
            raise MismatchError(_shown(step), lines[1], lines[0])
        if not got.error:
            self._is_on |= step.method == "Auth/AuthEnable"
            self._is_on &= step.method != "Auth/AuthDisable"
            self._count_permissions(step)

    def _is_one_permission_too_many(self, step: Step) -> bool:
        request = step.request
        return (
            isinstance(request, pb.AuthRoleGrantPermissionRequest)
            and self._permissions[request.name] >= self._most_permissions
        )

    def _count_permissions(self, step: Step) -> None:
        """Keep count of what a role has at most: what is granted again may be there already."""
        match step.request:
            case pb.AuthRoleGrantPermissionRequest(name=role):
                self._permissions[role] += 1
            case pb.AuthRoleRevokePermissionRequest(role=role):
                self._permissions[role] -= 1
            case pb.AuthRoleDeleteRequest(role=role):
                del self._permissions[role]

    def _sent(self, who: Who | None) -> tuple[Metadata, Metadata]:
        # An older etcd asks for good tokens even while it does not ask for any.
        if who is None or (not self._is_on and self._pair.version < JUDGES_ALL):
            return NOBODY, NOBODY
        return self._tokens.get(who, (GARBAGE, GARBAGE))

    def _comparable(self, outcome: Outcome, revision: int) -> list[str]:
        """Return what has to be the same of two outcomes, as text."""
        lines = [str(outcome.error or "OK")]
        for reply in outcome.replies:
            if isinstance(reply, pb.AuthenticateResponse):
                reply.token = "its own"
            elif isinstance(reply, pb.AuthStatusResponse):
                reply.authRevision -= revision
            elif isinstance(reply, pb.LeaseTimeToLiveResponse):
                # Seconds go by, and keys come in any order.
                reply.TTL = min(reply.TTL, 0)
                reply.keys[:] = sorted(reply.keys)
            elif isinstance(reply, pb.LeaseLeasesResponse):
                reply.leases.sort(key=lambda lease: lease.ID)
            elif isinstance(reply, pb.WatchResponse) and self._pair.version < JUDGES_ALL:
                reply.watch_id, reply.cancel_reason = 0, ""
            lines += str(reply).splitlines()
        return lines

    # -------------------- before and after

    def _begin(self) -> None:
        for peer in self._pair.peers:
            world.clear(peer, PASSWORDS)
            for lease in LEASES:
                world.ask(peer, "Lease/LeaseRevoke", pb.LeaseRevokeRequest(ID=lease))
        self._pair.settle()
        for peer in self._pair.peers:
            world.do(peer, "KV/Put", put(b"gone"))
            world.do(peer, "KV/DeleteRange", delete(*EVERYTHING))
        subject, reference = self._pair.peers
        self._revisions = _auth_revision(subject), _auth_revision(reference)
        for peer in self._pair.peers:
            for role in ROLES[1:]:
                world.add_role(peer, role, (READWRITE, b"a", b"c"))
                self._permissions[role] = 1
            for user in USERS:
                request = pb.AuthUserAddRequest(name=user, password=PASSWORDS[0])
                world.do(peer, "Auth/UserAdd", request)
            for user, role in (("root", "root"), ("alice", "r1"), ("bob", "r2")):
                granted = pb.AuthUserGrantRoleRequest(user=user, role=role)
                world.do(peer, "Auth/UserGrantRole", granted)
            for lease in LEASES:
                world.do(peer, "Lease/LeaseGrant", pb.LeaseGrantRequest(ID=lease, TTL=TTL))
        self._make(Step("Auth/AuthEnable", pb.AuthEnableRequest(), None))
        for user in USERS:
            login = pb.AuthenticateRequest(name=user, password=PASSWORDS[0])
            self._make(Step("Auth/Authenticate", login, None, Who(user, 0)))

    def _compare_all(self) -> None:
        for peer in self._pair.peers:
            world.switch_off(peer, PASSWORDS)
        self._is_on = False
        roles = ROLES if self._pair.version >= JUDGES_ALL else ROLES[1:]
        for method, request in (
            ("KV/Range", get(*EVERYTHING)),
            ("Auth/UserList", pb.AuthUserListRequest()),
            ("Auth/RoleList", pb.AuthRoleListRequest()),
            *(("Auth/UserGet", pb.AuthUserGetRequest(name=user)) for user in USERS),
            *(("Auth/RoleGet", pb.AuthRoleGetRequest(role=role)) for role in roles),
        ):
            self._make(Step(method, request, None))


def _outcome(peer: Peer, step: Step, who: Metadata) -> Outcome:
    method = METHODS[step.method]
    call = peer.begin(method, step.request.SerializeToString(), CALL_TIMEOUT, who or None)
    replies: list[bytes] = []
    is_watch = step.method == "Watch/Watch"
    with suppress(grpc.RpcError):  # the status tells
        replies += islice(call, 1 if is_watch else None)
    if is_watch and replies:
        call.cancel()
        return Outcome(method, grpc.StatusCode.OK, "", tuple(replies))
    return Outcome(method, call.code(), call.details(), tuple(replies))


def _auth_revision(peer: Peer) -> int:
    revision: int = world.do(peer, "Auth/AuthStatus", pb.AuthStatusRequest()).authRevision
    return revision
