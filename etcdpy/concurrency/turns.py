"""
Waiting for one's turn in a queue of keys: the algorithm that all locks and elections share.

A waiter looks who is right before it, waits until that one is gone, and looks again: the one before
may have left, rather than had its turn, and then there is another one. So one leaving wakes one.
(etcd: ``client/v3/concurrency/key.go``, waitDeletes)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["wait_for_turn"]

Place = TypeVar("Place")


async def wait_for_turn(
    before: Callable[[], Awaitable[tuple[int, Place | None]]],
    gone: Callable[[Place, int], Awaitable[None]],
) -> int:
    """
    Wait until nobody in a queue is older than oneself.

    Args:
        before: Returns the youngest of those who are, None if nobody is, and as of which revision
            or index of the store that was found.
        gone: Waits until one that was there at that revision is not any more. It may return
            earlier, for whatever is to be found out by looking again.

    Returns:
        As of which revision or index nobody was.

    """
    while True:
        seen, predecessor = await before()
        if predecessor is None:
            return seen
        await gone(predecessor, seen)
