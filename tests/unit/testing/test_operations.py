"""Every operation has its method at the etcd that tests have, or is one of its parts'."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from etcdpy.testing.engine import Engine
from etcdpy.testing.operations import Connection, Lease, Operations, Watcher
from etcdpy.testing.settings import Settings


@pytest.fixture
async def operations() -> AsyncIterator[Operations]:
    engine = Engine(Settings.of(clock="frozen"))
    await engine.start()
    operations = Operations(engine)
    yield operations
    await operations.stop()


async def test_server_is_new_until_something_is_done(operations: Operations) -> None:
    assert await operations.is_new()
    await operations.put(b"a", b"1")
    assert not await operations.is_new()
    await operations.reset()
    assert await operations.is_new()
    await operations.crash()
    assert not await operations.is_new()
    await operations.reset()
    assert await operations.is_new()


async def test_reset_ends_faults(operations: Operations) -> None:
    await operations.begin_fault("raise_alarm", alarm="NOSPACE")
    number = await operations.begin_fault("fail", method="*", code="ABORTED")
    await operations.end_fault(number)
    await operations.reset()
    assert await operations.put(b"a", b"1") == 2
    await operations.begin_fault("crash")
    await operations.end_faults()
    assert await operations.get(b"a") == b"1"


async def test_reset_of_what_is_down_does_not_start_it_for_that(operations: Operations) -> None:
    await operations.put(b"a", b"1")
    await operations.begin_fault("crash")
    await operations.reset()
    assert (await operations.pairs(), await operations.revision()) == ({}, 1)


async def test_time_is_moved(operations: Operations) -> None:
    now = await operations.now()
    await operations.advance(5)
    await operations.jump(5)
    assert await operations.now() == now + 10
    await operations.resume()
    await operations.freeze()
    assert await operations.now() >= now + 10


async def test_nobody_is_there(operations: Operations) -> None:
    watchers: list[Watcher] = await operations.watchers()
    leases: list[Lease] = await operations.leases()
    connections: list[Connection] = await operations.connections()
    assert (watchers, leases, connections) == ([], [], [])
