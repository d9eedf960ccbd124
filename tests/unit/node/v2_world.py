"""A v2 store over a log in memory, whose disk writes when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from etcdpy.mvcc.store import Store
from etcdpy.node.alarms import Alarms
from etcdpy.node.quota import Quota
from etcdpy.node.v2 import V2Store
from etcdpy.storage.buckets import Bucket
from etcdpy.testing.clock import MovableClock
from etcdpy.v2.watchers import Watcher
from tests.unit.mvcc.fake_log import Disk, FakeLog, turns

T = TypeVar("T")


class V2World:
    """
    A v2 store with what is around it.

    Args:
        disk: What an earlier one has left.
        quota: Bytes that the database may have, 0 for any number.
        size: Bytes that it has.

    """

    def __init__(self, disk: Disk | None = None, quota: int = 0, size: int = 0) -> None:
        self.log = FakeLog(disk)
        self.clock = MovableClock()
        self.store = Store(self.log)
        self.log.serve(self.store)
        self.alarms = Alarms(self.log, [])
        self.v2 = V2Store(
            self.store, self.clock, Quota(quota, lambda: size, self.alarms, 1), self.alarms
        )

    def settle(self) -> None:
        """Let what was handed over reach the disk."""
        for batch in list(self.log.on_their_way):
            self.log.settle(1)
            self.v2.publish(batch)

    async def done(self, operation: Awaitable[T]) -> T:
        """Return what comes of something while the disk writes whatever it gets."""
        task = asyncio.ensure_future(operation)
        for _ in range(1000):
            if task.done():
                break
            await turns(1)
            self.settle()
        assert task.done(), "it waits for what never comes"
        return task.result()

    async def crashed(self) -> V2World:
        """Return what starts from what is on the disk."""
        self.log.lose()
        await self.v2.close()
        return V2World(self.log.disk)

    def rows(self) -> int:
        """Return how many rows of the tree and its events there are on the disk."""
        return sum(bucket is Bucket.V2 for bucket, _ in self.log.disk.values)


def heard(watcher: Watcher) -> list[int]:
    """Return the indexes of what a watcher has heard of since the last time."""
    events = []
    while (event := watcher.take()) is not None:
        events.append(event.index)
    return events
