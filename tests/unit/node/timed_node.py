"""A node over a log in memory, with a disk to command and a clock to move, and what it serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from etcdpy.concurrency.queues import Queues
from etcdpy.cooperative import outcome
from etcdpy.lease import LeaseKeeper, LeaseRules
from etcdpy.mvcc.store import Store
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2 as elect
from etcdpy.pb import v3lock_pb2 as lock
from etcdpy.services.election import ElectionService
from etcdpy.services.lock import LockService
from etcdpy.testing.clock import MovableClock
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.node.nodes import ANYBODY, make_node

#: Seconds that leases 1 to 3 have, which there are from the beginning.
TTL = 100


class TimedNode:
    """
    A node, and the Lock and Election services in front of it; leases 1 to 3 exist.

    Leases are revoked by ``pass_time`` alone: moving the clock is what a busy loop sees of time.
    """

    def __init__(self, **settings: Any) -> None:
        self.log = FakeLog()
        self.store = Store(self.log)
        self.log.serve(self.store)
        self.clock = MovableClock(settle=self.settle)
        self.keeper = LeaseKeeper(self.store, LeaseRules())
        self.node = make_node(
            self.store, self.log, clock=self.clock, keeper=self.keeper, **settings
        )
        self.hub = self.node.parts.hub
        self.expiry = self.node.parts.expiry
        self.queues = Queues(self.node)
        self.locks = LockService(self.queues)
        self.elections = ElectionService(self.queues)
        for lease in (1, 2, 3):
            self.keeper.grant(lease, TTL, self.now)

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    # ------------------------------------------------------------ time and disk

    async def settle(self) -> None:
        """Let everything that can happen, happen, the disk's part included."""
        for _ in range(10):
            await turns(5)
            self.log.flush()
            batches = list(self.log.on_their_way)
            self.log.settle()
            for batch in batches:
                self.hub.publish(batch)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, and what runs out meanwhile be revoked."""
        await self.clock.advance(seconds)
        expiring = asyncio.ensure_future(self.expiry.expire())
        await self.settle()
        await expiring

    def renew(self, lease: int) -> None:
        """Keep a lease alive."""
        assert self.keeper.renew_at_once(lease, self.now) is not None

    async def done(self, answer: Any) -> Any:
        """Return what a call that does not wait for others comes to."""
        task = await self.begin(answer)
        assert task.done(), "it waits"
        return task.result()

    async def begin(self, answer: Any) -> asyncio.Task[Any]:
        """Start a call and let the disk have what it writes."""
        task = asyncio.create_task(outcome(answer))
        await self.settle()
        return task

    # ----------------------------------------------------------------- requests

    def lock(self, lease: int) -> Coroutine[Any, Any, Any]:
        return self.locks.Lock(lock.LockRequest(name=b"m", lease=lease), ANYBODY)

    def unlock(self, key: bytes) -> Coroutine[Any, Any, Any]:
        return self.locks.Unlock(lock.UnlockRequest(key=key), ANYBODY)

    def campaign(self, lease: int, value: bytes = b"v") -> Coroutine[Any, Any, Any]:
        request = elect.CampaignRequest(name=b"m", lease=lease, value=value)
        return self.elections.Campaign(request, ANYBODY)

    async def put(self, key: bytes, lease: int = 0) -> None:
        await self.done(self.node.put(pb.PutRequest(key=key, lease=lease), ANYBODY))

    async def delete(self, key: bytes) -> None:
        await self.done(self.queues.delete(key, ANYBODY))

    async def revoke(self, lease: int) -> pb.LeaseRevokeResponse:
        request = pb.LeaseRevokeRequest(ID=lease)
        return pb.LeaseRevokeResponse.FromString(
            await self.done(self.node.lease_revoke(request, ANYBODY))
        )

    def queue(self) -> list[bytes]:
        """Return the keys below the name that all requests here have."""
        return self.keys(b"m/", b"m0")

    def keys(self, start: bytes = b"\0", stop: bytes | None = None) -> list[bytes]:
        keys, _ = self.store.index.scan(start, stop, self.store.revision, 100)
        return list(keys)


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[TimedNode]:
    """Open a node; close it as a server does."""
    timed = TimedNode(**settings)
    await timed.settle()
    yield timed
    closing = asyncio.ensure_future(timed.queues.close())
    await timed.settle()
    await closing
    await timed.hub.close()
