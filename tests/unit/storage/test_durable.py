"""A future for all who wait for the disk."""

from __future__ import annotations

import asyncio

import pytest

from etcdpy.storage.durable import Durable


@pytest.fixture
async def durable() -> Durable:
    return Durable(loop=asyncio.get_running_loop())


async def test_all_who_wait_are_resolved_together(durable: Durable) -> None:
    async def wait() -> None:
        await durable

    waiting = [asyncio.ensure_future(wait()) for _ in range(3)]
    await asyncio.sleep(0)
    durable.set_result(None)
    await asyncio.gather(*waiting)


async def test_task_that_is_cancelled_while_it_waits_takes_nobody_with_it(durable: Durable) -> None:
    async def wait() -> None:
        await durable

    cancelled, other = (asyncio.ensure_future(wait()) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.sleep(0)
    assert not durable.done()
    durable.set_result(None)
    await other
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_what_kept_something_off_the_disk_is_raised_to_all(durable: Durable) -> None:
    durable.set_exception(OSError("no disk"))
    for _ in range(2):
        with pytest.raises(OSError, match="no disk"):
            await durable
