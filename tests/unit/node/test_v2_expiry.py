"""Nodes of the v2 tree end in ticks; the clock is moved."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from etcdpy.node.v2_expiry import TICK, V2Expiry
from etcdpy.pb.rpc_pb2 import CORRUPT
from etcdpy.testing.clock import MovableClock
from etcdpy.v2.events import SECOND
from tests.unit.mvcc.fake_log import turns
from tests.unit.node.v2_world import V2World, heard


class ExpiringWorld(V2World):
    """One whose nodes end by themselves, and whose disk writes as time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.expiry = V2Expiry(self.v2, self.clock)

    async def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds / TICK)):
            await self.clock.advance(TICK)
            for _ in range(5):
                await turns(5)
                self.settle()

    async def set(self, path: str, ttl: float) -> None:
        expires = self.v2.now() + int(ttl * SECOND)
        await self.done(self.v2.set(path, "", expires=expires))

    def has(self, path: str) -> bool:
        parts = path[1:].split("/")
        return self.v2.tree.root.find(parts) is not None


@pytest.fixture
async def world() -> AsyncIterator[ExpiringWorld]:
    world = ExpiringWorld()
    world.expiry.start()
    yield world
    await world.expiry.close()


async def test_node_ends_when_its_time_is_over(world: ExpiringWorld) -> None:
    await world.set("/a", 2)
    watcher = world.v2.watch("/a")
    await world.pass_time(1.5)
    assert world.has("/a")
    await world.pass_time(1)
    assert not world.has("/a")
    event = watcher.take()
    assert event is not None
    assert event.action == "expire"


async def test_renewed_node_stays(world: ExpiringWorld) -> None:
    await world.set("/a", 2)
    await world.pass_time(1.5)
    await world.set("/a", 2)
    await world.pass_time(1.5)
    assert world.has("/a")
    await world.pass_time(1)
    assert not world.has("/a")


async def test_many_end_together_each_with_an_event(world: ExpiringWorld) -> None:
    for number in range(250):
        await world.set(f"/d/{number}", 1)
    watcher = world.v2.watch("/d", recursive=True, stream=True)
    index = world.v2.index
    await world.pass_time(1.5)
    assert world.v2.index == index + 250
    assert heard(watcher) == list(range(index + 1, index + 101)), "the slow are ended"


async def test_nobody_looks_while_nothing_can_end(world: ExpiringWorld) -> None:
    assert world.clock._next_moment() is None
    await world.set("/a", 1)
    assert world.clock._next_moment() is not None
    await world.pass_time(2)
    assert world.clock._next_moment() is None


async def test_nothing_ends_before_it_is_started() -> None:
    world = ExpiringWorld()
    await world.set("/a", 1)
    await world.pass_time(3)
    assert world.has("/a")
    world.expiry.start()
    await world.pass_time(0.5)
    assert not world.has("/a")
    await world.expiry.close()


async def test_nodes_wait_while_nothing_may_be_written(world: ExpiringWorld) -> None:
    await world.set("/a", 1)
    world.alarms.activate(1, CORRUPT)
    await world.pass_time(3)
    assert world.has("/a")
    world.alarms.deactivate(1, CORRUPT)
    await world.pass_time(1)
    assert not world.has("/a")


async def test_clock_of_the_wall_decides(world: ExpiringWorld) -> None:
    assert isinstance(world.clock, MovableClock)
    await world.set("/a", 3600)
    world.clock.jump(3600)
    await world.pass_time(0.5)
    assert not world.has("/a")
