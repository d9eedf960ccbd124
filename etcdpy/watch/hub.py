"""
The hub: every durable change to every watcher that watches it.

A watcher is SYNCED, and then fed from here, or BEHIND, and then fed by ``CatchUp`` from the
history in the store. It starts behind if it asks for the past, and falls behind when its
stream cannot take what it is sent; either way it comes back here once it has read all there
is, in the same step of the loop, so that nothing is missed or told twice.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Collection, Iterable
from itertools import groupby

from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.store import Store
from etcdpy.storage.batch import Batch
from etcdpy.watch.backlog import Backlog
from etcdpy.watch.catchup import CatchUp, Rows
from etcdpy.watch.events import Event, key_of
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
        self.backlog = Backlog()
        self._synced = Matcher()
        self._catch_up = CatchUp(store, rows, headers, self.backlog, loop, self._caught_up)

    async def close(self) -> None:
        """Stop reading history."""
        await self._catch_up.close()

    @property
    def is_idle(self) -> bool:
        """Whether nobody reads history; who waits for room does not."""
        return self._catch_up.is_idle

    @property
    def is_unwatched(self) -> bool:
        """Whether nobody is to be told of what happens next."""
        return not len(self._synced)

    # ---------------------------------------------------------------- watchers

    def add(self, watcher: Watcher) -> None:
        """Begin to feed a new watcher."""
        current = self.store.durable_revision
        if watcher.start_revision == 0:
            watcher.next_revision = current + 1
        if watcher.next_revision > current:
            self._caught_up(watcher)
        else:
            self._catch_up.add((watcher,))

    def remove(self, watcher: Watcher) -> None:
        """Feed a watcher no more."""
        if watcher.state is State.SYNCED:
            self._synced.remove(watcher)
        elif watcher.state is State.BEHIND:
            self._catch_up.remove(watcher)
        watcher.state = State.GONE

    def resume(self, watchers: Iterable[Watcher]) -> None:
        """Go on with watchers that are behind: their stream can take more."""
        self._catch_up.add(watchers)

    def _caught_up(self, watcher: Watcher) -> None:
        watcher.state = State.SYNCED
        self._synced.add(watcher)

    def _fall_behind(self, watcher: Watcher, revision: int) -> None:
        self._synced.remove(watcher)
        watcher.state = State.BEHIND
        watcher.next_revision = revision
        watcher.stream.note_behind(watcher)

    # ------------------------------------------------------------------ events

    def publish(self, batch: Batch) -> None:
        """Tell the watchers of a batch that has just become durable."""
        matching = self._synced.matching
        watched: list[tuple[Event, Collection[Watcher]]] = []
        if self.is_unwatched:
            return
        for row_key, row in batch.rows.items():
            key = key_of(row)
            watchers = matching(key)
            if watchers:
                watched.append((Event(row_key, row, key), watchers))
        if len(watched) == 1:
            self._tell(*watched[0])
            return
        for _, changes in groupby(watched, lambda change: change[0].main):
            first, *more = changes
            if more:
                self._tell_together([first, *more])
            else:
                self._tell(*first)

    def _tell(self, event: Event, watchers: Collection[Watcher]) -> None:
        """Send the one event of a revision that anyone watches."""
        revision = event.main
        header = self.headers.at(revision)
        events = [event]
        synced = State.SYNCED
        for watcher in watchers:
            if (
                watcher.state is synced
                and watcher.wants(event)
                and not watcher.stream.try_send(watcher, header, events)
            ):
                self._fall_behind(watcher, revision)

    def _tell_together(self, changes: list[tuple[Event, Collection[Watcher]]]) -> None:
        """Send several events of one revision, to each watcher in one response."""
        wanted: dict[Watcher, list[Event]] = {}
        for event, watchers in changes:
            for watcher in watchers:
                if watcher.state is State.SYNCED and watcher.wants(event):
                    wanted.setdefault(watcher, []).append(event)
        revision = changes[0][0].main
        header = self.headers.at(revision)
        for watcher, events in wanted.items():
            if not watcher.stream.try_send(watcher, header, events):
                self._fall_behind(watcher, revision)
