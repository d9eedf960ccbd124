"""
Who watches what, and hears of which events.

A watcher of ``/a/b`` hears of what happens to ``/a/b``; if it is recursive also of what happens
below, unless that is hidden from it; and of the removal of ``/a`` with all that was in it, if
``/a/b`` was. Which is found by path, so an event costs what its watchers do, however many others
there are.
(etcd 3.5: ``server/etcdserver/api/v2store/watcher_hub.go``, ``watcher.go``)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final

from sortedcontainers import SortedDict

from etcdpy.v2.events import Event
from etcdpy.v2.history import History, is_hidden_from
from etcdpy.v2.node import parts_of

__all__ = ["BUFFERED", "Hub", "Watcher"]

#: Most events that wait for a watcher, as in etcd; one that has more to take is too slow.
BUFFERED: Final = 100


class Watcher:
    """
    One who watches.

    Attributes:
        path: What is watched.
        is_recursive: Whether all below is, too.
        is_stream: Whether it goes on after the first event.
        since: The lowest index that it hears of.
        start_index: The store's index when it began.
        wake: Called when there is something to take, or nothing more will come; set by its owner.
        is_over: Whether nothing more will come, behind what there is to take.

    """

    __slots__ = (
        "_events",
        "_room",
        "is_over",
        "is_recursive",
        "is_stream",
        "path",
        "since",
        "start_index",
        "wake",
    )

    def __init__(
        self,
        path: str,
        *,
        is_recursive: bool,
        is_stream: bool,
        since: int,
        start_index: int,
        past: list[Event],
    ) -> None:
        self.path = path
        self.is_recursive = is_recursive
        self.is_stream = is_stream
        self.since = since
        self.start_index = start_index
        self.wake: Callable[[], None] | None = None
        self.is_over = False
        self._events = deque(past)
        # What was there from the start is no fault of its own.
        self._room = BUFFERED + len(past)

    def take(self) -> Event | None:
        """Return the next event, None if there is none now."""
        return self._events.popleft() if self._events else None

    @property
    def has_more(self) -> bool:
        """Whether there is an event to take."""
        return bool(self._events)

    def offer(self, event: Event) -> bool:
        """Hand over an event; return False if there are too many already, which is the end."""
        if len(self._events) >= self._room:
            self.end()
            return False
        self._events.append(event)
        if not self.is_stream:
            self.is_over = True
        if self.wake is not None:
            self.wake()
        return True

    def end(self) -> None:
        """Let nothing more come."""
        self.is_over = True
        if self.wake is not None:
            self.wake()


class Hub:
    """
    All watchers.

    Args:
        history: What has happened up to now; whoever notifies adds to it first.

    """

    def __init__(self, history: History) -> None:
        self._history = history
        # In the order of paths, for what is below one; each with its watchers, the oldest first.
        self._watchers: SortedDict[str, dict[Watcher, None]] = SortedDict()
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def watch(self, path: str, *, recursive: bool, stream: bool, since: int = 0) -> Watcher:
        """
        Begin to watch.

        Args:
            path: What; it need not exist.
            recursive: Whether all below is watched as well.
            stream: Whether to go on after the first event.
            since: The index to begin with, 0 for the next.

        Raises:
            V2Error: 401 if some of what is asked for is forgotten.

        """
        history = self._history
        newest = history.index
        since = since or newest + 1
        past: list[Event] = []
        if since <= newest:
            matching = history.matching(path, since, recursive=recursive)
            past = list(matching) if stream else list(islice(matching, 1))
        watcher = Watcher(
            path,
            is_recursive=recursive,
            is_stream=stream,
            since=max(since, newest + 1),
            start_index=newest,
            past=past,
        )
        if past and not stream:
            watcher.is_over = True
        else:
            self._watchers.setdefault(path, {})[watcher] = None
            self._number += 1
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Let nothing more come to a watcher. Harmless if it has left, or was ended."""
        of_path = self._watchers.get(watcher.path)
        if of_path is not None and watcher in of_path:
            del of_path[watcher]
            self._number -= 1
            if not of_path:
                del self._watchers[watcher.path]
        watcher.is_over = True

    def close(self) -> None:
        """End all watchers."""
        for of_path in list(self._watchers.values()):
            for watcher in list(of_path):
                self.leave(watcher)
                watcher.end()

    def notify(self, event: Event) -> None:
        """Hand an event to all who watch for it."""
        if not self._number or event.is_refresh:
            return
        key = path = event.key
        while True:
            of_path = self._watchers.get(path)
            if of_path:
                is_own = path == key
                if is_own or not is_hidden_from(path, key):
                    self._offer(event, [one for one in of_path if is_own or one.is_recursive])
            if path == "/":
                break
            path = path[: path.rfind("/")] or "/"
        if event.removed is not None:
            self._notify_removed(event)

    def _notify_removed(self, event: Event) -> None:
        """Hand the removal of a directory to those who watch something that was in it."""
        directory = event.removed
        assert directory is not None
        start = f"{event.key}/"
        # "0" is the character behind the slash.
        below = self._watchers.irange(start, f"{event.key}0", inclusive=(True, False))
        for path in list(below):
            if directory.find(parts_of(path[len(start) - 1 :])) is not None:
                self._offer(event, list(self._watchers[path]))

    def _offer(self, event: Event, watchers: list[Watcher]) -> None:
        for watcher in watchers:
            if event.index >= watcher.since:
                watcher.offer(event)
                if watcher.is_over:
                    self.leave(watcher)
