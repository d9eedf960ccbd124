"""Compactions: refused, decided, waited for, done in batches and resumed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from etcdpy.errors import CompactedError, FutureRevisionError
from etcdpy.mvcc import compaction
from etcdpy.mvcc.restore import FINISHED_COMPACTION, SCHEDULED_COMPACTION, restore
from etcdpy.mvcc.revision import parse_row_key, row_key
from etcdpy.mvcc.store import Store
from etcdpy.node import compactor as compactor_module
from etcdpy.node.compactor import Compactor, Ended
from etcdpy.storage import Bucket, StorageError
from etcdpy.testing import MovableClock
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.mvcc.stores import delete, new_store, put, settle, worked_example


@asynccontextmanager
async def compacting() -> AsyncIterator[tuple[Store, FakeLog, Compactor]]:
    async with new_store() as (store, log):
        await worked_example(store, log)
        compactor = Compactor(store, None, MovableClock())
        yield store, log, compactor
        log.lose()
        await compactor.close()


async def run(log: FakeLog, done: asyncio.Future[None]) -> None:
    """Let the disk keep up until ``done``."""
    for _ in range(1000):
        if done.done():
            return
        await turns()
        log.settle()
    raise AssertionError("the compaction does not end")


def revisions(log: FakeLog) -> list[int]:
    return [parse_row_key(row).main for row in log.disk.key_rows]


@pytest.mark.parametrize("revision", [-1, -7])
async def test_fresh_store_counts_as_compacted_at_minus_one(revision: int) -> None:
    async with compacting() as (_, _, compactor):
        with pytest.raises(CompactedError):
            compactor.schedule(revision)


async def test_revision_is_compacted_once_and_not_before_it_is_there() -> None:
    async with compacting() as (_, _, compactor):
        compactor.schedule(0)
        with pytest.raises(CompactedError):
            compactor.schedule(0)
        with pytest.raises(FutureRevisionError):
            compactor.schedule(6)
        compactor.schedule(5)


async def test_reads_are_refused_at_once_and_the_decision_is_on_the_disk_first() -> None:
    async with compacting() as (store, log, compactor):
        decided, done = compactor.schedule(5)
        assert store.compact_revision == 5
        await turns(5)
        assert log.until(decided) is not None
        assert not log.batch.drops
        log.settle()
        assert log.until(decided) is None
        assert log.disk.get(Bucket.META, SCHEDULED_COMPACTION) == row_key(5, 0)
        assert not done.done()
        await run(log, done)
        assert log.disk.get(Bucket.META, FINISHED_COMPACTION) == row_key(5, 0)
        assert revisions(log) == [3, 4, 5]


async def test_tombstone_stays_at_its_own_revision_only() -> None:
    async with compacting() as (store, log, compactor):
        revision = delete(store, b"c")
        put(store, (b"a", b"10"))
        await settle(log)
        await run(log, compactor.schedule(revision)[1])
        assert revisions(log) == [3, 5, 6, 7]
        await run(log, compactor.schedule(7)[1])
        assert revisions(log) == [3, 7]
        assert list(store.index.every_key()) == [b"a", b"b"]


async def test_reads_going_on_at_older_revisions_are_waited_for() -> None:
    async with compacting() as (store, log, compactor):
        with store.pinned(4):
            _, done = compactor.schedule(5)
            for _ in range(20):
                await turns()
                log.settle()
            assert not done.done()
            assert store.get(b"a", 4) is not None
        await run(log, done)
        assert revisions(log) == [3, 4, 5]


async def test_rows_go_in_batches_the_oldest_of_a_key_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compactor_module, "ROWS_PER_BATCH", 3)
    monkeypatch.setattr(compaction, "KEYS_PER_SLICE", 2)
    async with compacting() as (store, log, compactor):
        for number in range(10):
            put(store, (b"hot", b"%d" % number))
        await settle(log)
        _, done = compactor.schedule(15)
        batches: list[list[int]] = []
        for _ in range(100):
            await turns()
            batches += [
                [parse_row_key(row).main for row in batch.drops]
                for batch in log.on_their_way
                if batch.drops
            ]
            log.settle()
        assert done.done()
        assert batches == [[2, 6, 7], [8, 9, 10], [11, 12, 13], [14]]


async def test_compactions_queue_up() -> None:
    async with compacting() as (_, log, compactor):
        dones = [compactor.schedule(revision)[1] for revision in (3, 4, 5)]
        for done in dones:
            await run(log, done)
        assert revisions(log) == [3, 4, 5]


async def test_caller_who_gives_up_stops_neither_this_compaction_nor_the_next() -> None:
    async with compacting() as (_, log, compactor):
        compactor.schedule(3)[1].cancel()
        await run(log, compactor.schedule(5)[1])
        assert revisions(log) == [3, 4, 5]


async def test_interrupted_compaction_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compactor_module, "ROWS_PER_BATCH", 1)
    async with compacting() as (store, log, compactor):
        for number in range(5):
            put(store, (b"hot", b"%d" % number))
        await settle(log)
        compactor.schedule(10)
        while 6 in revisions(log):
            await turns()
            log.settle()
        disk = log.disk
    assert 8 in revisions(log)
    again = FakeLog(disk)
    restored = Store(again)
    unfinished = restore(restored, again)
    assert (unfinished, restored.compact_revision) == (10, 10)
    again.serve(restored)
    await run(again, Compactor(restored, None, MovableClock()).resume(unfinished))
    assert revisions(again) == [3, 4, 5, 10]


async def test_failing_disk_is_told_to_all_who_wait() -> None:
    async with compacting() as (_, log, compactor):
        dones = [compactor.schedule(revision)[1] for revision in (3, 5)]
        await turns()
        log.lose()
        for done in dones:
            with pytest.raises(StorageError):
                await asyncio.wait_for(asyncio.shield(done), 60)


async def drops(log: FakeLog, done: asyncio.Future[None]) -> list[int]:
    """Let the disk keep up until ``done``; return the sizes of the batches."""
    sizes: list[int] = []
    while not done.done():
        await turns()
        sizes += [len(batch.drops) for batch in log.on_their_way if batch.drops]
        log.settle()
    return sizes


@pytest.mark.parametrize(
    ("limit", "sizes"), [(4, [4, 4, 2]), (1, [1] * 10), (0, [10]), (-1, [10]), (10**9, [10])]
)
async def test_batches_are_as_large_as_they_are_set_to_be(limit: int, sizes: list[int]) -> None:
    async with new_store() as (store, log):
        for number in range(11):
            put(store, (b"hot", b"%d" % number))
        await settle(log)
        compactor = Compactor(store, None, MovableClock(), batch_limit=limit)
        assert await drops(log, compactor.schedule(12)[1]) == sizes


async def test_it_sleeps_between_batches_and_not_after_the_last() -> None:
    slept: list[float] = []

    class Clock(MovableClock):
        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)

    async with new_store() as (store, log):
        for number in range(4):
            put(store, (b"hot", b"%d" % number))
        await settle(log)
        compactor = Compactor(store, None, Clock(), batch_limit=1, sleep=0.25)
        assert await drops(log, compactor.schedule(5)[1]) == [1, 1, 1]
    assert slept == [0.25, 0.25, 0.25]


async def test_beginning_and_end_are_told() -> None:
    told: list[tuple[object, ...]] = []

    def began(revision: int) -> Ended:
        told.append(("began", revision))
        return lambda dropped, found: told.append(("ended", dropped, found))

    async with new_store() as (store, log):
        await worked_example(store, log)
        compactor = Compactor(store, None, MovableClock(), batch_limit=1, began=began)
        with store.pinned(4):
            _, done = compactor.schedule(5)
            await turns(20)
            log.settle()
            assert not told
        await run(log, done)
    assert told == [("began", 5), ("ended", 1, None)]


async def test_idle_waits_for_all_that_are_scheduled() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        compactor = Compactor(store, None, MovableClock())
        await compactor.idle()
        compactor.schedule(3)
        _, done = compactor.schedule(5)
        idle = asyncio.create_task(compactor.idle())
        await turns(3)
        assert not idle.done()
        await run(log, done)
        await run(log, idle)
        assert done.done()
