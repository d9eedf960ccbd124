"""
The hub: every durable change to every watcher that watches it.

A watcher is SYNCED, and then fed from here, or BEHIND, and then fed by ``CatchUp`` from the
history in the store. It starts behind if it asks for the past, and falls behind when its
stream cannot take what it is sent; either way it comes back here once it has read all there
is, in the same step of the loop, so that nothing is missed or told twice.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Iterable
from itertools import groupby

from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.store import Store
from etcdpy.storage.batch import Batch
from etcdpy.watch.catchup import CatchUp, Rows
from etcdpy.watch.events import Event
from etcdpy.watch.matcher import Matcher
from etcdpy.watch.watcher import State, Watcher


class Hub:
    """
    All watchers of the server.

    Args:
        store: Whose changes are watched.
        rows: Its rows, for who asks for the past.
        headers: Encodes the headers of responses.
        loop: The loop that calls everything here.

    """

    def __init__(self, store: Store, rows: Rows, headers: Headers, loop: AbstractEventLoop) -> None:
        self.store = store
        self.headers = headers
        self._synced = Matcher()
        self._catch_up = CatchUp(store, rows, headers, loop, self._caught_up)

    async def close(self) -> None:
        """Stop reading history."""
        await self._catch_up.close()

    # ---------------------------------------------------------------- watchers

    def add(self, watcher: Watcher) -> None:
        """Begin to feed a new watcher."""
        current = self.store.durable_revision
        if watcher.start_revision == 0:
            watcher.next_revision = current + 1
        if watcher.next_revision > current:
            self._caught_up(watcher)
        else:
            self._catch_up.add(watcher)

    def remove(self, watcher: Watcher) -> None:
        """Feed a watcher no more."""
        if watcher.state is State.SYNCED:
            self._synced.remove(watcher)
        elif watcher.state is State.BEHIND:
            self._catch_up.remove(watcher)
        watcher.state = State.GONE

    def resume(self, watchers: Iterable[Watcher]) -> None:
        """Go on with watchers that are behind: their stream can take more."""
        self._catch_up.resume(watchers)

    def _caught_up(self, watcher: Watcher) -> None:
        watcher.state = State.SYNCED
        self._synced.add(watcher)

    def _fall_behind(self, watcher: Watcher, revision: int) -> None:
        self._synced.remove(watcher)
        watcher.state = State.BEHIND
        watcher.next_revision = revision
        self._catch_up.park(watcher)

    # ------------------------------------------------------------------ events

    def publish(self, batch: Batch) -> None:
        """Tell the watchers of a batch that has just become durable."""
        if not len(self._synced):
            return
        events = (Event(row_key, row) for row_key, row in batch.rows.items())
        for revision, changes in groupby(events, lambda event: event.main):
            self._publish_revision(revision, list(changes))

    def _publish_revision(self, revision: int, events: list[Event]) -> None:
        header = self.headers.at(revision)
        for watcher, wanted in self._interested(events):
            stream = watcher.stream
            if stream.is_full:
                self._fall_behind(watcher, revision)
            else:
                stream.send_events(watcher, header, wanted)

    def _interested(self, events: list[Event]) -> list[tuple[Watcher, list[Event]]]:
        matching = self._synced.matching
        if len(events) == 1:
            event = events[0]
            return [(watcher, events) for watcher in matching(event.key) if watcher.wants(event)]
        interested: dict[Watcher, list[Event]] = {}
        for event in events:
            for watcher in matching(event.key):
                if watcher.wants(event):
                    interested.setdefault(watcher, []).append(event)
        return list(interested.items())
