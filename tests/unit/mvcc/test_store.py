"""Durability and revisions: what reads see, what writes wait for."""

from __future__ import annotations

import pytest

from etcdpy.errors import CompactedError, FutureRevisionError
from etcdpy.mvcc.store import CONSISTENT_INDEX
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.storage import Bucket
from tests.unit.mvcc.fake_log import turns
from tests.unit.mvcc.stores import delete, new_store, put, settle, worked_example


async def test_empty_store_is_at_revision_one() -> None:
    async with new_store() as (store, _):
        assert (store.revision, store.durable_revision, store.compact_revision) == (1, 1, -1)
        assert store.log.unsettled() is None


async def test_durable_revision_follows_the_disk() -> None:
    async with new_store() as (store, log):
        put(store, (b"a", b"1"))
        await turns()
        put(store, (b"a", b"2"))
        await turns()
        assert (store.revision, store.durable_revision) == (3, 1)
        log.settle(1)
        assert store.durable_revision == 2
        log.settle(1)
        assert store.durable_revision == 3


async def test_row_is_read_at_every_revision_before_it_is_durable_and_after() -> None:
    async with new_store() as (store, log):
        put(store, (b"a", b"1"))
        put(store, (b"a", b"2"))
        for _ in range(2):
            rows = [store.get(b"a", revision) for revision in (1, 2, 3)]
            assert rows[0] is None
            assert [KeyValue.FromString(row).value for row in rows if row] == [b"1", b"2"]
            await settle(log)


async def test_changes_of_a_transaction_share_a_revision() -> None:
    async with new_store() as (store, log):
        put(store, (b"a", b"1"), (b"b", b"2"))
        await settle(log)
        kvs = [KeyValue.FromString(row) for row in log.disk.key_rows.values()]
        assert [(kv.key, kv.mod_revision) for kv in kvs] == [(b"a", 2), (b"b", 2)]


async def test_shown_revision_rises_with_the_first_change() -> None:
    async with new_store() as (store, _):
        changes = store.begin()
        assert changes.shown == 1
        changes.put(b"a", b"1", 0)
        assert changes.shown == 2
        changes.commit()


async def test_transaction_without_changes_takes_no_revision_but_waits_for_what_it_saw() -> None:
    async with new_store() as (store, log):
        assert log.until(store.begin().commit()) is None
        put(store, (b"a", b"1"))
        pending = log.until(store.begin().commit())
        assert store.revision == 2
        assert pending is not None
        assert not pending.done()
        await settle(log)
        assert pending.done()


async def test_batch_says_how_far_it_brings_the_store() -> None:
    async with new_store() as (store, log):
        put(store, (b"a", b"1"))
        delete(store, b"a")
        await settle(log)
        assert log.disk.get(Bucket.META, CONSISTENT_INDEX) == (2).to_bytes(8, "big")


async def test_starts_count_as_etcds_raft_log_has_them() -> None:
    async with new_store() as (store, _log):
        store.note_start()
        assert store.applied_index == 4
        put(store, (b"a", b"1"))
        store.note_start()
        assert store.applied_index == 7


async def test_leases_follow_puts_and_deletions() -> None:
    async with new_store() as (store, _):
        put(store, (b"a", b"1"), (b"b", b"1"), lease=7)
        put(store, (b"a", b"2"))
        assert set(store.attachments.on(7)) == {b"b"}
        delete(store, b"b")
        assert set(store.attachments.on(7)) == set()


@pytest.mark.parametrize(("asked", "revision"), [(0, 5), (-5, 5), (5, 5), (3, 3)])
async def test_read_revision(asked: int, revision: int) -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        store.compact_revision = 3
        assert store.read_revision(asked, 5) == revision


@pytest.mark.parametrize(("asked", "error"), [(6, FutureRevisionError), (2, CompactedError)])
async def test_revisions_out_of_range_are_refused(asked: int, error: type[Exception]) -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        store.compact_revision = 3
        with pytest.raises(error):
            store.read_revision(asked, 5)


async def test_pins_are_counted_and_tell_who_waits() -> None:
    async with new_store() as (store, _):
        unpinned: list[None] = []
        with store.pinned(5):
            with store.pinned(5):
                store.when_unpinned(lambda: unpinned.append(None))
                assert store.is_pinned_below(6)
                assert not store.is_pinned_below(5)
            assert not unpinned
            assert store.is_pinned_below(6)
        assert len(unpinned) == 1
        assert not store.is_pinned_below(6)
