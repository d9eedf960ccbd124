"""
Waiting for events over HTTP: the head at once, the body as something happens.

(etcd 3.5: ``v2http/client.go``, ``handleKeyWatch``)
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from etcdpy.node.v2 import V2Store
from etcdpy.transport import Foreseeing
from etcdpy.v2.watchers import Watcher

__all__ = ["EventLines"]

#: Lines are joined until they have so many bytes.
_PIECE: Final = 16 * 1024


class EventLines(Foreseeing):
    """
    The body of an answer to one who watches: a line for each event, until nothing more comes.

    If nobody goes on taking them, the watcher is let go of with this.

    Args:
        v2: The store that is watched.
        watcher: Hears of it; it belongs to this from now on.

    """

    def __init__(self, v2: V2Store, watcher: Watcher) -> None:
        self._v2 = v2
        self._watcher = watcher

    async def __anext__(self) -> bytes:
        watcher = self._watcher
        while True:
            if (event := watcher.take()) is not None:
                lines = event.line
                while len(lines) < _PIECE and (event := watcher.take()) is not None:
                    lines += event.line
                return lines
            if watcher.is_over:
                raise StopAsyncIteration
            woken = asyncio.get_running_loop().create_future()
            # Nothing that leads back here: the hub is not to keep this alive.
            watcher.wake = partial(self._v2.wakings.call, partial(_resolve, woken))
            try:
                await woken
            except asyncio.CancelledError:
                self._v2.leave(watcher)
                raise
            finally:
                watcher.wake = None

    def is_at_end(self) -> bool:
        return self._watcher.is_over and not self._watcher.has_more

    def __del__(self) -> None:
        # Its client may have left before anything was taken.
        self._v2.leave(self._watcher)


def _resolve(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
