"""A batch: what is in it, and one future for all who wait for it."""

from __future__ import annotations

import asyncio

import pytest

from etcdpy.storage import Batch, Bucket


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


async def test_all_who_wait_are_resolved_together(batch: Batch) -> None:
    async def wait() -> None:
        await batch.durable

    waiting = [asyncio.ensure_future(wait()) for _ in range(3)]
    await asyncio.sleep(0)
    batch.durable.set_result(None)
    await asyncio.gather(*waiting)


async def test_task_that_is_cancelled_while_it_waits_takes_nobody_with_it(batch: Batch) -> None:
    async def wait() -> None:
        await batch.durable

    cancelled, other = (asyncio.ensure_future(wait()) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.sleep(0)
    assert not batch.durable.done()
    batch.durable.set_result(None)
    await other
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_what_kept_it_off_the_disk_is_raised_to_all(batch: Batch) -> None:
    batch.durable.set_exception(OSError("no disk"))
    for _ in range(2):
        with pytest.raises(OSError, match="no disk"):
            await batch.durable
