"""A watcher: what it watches, how far it has come."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from etcdpy.pb.wire import number
from etcdpy.watch.body import Body
from etcdpy.watch.events import Event


class State(Enum):
    """
    Where a watcher gets its events from.

    SYNCED: from the hub, as changes become durable.
    UNSYNCED: from the history in the store, until it has caught up.
    COMPACTED: from nowhere; its history was compacted away, and its stream was told.
    GONE: from nowhere; it was cancelled.
    """

    SYNCED = 1
    UNSYNCED = 2
    COMPACTED = 3
    GONE = 4


class Stream(Protocol):
    """Where the events of a watcher go."""

    @property
    def is_full(self) -> bool:
        """Whether it takes no events now."""

    def try_send(self, watcher: Watcher, header: bytes, body: Body) -> bool:
        """
        Take events that belong together, unless it is full; return whether it did.

        It keeps the events themselves only if it copies the list, which is emptied afterwards.

        Args:
            header: Names the revision they show.

        """

    def joined(self, responses: list[tuple[bytes, bytes]]) -> bytes:
        """Return responses, given in two parts, as ``try_send_joined`` of any stream takes them."""

    def try_send_joined(self, joined: bytes) -> bool:
        """Take responses, or none of them if there is no room for all now."""

    def flush(self) -> None:
        """Let nothing that was taken wait for the end of the loop's turn."""

    def send_compacted(self, watcher: Watcher, revision: int) -> None:
        """Take the news that a watcher's history was compacted away."""

    def note_unsynced(self, watcher: Watcher) -> None:
        """Note a watcher to hand to ``Hub.resume`` once there is room, which there is not."""


class Watcher:
    """
    One watch of one stream.

    Attributes:
        stream: Where its events go.
        watch_id: Its number within the stream.
        id_field: That number, encoded as the field of every response to it.
        start: The first key watched.
        stop: Where the keys watched end, None if they do not.
        start_revision: The revision the client asked to start at, 0 for "now".
        next_revision: The first revision it has not read, while it is behind; before that
            it was told of everything.
        wants_puts: Whether put events go to it.
        wants_deletes: Whether delete events go to it.
        wants_previous: Whether events carry what the key held before.
        wants_progress: Whether it is told now and then that nothing happened.
        fragments: Whether a large response may be split.
        was_told: Whether it was sent events since its stream's last progress tick.

    """

    __slots__ = (
        "__weakref__",
        "fragments",
        "id_field",
        "next_revision",
        "start",
        "start_revision",
        "state",
        "stop",
        "stream",
        "wants_deletes",
        "wants_previous",
        "wants_progress",
        "wants_puts",
        "was_told",
        "watch_id",
    )

    def __init__(
        self,
        stream: Stream,
        watch_id: int,
        start: bytes,
        stop: bytes | None,
        start_revision: int = 0,
    ) -> None:
        self.stream = stream
        self.watch_id = watch_id
        self.id_field = number(2, watch_id)
        self.start = start
        self.stop = stop
        self.start_revision = start_revision
        self.next_revision = start_revision
        self.state = State.UNSYNCED
        self.wants_puts = self.wants_deletes = True
        self.wants_previous = self.wants_progress = self.fragments = False
        self.was_told = False

    def wants(self, event: Event) -> bool:
        """Tell whether an event, whose key is watched, goes to this watcher."""
        return event.main >= self.next_revision and self.passes(event)

    def passes(self, event: Event) -> bool:
        """Tell whether an event passes the watcher's filters."""
        return self.wants_deletes if event.is_delete else self.wants_puts
