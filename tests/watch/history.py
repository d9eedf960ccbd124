"""The history of a store, and which part of it a watcher has to be told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from etcdpy.pb import kv_pb2
from etcdpy.pb import rpc_pb2 as pb

NOPUT = pb.WatchCreateRequest.NOPUT
NODELETE = pb.WatchCreateRequest.NODELETE


@dataclass(frozen=True)
class Interest:
    """What a watcher wants to be told, apart from since when."""

    key: bytes
    end: bytes = b""
    filters: tuple[int, ...] = ()
    prev_kv: bool = False

    @classmethod
    def of(cls, request: pb.WatchCreateRequest) -> Interest:
        key = request.key or b"\0"
        return cls(key, request.range_end, tuple(request.filters), request.prev_kv)

    def covers(self, event: kv_pb2.Event) -> bool:
        """Tell whether an event is of its keys and passes its filters."""
        key = event.kv.key
        if not self.end:
            if key != self.key:
                return False
        elif key < self.key or (self.end != b"\0" and key >= self.end):
            return False
        return (NODELETE if event.type == kv_pb2.Event.DELETE else NOPUT) not in self.filters


class History:
    """
    Every change of a store, revision by revision, with what each key held before.

    Attributes:
        newest: The last revision it knows of.

    """

    def __init__(self, newest: int) -> None:
        self.newest = newest
        self._revisions: dict[int, list[kv_pb2.Event]] = {}

    def add(self, events: Iterable[kv_pb2.Event]) -> None:
        """Add the changes of revisions that follow, as a watcher of everything sees them."""
        for event in events:
            revision = event.kv.mod_revision
            assert revision >= self.newest
            self._revisions.setdefault(revision, []).append(event)
            self.newest = revision

    def of(self, revision: int) -> Sequence[kv_pb2.Event]:
        """Return the changes of one revision."""
        return self._revisions.get(revision, ())

    def owed(
        self, interest: Interest, since: int, compacted: int = -1
    ) -> Iterator[list[kv_pb2.Event]]:
        """
        Yield what a watcher is told from revision ``since`` on, a list for each revision.

        Args:
            compacted: The store's compact revision when that is told; what was before it is
                not told as a key's past.

        """
        for revision in range(max(since, 0), self.newest + 1):
            events = [event for event in self.of(revision) if interest.covers(event)]
            if events:
                yield [_as_told(event, interest.prev_kv, compacted) for event in events]


def _as_told(event: kv_pb2.Event, prev_kv: bool, compacted: int) -> kv_pb2.Event:
    if event.HasField("prev_kv") and (not prev_kv or event.kv.mod_revision - 1 < compacted):
        told = kv_pb2.Event()
        told.CopyFrom(event)
        told.ClearField("prev_kv")
        return told
    return event
