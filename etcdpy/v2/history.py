"""
The last events, for those who watch from an index that has passed.

(etcd 3.5: ``server/etcdserver/api/v2store/event_history.go``)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Final

from etcdpy.errors import V2Error
from etcdpy.v2 import codes
from etcdpy.v2.events import Event

__all__ = ["CAPACITY", "MOST_BYTES", "History", "is_hidden_from"]

#: As many as etcd keeps.
CAPACITY: Final = 1000

#: Most bytes of their JSON together, so that large values fill the memory no more than once.
MOST_BYTES: Final = 64 << 20


class History:
    """
    The last events, without a gap.

    Args:
        index: Of the newest write before the first event.

    Attributes:
        index: Of the newest event.

    """

    def __init__(self, index: int) -> None:
        self._events: deque[Event] = deque()
        self._bytes = 0
        self.index = index
        # Before that there is nothing that could have been forgotten.
        self._oldest = 1

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    @property
    def oldest(self) -> int:
        """The first index that can be asked for."""
        return max(self._oldest, self.index - CAPACITY + 1)

    def add(self, event: Event) -> None:
        """Add the event that follows."""
        assert event.index == self.index + 1, f"{event.index} after {self.index}"
        self.index = event.index
        self._events.append(event)
        self._bytes += len(event.line)
        while len(self._events) > CAPACITY or (self._bytes > MOST_BYTES and len(self._events) > 1):
            gone = self._events.popleft()
            self._bytes -= len(gone.line)
            self._oldest = gone.index + 1

    def restore(self, events: list[Event]) -> None:
        """Take in the events of an earlier run, in order, the newest of which is the last."""
        if events:
            before = events[0].index - 1
            if before > self.index:
                self.index = before
                self._oldest = before + 1
            for event in events:
                self.add(event)

    def since(self, index: int) -> list[Event]:
        """
        Return the events from an index on that watchers hear of.

        Raises:
            V2Error: 401 if some of them are forgotten.

        """
        if index < self.oldest:
            cause = f"the requested history has been cleared [{self.oldest}/{index}]"
            raise V2Error(codes.EVENT_INDEX_CLEARED, cause, self.index)
        events = self._events
        if not events or index > self.index:
            return []
        start = max(0, index - events[0].index)
        return [event for event in islice(events, start, None) if not event.is_refresh]

    def matching(self, path: str, index: int, *, recursive: bool) -> Iterator[Event]:
        """
        Yield the events from an index on that a watcher of a path hears of.

        Raises:
            V2Error: 401 if some of them are forgotten.

        """
        return (event for event in self.since(index) if _matches(event, path, recursive=recursive))


def _matches(event: Event, path: str, *, recursive: bool) -> bool:
    key = event.key
    if key == path:
        return True
    if recursive and _is_below(key, path):
        return not is_hidden_from(path, key)
    # What was in the directory is not known any more: what could have been is told.
    return event.removes_directory and _is_below(path, key)


def _is_below(path: str, directory: str) -> bool:
    return directory == "/" or path.startswith(f"{directory}/")


def is_hidden_from(path: str, key: str) -> bool:
    """Tell whether a watcher of a path, above a key, is not to hear of it. (etcd: isHidden)"""
    return "/_" in (key if path == "/" else key[len(path) :])
