"""A node without a server: services over a store and any log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from etcdpy.lease import Lessor
from etcdpy.mvcc.compaction import Compactor
from etcdpy.mvcc.hashing import Hasher
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.store import Store
from etcdpy.node.alarms import Alarms
from etcdpy.node.membership import Identity, Membership
from etcdpy.node.quota import RequestLimit
from etcdpy.node.state import Node
from etcdpy.node.versions import Versions
from etcdpy.storage import GroupCommit
from etcdpy.storage.snapshot import Snapshot
from tests.unit.mvcc.fake_log import FakeLog

IDENTITY = Identity(
    member_id=0xF693_0000_0000_0001,
    cluster_id=0x643A_0000_0000_0002,
    raft_term=2,
    name="here",
    peer_urls=("http://127.0.0.1:2380",),
    client_urls=("http://127.0.0.1:2379",),
)


def make_node(
    store: Store,
    log: FakeLog | GroupCommit,
    *,
    compactor: Compactor | None = None,
    max_request_bytes: int = 1536 * 1024,
    max_txn_ops: int = 128,
    progress_interval: float = 600,
    quota: int = 0,
    size: Callable[[], int] = lambda: 0,
    leases: frozenset[int] | Lessor = frozenset(),
    defragment: Callable[[], Awaitable[None]] | None = None,
) -> Node:
    """Return a node whose settings are the defaults, save what is given."""
    return Node(
        store=store,
        compactor=compactor or Compactor(store),
        hasher=Hasher(store, log),
        versions=Versions(log),
        alarms=Alarms(log, []),
        membership=Membership(log, IDENTITY),
        headers=Headers(IDENTITY.cluster_id, IDENTITY.member_id, IDENTITY.raft_term),
        request_limit=RequestLimit(1536 * 1024, IDENTITY.member_id),
        max_txn_ops=max_txn_ops,
        max_request_bytes=max_request_bytes,
        max_message_bytes=2 * 1024 * 1024,
        progress_interval=progress_interval,
        quota=quota,
        backend_size=size,
        backend_size_in_use=size,
        defragment=defragment or _no_defragmentation,
        take_snapshot=_no_snapshot,
        lease_exists=leases.__contains__,
    )


async def _no_defragmentation() -> None:
    raise AssertionError("this node has no backend to defragment")


async def _no_snapshot() -> Snapshot:
    raise AssertionError("this node has no backend to take a snapshot of")
