"""A node over a store and any log, with nothing behind it but what is given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from etcdpy.auth.passwords import LEAST_COST, Passwords
from etcdpy.auth.simple_tokens import SimpleTokens
from etcdpy.auth.store import AuthStore
from etcdpy.clock import Clock
from etcdpy.cooperative import Baton
from etcdpy.lease import LeaseKeeper, LeaseRules
from etcdpy.memory import Budget
from etcdpy.mvcc.hashing import Hasher
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.store import Store
from etcdpy.node.admission import Admission
from etcdpy.node.alarms import Alarms
from etcdpy.node.caller import Internal
from etcdpy.node.compactor import Compactor
from etcdpy.node.lease_expiry import LeaseExpiry
from etcdpy.node.measures import Measures
from etcdpy.node.membership import Identity, Membership
from etcdpy.node.node import Node
from etcdpy.node.parts import Database, Parts, Settings
from etcdpy.node.quota import Quota, RequestLimit
from etcdpy.node.slow_requests import SlowRequests
from etcdpy.node.versions import Versions
from etcdpy.node.writer import Writer
from etcdpy.storage import GroupCommit
from etcdpy.storage.snapshot import Snapshot
from etcdpy.testing.clock import MovableClock
from etcdpy.watch import Hub
from tests.unit.mvcc.fake_log import FakeLog

IDENTITY = Identity(
    member_id=0xF693_0000_0000_0001,
    cluster_id=0x643A_0000_0000_0002,
    raft_term=2,
    name="here",
    peer_urls=("http://127.0.0.1:2380",),
    client_urls=("http://127.0.0.1:2379",),
)

#: Who asks in tests.
ANYBODY = Internal("test")


def make_node(
    store: Store,
    log: FakeLog | GroupCommit,
    *,
    clock: Clock | None = None,
    compactor: Compactor | None = None,
    max_request_bytes: int = 1536 * 1024,
    max_txn_ops: int = 128,
    max_learners: int = 1,
    progress_interval: float = 600,
    quota: int = 0,
    size: Callable[[], int] = lambda: 0,
    leases: Iterable[int] = (),
    keeper: LeaseKeeper | None = None,
    defragment: Callable[[], Awaitable[None]] | None = None,
    take_snapshot: Callable[[], Awaitable[Snapshot]] | None = None,
    slow: SlowRequests | None = None,
) -> Node:
    """
    Return a node whose settings are the defaults, save what is given.

    Args:
        leases: The ids of leases there are, of which nothing is written.

    """
    clock = clock or MovableClock()
    if keeper is None:
        keeper = LeaseKeeper(store, LeaseRules())
    for lease_id in leases:
        keeper.lessor.grant(lease_id, 1000, clock.monotonic())
    headers = Headers(IDENTITY.cluster_id, IDENTITY.member_id, IDENTITY.raft_term)
    alarms, writer = Alarms(log, []), Writer(store)
    quotas = Quota(quota, size, alarms, IDENTITY.member_id)
    request_limit = RequestLimit(1536 * 1024, IDENTITY.member_id)
    return Node(
        Parts(
            settings=Settings(max_request_bytes, 2 * 1024 * 1024, progress_interval, max_learners),
            clock=clock,
            database=Database(
                size, size, defragment or _no_defragmentation, take_snapshot or _no_snapshot
            ),
            store=store,
            writer=writer,
            compactor=compactor or Compactor(store, None, clock),
            hasher=Hasher(store, log),
            leases=keeper,
            users=AuthStore(log),
            tokens=SimpleTokens(0, clock),
            passwords=Passwords(LEAST_COST),
            expiry=LeaseExpiry(keeper, writer, clock, lambda: alarms.check_write(grows=False)),
            hub=Hub(store, log, headers, asyncio.get_running_loop()),
            alarms=alarms,
            quota=quotas,
            admission=Admission(quotas, request_limit, alarms, max_txn_ops),
            membership=Membership(log, IDENTITY),
            versions=Versions(log, clock),
            headers=headers,
            slow=slow or SlowRequests(),
            baton=Baton(),
            measures=Measures(),
            memory=Budget(),
        )
    )


async def _no_defragmentation() -> None:
    raise AssertionError("this node has no backend to defragment")


async def _no_snapshot() -> Snapshot:
    raise AssertionError("this node has no backend to take a snapshot of")
