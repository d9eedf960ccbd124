"""Batches of large transactions: encoded as they grow, handed over when complete."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.storage import Backend, Batch, Bucket, StorageError
from etcdpy.storage.record import RowColumns, encode
from tests.unit.storage.material import open_log

ROWS = st.dictionaries(st.binary(min_size=1, max_size=18), st.binary(max_size=300), max_size=30)


@given(ROWS, st.sets(st.integers(0, 30)))
def test_rows_encoded_on_the_way_make_the_same_bytes(
    rows: dict[bytes, bytes], pauses: set[int]
) -> None:
    loop = asyncio.new_event_loop()
    batch = Batch(loop, 1)
    batch.puts[Bucket.META, b"consistent_index"] = bytes(8)
    batch.drops.append(b"dropped")
    prepared = RowColumns()
    for number, (row_key, value) in enumerate(rows.items()):
        batch.rows[row_key] = value
        if number in pauses:
            prepared.add(batch.rows)
    assert encode(batch, prepared) == encode(batch)
    loop.close()


async def test_held_batch_is_handed_over_once_released(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path, fsync=False)
    log = open_log(backend)
    batch = log.batch
    log.hold()
    for number in range(5):
        batch.rows[b"row %d" % number] = b"value"
        log.prepare()
        log.flush_soon()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert log.batch is batch
    log.release()
    await asyncio.wait_for(batch.durable, 60)
    assert log.batch is not batch
    assert log.row(b"row 4") == b"value"
    await log.close()
    assert len(list(backend.scan_rows(b""))) == 5
    backend.close()


async def test_failed_store_acknowledges_nothing_more(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path, fsync=False)
    told: list[StorageError] = []
    log = open_log(backend)
    log.on_failure = told.append
    batch = log.batch
    log.hold()
    batch.rows[b"row"] = b"half of it"
    error = StorageError("half a transaction")
    log.fail(error)
    log.release()
    with pytest.raises(StorageError, match="half a transaction"):
        await asyncio.wait_for(asyncio.shield(batch.durable), 60)
    assert told == [error]
    await log.close()
    assert not list(backend.scan_rows(b""))
    backend.close()
