"""Compaction without a loop: what is decided, and which rows go in which batch."""

from __future__ import annotations

import pytest

from etcdpy.errors import CompactedError, FutureRevisionError
from etcdpy.mvcc import compaction
from etcdpy.mvcc.restore import FINISHED_COMPACTION, SCHEDULED_COMPACTION
from etcdpy.mvcc.revision import parse_row_key, row_key
from etcdpy.mvcc.store import Store
from etcdpy.storage import Bucket
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.mvcc.stores import new_store, put, settle, worked_example

META = Bucket.META


async def drop(
    store: Store, log: FakeLog, revision: int, limit: int, *, flushing: bool = False
) -> tuple[int, list[int]]:
    """
    Let the disk keep up until all is dropped; return how much, and how much in each batch.

    Args:
        flushing: Whether something else hands batches over where others may run.

    """
    steps = compaction.drop_rows(store, revision, limit)
    sizes: list[int] = []
    while True:
        try:
            sequence = next(steps)
        except StopIteration as end:
            dropped, sequence = end.value
            sizes.append(len(log.batch.drops))
            assert sequence == log.written()
            await settle(log)
            return dropped, sizes
        if sequence is not None:
            assert sequence == log.written()
            sizes.append(len(log.batch.drops))
        if sequence is not None or flushing:
            log.flush_soon()
            await settle(log)


async def test_the_decision_is_in_the_batch_that_is_named() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        sequence = compaction.begin(store, 4)
        assert (store.compact_revision, sequence) == (4, log.batch.sequence)
        assert log.batch.puts[META, SCHEDULED_COMPACTION] == row_key(4, 0)
        await turns()
        assert log.until(sequence) is log.on_their_way[-1].durable


async def test_refused_decision_changes_nothing() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        applied = store.applied_index
        with pytest.raises(FutureRevisionError):
            compaction.begin(store, 6)
        with pytest.raises(CompactedError):
            compaction.begin(store, -1)
        assert (store.compact_revision, store.applied_index) == (-1, applied)
        assert not log.batch


async def test_last_rows_go_together_with_the_mark() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        compaction.begin(store, 5)
        await settle(log)
        assert await drop(store, log, 5, 10) == (1, [1])
        assert log.disk.get(META, FINISHED_COMPACTION) == row_key(5, 0)
        assert [parse_row_key(row).main for row in log.disk.key_rows] == [3, 4, 5]


async def test_batches_are_filled_to_the_limit_and_awaited() -> None:
    async with new_store() as (store, log):
        for number in range(8):
            put(store, (b"hot", b"%d" % number))
        await settle(log)
        compaction.begin(store, 9)
        await settle(log)
        assert await drop(store, log, 9, 3) == (7, [3, 3, 1])


async def test_rows_that_another_batch_took_along_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compaction, "KEYS_PER_SLICE", 1)
    async with new_store() as (store, log):
        for key in (b"a", b"a", b"b", b"b"):
            put(store, (key, b"v"))
        await settle(log)
        compaction.begin(store, 5)
        await settle(log)
        assert await drop(store, log, 5, 100, flushing=True) == (2, [0])


async def test_closed_half_way_it_can_be_run_again() -> None:
    async with new_store() as (store, log):
        for number in range(6):
            put(store, (b"hot", b"%d" % number))
        await settle(log)
        compaction.begin(store, 7)
        await settle(log)
        steps = compaction.drop_rows(store, 7, 2)
        next(steps)
        steps.close()
        await settle(log)
        assert log.disk.get(META, FINISHED_COMPACTION) is None
        assert await drop(store, log, 7, 2) == (3, [2, 1])
        assert [parse_row_key(row).main for row in log.disk.key_rows] == [7]
