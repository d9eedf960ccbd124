"""What the services of one server share."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from etcdpy.errors import NoSpaceError
from etcdpy.mvcc.compaction import Compactor
from etcdpy.mvcc.hashing import Hasher
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.store import Store
from etcdpy.node.alarms import Alarms
from etcdpy.node.membership import Identity, Membership
from etcdpy.node.quota import RequestLimit
from etcdpy.node.slow_requests import SlowRequests
from etcdpy.node.versions import Versions
from etcdpy.pb.rpc_pb2 import NOSPACE, ResponseHeader
from etcdpy.storage.snapshot import Snapshot

logger = logging.getLogger(__name__)

#: What ``--quota-backend-bytes 0`` stands for.
DEFAULT_QUOTA = 2 * 1024 * 1024 * 1024


@dataclass(frozen=True)
class Node:
    """
    A server's state and settings, as its services see them.

    Attributes:
        lease_exists: Tells whether a lease can be attached to.
        max_message_bytes: The largest message that gRPC takes; larger watch responses are
            split for clients that agree.
        progress_interval: Seconds between the progress notifications of a watch.
        backend_size: Returns the bytes that the quota is compared with.
        backend_size_in_use: Returns the same without what waits for reuse.
        defragment: Gives what waits for reuse back to the disk.
        take_snapshot: Holds the store as it is, for whoever closes what it returns.
        quota: In bytes; 0 or less is no quota.
        max_learners: Learners there could be, if there could be other members.
        slow: Is told how long KV requests took.

    """

    store: Store
    compactor: Compactor
    hasher: Hasher
    versions: Versions
    alarms: Alarms
    membership: Membership
    headers: Headers
    request_limit: RequestLimit
    max_txn_ops: int
    max_request_bytes: int
    max_message_bytes: int
    progress_interval: float
    quota: int
    backend_size: Callable[[], int]
    backend_size_in_use: Callable[[], int]
    defragment: Callable[[], Awaitable[None]]
    take_snapshot: Callable[[], Awaitable[Snapshot]]
    lease_exists: Callable[[int], bool]
    max_learners: int = 1
    slow: SlowRequests = field(default_factory=SlowRequests)

    @property
    def identity(self) -> Identity:
        """Who this server is, as of now."""
        return self.membership.identity

    def check_quota(self, cost: int) -> None:
        """
        Check that a write still fits the quota; raise the NOSPACE alarm if it does not.

        Raises:
            NoSpaceError: If it does not.

        """
        if cost and 0 < self.quota <= self.backend_size() + cost:
            self.alarms.activate(self.identity.member_id, NOSPACE)
            raise NoSpaceError

    def raise_no_space(self) -> None:
        """Refuse what needs room from now on, until an operator has made some."""
        if not self.alarms.matching(NOSPACE):
            logger.error("the disk is full: raising the NOSPACE alarm, and waiting for room")
        self.alarms.activate(self.identity.member_id, NOSPACE)

    def header(self, revision: int = 0) -> ResponseHeader:
        """Return the header of a reply that names ``revision`` (0: none)."""
        return ResponseHeader(
            cluster_id=self.identity.cluster_id,
            member_id=self.identity.member_id,
            raft_term=self.identity.raft_term,
            revision=revision,
        )
