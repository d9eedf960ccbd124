"""One way through the rows of history, for all watchers that are on it together."""

from __future__ import annotations

from collections.abc import Iterable

from etcdpy.cooperative import Steps
from etcdpy.mvcc.revision import row_key
from etcdpy.mvcc.store import Store
from etcdpy.storage.commit_log import RowSource
from etcdpy.watch.events import Event
from etcdpy.watch.matcher import Matcher
from etcdpy.watch.reading import Reading
from etcdpy.watch.watcher import FILTERS, Watcher

#: Rows read, and events collected, between two turns of the loop: about half a millisecond.
WORK_PER_SLICE = 256
#: Bytes of rows that one way through holds for all.
BYTES_PER_SCAN = 32 << 20


class Readers:
    """
    Watchers that want the same, from the same revision on.

    Attributes:
        watchers: All of them.
        range: Where the keys they watch start and stop.
        reading: What they have collected.

    """

    __slots__ = ("range", "reading", "wants", "watchers")

    def __init__(self, first: Watcher) -> None:
        self.watchers = [first]
        self.range = first.start, first.until
        self.reading = Reading()
        self.wants = first.wants


class Scan:
    """
    Collects what some watchers have missed.

    Args:
        store: Whose history it is.
        rows: The rows of that history, durable or not; those written while it is read as well.
        watchers: Those to collect for.

    Attributes:
        readers: The watchers, those that want the same together.
        begin: The first revision that any of them wants.

    """

    def __init__(self, store: Store, rows: RowSource, watchers: Iterable[Watcher]) -> None:
        self._store = store
        self._rows = rows
        self._matcher: Matcher[Readers] = Matcher()
        together: dict[tuple[object, ...], Readers] = {}
        for watcher in watchers:
            kind = (
                watcher.start,
                watcher.until,
                watcher.next_revision,
                watcher.wishes & FILTERS,
            )
            if kind in together:
                together[kind].watchers.append(watcher)
            else:
                together[kind] = Readers(watcher)
                self._matcher.add(*together[kind].range, together[kind])
        self.readers = list(together.values())
        self.begin = min(it.watchers[0].next_revision for it in self.readers)

    def collect(self) -> Steps[int]:
        """
        Collect everything from ``begin`` on, which has to be pinned.

        Returns:
            The last revision looked at; readers that have no room for more have come less far.
            If it is the durable one, it is so in this very step of the loop.

        """
        reached = self.begin - 1
        held = 0
        while reached < (newest := self._store.durable_revision) and len(self._matcher):
            work = 0
            rows = self._rows.scan_rows(row_key(reached + 1, 0), row_key(newest + 1, 0))
            for key, row in rows:
                event = Event(key, row)
                if event.main > reached + 1:
                    # What is before it was looked at as a whole.
                    reached = event.main - 1
                    if held >= BYTES_PER_SCAN or not len(self._matcher):
                        return reached
                taken = self._hand_out(event)
                held += event.size if taken else 0
                work += 1 + taken
                if work >= WORK_PER_SLICE:
                    work = 0
                    yield
            reached = newest
        return reached

    def _hand_out(self, event: Event) -> int:
        """Give an event to the readers that want it; return how many did."""
        taken = 0
        for group in self._matcher.groups(event.key):
            for readers in list(group):
                if readers.wants(event):
                    if readers.reading.add(event):
                        taken += 1
                    else:
                        self._matcher.remove(*readers.range, readers)
        return taken
