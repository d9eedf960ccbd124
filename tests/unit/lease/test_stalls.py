"""
Many keys of one lease, and many leases, end without holding up the loop.

The bound is generous; what ends here takes hundreds of milliseconds in one go. (Measured on two
busy cores with 100,000: 5 to 7 ms for the keys; 16 to 35 for the leases, whose rows go to the
database meanwhile.)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from etcdpy.lease import LeaseKeeper, LeaseRules
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.store import Store
from etcdpy.node.lease_expiry import LeaseExpiry
from etcdpy.node.writer import Writer
from etcdpy.pb import kv_pb2 as mvccpb
from etcdpy.storage import Bucket, GroupCommit
from etcdpy.testing import MovableClock
from etcdpy.watch import Hub, Watcher
from tests.unit.mvcc.real_log import opened_store
from tests.unit.mvcc.stalls import TRIES, probed
from tests.unit.watch.test_stalls import Sink

MANY = 30_000
BOUND = 0.1
TTL = 10


class WatchedLeases:
    """A keeper of leases over a store on disk, whose changes are watched."""

    def __init__(self, store: Store, log: GroupCommit) -> None:
        self.store = store
        self.log = log
        self.clock = MovableClock()
        self.keeper = LeaseKeeper(store, LeaseRules())
        self.expiry = LeaseExpiry(self.keeper, Writer(store), self.clock, lambda: None)
        self.hub = Hub(store, log, Headers(1, 2, 3), asyncio.get_running_loop())
        self.sink = Sink(self.hub)

    async def attach(self, pairs: list[tuple[bytes, int]]) -> None:
        """Put keys on leases, a thousand in each transaction."""
        for start in range(0, len(pairs), 1000):
            changes = self.store.begin()
            for key, lease in pairs[start : start + 1000]:
                changes.put(key, b"", lease)
            changes.commit()
            await asyncio.sleep(0)
        if durable := self.log.unsettled():
            await durable
        await self.log.checkpoint()

    def watch(self) -> Watcher:
        return self.sink.watch(b"\0", None)

    async def settle(self) -> None:
        """Wait until everything is on disk, and watchers were notified of it."""
        if settled := self.log.unsettled():
            await settled
        if passed := self.hub.passed():
            await passed
        while not self.hub.is_idle:  # noqa: ASYNC110 - what is waited for is a turn
            await asyncio.sleep(0)

    def notified(self) -> list[list[mvccpb.Event]]:
        """Return the events of each message."""
        return [list(response.events) for response in self.sink.responses()]

    async def is_on_the_disk(self) -> bool:
        """Whether any lease is."""
        await self.log.checkpoint()
        return any(True for _ in self.log.items(Bucket.LEASE))


@asynccontextmanager
async def watched_leases(path: Path) -> AsyncIterator[WatchedLeases]:
    path.mkdir()  # noqa: ASYNC240
    async with opened_store(path, lambda batch: made.hub.publish(batch)) as (store, log):
        made = WatchedLeases(store, log)
        yield made
        await made.hub.close()


async def least_of(folder: Path, stall_of: Callable[[WatchedLeases], Awaitable[float]]) -> float:
    """Return the longest gap while leases of a new store end, of the best of a few tries."""
    least = float("inf")
    for number in range(TRIES):
        async with watched_leases(folder / str(number)) as leased:
            least = min(least, await stall_of(leased))
        if least < BOUND:
            break
    return least


@pytest.mark.parametrize("end", ["revoked", "run out"])
async def test_all_keys_of_a_lease_go_in_one_revision_and_in_order(
    tmp_path: Path, end: str
) -> None:
    assert await least_of(tmp_path, lambda leased: stall_of_keys(leased, end)) < BOUND


async def stall_of_keys(leased: WatchedLeases, end: str) -> float:
    keys = [b"k%08d" % number for number in range(MANY)]
    random.Random(0).shuffle(keys)
    leased.keeper.grant(7, TTL, now=0)
    await leased.attach([(key, 7) for key in keys])
    leased.watch()
    before = leased.store.revision
    await leased.clock.advance(TTL)
    with probed() as probe:
        ending = asyncio.ensure_future(
            leased.expiry.expire() if end == "run out" else leased.expiry.revoke(7)
        )
        turns = 0
        while not ending.done():
            await asyncio.sleep(0)
            turns += 1
        await ending
        await leased.settle()
    assert turns > MANY // 1000, "others had their turns"
    assert leased.store.revision == before + 1
    (events,) = leased.notified()
    assert [event.kv.key for event in events] == sorted(keys)
    assert {(event.type, event.kv.mod_revision) for event in events} == {
        (mvccpb.Event.DELETE, before + 1)
    }
    assert not await leased.is_on_the_disk()
    return probe.longest


async def test_leases_that_run_out_together_go_one_by_one_in_slices(tmp_path: Path) -> None:
    assert await least_of(tmp_path, stall_of_leases) < BOUND


async def stall_of_leases(leased: WatchedLeases) -> float:
    for lease in range(1, MANY + 1):
        leased.keeper.grant(lease, TTL, now=0)
        if not lease % 1000:
            await asyncio.sleep(0)
    await leased.attach([(b"k%08d" % lease, lease) for lease in range(1, MANY + 1)])
    leased.watch()
    before = leased.store.revision
    await leased.clock.advance(TTL)
    with probed() as probe:
        await leased.expiry.expire()
        await leased.settle()
    assert len(leased.keeper.lessor) == 0
    assert leased.store.revision == before + MANY
    messages = leased.notified()
    revisions = [[event.kv.mod_revision for event in events] for events in messages]
    assert revisions == [[before + number] for number in range(1, MANY + 1)]
    keys = {event.kv.key for events in messages for event in events}
    assert len(keys) == MANY
    assert not await leased.is_on_the_disk()
    return probe.longest
