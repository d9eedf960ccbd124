"""
Ending nodes of the v2 tree whose time to live is over, as etcd does: in ticks.

etcd's leader has a SYNC entry every half a second while anything can end; so nodes end up to half
a second late. (etcd 3.5: ``etcdserver/server.go``, ``syncer``)
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from etcdpy.clock import Clock, Timer
from etcdpy.node.v2 import V2Store

__all__ = ["TICK", "V2Expiry"]

logger = logging.getLogger(__name__)

#: Seconds from one look to the next.
TICK: Final = 0.5
#: Nodes that end in one turn of the loop.
EXPIRED_AT_ONCE: Final = 100


class V2Expiry:
    """
    Ends nodes of a store.

    Args:
        store: Whose; it says when there is something to be ended.
        clock: Has the ticks.

    """

    def __init__(self, store: V2Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._timer: Timer | None = None
        self._looking: asyncio.Task[None] | None = None
        self._is_started = False

    def start(self) -> None:
        """Begin, with what ended while nobody looked."""
        self._is_started = True
        self._store.on_expiring = self._note
        self._note()

    def _note(self) -> None:
        is_idle = self._timer is None and self._looking is None
        if is_idle and self._is_started and self._store.tree.expiries:
            self._timer = self._clock.wake_after(TICK, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        try:
            while await self._store.expire_some(EXPIRED_AT_ONCE) == EXPIRED_AT_ONCE:
                pass
        except Exception:
            # Whatever it was, the next node to end is not to live for ever.
            logger.exception("failed to expire nodes of the v2 store")
        finally:
            self._looking = None
            self._note()

    async def close(self) -> None:
        """End nothing any more."""
        self._is_started = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._looking is not None:
            await asyncio.wait([self._looking])
