"""What one watcher has collected on its way through history."""

from __future__ import annotations

from etcdpy.watch.events import Event

#: Distinct revisions in one response (etcd: watchBatchMaxRevs).
REVISIONS_PER_RESPONSE = 1000
#: Bytes of rows after which a response takes no further revision. etcd has no such bound; this
#: one is far above what common clients receive.
BYTES_PER_RESPONSE = 16 << 20


class Reading:
    """
    Events of one response to come, whole revisions only.

    Attributes:
        events: In the order in which they happened.
        next_revision: Where the next response begins, None while this one has room.

    """

    __slots__ = ("_revision", "_revisions", "_size", "events", "next_revision")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.next_revision: int | None = None
        self._revisions = 0
        self._revision = 0
        self._size = 0

    def add(self, event: Event) -> bool:
        """Collect an event; return False if it begins a revision for which there is no room."""
        if event.main != self._revision:
            # Asked between revisions only, so none is divided. (etcd: watcher_group.go,
            # eventBatch.add)
            if self._revisions >= REVISIONS_PER_RESPONSE or self._size >= BYTES_PER_RESPONSE:
                self.next_revision = event.main
                return False
            self._revisions += 1
            self._revision = event.main
        self.events.append(event)
        self._size += event.size
        return True

    def cut(self, size: int) -> None:
        """Leave out revisions at the end, so that without its last the rest is below ``size``."""
        if self._size < size:
            return
        total, revision = 0, 0
        for position, event in enumerate(self.events):
            if event.main != revision:
                if total >= size:
                    self.next_revision = event.main
                    del self.events[position:]
                    return
                revision = event.main
            total += event.size
