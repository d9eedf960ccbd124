"""One Watch stream: its watchers, and the responses it sends them."""

from __future__ import annotations

from collections.abc import Callable

from etcdpy.cooperative import Steps
from etcdpy.pb.wire import delimited, number
from etcdpy.watch.body import Body
from etcdpy.watch.hub import Hub
from etcdpy.watch.output import Joined, Output, ResponseWriter
from etcdpy.watch.states import WatcherState
from etcdpy.watch.watcher import FRAGMENTS, ID_FIELDS, PREVIOUS, PROGRESS, Watcher

#: The watch id of a response that is about no watcher, or about all of them.
NO_WATCHER = -1

#: Watchers looked at in one slice.
LOOKED_AT = 4096

#: Watchers told in one slice how far they have come.
TOLD = 256

_CREATED = b"\x18\x01"
_CANCELED = b"\x20\x01"
_FRAGMENT = b"\x38\x01"


class WatchStream:
    """
    The sending side of a Watch call. Responses leave in the order in which they were made.

    Args:
        hub: Feeds the watchers.
        fragment_bytes: The size from which a response to a watcher that agrees is split.
        writer: Takes the responses.
        wake: Called when ``output.drain`` has something to do, and is not running.

    Attributes:
        watchers: By their ids; those whose history was compacted away, too.
        output: What waits to be sent.
        owed: See ``watcher.Stream``.
        told: See ``watcher.Stream``.

    """

    def __init__(
        self, hub: Hub, fragment_bytes: int, writer: ResponseWriter, wake: Callable[[], None]
    ) -> None:
        self._hub = hub
        self._fragment_bytes = fragment_bytes
        self._unsynced: dict[Watcher, None] = {}
        self._next_id = 0
        self.owed = self.told = 0
        self.watchers: dict[int, Watcher] = {}
        self.output = Output(writer, hub.backlog, wake, self._resume)

    # ---------------------------------------------------------------- watchers

    def free_id(self) -> int:
        """Return the next id that no watcher of the stream has; ids are not used again."""
        # (etcd: mvcc/watcher.go, Watch)
        while self._next_id in self.watchers:
            self._next_id += 1
        watch_id = self._next_id
        self._next_id = watch_id + 1
        return self._hub.number(watch_id)

    def create(self, watcher: Watcher) -> None:
        """Confirm a watcher, then begin to feed it."""
        self.watchers[watcher.watch_id] = watcher
        # First, as the confirmation comes before any event. (etcd: v3rpc/watch.go)
        self.output.push(self._now() + ID_FIELDS[watcher.watch_id] + _CREATED)
        self._hub.add(watcher)

    def reject(self, reason: str) -> None:
        """Refuse a watcher; the stream goes on."""
        cause = delimited(6, reason.encode())
        # Created and cancelled in one, under no watcher's id. (etcd: v3rpc/watch.go, recvLoop)
        self.output.push(self._now() + number(2, NO_WATCHER) + _CREATED + _CANCELED + cause)

    def cancel(self, watch_id: int) -> None:
        """End a watcher and confirm that; etcd meets an unknown one with silence, and so do we."""
        watcher = self.watchers.pop(watch_id, None)
        if watcher is None:
            return
        self._forget(watcher)
        self.output.push(self._now() + number(2, watcher.watch_id) + _CANCELED)

    def withdraw(self, watch_id: int, compact_revision: int = 0) -> None:
        """
        End a watcher that its client has not asked to end, and tell it.

        Args:
            watch_id: Which; it has to be there.
            compact_revision: The revision up to which its history is gone, if that is why.

        """
        watcher = self.watchers.pop(watch_id)
        self._forget(watcher)
        if compact_revision:
            self.send_compacted(watcher, compact_revision)
        else:
            self.output.push(self._now() + number(2, watcher.watch_id) + _CANCELED)

    def close(self) -> None:
        """End all watchers; nothing more is sent."""
        self.output.close()
        self._unsynced = {}
        watchers, self.watchers = self.watchers, {}
        self._hub.remove_all(watchers.values())

    def _forget(self, watcher: Watcher) -> None:
        self._unsynced.pop(watcher, None)
        self._hub.remove(watcher)

    # ----------------------------------------------------- what the hub asks of it

    @property
    def is_full(self) -> bool:
        """Whether it takes no events now."""
        return not self.output.takes_events

    def note_unsynced(self, watcher: Watcher) -> None:
        """Note a watcher that goes on once there is room."""
        self._unsynced[watcher] = None
        self.output.await_room()

    def _resume(self) -> None:
        if self._unsynced:
            unsynced, self._unsynced = self._unsynced, {}
            self._hub.resume(unsynced)

    def try_send(self, watcher: Watcher, header: bytes, body: Body) -> bool:
        """Send events that belong together to a watcher, unless the stream is full."""
        start = header + (watcher.id_field or watcher.make_id_field())
        output = self.output
        previous = bool(watcher.wishes & PREVIOUS)
        # Fast path (bench: watch/1000): what nearly every response is.
        if (
            not previous
            and len(body.events) == 1
            and output.try_write(start, body.events[0].field())
        ):
            watcher.was_notified = True
            return True
        if not output.takes_events:
            return False
        watcher.was_notified = True
        if watcher.wishes & FRAGMENTS and len(body.events) > 1:
            self._send_fragments(start, body, previous)
        else:
            output.push(start, body.whole(previous))
        return True

    def _send_fragments(self, start: bytes, body: Body, previous: bool) -> None:
        push, limit = self.output.push, self._fragment_bytes
        # Below the limit, not at it. (etcd: v3rpc/watch.go, sendFragments)
        if len(start) + body.size(previous) < limit:
            push(start, body.whole(previous))
            return
        *pieces, last = body.pieces(previous, limit - len(start) - len(_FRAGMENT))
        for piece in pieces:
            push(start + _FRAGMENT, piece)
        push(start, last)

    def joined(self, responses: list[tuple[bytes, bytes]]) -> Joined:
        """Return responses as ``try_send_joined`` takes them, on any stream."""
        return self.output.joined(responses)

    def try_send_joined(self, joined: Joined) -> bool:
        """Send responses, or none of them if there is no room for all now."""
        return self.output.try_write_joined(joined)

    def flush(self) -> None:
        """Let nothing that was sent wait for the end of the loop's turn."""
        self.output.flush()

    def send_compacted(self, watcher: Watcher, revision: int) -> None:
        """Send that a watcher's history was compacted away; its id stays taken."""
        # etcd leaves the revision out of this header. (watcher_group.go, chooseAll)
        header = self._hub.headers.at(0)
        self.output.push(header + number(2, watcher.watch_id) + _CANCELED + number(5, revision))

    # ---------------------------------------------------------------- progress

    def send_progress(self) -> Steps[None]:
        """
        Send how far all watchers have come; nothing if one of them is not that far.

        In slices: there may be a million of them. What happens to one in between makes no
        difference, as it has been notified of all up to the revision that is sent.
        """
        notified = max(self._hub.notified_revision, self.told)
        watchers = list(self.watchers.values())
        # (etcd: watchable_store.go, progressIfSync)
        for first in range(0, len(watchers), LOOKED_AT):
            if first:
                yield
            if not all(_has_come(it, notified) for it in watchers[first : first + LOOKED_AT]):
                return
        if watchers:
            self.output.push(self._hub.headers.at(notified) + number(2, NO_WATCHER))

    def tick(self) -> Steps[None]:
        """
        Send each quiet watcher that wants to know how far it has come.

        In slices, as ``send_progress``: a watcher that goes meanwhile is told nothing more, and of
        what is created meanwhile nothing is told before the next tick.
        """
        watchers = list(self.watchers.values())
        for first in range(0, len(watchers), TOLD):
            if first:
                yield
            # Each slice tells of now: no watcher hears of a revision before one it has seen.
            notified = max(self._hub.notified_revision, self.told)
            header = self._hub.headers.at(notified)
            for watcher in watchers[first : first + TOLD]:
                if watcher.wishes & PROGRESS:
                    # A client that does not read gets none (etcd: a full queue drops it, too).
                    if not (watcher.was_notified or self.is_full) and _has_come(watcher, notified):
                        self.output.push(header + number(2, watcher.watch_id))
                    # So events put it off by one tick, and no more. (etcd: v3rpc/watch.go,
                    # sendLoop)
                    watcher.was_notified = False

    def _now(self) -> bytes:
        return self._hub.headers.at(self._hub.store.durable_revision)


def _has_come(watcher: Watcher, revision: int) -> bool:
    """Tell whether a watcher was notified of all up to a revision, and that concerns it."""
    return watcher.state is WatcherState.SYNCED and watcher.start_revision <= revision
