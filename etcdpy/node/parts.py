"""What a node is made of, as the methods of its API see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from etcdpy.auth.passwords import Passwords
from etcdpy.auth.store import AuthStore
from etcdpy.auth.tokens import TokenProvider
from etcdpy.clock import Clock
from etcdpy.cooperative import Baton
from etcdpy.errors import EtcdError
from etcdpy.lease import LeaseKeeper
from etcdpy.memory import Budget
from etcdpy.mvcc.hashing import Hasher
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.store import Store
from etcdpy.node.admission import Admission
from etcdpy.node.alarms import Alarms
from etcdpy.node.audit import Auditor
from etcdpy.node.caller import Caller
from etcdpy.node.compactor import Compactor
from etcdpy.node.guard import Who
from etcdpy.node.lease_expiry import LeaseExpiry
from etcdpy.node.measures import Measures
from etcdpy.node.membership import Identity, Membership
from etcdpy.node.quota import Quota
from etcdpy.node.slow_requests import SlowRequests
from etcdpy.node.versions import Versions
from etcdpy.node.writer import Writer
from etcdpy.pb.rpc_pb2 import ResponseHeader
from etcdpy.storage.commit import DiskWrites
from etcdpy.storage.snapshot import Snapshot
from etcdpy.watch import Hub

if TYPE_CHECKING:  # few want it, and it is imported for these
    from etcdpy.node.v2 import V2Store

__all__ = ["Change", "Database", "Part", "Parts", "Settings"]


class Settings(NamedTuple):
    """
    What a node's methods have to know of the server's settings.

    Attributes:
        max_request_bytes: ``--max-request-bytes``, which streamed ranges are cut by as well.
        max_message_bytes: The largest message that clients take; larger watch responses are
            split for those that agree.
        progress_interval: Seconds between the progress notifications of a watch.
        max_learners: Learners there could be, if there could be other members.

    """

    max_request_bytes: int
    max_message_bytes: int
    progress_interval: float
    max_learners: int = 1


class Database(NamedTuple):
    """
    The database as an operator sees it.

    Attributes:
        size: Returns its bytes, which the quota is compared with.
        size_in_use: Returns the same without what waits for reuse.
        defragment: Gives what waits for reuse back to the disk.
        take_snapshot: Holds the store as it is, for whoever closes what it returns.
        writes: How long it took to write to the disk, where that is known.

    """

    size: Callable[[], int]
    size_in_use: Callable[[], int]
    defragment: Callable[[], Awaitable[None]]
    take_snapshot: Callable[[], Awaitable[Snapshot]]
    writes: DiskWrites | None = None


class Parts(NamedTuple):
    """
    Everything that the methods of a node work with.

    Attributes:
        store: The keys. Its commit log is that of all else that is written.
        writer: Gives writes their turn.
        slow: Is told how long KV requests took.
        measures: Where it is noted how long work took.
        baton: Taken by reads that are long, so that they do not all have a step in every turn.
        audit: Is told who has changed what, if anybody wants to know.
        v2: The store of the v2 API, with ``--enable-v2``.
        memory: What clients can have the server hold.

    """

    settings: Settings
    clock: Clock
    database: Database
    store: Store
    writer: Writer
    compactor: Compactor
    hasher: Hasher
    leases: LeaseKeeper
    users: AuthStore
    tokens: TokenProvider
    passwords: Passwords
    expiry: LeaseExpiry
    hub: Hub
    alarms: Alarms
    quota: Quota
    admission: Admission
    membership: Membership
    versions: Versions
    headers: Headers
    slow: SlowRequests
    baton: Baton
    measures: Measures
    memory: Budget
    audit: Auditor | None = None
    v2: V2Store | None = None


class Change:
    """
    What came of a request.

    Attributes:
        result: More than the request says, as members of an object of JSON.
        is_one: False if it has changed nothing.

    """

    __slots__ = ("is_one", "result")

    def __init__(self) -> None:
        self.result = ""
        self.is_one = True


class Part:
    """Some of a node's methods, with what they share."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # Looked up once: the hot paths ask them for each request.
        self._store = parts.store
        self._log = parts.store.log
        self._writer = parts.writer
        self._admission = parts.admission
        self._headers = parts.headers
        self._audit = parts.audit

    @property
    def identity(self) -> Identity:
        """Who this server is, as of now."""
        return self._parts.membership.identity

    def header(self, revision: int = 0) -> ResponseHeader:
        """Return the header of a reply that names ``revision`` (0: none)."""
        identity = self.identity
        return ResponseHeader(
            cluster_id=identity.cluster_id,
            member_id=identity.member_id,
            raft_term=identity.raft_term,
            revision=revision,
        )

    def _admit(self, method: str, request: object, caller: Caller) -> Who:
        """Let a request of a method in and return who asks, or raise what keeps it out."""
        return self._parts.admission.gate(method)(request, caller)

    @contextmanager
    def _changing(self, method: str, request: object, caller: Caller) -> Iterator[Change]:
        """
        Let a request in, have the block make the change that it asks for, and audit that.

        The block says what came of it, and whether it was a change after all. Where it does not
        wait, the change and the line about it are one step.
        """
        who, change = self._admit(method, request, caller), Change()
        try:
            yield change
        except EtcdError as error:
            if self._audit is not None:
                self._audit.refused(error, method, request, caller, who)
            raise
        if self._audit is not None and change.is_one:
            at = self._store.revision
            self._audit.changed(method, request, caller, who, at, result=change.result)

    async def _settled(self) -> None:
        """Wait until the newest state, from which a request was judged, is durable."""
        if unsettled := self._log.unsettled():
            await unsettled
