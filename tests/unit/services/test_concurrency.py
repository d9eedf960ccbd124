"""Queues for locks and elections, with a disk that writes when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from etcdpy.lease import LeaseKeeper, LeaseRules
from etcdpy.mvcc.store import Store
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2 as elect
from etcdpy.pb import v3lock_pb2 as lock
from etcdpy.services.concurrency import Client, own_key, queue_end, queue_prefix
from etcdpy.services.election import ElectionService
from etcdpy.services.kv import KVService
from etcdpy.services.lease import LeaseService
from etcdpy.services.lock import LockService
from etcdpy.transport import StatusError
from etcdpy.watch import Hub
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.services.nodes import make_node


class House:
    """The two services; leases 1 to 3 exist."""

    def __init__(self) -> None:
        self.log = FakeLog()
        self.store = Store(self.log)
        self.log.serve(self.store)
        node = make_node(self.store, self.log, leases=frozenset({1, 2, 3}))
        self.hub = Hub(self.store, self.log, node.headers, asyncio.get_running_loop())
        self.kv = KVService(node)
        keeper = LeaseKeeper(self.store, LeaseRules(), lambda: 0.0, lambda: None)
        self.client = Client(node, self.kv, LeaseService(node, keeper), self.hub)
        self._locks = LockService(self.client)
        self._elections = ElectionService(self.client)

    def lock(self, lease: int) -> asyncio.Task[Any]:
        request = lock.LockRequest(name=b"m", lease=lease)
        return asyncio.create_task(self._locks.Lock(request, None))

    def campaign(self, lease: int) -> asyncio.Task[Any]:
        request = elect.CampaignRequest(name=b"m", lease=lease, value=b"v")
        return asyncio.create_task(self._elections.Campaign(request, None))

    async def begin(self, lease: int) -> asyncio.Task[Any]:
        """Start a Lock and let the disk have what it writes."""
        task = self.lock(lease)
        await self.settle()
        return task

    async def settle(self) -> None:
        """Let everything that can happen, happen, the disk's part included."""
        for _ in range(10):
            await turns(5)
            self.log.flush()
            batches = list(self.log.on_their_way)
            self.log.settle()
            for batch in batches:
                self.hub.publish(batch)

    async def delete(self, key: bytes) -> None:
        deleting = asyncio.ensure_future(self.client.delete(key, None))
        await self.settle()
        await deleting

    def queue(self) -> list[bytes]:
        revision = self.store.revision
        keys, _ = self.store.index.scan(b"m/", b"m0", revision, 100)
        return list(keys)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    closing = asyncio.ensure_future(house.client.close())
    await house.settle()
    await closing
    await house.hub.close()


@pytest.mark.parametrize(
    ("lease", "key"),
    [(1, b"m/1"), (0xABC, b"m/abc"), (-5, b"m/-5"), (2**63 - 1, b"m/7fffffffffffffff")],
)
def test_place_in_a_queue_is_named_by_the_lease(lease: int, key: bytes) -> None:
    assert own_key(b"m", lease) == key
    assert queue_prefix(b"m") < key < queue_end(queue_prefix(b"m"))


async def test_lock_is_given_when_it_is_durable(house: House) -> None:
    taking = house.lock(1)
    await turns(10)
    assert not taking.done()
    await house.settle()
    assert (await taking).key == b"m/1"


async def test_waiter_is_woken_by_its_predecessor_only(house: House) -> None:
    await house.begin(1)
    second, third = await house.begin(2), await house.begin(3)
    await house.delete(b"m/1")
    assert second.done()
    assert not third.done()


async def test_waiter_that_is_cancelled_leaves_the_queue(house: House) -> None:
    await house.begin(1)
    waiting = await house.begin(2)
    waiting.cancel()
    await house.settle()
    assert house.queue() == [b"m/1"]


async def test_candidate_that_is_cancelled_leaves_the_queue(house: House) -> None:
    await house.begin(1)
    waiting = house.campaign(2)
    await house.settle()
    assert house.queue() == [b"m/1", b"m/2"]
    waiting.cancel()
    await house.settle()
    assert house.queue() == [b"m/1"]


@pytest.mark.parametrize("call", ["lock", "campaign"])
async def test_call_cancelled_before_its_key_is_durable_leaves_the_queue(
    house: House, call: str
) -> None:
    entering = getattr(house, call)(1)
    await turns(3)
    assert house.queue() == [b"m/1"]
    entering.cancel()
    await house.settle()
    assert entering.cancelled()
    assert house.queue() == []


async def test_holder_that_locks_again_and_cancels_keeps_the_lock(house: House) -> None:
    await house.begin(1)
    other_write = asyncio.ensure_future(house.kv.Put(pb.PutRequest(key=b"x"), None))
    await turns(2)
    again = house.lock(1)  # its answer waits for the other write's disk
    await turns(3)
    again.cancel()
    await house.settle()
    await other_write
    assert house.queue() == [b"m/1"]


async def test_call_after_a_cancelled_one_does_not_take_over_the_place_it_leaves(
    house: House,
) -> None:
    cancelled = house.lock(1)
    await turns(2)  # its key is put, and on its way to the disk
    cancelled.cancel()
    await turns(1)
    again = house.lock(1)
    await house.settle()
    held = await again
    assert held.header.revision == 4, "the key was put, taken away, and put again"
    waiting = await house.begin(2)
    assert not waiting.done()
    waiting.cancel()
    await house.settle()


async def test_who_gives_up_takes_no_key_that_was_made_again(house: House) -> None:
    await house.begin(1)
    waiting = await house.begin(2)
    await house.delete(b"m/2")
    await house.delete(b"m/1")
    with pytest.raises(StatusError, match="session is expired"):
        await waiting
    await house.begin(3)
    stale = await house.begin(2)
    await house.delete(b"m/2")
    newer = await house.begin(2)
    stale.cancel()
    await house.settle()
    assert house.queue() == [b"m/2", b"m/3"]
    newer.cancel()
    await house.settle()
    assert house.queue() == [b"m/3"]


async def test_place_is_kept_when_the_server_ends(house: House) -> None:
    await house.begin(1)
    waiting = await house.begin(2)
    house.client.abandon()
    waiting.cancel()
    await house.settle()
    assert house.queue() == [b"m/1", b"m/2"]


async def test_key_deleted_between_the_look_and_the_watch_wakes_all_the_same(
    house: House,
) -> None:
    await house.begin(1)
    entering = house.lock(2)
    await turns(3)
    deleting = asyncio.ensure_future(house.client.delete(b"m/1", None))
    await house.settle()
    await deleting
    assert entering.done()
