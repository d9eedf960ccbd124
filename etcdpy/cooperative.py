"""
Sharing the loop: long work in slices, and replies that wait for the disk.

Work whose length depends on the data is a generator of ``Steps``: it yields between slices of
about half a millisecond, and returns its result. Such a generator knows no loop; whoever owns
one runs it here, so that others have their turns in between.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from inspect import iscoroutine
from typing import Any, NamedTuple, TypeVar

from etcdpy.clock import stopwatch

__all__ = [
    "DeferredReply",
    "Pace",
    "Steps",
    "T",
    "finish",
    "outcome",
    "paced",
    "rest",
    "run",
    "turn",
]

T = TypeVar("T")
Steps = Generator[None, None, T]


async def turn() -> None:
    """Let all others who are ready have their turn."""
    # asyncio: a sleep of 0 gives way exactly once, to all that are ready by now.
    await asyncio.sleep(0)


def finish(steps: Steps[T]) -> T:
    """Run steps to their end without a pause and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


async def run(steps: Steps[T]) -> T:
    """
    Run steps to their end, one in each turn of the loop, beginning in this one.

    Cancelling it closes the generator where it stands.
    """
    try:
        # In this turn: work that is done in one step, as most is, waits for nobody.
        next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    return await rest(steps)


async def rest(steps: Steps[T], between: Callable[[], None] | None = None) -> T:
    """
    Run steps whose first was taken to their end, one in each turn, beginning with the next.

    Args:
        between: Called after each step but the last.

    """
    try:
        while True:
            # First of all, as the step before was taken in this turn.
            await asyncio.sleep(0)
            try:
                next(steps)
            except StopIteration as done:
                result: T = done.value
                return result
            if between is not None:
                between()
    finally:
        # When it is cancelled half way, what the steps hold is let go now and not by the collector.
        steps.close()


async def paced(items: Iterable[T], seconds: float) -> AsyncIterator[T]:
    """Go through ``items``, giving others a turn whenever that has taken so many seconds."""
    began = stopwatch()
    for item in items:
        yield item
        if stopwatch() - began >= seconds:
            await asyncio.sleep(0)
            # The others' turns do not count as ours.
            began = stopwatch()


class Pace:
    """
    Gives way whenever enough has been done, for work that is no generator.

    Args:
        work_per_turn: How much may be done in one turn of the loop, in units of the caller's.

    Attributes:
        work: What was done in this turn; callers add to it.

    """

    __slots__ = ("_limit", "work")

    def __init__(self, work_per_turn: float) -> None:
        self._limit = work_per_turn
        self.work: float = 0

    async def give_way(self) -> None:
        """Let others have their turn if enough was done."""
        if self.work >= self._limit:
            self.work = 0
            await asyncio.sleep(0)


class DeferredReply(NamedTuple):
    """
    A reply that only has to be held back, mostly until what it tells of is on the disk.

    Attributes:
        response: The reply.
        ready: Resolved when it may be sent, or failed with why the call fails; None for at once.

    """

    response: Any
    ready: Future[None] | None


async def outcome(returned: Any) -> Any:
    """Return the reply of a method, given what it returned: that, or what leads to it."""
    response = await returned if iscoroutine(returned) else returned
    if type(response) is DeferredReply:
        if response.ready is not None:
            await response.ready
        return response.response
    return response
