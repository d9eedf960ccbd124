"""
Catching up: watchers that are behind read the history in the store.

They do it together. One pass reads the rows from the oldest revision that any of them
wants up to the newest durable one, once, in slices, and hands each row to those that watch
its key; a watcher that has collected a full response sits out the rest of the pass. What
a pass has collected is sent at its end. A watcher that misses nothing then goes back to
the hub, before the loop can publish anything new.

Watchers of a key or of a few, the usual ones, need not look at the rows of other keys: the
index knows what happened to theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Protocol

from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.revision import row_key
from etcdpy.mvcc.store import Store
from etcdpy.watch.events import Event
from etcdpy.watch.matcher import Matcher
from etcdpy.watch.watcher import State, Watcher

#: Watchers that one pass serves (etcd: maxWatchersPerSync).
WATCHERS_PER_PASS = 512
#: Distinct revisions in one response (etcd: watchBatchMaxRevs).
REVISIONS_PER_RESPONSE = 1000
#: Bytes of rows after which a response takes no further revision. etcd has no such bound.
BYTES_PER_RESPONSE = 1 << 20
#: Keys up to which the index is asked for the history of each.
NARROW_KEYS = 16
#: Rows read between two turns of the loop: about half a millisecond.
ROWS_PER_SLICE = 256


class Rows(Protocol):
    """Where history is read; ``storage.GroupCommit`` is the real one."""

    def scan_rows(self, start: bytes, stop: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over the rows of [start, stop), durable or not, in order."""


class _Reading:
    """What one watcher has collected in a pass."""

    __slots__ = ("events", "is_full", "revision", "revisions", "size")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.revisions = 0
        self.revision = 0
        self.size = 0
        self.is_full = False

    def add(self, event: Event, size: int) -> bool:
        """Collect an event; return False if it begins a revision that has no room left."""
        if event.main != self.revision:
            if self.revisions >= REVISIONS_PER_RESPONSE or self.size >= BYTES_PER_RESPONSE:
                self.is_full = True
                return False
            self.revisions += 1
            self.revision = event.main
        self.events.append(event)
        self.size += size
        return True


class CatchUp:
    """
    Feeds the watchers that are behind.

    Args:
        store: Whose history is read.
        rows: The rows of that history.
        headers: Encodes the headers of responses.
        loop: The loop that calls everything here.
        on_caught_up: Takes back a watcher that has been told of everything durable.

    """

    def __init__(
        self,
        store: Store,
        rows: Rows,
        headers: Headers,
        loop: asyncio.AbstractEventLoop,
        on_caught_up: Callable[[Watcher], None],
    ) -> None:
        self._store = store
        self._rows = rows
        self._headers = headers
        self._loop = loop
        self._on_caught_up = on_caught_up
        self._ready: dict[Watcher, None] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, watcher: Watcher) -> None:
        """Take a watcher that has history to read, at once."""
        self._ready[watcher] = None
        self._start()

    def park(self, watcher: Watcher) -> None:
        """Take a watcher that has history to read once its stream has room."""
        watcher.stream.note_behind(watcher)

    def resume(self, watchers: Iterable[Watcher]) -> None:
        """Go on with parked watchers."""
        for watcher in watchers:
            if watcher.state is State.BEHIND:
                self._ready[watcher] = None
        self._start()

    def remove(self, watcher: Watcher) -> None:
        """Forget a watcher."""
        self._ready.pop(watcher, None)

    async def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _start(self) -> None:
        if self._task is None and self._ready:
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._ready:
                watchers = self._take()
                if watchers:
                    await self._pass(watchers)
                else:
                    await asyncio.sleep(0)
        finally:
            self._task = None

    def _take(self) -> list[Watcher]:
        """Return the watchers of the next pass; the others are cancelled, or parked."""
        taken: list[Watcher] = []
        for watcher in list(self._ready):
            if len(taken) == WATCHERS_PER_PASS:
                break
            del self._ready[watcher]
            if watcher.next_revision < self._store.compact_revision:
                watcher.state = State.COMPACTED
                watcher.stream.send_compacted(watcher, self._store.compact_revision)
            elif watcher.stream.is_full:
                self.park(watcher)
            else:
                taken.append(watcher)
        return taken

    async def _pass(self, watchers: list[Watcher]) -> None:
        wide = [watcher for watcher in watchers if not self._read_narrow(watcher)]
        if not wide:
            await asyncio.sleep(0)
            return
        readings = {watcher: _Reading() for watcher in wide}
        position = min(watcher.next_revision for watcher in wide)
        matcher = Matcher()
        for watcher in wide:
            matcher.add(watcher)
        # A compaction may be accepted meanwhile; the rows it takes stay until the pass ends.
        with self._store.pinned(position):
            reached = await self._read(position, matcher, readings)
        for watcher, reading in readings.items():
            if watcher.state is State.BEHIND:
                self._deliver(watcher, reading, reached)

    def _read_narrow(self, watcher: Watcher) -> bool:
        """Feed a watcher of few keys from the index; return False if it watches many."""
        store = self._store
        since, newest = watcher.next_revision, store.durable_revision
        narrow = store.index.changes(
            watcher.start, watcher.stop, since, NARROW_KEYS, REVISIONS_PER_RESPONSE
        )
        if narrow is None:
            return False
        changes, complete = narrow
        row_keys = [change.encoded() for change in changes if change.main <= newest]
        reading = _Reading()
        for key, row in zip(row_keys, store.log.rows(row_keys), strict=True):
            event = Event(key, row)
            if watcher.wants(event) and not reading.add(event, len(row)):
                watcher.next_revision = event.main
                break
        self._deliver(watcher, reading, newest if complete is None else min(complete, newest))
        return True

    async def _read(
        self, position: int, matcher: Matcher, readings: dict[Watcher, _Reading]
    ) -> int:
        """Collect everything from ``position`` on; return the last revision looked at."""
        store = self._store
        cursor = row_key(position, 0)
        while True:
            reached = store.durable_revision
            rows = self._rows.scan_rows(cursor, row_key(reached + 1, 0))
            key = None
            for key, row in islice(rows, ROWS_PER_SLICE):
                self._collect(Event(key, row), len(row), matcher, readings)
            if key is None or not len(matcher):
                # Either all that is durable was looked at, in this very step of the loop,
                # or everyone has as much as a response takes.
                return reached
            cursor = key + b"\0"
            await asyncio.sleep(0)

    def _collect(
        self, event: Event, size: int, matcher: Matcher, readings: dict[Watcher, _Reading]
    ) -> None:
        full: list[Watcher] = []
        for watcher in matcher.matching(event.key):
            if not watcher.wants(event):
                continue
            reading = readings[watcher]
            if not reading.add(event, size):
                full.append(watcher)
                watcher.next_revision = event.main
        for watcher in full:
            matcher.remove(watcher)

    def _deliver(self, watcher: Watcher, reading: _Reading, reached: int) -> None:
        newest = self._store.durable_revision
        if reading.events:
            watcher.stream.send_events(watcher, self._headers.at(newest), reading.events)
        if not reading.is_full:
            watcher.next_revision = max(watcher.next_revision, reached + 1)
            if reached == newest:
                self._on_caught_up(watcher)
                return
        self._ready[watcher] = None
