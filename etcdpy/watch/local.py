"""A watch from inside the server: for services that wait for keys to change."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from types import TracebackType

from etcdpy.errors import CompactedError
from etcdpy.watch.body import Body
from etcdpy.watch.events import Event
from etcdpy.watch.hub import Hub
from etcdpy.watch.output import Joined
from etcdpy.watch.watcher import Watcher

#: Events that may wait to be looked at before the watcher has to read history again.
QUEUE_LENGTH = 256


class LocalWatch:
    """
    Yields the events of some keys, in order, from a revision on.

    Use it as a context manager, so that the watcher goes when its user does. Cancelling a
    wait for the next event loses none.

    Args:
        hub: Feeds it.
        start: The first key watched.
        stop: Where the keys watched end, None if they do not.
        revision: The first revision of interest.

    """

    def __init__(self, hub: Hub, start: bytes, stop: bytes | None, revision: int) -> None:
        self._hub = hub
        self.owed = self.told = 0
        self._events: deque[Event] = deque()
        self._watcher = Watcher(self, 0, start, stop, revision)
        self._arrived: asyncio.Future[None] | None = None
        self._is_compacted = False
        self._is_unsynced = False
        self._is_woken = False

    def __enter__(self) -> LocalWatch:
        self._hub.add(self._watcher)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._hub.remove(self._watcher)
        # They would hold each other: thousands that leave at once, and have waited for long, would
        # stay until the collector comes to what is old, which it hardly ever does.
        del self._watcher

    async def next(self) -> Event:
        """
        Wait for the next event.

        Raises:
            CompactedError: If it was compacted away before it could be read.

        """
        while not self._events:
            if self._is_compacted:
                raise CompactedError
            if self._is_unsynced:
                self._is_unsynced = False
                self._hub.resume((self._watcher,))
            self._arrived = asyncio.get_running_loop().create_future()
            self._is_woken = False
            await self._arrived
        return self._events.popleft()

    # What the hub asks of a stream.

    @property
    def is_full(self) -> bool:
        """Whether events must wait."""
        return len(self._events) >= QUEUE_LENGTH

    def note_unsynced(self, watcher: Watcher) -> None:
        """Note that the watcher goes on once there is room."""
        self._is_unsynced = True

    def try_send(self, watcher: Watcher, header: bytes, body: Body) -> bool:
        """Take events that belong together, if there is room."""
        if self.is_full:
            return False
        # Copied: the sender empties its list.
        self._events.extend(body.events)
        self._wake()
        return True

    def joined(self, responses: list[tuple[bytes, bytes]]) -> Joined:
        """Return nothing: it has one watcher, and is sent one response at a time."""
        return b""

    def try_send_joined(self, joined: Joined) -> bool:
        """Take nothing, as above."""
        return False

    def flush(self) -> None:
        """Do nothing: events wait for their reader alone."""

    def send_compacted(self, watcher: Watcher, revision: int) -> None:
        """Take the news that history was compacted away."""
        self._is_compacted = True
        self._wake()

    def _wake(self) -> None:
        if self._arrived is not None and not self._is_woken:
            self._is_woken = True
            self._hub.wakings.call(partial(_resolve, self._arrived))


def _resolve(arrived: asyncio.Future[None]) -> None:
    if not arrived.done():  # cancelled
        arrived.set_result(None)
