"""A watcher: what it watches, and how far it has come. What can become of it is in ``states``."""

from __future__ import annotations

from typing import Final, Protocol

from etcdpy.pb.wire import number
from etcdpy.watch.body import Body
from etcdpy.watch.events import Event
from etcdpy.watch.output import Joined
from etcdpy.watch.states import WATCHER_MOVES, IllegalMoveError, WatcherInput, WatcherState

#: No put events go to it,
NO_PUTS: Final = 1
#: or no delete events;
NO_DELETES: Final = 2
#: what passes both is everything.
FILTERS: Final = NO_PUTS | NO_DELETES
#: Events carry what the key held before.
PREVIOUS: Final = 4
#: It is notified now and then that nothing happened.
PROGRESS: Final = 8
#: A large response may be split.
FRAGMENTS: Final = 16


class Stream(Protocol):
    """
    Where the events of a watcher go.

    Attributes:
        owed: The number of the last of the notifier's jobs that has something for it: its own note.
        told: A revision up to which its synced watchers have been notified of everything, whatever
            others wait for.

    """

    owed: int
    told: int

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


#: By ids.
ID_FIELDS: Final = _IdFields()


class Watcher:
    """
    One watch of one stream. There may be a million: what most do not need is not kept.

    Attributes:
        stream: Where its events go.
        watch_id: Its number within the stream.
        id_field: That number, encoded as the field of every response to it; ``b""`` until it is
            needed, see ``make_id_field``.
        start: The first key watched.
        until: Where the keys watched end, None if they do not, ``b""`` if it is one key.
        start_revision: The revision the client asked to start at, 0 for "now".
        next_revision: The first revision it has not read, while it is unsynced; of all before
            that it has been notified.
        wishes: What is out of the ordinary, as bits: ``NO_PUTS`` and so on.
        was_notified: Whether it was sent events since its stream's last progress tick.
        state: Where it gets its events from.

    """

    __slots__ = (
        "id_field",
        "next_revision",
        "start",
        "start_revision",
        "state",
        "stream",
        "until",
        "was_notified",
        "watch_id",
        "wishes",
    )

    def __init__(
        self,
        stream: Stream,
        watch_id: int,
        start: bytes,
        stop: bytes | None,
        start_revision: int = 0,
        wishes: int = 0,
    ) -> None:
        self.stream = stream
        self.watch_id = watch_id
        self.id_field = b""
        self.start = start
        self.until = b"" if stop == start + b"\0" else stop
        self.start_revision = start_revision
        self.next_revision = start_revision
        self.state = WatcherState.UNSYNCED
        self.wishes = wishes
        self.was_notified = False

    @property
    def stop(self) -> bytes | None:
        """Where the keys watched end, None if they do not."""
        return self.start + b"\0" if self.until == b"" else self.until

    def make_id_field(self) -> bytes:
        """Return ``id_field``, which is there from now on."""
        self.id_field = field = ID_FIELDS[self.watch_id]
        return field

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
        return not self.wishes & (NO_DELETES if event.is_delete else NO_PUTS)
