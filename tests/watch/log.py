"""What watchers were received, in the order in which they were received it."""

from __future__ import annotations

from dataclasses import dataclass, field

from etcdpy.pb import kv_pb2
from etcdpy.pb import rpc_pb2 as pb
from tests.watch.history import Interest


@dataclass
class ReceivedResponse:
    """
    One response with events.

    Attributes:
        compacted: The highest revision that a compaction had been asked for by then.

    """

    revision: int
    events: list[kv_pb2.Event]
    fragment: bool = False
    compacted: int = -1


@dataclass
class WatcherLog:
    """
    One watcher, from its creation to its end.

    Attributes:
        since: The revision it asked for, 0 for "from now on".
        created: The revision in the reply to its creation.
        received: Its events.
        progress: The revisions it was received it has come to, each with how many responses with
            events there were before.
        compacted: Where history began when it was cancelled for asking for what was before.
        canceled: Whether it was cancelled on demand.
        is_open: Whether it must have been received everything.

    """

    interest: Interest
    since: int = 0
    created: int | None = None
    received: list[ReceivedResponse] = field(default_factory=list)
    progress: list[tuple[int, int]] = field(default_factory=list)
    compacted: int | None = None
    canceled: bool = False
    is_open: bool = False

    @property
    def first(self) -> int | None:
        """The first revision it has to be received of, None if nobody can know."""
        if self.since:
            return self.since
        return None if self.created is None else self.created + 1

    @property
    def next(self) -> int:
        """Where a watcher that takes its place has to start; 0 if it may start anywhere."""
        # A revision of which only some fragments arrived has to be received again.
        whole = [received for received in self.received if not received.fragment]
        if self.received and self.received[-1].fragment:
            split = self.received[-1].events[-1].kv.mod_revision
            whole = [received for received in whole if received.events[-1].kv.mod_revision < split]
        return whole[-1].events[-1].kv.mod_revision + 1 if whole else self.first or 0


class StreamLog:
    """The watchers of one stream; it takes the responses as they come."""

    def __init__(self) -> None:
        self.watchers: dict[int, WatcherLog] = {}

    def take(self, response: pb.WatchResponse, compacted: int) -> int:
        """Note a response; return how many events it held."""
        revision = response.header.revision
        if response.watch_id == -1:
            assert not response.created, f"refused: {response}"
            for watcher in self.watchers.values():
                if watcher.created is not None and not watcher.canceled:
                    watcher.progress.append((len(watcher.received), revision))
            return 0
        watcher = self.watchers[response.watch_id]
        assert not watcher.canceled, f"received after it was cancelled: {response}"
        assert watcher.compacted is None or response.canceled, f"received after its end: {response}"
        if response.created:
            assert watcher.created is None
            watcher.created = revision
        elif response.compact_revision:
            assert response.compact_revision <= compacted, f"nobody compacted that: {response}"
            assert watcher.next < response.compact_revision, f"it was not behind: {response}"
            watcher.compacted = response.compact_revision
        elif response.canceled:
            watcher.canceled = True
        elif response.events:
            events = list(response.events)
            watcher.received.append(
                ReceivedResponse(revision, events, response.fragment, compacted)
            )
        else:
            watcher.progress.append((len(watcher.received), revision))
        return len(response.events)
