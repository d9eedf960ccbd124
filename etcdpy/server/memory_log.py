"""What the log says of the memory budget: a line when it is reached, and one when it is left."""

from __future__ import annotations

import logging

from etcdpy.clock import Clock
from etcdpy.memory import Budget

__all__ = ["QUIET_SECONDS", "BudgetLog"]

logger = logging.getLogger(__name__)

QUIET_SECONDS = 60.0
"""Least time between two warnings: a budget may be reached and left again many times a second."""


class BudgetLog:
    """
    Writes these lines.

    Args:
        memory: What is told of.
        clock: Says when.

    """

    def __init__(self, memory: Budget, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock
        self._warned_at: float | None = None
        # Whether the last line is the warning.
        self._is_open = False
        memory.on_reached = self._reached
        memory.on_left = self._left

    def _reached(self) -> None:
        now = self._clock.monotonic()
        if self._warned_at is not None and now - self._warned_at < QUIET_SECONDS:
            return
        self._warned_at, self._is_open = now, True
        logger.warning(
            "memory budget reached, clients that hold much have to wait", self._figures()
        )

    def _left(self) -> None:
        if self._is_open:
            self._is_open = False
            logger.info("memory budget left, no client has to wait", self._figures())

    def _figures(self) -> dict[str, object]:
        memory = self._memory
        return {
            "budget-bytes": memory.limit,
            "used-bytes": memory.used,
            "waits": memory.waits,
            "refusals": memory.refusals,
        }
