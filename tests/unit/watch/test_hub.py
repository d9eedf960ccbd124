"""The hub: what is durable, told once and in order, to whoever is there or catches up."""

from __future__ import annotations

import pytest

from etcdpy.watch import scan
from etcdpy.watch.output import QUEUE_BYTES
from etcdpy.watch.watcher import State
from tests.unit.mvcc.fake_log import turns
from tests.unit.watch.world import World, quiet


@pytest.fixture
async def world() -> World:
    return World()


async def test_nothing_is_told_before_it_is_durable(world: World) -> None:
    client = world.open()
    client.watch(b"a")
    client.take()
    world.write(b"a")
    world.log.flush()
    await turns(3)
    assert client.take() == []
    world.log.settle()
    assert client.changes() == [(b"a", 2)]


async def test_a_watcher_is_told_of_what_was_on_its_way_when_it_came(world: World) -> None:
    world.write(b"a")
    client = world.open()
    client.watch(b"a")
    (created,) = client.take()
    assert created.header.revision == 1
    world.settle()
    assert client.changes() == [(b"a", 2)]


async def test_a_batch_of_many_revisions_is_one_response_each(world: World) -> None:
    client = world.open()
    client.watch(b"a", b"c")
    client.take()
    world.write(b"a", b"b", b"c")
    world.write(b"x")
    world.write(b"b", deletes=(b"a",))
    world.settle()
    told = client.take()
    assert [[event.kv.key for event in it.events] for it in told] == [[b"a", b"b"], [b"b", b"a"]]
    assert [response.header.revision for response in told] == [2, 4]


async def test_who_catches_up_misses_nothing_and_is_told_nothing_twice(world: World) -> None:
    for _ in range(10):
        world.put(b"a", b"b", b"c", b"d", b"e")
    client = world.open()
    watchers = [
        client.watch(b"a", since=3),
        client.watch(b"a", None, since=5),
        client.watch(b"b", b"c", since=11),
    ]
    # Writes become durable while history is being read.
    for _ in range(5):
        world.put(b"a", b"b")
        await turns()
    await quiet(world)
    assert {watcher.state for watcher in watchers} == {State.SYNCED}
    world.put(b"a", b"b")
    told = client.take()
    for watcher, keys in zip(watchers, (b"a", b"abcde", b"b"), strict=True):
        got = [
            (event.kv.key, event.kv.mod_revision)
            for response in told
            if response.watch_id == watcher.watch_id
            for event in response.events
        ]
        expected = [
            (bytes((key,)), revision)
            for revision in range(watcher.start_revision, 18)
            for key in keys
            if revision <= 11 or key in b"ab"
        ]
        assert got == expected


async def test_history_is_read_only_up_to_what_is_durable(world: World) -> None:
    world.put(b"a")
    world.write(b"a")
    client = world.open()
    client.watch(b"a", since=1)
    client.watch(b"a", None, since=1)
    await quiet(world)
    assert sorted(client.changes()) == [(b"a", 2), (b"a", 2)]
    world.settle()
    assert sorted(client.changes()) == [(b"a", 3), (b"a", 3)]


async def test_a_client_that_does_not_read_falls_behind_and_then_is_told_all(world: World) -> None:
    slow, fast = world.open(), world.open()
    for client in (slow, fast):
        client.watch(b"a", b"c", wants_previous=True)
        client.take()
    slow.reads.clear()
    value = bytes(10_000)
    revisions = [world.put(b"a", b"b", value=value) for _ in range(80)]
    assert [main for _, main in fast.changes()] == sorted(revisions * 2)
    # One revision may come on top of what is allowed.
    assert QUEUE_BYTES <= slow.stream.output.size < QUEUE_BYTES + 5 * len(value)
    slow.reads.set()
    await quiet(world)
    told = slow.events()
    assert [event.kv.mod_revision for event in told] == sorted(revisions * 2)
    assert [event.prev_kv.mod_revision for event in told][2:] == sorted(revisions[:-1] * 2)
    assert slow.stream.output.size == world.hub.backlog.size == 0
    world.put(b"a")
    assert len(slow.events()) == len(fast.events()) == 1


async def test_compaction_overtakes_who_is_behind(world: World) -> None:
    client = world.open()
    watcher = client.watch(b"a")
    other = client.watch(b"b")
    client.take()
    client.reads.clear()
    for _ in range(20):
        world.put(b"a", value=bytes(100_000))
    assert (watcher.state, other.state) == (State.UNSYNCED, State.SYNCED)
    await world.compact(21)
    client.reads.set()
    await quiet(world)
    *told, cancelled = client.take()
    assert cancelled.canceled
    assert (cancelled.compact_revision, cancelled.header.revision) == (21, 0)
    revisions = [response.events[0].kv.mod_revision for response in told]
    assert revisions == list(range(2, len(revisions) + 2))
    world.put(b"a", b"b")
    assert client.changes() == [(b"b", 22)]


async def test_rows_that_are_being_read_are_not_compacted_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "WORK_PER_SLICE", 2)
    for _ in range(20):
        world.put(b"a", b"b", b"c", b"d", b"e", b"f")
    client = world.open()
    client.watch(b"a", None, since=2)
    await turns(3)
    # Half way. FakeLog drops rows at once, so a row read afterwards would be missed.
    await world.compact(15)
    await quiet(world)
    assert [main for _, main in client.changes()] == [r for r in range(2, 22) for _ in range(6)]


async def test_a_watcher_that_goes_while_its_history_is_read_is_told_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "WORK_PER_SLICE", 2)
    for _ in range(20):
        world.put(b"a", b"b", b"c", b"d", b"e", b"f")
    client = world.open()
    gone = client.watch(b"a", None, since=2)
    stays = client.watch(b"b", None, since=2)
    await turns(3)
    client.stream.cancel(gone.watch_id)
    await quiet(world)
    told = client.take()
    assert not any(it.events for it in told if it.watch_id == gone.watch_id)
    assert sum(len(it.events) for it in told if it.watch_id == stays.watch_id) == 100


async def test_a_pass_over_large_rows_stops_and_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "BYTES_PER_SCAN", 5000)
    revisions = [world.put(b"a", b"b", b"c", b"d", b"e", value=bytes(1000)) for _ in range(9)]
    client = world.open()
    client.watch(b"a", None, since=2)
    await quiet(world)
    told = client.take()
    assert [e.kv.mod_revision for it in told for e in it.events] == sorted(revisions * 5)
    assert len(told) > 3


async def test_a_long_history_of_one_key_comes_in_parts(world: World) -> None:
    revisions = [world.put(b"a") for _ in range(2500)]
    client = world.open()
    client.watch(b"a", since=1)
    client.watch(b"a", since=1, wants_puts=False)
    client.watch(b"a", None, since=1)
    await quiet(world)
    told = [response for response in client.take() if response.events]
    for watch_id in (0, 2):
        parts = [response.events for response in told if response.watch_id == watch_id]
        assert [len(part) for part in parts] == [1000, 1000, 500]
        assert [event.kv.mod_revision for part in parts for event in part] == revisions


async def test_while_too_much_waits_each_gets_less_but_gets_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled, fast = world.open(), world.open()
    stalled.reads.clear()
    stalled.watch(b"a", None)
    monkeypatch.setattr("etcdpy.watch.backlog.BACKLOG_BYTES", 1000)
    monkeypatch.setattr("etcdpy.watch.backlog.STRAINED_RESPONSE_BYTES", 3000)
    revisions = [world.put(b"a", value=bytes(1000)) for _ in range(10)]
    assert world.hub.backlog.is_strained
    assert stalled.stream.output.size < 3000
    fast.watch(b"a", since=2)
    await quiet(world)
    told = fast.take()[1:]
    assert [len(response.events) for response in told] == [3, 3, 3, 1]
    assert [event.kv.mod_revision for it in told for event in it.events] == revisions
