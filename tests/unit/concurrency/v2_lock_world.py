"""Locks of a v2 store over a log in memory, with a clock to move and a disk that keeps up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from etcdpy.concurrency.v2_locks import ROOT, V2Locks
from etcdpy.node.v2_expiry import V2Expiry
from etcdpy.testing.clock import MovableClock
from tests.unit.mvcc.fake_log import Disk, turns
from tests.unit.node.v2_world import V2World

T = TypeVar("T")


class LockWorld(V2World):
    """A store, its locks, and the end of what lives for a while."""

    def __init__(self, disk: Disk | None = None) -> None:
        super().__init__(disk)
        self.clock = MovableClock(settle=self.settled)
        # The store reads the wall clock of this one.
        self.v2._clock = self.clock
        self.expiry = V2Expiry(self.v2, self.clock)
        self.expiry.start()
        self.locks = V2Locks(self.v2, self.clock)

    async def settled(self) -> None:
        """Let all that can happen, happen, the disk's part included."""
        for _ in range(6):
            await turns(4)
            self.settle()
        await turns(4)

    async def begin(self, work: Awaitable[T]) -> asyncio.Future[T]:
        """Start something and let it come as far as it can."""
        task = asyncio.ensure_future(work)
        await self.settled()
        return task

    async def acquire(
        self,
        name: str = "m",
        ttl: int = 10,
        value: str = "",
        timeout: float | None = None,
        has_left: Callable[[], bool] = lambda: False,
    ) -> asyncio.Future[int]:
        return await self.begin(self.locks.acquire(name, ttl, value, timeout, has_left))

    def queue(self, name: str = "m") -> dict[int, str]:
        """Return the values of the places, by their indexes."""
        directory = self.v2.tree.root.find(f"{ROOT}/{name}"[1:].split("/"))
        places = directory.children if directory is not None else None
        return {
            int(place): node.value
            for place, node in (places or {}).items()
            if not node.is_directory
        }

    async def holder(self, name: str = "m") -> tuple[int, str] | None:
        entry = await self.done(self.locks.holder(name))
        return None if entry is None else (entry.index, entry.value)

    async def close(self) -> None:
        self.locks.stop()
        await self.settled()
        await self.locks.close()
        await self.settled()
        await self.expiry.close()
        await self.v2.close()


@asynccontextmanager
async def lock_world(disk: Disk | None = None) -> AsyncIterator[LockWorld]:
    world = LockWorld(disk)
    try:
        yield world
    finally:
        await world.close()
