"""The v2 store answers what is durable, and has it again after a crash."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from etcdpy.errors import V2Error
from etcdpy.memory import Account, Budget
from etcdpy.node.node import Node
from etcdpy.node.v2 import LARGE_WRITE, MOST_PATH, SWEPT_AT_ONCE
from etcdpy.pb.rpc_pb2 import CORRUPT, NOSPACE
from etcdpy.storage import StorageError
from etcdpy.testing.clock import MovableClock
from tests.unit.mvcc.fake_log import turns
from tests.unit.node.test_node import config
from tests.unit.node.v2_world import V2World, heard


@pytest.fixture
async def world() -> V2World:
    return V2World()


async def listed(world: V2World, path: str = "/") -> dict[str, Any]:
    reading = await world.done(world.v2.read(path, recursive=True))
    node: dict[str, Any] = json.loads(reading.body)["node"]
    return node


async def refusal(world: V2World, operation: Any) -> V2Error:
    with pytest.raises(V2Error) as refused:
        await world.done(operation)
    return refused.value


async def test_write_is_answered_once_it_is_durable(world: V2World) -> None:
    writing = asyncio.ensure_future(world.v2.set("/a", "1"))
    await turns(3)
    assert not writing.done()
    world.settle()
    await turns(1)
    assert writing.result().index == 4


async def test_write_of_a_disk_that_failed_fails(world: V2World) -> None:
    writing = asyncio.ensure_future(world.v2.set("/a", "1"))
    await turns(2)
    world.log.lose()
    with pytest.raises(StorageError):
        await writing


async def test_of_large_writes_one_at_a_time_is_on_its_way_and_small_ones_wait_for_no_other(
    world: V2World,
) -> None:
    large = [
        asyncio.ensure_future(world.v2.set(f"/{number}", "x" * LARGE_WRITE)) for number in range(3)
    ]
    small = asyncio.ensure_future(world.v2.set("/small", "x"))
    ended = []
    for _ in range(3):
        await turns(3)
        world.settle()
        await turns(1)
        ended.append(sum(write.done() for write in large))
        assert small.done()
    assert ended == [1, 2, 3]


async def test_large_writes_that_wait_fail_with_the_disk(world: V2World) -> None:
    large = [
        asyncio.ensure_future(world.v2.set(f"/{number}", "x" * LARGE_WRITE)) for number in range(2)
    ]
    for _ in range(2):
        await turns(3)
        world.log.lose()
    for write in large:
        with pytest.raises(StorageError):
            await write


async def test_read_shows_nothing_that_is_not_durable(world: V2World) -> None:
    await world.done(world.v2.set("/a", "1"))
    writing = asyncio.ensure_future(world.v2.set("/a", "2"))
    await turns(1)
    reading = asyncio.ensure_future(world.v2.read("/a"))
    await turns(2)
    assert not reading.done()
    world.settle()
    await turns(1)
    assert b'"value":"2"' in reading.result().body
    assert reading.result().at == 5
    await world.done(writing)


async def test_read_of_what_did_not_change_waits_for_nobody(world: V2World) -> None:
    await world.done(world.v2.set("/a", "1"))
    writing = asyncio.ensure_future(world.v2.set("/b", "2"))
    await turns(1)
    reading = await world.v2.read("/a")
    assert reading.at == 4
    world.settle()
    await world.done(writing)


@pytest.mark.parametrize("path", ["/gone", "/d"])
async def test_read_that_finds_nothing_waits_for_what_may_not_be_so(
    world: V2World, path: str
) -> None:
    await world.done(world.v2.set("/gone", "1"))
    await world.done(world.v2.set("/d/k", "1"))
    deleting = asyncio.ensure_future(world.v2.delete(path, recursive=True))
    await turns(1)
    reading = asyncio.ensure_future(world.v2.read(path))
    await turns(2)
    assert not reading.done()
    world.settle()
    await turns(1)
    assert isinstance(reading.exception(), V2Error)
    await world.done(deleting)


async def test_refusal_waits_for_the_state_that_it_was_judged_from(world: V2World) -> None:
    first = asyncio.ensure_future(world.v2.create("/a", ""))
    await turns(1)
    second = asyncio.ensure_future(world.v2.create("/a", ""))
    await turns(2)
    assert not second.done()
    world.settle()
    await turns(1)
    assert isinstance(second.exception(), V2Error)
    await world.done(first)


async def test_watchers_hear_of_what_is_durable(world: V2World) -> None:
    watcher = world.v2.watch("/a", stream=True)
    writing = asyncio.ensure_future(world.v2.set("/a", "1"))
    await turns(2)
    assert heard(watcher) == []
    assert world.v2.watch("/b").start_index == 3
    world.settle()
    assert heard(watcher) == [4]
    await world.done(writing)


async def test_watcher_that_comes_before_a_write_is_durable_hears_of_it(world: V2World) -> None:
    await world.done(world.v2.set("/d/k", "1"))
    removing = asyncio.ensure_future(world.v2.delete("/d", recursive=True))
    await turns(2)
    watcher = world.v2.watch("/d/k")
    world.settle()
    assert heard(watcher) == [5]
    await world.done(removing)


async def test_everything_is_there_after_a_crash(world: V2World) -> None:
    v2 = world.v2
    await world.done(v2.set("/d/e/k", "v", expires=v2.now() + 10**10))
    await world.done(v2.create("/q", "é\udcff", unique=True))
    await world.done(v2.set("/d/empty", "", directory=True))
    await world.done(v2.set("/k", "old"))
    await world.done(v2.set("/k", "", directory=True))
    await world.done(v2.compare_and_swap("/d/e/k", "w", prev_value="v"))
    before, index = await listed(world), v2.index
    again = await world.crashed()
    assert await listed(again) == before
    assert again.v2.index == index
    assert heard(again.v2.watch("/", recursive=True, stream=True, since=4)) == [4, 5, 6, 7, 8, 9]
    assert (await again.done(again.v2.set("/new", ""))).index == index + 1


async def test_what_was_not_durable_is_not_there_after_a_crash(world: V2World) -> None:
    await world.done(world.v2.set("/a", "1"))
    writing = asyncio.ensure_future(world.v2.set("/a", "2"))
    await turns(2)
    again = await world.crashed()
    assert (await listed(again, "/a"))["value"] == "1"
    assert again.v2.index == 4
    with pytest.raises(StorageError):
        await writing


async def test_rows_of_what_is_removed_are_deleted(world: V2World) -> None:
    for number in range(2000):
        task = asyncio.ensure_future(world.v2.set(f"/d/{number % 7}/{number}", ""))
        if number % 100 == 0:
            await world.done(task)
    await world.done(world.v2.set("/d/x", ""))
    await world.done(world.v2.delete("/d", recursive=True))
    before = world.rows()
    for _ in range(20):
        await turns(2)
        world.settle()
    # What is left is the ring of events.
    assert before > world.rows() == 1000
    await world.done(world.v2.set("/d/x", ""))
    assert world.rows() == 1002


async def test_crash_while_rows_are_deleted_leaves_none_of_them(world: V2World) -> None:
    writes = [world.v2.set(f"/d/e/{number}", "") for number in range(SWEPT_AT_ONCE * 3)]
    await world.done(asyncio.gather(*writes))
    deleting = asyncio.ensure_future(world.v2.delete("/d", recursive=True))
    await turns(1)
    world.settle()
    await world.done(deleting)
    again = await world.crashed()
    assert "nodes" not in await listed(again)
    for _ in range(20):
        await turns(2)
        again.settle()
    assert again.rows() == 1000
    # No id comes twice: nothing new is taken for one of them.
    await again.done(again.v2.set("/new", ""))
    assert again.v2.tree.find("/new").node_id > SWEPT_AT_ONCE * 3


async def test_long_listing_is_of_one_moment(world: V2World) -> None:
    writes = [world.v2.set(f"/d/{number:04}", "old") for number in range(3000)]
    await world.done(asyncio.gather(*writes))
    index = world.v2.index
    reading = asyncio.ensure_future(world.v2.read("/d"))
    other = asyncio.ensure_future(world.v2.read("/", recursive=True))
    await turns(2)
    assert not reading.done()
    writing = asyncio.ensure_future(world.v2.set("/d/2999", "new"))
    await world.done(asyncio.gather(reading, other, writing))
    values = {node["value"] for node in json.loads(reading.result().body)["node"]["nodes"]}
    assert values == {"old"}
    assert reading.result().at == index
    assert writing.result().index == index + 1
    assert json.loads(other.result().body)["action"] == "get"


async def many(world: V2World) -> None:
    await asyncio.gather(*(world.v2.set(f"/many/{number}", "old") for number in range(1000)))


async def test_write_comes_before_those_who_wait_to_read(world: V2World) -> None:
    await world.done(many(world))
    v2 = world.v2
    readings = [asyncio.ensure_future(v2.read("/many", recursive=True)) for _ in range(3)]
    await turns(2)
    writing = asyncio.ensure_future(world.done(v2.set("/many/0", "new")))
    await asyncio.gather(*readings, writing)
    assert b'"new"' not in readings[0].result().body
    assert b'"new"' in readings[1].result().body
    assert b'"new"' in readings[2].result().body


async def test_long_listing_that_has_no_room_is_refused(world: V2World) -> None:
    await world.done(many(world))
    account = Account(Budget(4096))
    error = await refusal(world, world.v2.read("/many", recursive=True, account=account))
    assert error.code == 300
    assert str(error.cause) == "etcdserver: memory budget exceeded"
    assert account.held == 0


async def test_long_listing_waits_for_room(world: V2World) -> None:
    await world.done(many(world))
    budget = Budget(1 << 20)
    other, own = Account(budget), Account(budget)
    other.add(budget.brim + 1)
    reading = asyncio.ensure_future(world.v2.read("/many", recursive=True, account=own))
    await turns(5)
    # Nobody waits for it meanwhile.
    await world.done(world.v2.set("/many/0", "new"))
    assert not reading.done()
    other.give(other.held)
    assert b'"new"' in (await world.done(reading)).body


async def test_cancelled_long_listing_lets_writes_go_on(world: V2World) -> None:
    await world.done(asyncio.gather(*[world.v2.set(f"/d/{n}", "") for n in range(2000)]))
    reading = asyncio.ensure_future(world.v2.read("/d"))
    await turns(2)
    reading.cancel()
    await world.done(world.v2.set("/d/x", ""))
    assert reading.cancelled()


@pytest.mark.parametrize(
    ("alarm", "words", "lets_delete"),
    [
        (NOSPACE, "etcdserver: mvcc: database space exceeded", True),
        (CORRUPT, "etcdserver: corrupt cluster", False),
    ],
)
async def test_alarms_keep_writes_out(
    world: V2World, alarm: Any, words: str, *, lets_delete: bool
) -> None:
    await world.done(world.v2.set("/a", ""))
    world.alarms.activate(1, alarm)
    refused = await refusal(world, world.v2.set("/a", ""))
    assert (refused.code, refused.cause, refused.index) == (300, words, 4)
    if lets_delete:
        await world.done(world.v2.delete("/a"))
    else:
        assert (await refusal(world, world.v2.delete("/a"))).cause == words


async def test_write_that_is_over_the_quota_is_refused() -> None:
    world = V2World(quota=10_000, size=5_000)
    await world.done(world.v2.set("/a", "v" * 100))
    assert (await refusal(world, world.v2.set("/a", "v" * 2000))).code == 300
    assert world.alarms.matching(NOSPACE)


async def test_path_that_is_too_long_is_refused(world: V2World) -> None:
    longest = "/a" * (MOST_PATH // 2)
    await world.done(world.v2.set(longest, "v"))
    refused = await refusal(world, world.v2.create(f"{longest}a", ""))
    assert (refused.code, refused.cause) == (210, "the key has more than 8192 characters")
    assert len((await world.done(world.v2.read("/", recursive=True))).body) < 50 << 20


async def test_every_write_is_an_entry_of_the_log(world: V2World) -> None:
    before = world.store.applied_index
    await world.done(world.v2.set("/a", ""))
    await refusal(world, world.v2.create("/a", ""))
    assert world.store.applied_index == before + 2
    assert world.store.revision == 1


async def test_closing_ends_watches(world: V2World) -> None:
    watcher = world.v2.watch("/a", stream=True)
    await world.v2.close()
    assert watcher.is_over


async def test_node_has_a_v2_store_if_it_is_switched_on(tmp_path: Path) -> None:
    async with Node.open(config(tmp_path / "d"), MovableClock()) as node:
        assert node.parts.v2 is None
    async with Node.open(config(tmp_path / "d", enable_v2=True), MovableClock()) as node:
        assert node.parts.v2 is not None
        await node.parts.v2.set("/a", "1")
        assert node.parts.store.revision == 1
    async with Node.open(config(tmp_path / "d", enable_v2=True), MovableClock()) as node:
        assert node.parts.v2 is not None
        assert node.parts.v2.tree.find("/a").value == "1"
