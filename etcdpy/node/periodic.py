"""Something done again and again on the loop, until the server goes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from etcdpy.clock import Clock

logger = logging.getLogger(__name__)


class Periodic:
    """
    Calls ``act`` every ``seconds``; a failure is logged and does not end it.

    Args:
        seconds: From the end of one call to the beginning of the next.
        act: Run on the loop; what it awaits holds up only its own next turn.
        clock: Measures them.

    """

    def __init__(self, seconds: float, act: Callable[[], Awaitable[None]], clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._act = act
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, in the middle of a call if need be. Safe to call again."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._seconds)
            try:
                await self._act()
            except Exception:  # the next turn may do better
                logger.exception("a periodic task failed")
