"""Of each client few long reads go on at a time, and one that ends lets in the next."""

from __future__ import annotations

import asyncio

from etcdpy.node.crowd import MOST, Crowd


class Reader:
    """A long read that goes on until it is told to end."""

    def __init__(self, crowd: Crowd, who: str) -> None:
        self.has_begun = False
        self._end = asyncio.Event()
        self.task = asyncio.create_task(self._read(crowd, who))

    async def _read(self, crowd: Crowd, who: str) -> None:
        await crowd.place(who)
        with crowd.among(who):
            self.has_begun = True
            await self._end.wait()

    async def end(self) -> None:
        self._end.set()
        await self.task
        await settled()


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def begun(crowd: Crowd, who: str, number: int) -> list[Reader]:
    readers = [Reader(crowd, who) for _ in range(number)]
    await settled()
    return readers


async def test_those_beyond_the_most_begin_when_others_end() -> None:
    crowd = Crowd()
    readers = await begun(crowd, "greedy", MOST + 2)
    assert [reader.has_begun for reader in readers] == [True] * MOST + [False] * 2
    assert [reader.has_begun for reader in await begun(crowd, "other", 1)] == [True]
    await readers[0].end()
    assert [reader.has_begun for reader in readers[MOST:]] == [True, False]
    for reader in readers[1:]:
        await reader.end()
    assert crowd.going == {"other": 1}


async def test_one_that_is_cancelled_while_it_waits_takes_no_place() -> None:
    crowd = Crowd()
    readers = await begun(crowd, "greedy", MOST + 3)
    readers[MOST].task.cancel()
    await readers[0].end()
    assert readers[MOST + 1].has_begun
    # Called and cancelled in one turn of the loop: the next has its place.
    ending = asyncio.create_task(readers[1].end())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    readers[MOST + 2].task.cancel()
    await ending
    (late,) = await begun(crowd, "greedy", 1)
    assert late.has_begun
