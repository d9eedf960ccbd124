"""What a start makes of the rows and of the marks of compaction."""

from __future__ import annotations

from copy import deepcopy

import pytest

from etcdpy.mvcc.history import Version
from etcdpy.mvcc.restore import FINISHED_COMPACTION, SCHEDULED_COMPACTION, restore
from etcdpy.mvcc.revision import row_key
from etcdpy.mvcc.store import Store
from etcdpy.storage import Bucket
from tests.unit.mvcc.fake_log import Disk, FakeLog
from tests.unit.mvcc.stores import delete, new_store, put, settle, worked_example


def restored(disk: Disk) -> tuple[Store, int]:
    log = FakeLog(disk)
    store = Store(log)
    return store, restore(store, log)


async def test_empty_disk_is_an_empty_store() -> None:
    store, unfinished = restored(Disk())
    assert (store.revision, store.durable_revision, store.compact_revision) == (1, 1, -1)
    assert (store.applied_index, unfinished, len(store.index)) == (0, 0, 0)


async def test_store_comes_back_as_it_was() -> None:
    async with new_store() as (before, log):
        await worked_example(before, log)
        delete(before, b"b")
        put(before, (b"b", b"again"), (b"d", b"leased"), lease=7)
        await settle(log)
        store, unfinished = restored(log.disk)
        assert unfinished == 0
        assert store.revision == store.durable_revision == before.revision
        assert store.applied_index == before.applied_index
        assert set(store.attachments.on(7)) == {b"b", b"d"}
        for key in (b"a", b"b", b"c", b"d"):
            for revision in range(1, 8):
                assert store.index.at(key, revision) == before.index.at(key, revision)
        for revision in range(1, 8):
            assert store.index.scan(b"", None, revision, 9) == before.index.scan(
                b"", None, revision, 9
            )


async def test_newest_row_of_a_key_says_which_lease_it_hangs_on() -> None:
    async with new_store() as (before, log):
        put(before, (b"a", b"1"), (b"b", b"1"), lease=7)
        put(before, (b"a", b"2"))
        delete(before, b"b")
        await settle(log)
        store, _ = restored(log.disk)
        assert not store.attachments.leases


async def test_version_whose_first_put_was_compacted_keeps_its_numbers() -> None:
    async with new_store() as (before, log):
        await worked_example(before, log)
        disk = deepcopy(log.disk)
        del disk.key_rows[row_key(2, 0)]
        store, _ = restored(disk)
        assert store.index.newest(b"a") == Version(5, 0, 2, 2)


@pytest.mark.parametrize(
    ("scheduled", "finished", "compacted", "unfinished"),
    [
        (None, None, -1, 0),
        (0, None, 0, 0),
        (3, None, 3, 3),
        (3, 3, 3, 0),
        (4, 3, 4, 4),
    ],
)
async def test_marks_of_compaction(
    scheduled: int | None, finished: int | None, compacted: int, unfinished: int
) -> None:
    async with new_store() as (before, log):
        await worked_example(before, log)
        for name, mark in ((SCHEDULED_COMPACTION, scheduled), (FINISHED_COMPACTION, finished)):
            if mark is not None:
                log.disk.values[Bucket.META, name] = row_key(mark, 0)
        store, left = restored(log.disk)
        assert (store.compact_revision, left) == (compacted, unfinished)


async def test_revision_never_falls_below_a_compaction() -> None:
    disk = Disk(values={(Bucket.META, SCHEDULED_COMPACTION): row_key(9, 0)})
    store, unfinished = restored(disk)
    assert (store.revision, unfinished) == (9, 9)


async def test_bumped_revision_is_a_put_of_a_key_nobody_asks_for() -> None:
    async with new_store() as (before, log):
        await worked_example(before, log)
        disk = log.disk
    for main in (1005, 2005):
        disk.key_rows[row_key(main, 0)] = b""
        disk.values[Bucket.META, SCHEDULED_COMPACTION] = row_key(main, 0)
        store, unfinished = restored(disk)
        assert store.revision == store.compact_revision == unfinished == main
        assert store.index.row_key_at(b"", main) == row_key(main, 0)
        assert store.index.scan(b"\0", None, main, 9) == ([b"a", b"b", b"c"], None)
