"""A batch: what is in it, and that there is one future for all who wait for it."""

from __future__ import annotations

import asyncio

import pytest

from etcdpy.storage import Batch, Bucket
from etcdpy.storage.durable import Durable


@pytest.fixture
async def batch() -> Batch:
    return Batch(asyncio.get_running_loop(), 7)


async def test_new_batch_is_empty_and_has_its_number(batch: Batch) -> None:
    assert not batch
    assert (batch.sequence, batch.revision, batch.put_bytes) == (7, 0, 0)


async def test_rows_puts_and_drops_are_each_something_to_write(batch: Batch) -> None:
    batch.rows[b"row"] = b""
    assert batch
    batch.rows.clear()
    batch.puts[Bucket.META, b"key"] = None
    assert batch
    batch.puts.clear()
    batch.drops.append(b"row")
    assert batch


async def test_all_who_wait_have_one_future(batch: Batch) -> None:
    assert isinstance(batch.durable, Durable)
