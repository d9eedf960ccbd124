"""A watcher: what it watches, and how far it has come. What can become of it is in ``states``."""

from __future__ import annotations

from typing import Final, Protocol

from etcdpy.pb.wire import number
from etcdpy.watch.body import Body
from etcdpy.watch.events import Event
from etcdpy.watch.output import Joined
from etcdpy.watch.states import WATCHER_MOVES, IllegalMoveError, WatcherInput, WatcherState


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

    def joined(self, responses: list[tuple[bytes, bytes]]) -> Joined:
        """Return responses, given in two parts, as ``try_send_joined`` of any stream takes them."""

    def try_send_joined(self, joined: Joined) -> bool:
        """Take responses, or none of them if there is no room for all now."""

    def flush(self) -> None:
        """Let nothing that was taken wait for the end of the loop's turn."""

    def send_compacted(self, watcher: Watcher, revision: int) -> None:
        """Take the news that a watcher's history was compacted away."""

    def note_unsynced(self, watcher: Watcher) -> None:
        """Note a watcher to hand to ``Hub.resume`` once there is room, which there is not."""


#: Ids whose fields are remembered: all of most streams.
_REMEMBERED: Final = 1 << 14


class _IdFields(dict[int, bytes]):
    """The fields of watch ids, of which every stream has the same ones: those of most."""

    def __missing__(self, watch_id: int) -> bytes:
        field = number(2, watch_id)
        if 0 <= watch_id < _REMEMBERED:
            self[watch_id] = field
        return field


_ID_FIELDS = _IdFields()


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
        next_revision: The first revision it has not read, while it is unsynced; of all before
            that it has been notified.
        wants_puts: Whether put events go to it.
        wants_deletes: Whether delete events go to it.
        wants_previous: Whether events carry what the key held before.
        wants_progress: Whether it is notified now and then that nothing happened.
        fragments: Whether a large response may be split.
        was_notified: Whether it was sent events since its stream's last progress tick.
        state: Where it gets its events from.

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
        "was_notified",
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
        self.id_field = _ID_FIELDS[watch_id]
        self.start = start
        self.stop = stop
        self.start_revision = start_revision
        self.next_revision = start_revision
        self.state = WatcherState.UNSYNCED
        self.wants_puts = self.wants_deletes = True
        self.wants_previous = self.wants_progress = self.fragments = False
        self.was_notified = False

    def move(self, given: WatcherInput) -> None:
        """
        Note what happened to the watcher.

        Raises:
            IllegalMoveError: If that cannot happen to it in its state.

        """
        following = WATCHER_MOVES.get((self.state, given))
        if following is None:
            raise IllegalMoveError(f"watcher {self.watch_id}: {given.name} in {self.state.name}")
        self.state = following

    def wants(self, event: Event) -> bool:
        """Tell whether an event, whose key is watched, goes to this watcher."""
        return event.main >= self.next_revision and self.passes(event)

    def passes(self, event: Event) -> bool:
        """Tell whether an event passes the watcher's filters."""
        return self.wants_deletes if event.is_delete else self.wants_puts
