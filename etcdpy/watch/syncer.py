"""
The syncer: watchers that are unsynced read the history in the store.

They do so together. One pass reads the rows from the oldest revision that any of them
wants up to the newest durable one, once, in slices, and hands each row to those that watch
its key; a watcher that has collected a full response sits out the rest of the pass. What
a pass has collected is sent at its end. A watcher that misses nothing then goes back to
the hub, in the same step of the loop, before anything newer becomes durable.

Watchers of a key or of a few, the usual ones, need not look at the rows of other keys: the
index knows what happened to theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice

from etcdpy.cooperative import Pace, run, turn
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.revision import RowKey
from etcdpy.mvcc.store import Store
from etcdpy.storage.commit_log import RowSource
from etcdpy.watch.backlog import Backlog
from etcdpy.watch.body import Body
from etcdpy.watch.events import Event
from etcdpy.watch.reading import REVISIONS_PER_RESPONSE, Reading
from etcdpy.watch.scan import WORK_PER_SLICE, Scan
from etcdpy.watch.states import WatcherInput, WatcherState
from etcdpy.watch.watcher import PREVIOUS, Watcher

#: Watchers that one pass serves (etcd: maxWatchersPerSync).
WATCHERS_PER_PASS = 512
#: Keys up to which the index is asked for the history of each.
NARROW_KEYS = 4
#: What finding out about one watcher costs, in rows.
WORK_PER_WATCHER = 8
#: Rows asked of the store at once.
ROWS_PER_READ = 64
#: Bytes of rows read by the index that one pass keeps for others who watch the same keys.
BYTES_KEPT = 32 << 20


class Syncer:
    """
    Feeds the watchers that are unsynced.

    Args:
        store: Whose history is read.
        rows: The rows of that history.
        headers: Encodes the headers of responses.
        backlog: Tells how much waits to be sent.
        loop: The loop that calls everything here.
        on_synced: Takes back a watcher that has been notified of everything durable.

    """

    def __init__(
        self,
        store: Store,
        rows: RowSource,
        headers: Headers,
        backlog: Backlog,
        loop: asyncio.AbstractEventLoop,
        on_synced: Callable[[Watcher], None],
    ) -> None:
        self._store = store
        self._rows = rows
        self._headers = headers
        self._backlog = backlog
        self._loop = loop
        self._on_synced = on_synced
        #: How many events were sent, and to how many watchers that their history is gone.
        self.events = self.compacted = 0
        self._ready: dict[Watcher, None] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read, nor about to be."""
        return self._task is None

    def add(self, watchers: Iterable[Watcher]) -> None:
        """Take watchers that have history to read, at once; others are passed over."""
        for watcher in watchers:
            if watcher.state is WatcherState.UNSYNCED:
                self._ready[watcher] = None
        if self._task is None and self._ready:
            self._task = self._loop.create_task(self._run())

    def remove(self, watcher: Watcher) -> None:
        """Forget a watcher."""
        self._ready.pop(watcher, None)

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None  # it may not even have begun

    async def _run(self) -> None:
        try:
            while self._ready:
                await _Pass(self).run(self._take())
                await turn()
        finally:
            self._task = None

    def _take(self) -> list[Watcher]:
        """Return the watchers of the next pass; the others are cancelled, or wait for room."""
        taken: list[Watcher] = []
        for watcher in list(islice(self._ready, WATCHERS_PER_PASS)):
            del self._ready[watcher]
            # At the compact revision itself history is still there. (etcd: watcher_group.go,
            # chooseAll)
            if watcher.next_revision < self._store.compact_revision:
                watcher.move(WatcherInput.COMPACT)
                self.compacted += 1
                watcher.stream.send_compacted(watcher, self._store.compact_revision)
            elif watcher.stream.is_full:
                watcher.stream.note_unsynced(watcher)
            else:
                taken.append(watcher)
        return taken


class _Pass:
    """One way through history for some watchers."""

    def __init__(self, owner: Syncer) -> None:
        self._owner = owner
        self._store = owner._store
        self._pace = Pace(WORK_PER_SLICE)
        # Of the narrow readings: many may watch the same key.
        self._events: dict[bytes, Event] = {}
        self._held = 0

    async def run(self, watchers: list[Watcher]) -> None:
        """Feed ``watchers``, none of which has room for less than one response."""
        wide: list[Watcher] = []
        for watcher in watchers:
            if self._is_served(watcher) and not await self._feed_narrow(watcher):
                wide.append(watcher)
            await self._pace.give_way()
        # In the meantime some may have gone, and others' history.
        wide = [watcher for watcher in wide if self._is_served(watcher)]
        if wide:
            await self._feed_wide(wide)

    def _is_served(self, watcher: Watcher) -> bool:
        """
        Tell whether a watcher is unsynced still, and its history is there.

        One whose history is not there any more comes again, and is found to be COMPACTED.
        """
        if watcher.state is not WatcherState.UNSYNCED:
            return False
        if watcher.next_revision < self._store.compact_revision:
            self._owner._ready[watcher] = None
            return False
        return True

    # -------------------------------------------------------------- by the index

    async def _feed_narrow(self, watcher: Watcher) -> bool:
        """Feed a watcher of few keys; return False if it watches many."""
        self._pace.work += WORK_PER_WATCHER
        newest = self._store.durable_revision
        narrow = self._store.index.changes(
            watcher.start,
            watcher.stop,
            watcher.next_revision,
            NARROW_KEYS,
            REVISIONS_PER_RESPONSE,
        )
        if narrow is None:
            return False
        changes, complete = narrow
        # A compaction may be accepted meanwhile; the rows it takes stay until all are read.
        with self._store.pinned(watcher.next_revision):
            changes = [change for change in changes if change.main <= newest]
            reading = await self._read(changes, watcher)
        reached = newest if complete is None else min(complete, newest)
        await self._deliver((watcher,), reading, reached)
        return True

    async def _read(self, changes: list[RowKey], watcher: Watcher) -> Reading:
        reading = Reading()
        for first in range(0, len(changes), ROWS_PER_READ):
            for event in self._load(changes[first : first + ROWS_PER_READ]):
                if watcher.wants(event) and not reading.add(event):
                    return reading
            await self._pace.give_way()
        return reading

    def _load(self, changes: list[RowKey]) -> list[Event]:
        self._pace.work += len(changes)
        events = self._events
        keys = [change.encoded() for change in changes]
        missing = [key for key in keys if key not in events]
        for key, row in zip(missing, self._store.log.rows(missing), strict=True):
            events[key] = Event(key, row)
            self._held += len(row)
        loaded = [events[key] for key in keys]
        if self._held >= BYTES_KEPT:
            events.clear()
            self._held = 0
        return loaded

    # --------------------------------------------------------------- by the rows

    async def _feed_wide(self, watchers: list[Watcher]) -> None:
        scan = Scan(self._store, self._owner._rows, watchers)
        # A compaction may be accepted meanwhile, as above.
        with self._store.pinned(scan.begin):
            reached = await run(scan.collect())
        for readers in scan.readers:
            await self._deliver(readers.watchers, readers.reading, reached)

    # ------------------------------------------------------------------- sending

    async def _deliver(self, watchers: Iterable[Watcher], reading: Reading, reached: int) -> None:
        """Send watchers what they have collected up to ``reached``, each at once."""
        reading.cut(self._owner._backlog.response_limit)
        body = Body(reading.events, self._store)
        for watcher in watchers:
            if body.is_long:
                for work in body.prepare(bool(watcher.wishes & PREVIOUS)):
                    self._pace.work += work
                    await self._pace.give_way()
            if watcher.state is WatcherState.UNSYNCED:
                self._send(watcher, body, reading.next_revision, reached)
                await self._pace.give_way()
        for work in body.dissolve():
            self._pace.work += work
            await self._pace.give_way()

    def _send(self, watcher: Watcher, body: Body, following: int | None, reached: int) -> None:
        """Send one watcher its events, and in the same step put it where it goes on."""
        stream, owner = watcher.stream, self._owner
        if stream.is_full:
            stream.note_unsynced(watcher)
            return
        newest = self._store.durable_revision
        if body.events:
            self._pace.work += 1
            is_sent = stream.try_send(watcher, owner._headers.at(newest), body)
            assert is_sent, "a stream with room refused"
            owner.events += len(body.events)
        if following is not None:
            watcher.next_revision = following
        else:
            watcher.next_revision = max(watcher.next_revision, reached + 1)
            if reached == newest:
                owner._on_synced(watcher)
                return
        owner._ready[watcher] = None
