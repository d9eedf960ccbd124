"""Something done again and again."""

from __future__ import annotations

import asyncio

from etcdpy.node.periodic import Periodic


async def test_it_goes_on_after_a_failure_until_it_is_closed() -> None:
    calls = asyncio.Queue[int]()
    number = 0

    async def act() -> None:
        nonlocal number
        number += 1
        calls.put_nowait(number)
        if number == 1:
            raise ValueError("once")

    task = Periodic(0.001, act)
    assert [await calls.get() for _ in range(3)] == [1, 2, 3]
    await task.close()
    so_far = number
    await asyncio.sleep(0.02)
    assert number == so_far
    await task.close()


async def test_closing_ends_a_call_that_is_stuck() -> None:
    began = asyncio.Event()

    async def act() -> None:
        began.set()
        await asyncio.Event().wait()

    task = Periodic(0.001, act)
    await began.wait()
    await asyncio.wait_for(task.close(), 5)
