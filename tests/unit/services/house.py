"""A house of services over a log in memory, with a disk to command and a clock to set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from etcdpy.concurrency.client import Client
from etcdpy.cooperative import outcome
from etcdpy.lease import LeaseKeeper, LeaseRules
from etcdpy.mvcc.store import Store
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2 as elect
from etcdpy.pb import v3lock_pb2 as lock
from etcdpy.services.election import ElectionService
from etcdpy.services.kv import KVService
from etcdpy.services.lease import LeaseService
from etcdpy.services.lock import LockService
from etcdpy.watch import Hub
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.services.nodes import make_node

#: Seconds that leases 1 to 3 have, which there are from the beginning.
TTL = 100


class House:
    """KV, Lease, Lock and Election services; leases 1 to 3 exist."""

    def __init__(self, **settings: Any) -> None:
        self.log = FakeLog()
        self.store = Store(self.log)
        self.log.serve(self.store)
        self.now = 0.0
        self.keeper = LeaseKeeper(self.store, LeaseRules(), lambda: self.now, lambda: None)
        self.node = make_node(self.store, self.log, leases=self.keeper.lessor, **settings)
        self.hub = Hub(self.store, self.log, self.node.headers, asyncio.get_running_loop())
        self.kv = KVService(self.node)
        self.leases = LeaseService(self.node, self.keeper)
        self.client = Client(self.node, self.kv, self.leases, self.hub)
        self.locks = LockService(self.client)
        self.elections = ElectionService(self.client)
        for lease in (1, 2, 3):
            self.keeper.grant(lease, TTL)

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
        self.now += seconds
        expiring = asyncio.ensure_future(self.keeper.expire())
        await self.settle()
        await expiring

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
        return self.locks.Lock(lock.LockRequest(name=b"m", lease=lease), None)

    def unlock(self, key: bytes) -> Coroutine[Any, Any, Any]:
        return self.locks.Unlock(lock.UnlockRequest(key=key), None)

    def campaign(self, lease: int, value: bytes = b"v") -> Coroutine[Any, Any, Any]:
        request = elect.CampaignRequest(name=b"m", lease=lease, value=value)
        return self.elections.Campaign(request, None)

    async def put(self, key: bytes, lease: int = 0) -> None:
        await self.done(self.kv.Put(pb.PutRequest(key=key, lease=lease), None))

    async def delete(self, key: bytes) -> None:
        await self.done(self.client.delete(key, None))

    async def revoke(self, lease: int) -> pb.LeaseRevokeResponse:
        request = pb.LeaseRevokeRequest(ID=lease)
        return pb.LeaseRevokeResponse.FromString(
            await self.done(self.leases.LeaseRevoke(request, None))
        )

    def queue(self) -> list[bytes]:
        """Return the keys below the name that all requests here have."""
        return self.keys(b"m/", b"m0")

    def keys(self, start: bytes = b"\0", stop: bytes | None = None) -> list[bytes]:
        keys, _ = self.store.index.scan(start, stop, self.store.revision, 100)
        return list(keys)


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[House]:
    """Open a house; close it as a server does."""
    house = House(**settings)
    await house.settle()
    yield house
    closing = asyncio.ensure_future(house.client.close())
    await house.settle()
    await closing
    await house.hub.close()
