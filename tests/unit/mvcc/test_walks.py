"""Walks through a range: what they find, in slices, and what they tell of on the way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from etcdpy.cooperative import finish
from etcdpy.mvcc import walks
from etcdpy.mvcc.long_range import Reading
from etcdpy.mvcc.slices import MOST_READ
from etcdpy.mvcc.walks import (
    KEY_BYTES,
    count_at,
    keys_at,
    rows_at,
    rows_without_values,
    without_value,
)
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import RangeRequest
from tests.unit.mvcc.stores import delete, new_store, put, settle

KEYS = [b"k%02d" % number for number in range(20)]


@pytest.fixture(autouse=True)
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three keys are looked for at a time, and a few rows are a slice."""
    monkeypatch.setattr(walks, "FOUND_SLICE", 3)
    monkeypatch.setattr(walks, "SCANS_PER_SLICE", 1)
    monkeypatch.setattr(walks, "SLICE_BYTES", 500)


async def test_keys_their_number_and_their_rows_are_those_of_the_revision() -> None:
    async with new_store() as (store, log):
        for key in KEYS:
            put(store, (key, b"old"))
        before = store.revision
        put(store, (KEYS[3], b"new"))
        delete(store, KEYS[5])
        await settle(log)
        assert finish(keys_at(store, b"k", b"l", before, None)) == KEYS
        assert finish(keys_at(store, b"k", b"l", before, 7)) == KEYS[:7]
        assert finish(count_at(store, b"k", b"l", before)) == 20
        assert finish(count_at(store, b"k", b"l", store.revision)) == 19
        rows = [KeyValue.FromString(row) for row in finish(rows_at(store, KEYS.copy(), before))]
        assert [row.key for row in rows] == KEYS
        assert {row.value for row in rows} == {b"old"}


async def test_what_is_held_is_told_of_with_each_slice() -> None:
    async with new_store() as (store, log):
        for key in KEYS:
            put(store, (key, bytes(100)))
        await settle(log)
        told: list[int] = []
        slices = list(keys_at(store, b"k", b"l", store.revision, None, told.append))
        assert len(told) == len(slices) > 3
        assert len(KEYS) - 3 <= sum(told) // KEY_BYTES <= len(KEYS)
        told.clear()
        slices = list(rows_at(store, KEYS.copy(), store.revision, told.append))
        assert len(told) == len(slices) > 3
        assert sum(told) > 15 * 100


async def test_rows_without_values_have_all_else_or_what_the_index_has() -> None:
    async with new_store() as (store, log):
        put(store, (b"k", b"value"), lease=7)
        await settle(log)
        (row,) = finish(rows_at(store, [b"k"], 2))
        bare = KeyValue(key=b"k", create_revision=2, mod_revision=2, version=1)
        assert rows_without_values(store, [b"k"], 2) == [bare.SerializeToString()]
        bare.lease = 7
        assert KeyValue.FromString(without_value(row)) == bare


@pytest.mark.parametrize("is_encoded", [False, True])
async def test_rows_are_read_few_at_a_time_however_small_they_are(
    monkeypatch: pytest.MonkeyPatch, is_encoded: bool
) -> None:
    monkeypatch.setattr(walks, "SLICE_BYTES", 1 << 18)
    async with new_store() as (store, log):
        keys = [b"k%03d" % number for number in range(5 * MOST_READ)]
        put(store, *[(key, b"") for key in keys])
        await settle(log)
        read: list[int] = []
        rows = log.rows

        def counted(names: Sequence[bytes]) -> list[bytes]:
            read.append(len(names))
            return rows(names)

        monkeypatch.setattr(log, "rows", counted)
        if is_encoded:
            reading = Reading(store, RangeRequest(key=b"k", range_end=b"l"), store.revision)
            number = sum(len(some) for some in reading.slices())
        else:
            number = len(finish(rows_at(store, keys.copy(), store.revision)))
        assert number == sum(read) == len(keys)
        assert max(read) == MOST_READ
