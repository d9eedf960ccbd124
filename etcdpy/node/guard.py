"""
Who may do what, while authentication is on.

Which of these checks a method is asked is a column of the table in ``node.admission``. What they
ask is etcd's (``server/etcdserver/apply/auth.go``, ``v3rpc``), but for this: nothing that shows
or changes a key goes by without being asked.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from typing import Any

from etcdpy.auth.identity import Identity
from etcdpy.auth.permissions import KeySet, Rights
from etcdpy.auth.store import AuthStore
from etcdpy.auth.tokens import TokenProvider
from etcdpy.cooperative import Steps, finish
from etcdpy.errors import (
    EmptyUserError,
    EtcdError,
    InvalidAuthTokenError,
    OldAuthRevisionError,
    PermissionDeniedError,
    UserNotFoundError,
)
from etcdpy.mvcc.attachments import ANY, Attachments
from etcdpy.mvcc.plain_txn import RANGE_STEP, PlainTxn
from etcdpy.mvcc.slices import Work
from etcdpy.mvcc.txn_request import DELETE, PUT, RANGE, TXN, LongTxn, Txn
from etcdpy.node.caller import Caller
from etcdpy.pb import rpc_pb2 as pb

__all__ = ["Guard", "Who"]

#: Who asks; None is anybody.
Who = Identity | None


class Guard:
    """
    Asks callers who they are, and the users and roles what they may do.

    A check returns if the request may be applied.

    Args:
        users: The users and roles.
        tokens: Knows who tokens stand for.
        attachments: Which keys hang on which lease.
        lease_exists: Tells whether there is a lease of an id.

    """

    def __init__(
        self,
        users: AuthStore,
        tokens: TokenProvider,
        attachments: Attachments,
        lease_exists: Callable[[int], bool],
    ) -> None:
        self._users = users
        self._rights = users.rights
        self._identify = tokens.identify
        self._attachments = attachments
        self._lease_exists = lease_exists

    @property
    def revision(self) -> int:
        """The revision of the users and roles, as of now."""
        return self._users.revision

    # ------------------------------------------------------------------ identity

    def identify(self, caller: Caller) -> Who:
        """
        Return who asks.

        A token says so; without one a certificate does. Neither is nobody, which is no error yet.

        Raises:
            InvalidAuthTokenError: If the token is none of ours, or not any more; then a
                certificate does not help. (etcd: ``AuthInfoFromCtx``)

        """
        token = caller.token
        if token is not None:
            who = self._identify(token)
            if who is None:
                raise InvalidAuthTokenError
            return who
        name = caller.certificate_name
        return None if name is None else Identity(name, None)

    # -------------------------------------------------------------------- checks

    def anybody(self, request: Any, who: Who) -> None:
        """Let everybody in, who has no bad token."""

    def root(self, request: Any, who: Who) -> None:
        """
        Let those in who have the role ``root``, whatever revision they are of.

        Raises:
            EmptyUserError: If nobody knows who asks.
            UserNotFoundError: If that user has been deleted.
            PermissionDeniedError: If it does not have the role.

        """
        # (etcd: auth/store.go, IsAdminPermitted)
        if who is None or not who.user:
            raise EmptyUserError
        rights = self._rights(who.user)
        if rights is None:
            raise UserNotFoundError
        if not rights.is_root:
            raise PermissionDeniedError

    def alarm(self, request: pb.AlarmRequest, who: Who) -> None:
        """Let everybody known read alarms, and root change them."""
        if request.action != pb.AlarmRequest.GET:
            self.root(request, who)

    def own_user(self, request: pb.AuthUserGetRequest, who: Who) -> None:
        """Let everybody look at himself, and root at all. (etcd: ``UserGet``)"""
        # A caller without a name is its own user, of whom there is none.
        if request.name != ("" if who is None else who.user):
            self.root(request, who)

    def own_role(self, request: pb.AuthRoleGetRequest, who: Who) -> None:
        """Let everybody look at the roles he has, and root at all. (etcd: ``RoleGet``)"""
        if who is None or not self._has_role(who.user, request.role):
            self.root(request, who)

    def _has_role(self, user: str, role: str) -> bool:
        try:
            return role in self._users.user(user).roles
        except UserNotFoundError:
            return False

    # ---------------------------------------------------------------------- keys

    def read(self, request: pb.RangeRequest, who: Who) -> None:
        """Ask whether the keys of a Range may be read."""
        self.read_range(request.key, request.range_end, who)
        self._be_current(who)

    def read_range(self, key: bytes, range_end: bytes, who: Who) -> None:
        """
        Ask whether keys may be read.

        Raises:
            EmptyUserError: If nobody knows who asks.
            OldAuthRevisionError: If users or roles have changed since its token was made.
            PermissionDeniedError: If it may not.

        """
        rights = self._rights_of(who)
        if not (rights.is_root or rights.reads.covers(key, range_end)):
            raise PermissionDeniedError

    def read_key(self, key: bytes, caller: Caller) -> None:
        """Identify a caller, and ask whether it may read one key."""
        # Fast path (bench: range/100x1): asked before each plain read while authentication is on.
        who = self.identify(caller)
        rights = self._rights_of(who)
        if not (rights.is_root or key in rights.reads):
            raise PermissionDeniedError
        self._be_current(who)

    def watch(self, request: pb.WatchCreateRequest, who: Who) -> None:
        """Ask whether the keys of a watch may be read, all of them."""
        # No key stands for the first there can be. (etcd: v3rpc/watch.go, recvLoop)
        self.read_range(request.key or b"\0", request.range_end, who)

    def put(self, request: pb.PutRequest, who: Who) -> None:
        """
        Ask whether a key may be written.

        It may be hung on a lease that takes others with it when it ends: those have to be the
        caller's to write, too.
        """
        self._put(request, self._rights_of(who))

    def delete_range(self, request: pb.DeleteRangeRequest, who: Who) -> None:
        """Ask whether keys may be deleted, and read if their values are wanted."""
        self._delete_range(request, self._rights_of(who))

    def txn(self, request: Txn, who: Who) -> None:
        """
        Ask for each compare and each operation, also of the branch that will not be taken.

        A transaction with neither, nor any in those inside of it, is anybody's.
        """
        # (etcd: txn.go, checkTxnPermission)
        if type(request) is PlainTxn:
            self._plain_txn(request, who)
            return
        looked = request.looked_through if type(request) is LongTxn else None
        if not (_asks_for_keys(request) if looked is None else looked.asks_for_keys):
            return
        rights = self._rights_of(who)
        if rights.is_root:
            return
        if looked is not None and looked.rights is rights:
            looked.check(self._attachments)
        else:
            looking = _Looking(rights)
            finish(looking.through(request))
            looking.found.check(self._attachments)

    def _plain_txn(self, request: PlainTxn, who: Who) -> None:
        # Fast path (bench: txn/100x1): a message of each part costs as much as all the rest.
        tests, steps, others = request.tests, request.steps, request.other_steps
        if not (tests or steps or others):
            return
        rights = self._rights_of(who)
        if rights.is_root:
            return
        reads, writes = rights.reads, rights.writes
        for test in tests:
            if test[0] not in reads:
                raise PermissionDeniedError
        for kind, key, _ in (*steps, *others) if others else steps:
            if key not in (reads if kind == RANGE_STEP else writes):
                raise PermissionDeniedError

    def look_through(self, request: LongTxn, caller: Caller) -> Steps[None]:
        """
        Do most of what ``txn`` does before a long transaction has its turn, in slices.

        What was found holds as long as the rights of who asks are the same.
        """
        rights: Rights | None = None
        if not caller.is_trusted:
            # If nobody knows, or it has no rights, that is for the gate to say.
            with suppress(EtcdError):
                rights = self._rights_of(self.identify(caller))
        looking = _Looking(rights)
        yield from looking.through(request)
        request.looked_through = looking.found

    def read_txn(self, request: Txn, who: Who) -> None:
        """Ask the same for a transaction that only reads."""
        self.txn(request, who)
        self._be_current(who)

    def _put(self, request: pb.PutRequest, rights: Rights) -> None:
        if rights.is_root:
            return
        if request.key not in rights.writes:
            raise PermissionDeniedError
        if request.lease:
            _check_all(self._attachments, rights.writes, request.lease)
        if request.prev_kv and request.key not in rights.reads:
            raise PermissionDeniedError

    def _delete_range(self, request: pb.DeleteRangeRequest, rights: Rights) -> None:
        if rights.is_root:
            return
        if not rights.writes.covers(request.key, request.range_end):
            raise PermissionDeniedError
        if request.prev_kv and not rights.reads.covers(request.key, request.range_end):
            raise PermissionDeniedError

    # -------------------------------------------------------------------- leases

    def write_lease(
        self, request: pb.LeaseRevokeRequest | pb.LeaseKeepAliveRequest, who: Who
    ) -> None:
        """Ask whether all keys of a lease may be written, by others than root."""
        if self._lease_exists(request.ID):
            attachments = self._attachments
            if attachments.on(request.ID) and not self._is_root(who):
                _check_all(attachments, self._rights_of(who).writes, request.ID)

    def read_lease(self, request: pb.LeaseTimeToLiveRequest, who: Who) -> None:
        """Ask whether all keys of a lease may be read, if they are wanted."""
        attachments = self._attachments
        if request.keys and attachments.on(request.ID) and not self._is_root(who):
            _check_all(attachments, self._rights_of(who).reads, request.ID)

    def read_leases(self, request: pb.LeaseLeasesRequest, who: Who) -> None:
        """Ask whether all keys of all leases may be read."""
        attachments = self._attachments
        if attachments.leases and not self._is_root(who):
            _check_all(attachments, self._rights_of(who).reads, ANY)

    # ------------------------------------------------------------------- helpers

    def _be_current(self, who: Who) -> None:
        """Refuse a token of a revision to come, which reads are, and writes are not."""
        # A restored store is behind the tokens of before. (etcd: v3_server.go, doSerialize)
        if who is not None and who.revision and who.revision != self._users.revision:
            raise OldAuthRevisionError

    def _is_root(self, who: Who) -> bool:
        try:
            self.root(None, who)
        except EtcdError:
            return False
        return True

    def _rights_of(self, who: Who) -> Rights:
        """Return what a caller may do with keys. (etcd: auth/store.go, isOpPermitted)"""
        if who is None:
            raise EmptyUserError
        user, revision = who
        if revision is not None and revision < self._users.revision:
            # As a token of revision 0 has nobody's name on it.
            raise OldAuthRevisionError if revision else EmptyUserError
        rights = self._rights(user)
        if rights is None:
            raise PermissionDeniedError
        return rights


class _Found:
    """
    What was found out of a transaction.

    Attributes:
        rights: Whose; None if only ``asks_for_keys`` was asked.
        asks_for_keys: Whether it names any.
        is_allowed: Whether all that it names may be read, or written.
        leases: Those that it hangs keys on, and that may have others' on them.

    """

    __slots__ = ("asks_for_keys", "is_allowed", "leases", "rights")

    def __init__(self, rights: Rights | None) -> None:
        self.rights = rights
        self.asks_for_keys = False
        self.is_allowed = True
        self.leases: set[int] = set()

    def check(self, attachments: Attachments) -> None:
        """
        Check that what was found lets it in.

        Raises:
            PermissionDeniedError: If it does not.

        """
        rights = self.rights
        assert rights is not None, "somebody asks"
        if not self.is_allowed:
            raise PermissionDeniedError
        for lease in self.leases:
            _check_all(attachments, rights.writes, lease)


class _Looking:
    """
    Looks through a transaction, in slices.

    Args:
        rights: Of who asks, None if nobody knows.

    Attributes:
        found: What was found.

    """

    __slots__ = ("_rights", "_work", "found")

    def __init__(self, rights: Rights | None) -> None:
        self._work = Work()
        self._rights = None if rights is None or rights.is_root else rights
        self.found = _Found(rights)

    def through(self, request: Txn) -> Steps[None]:
        found, rights = self.found, self._rights
        if request.compare:
            found.asks_for_keys = True
            if rights is not None:
                for compare in request.compare:
                    if not rights.reads.covers(compare.key, compare.range_end):
                        found.is_allowed = False
                    yield from self._work.add(1)
        for kind, op in chain(request.success, request.failure):
            yield from self._work.add(1)
            if kind == TXN:
                yield from self.through(op)
                continue
            found.asks_for_keys = True
            if rights is not None and not self._may(kind, op, rights):
                found.is_allowed = False

    def _may(self, kind: str | None, request: Any, rights: Rights) -> bool:
        if kind == RANGE:
            return rights.reads.covers(request.key, request.range_end)
        if kind == PUT:
            if request.lease:
                self.found.leases.add(request.lease)
            return request.key in rights.writes and (
                not request.prev_kv or request.key in rights.reads
            )
        if kind == DELETE:
            return rights.writes.covers(request.key, request.range_end) and (
                not request.prev_kv or rights.reads.covers(request.key, request.range_end)
            )
        return True


def _asks_for_keys(request: Txn) -> bool:
    return bool(request.compare) or any(
        kind != TXN or _asks_for_keys(inner) for kind, inner in (*request.success, *request.failure)
    )


def _check_all(attachments: Attachments, allowed: KeySet, lease: int) -> None:
    if not attachments.are_in(allowed, lease):
        raise PermissionDeniedError
