"""
One Watch stream: its watchers, and what waits to be sent to its client.

Responses leave in the order in which they were made. What waits is bounded: a stream that
is full takes no events (its watchers fall behind and read history later) and no requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

from etcdpy.pb.wire import delimited, number
from etcdpy.watch.events import Event
from etcdpy.watch.hub import Hub
from etcdpy.watch.watcher import State, Watcher

#: Bytes and responses that may wait for a client, beyond what is being written.
QUEUE_BYTES = 1 << 20
QUEUE_LENGTH = 1024

#: The watch id of a response that is about no watcher, or about all of them.
NO_WATCHER = -1

_CREATED = b"\x18\x01"
_CANCELED = b"\x20\x01"
_FRAGMENT = b"\x38\x01"


class WatchStream:
    """
    The sending side of a Watch call.

    Args:
        hub: Feeds the watchers.
        fragment_bytes: The size from which a response to a watcher that agrees is split.
        wake: Called when there is something to send where there was nothing.

    """

    def __init__(self, hub: Hub, fragment_bytes: int, wake: Callable[[], None]) -> None:
        self._hub = hub
        self._fragment_bytes = fragment_bytes
        self._wake = wake
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._behind: dict[Watcher, None] = {}
        self._next_id = 0
        self.watchers: dict[int, Watcher] = {}

    # ---------------------------------------------------------------- watchers

    def free_id(self) -> int:
        """Return the next id that no watcher of the stream has; ids are not used again."""
        while self._next_id in self.watchers:
            self._next_id += 1
        self._next_id += 1
        return self._next_id - 1

    def create(self, watcher: Watcher) -> None:
        """Confirm a watcher, then begin to feed it."""
        self.watchers[watcher.watch_id] = watcher
        self._push(self._now() + watcher.id_field + _CREATED)
        self._hub.add(watcher)

    def reject(self, reason: str) -> None:
        """Refuse a watcher; the stream goes on."""
        cause = delimited(6, reason.encode())
        self._push(self._now() + number(2, NO_WATCHER) + _CREATED + _CANCELED + cause)

    def cancel(self, watch_id: int) -> None:
        """End a watcher and confirm it; an unknown one is met with silence, as etcd does."""
        watcher = self.watchers.pop(watch_id, None)
        if watcher is None:
            return
        self._forget(watcher)
        self._push(self._now() + watcher.id_field + _CANCELED)

    def close(self) -> None:
        """End all watchers; nothing more is sent."""
        for watcher in self.watchers.values():
            self._forget(watcher)
        self.watchers.clear()
        self._queue.clear()
        self._size = 0

    def _forget(self, watcher: Watcher) -> None:
        self._behind.pop(watcher, None)
        self._hub.remove(watcher)

    def note_behind(self, watcher: Watcher) -> None:
        """Note a watcher that goes on once there is room."""
        self._behind[watcher] = None

    # --------------------------------------------------------------- responses

    def send_events(self, watcher: Watcher, header: bytes, events: list[Event]) -> None:
        """Send events that belong together to a watcher."""
        watcher.was_told = True
        if watcher.wants_previous:
            store = self._hub.store
            fields = [event.field_with_previous(store) for event in events]
        else:
            fields = [event.field() for event in events]
        start = header + watcher.id_field
        if watcher.fragments:
            self._send_fragments(start, fields)
        else:
            self._push(start + b"".join(fields) if len(fields) > 1 else start + fields[0])

    def _send_fragments(self, start: bytes, fields: list[bytes]) -> None:
        limit = self._fragment_bytes
        if len(fields) == 1 or len(start) + sum(map(len, fields)) < limit:
            self._push(start + b"".join(fields))
            return
        piece: list[bytes] = []
        size = len(start) + len(_FRAGMENT)
        for field in fields:
            if piece and size + len(field) >= limit:
                self._push(start + _FRAGMENT + b"".join(piece))
                piece, size = [], len(start) + len(_FRAGMENT)
            piece.append(field)
            size += len(field)
        self._push(start + b"".join(piece))

    def send_compacted(self, watcher: Watcher, revision: int) -> None:
        """Tell that a watcher's history was compacted away; its id stays taken."""
        header = self._hub.headers.at(0)
        self._push(header + watcher.id_field + _CANCELED + number(5, revision))

    def send_progress(self) -> None:
        """Tell how far all watchers have come; nothing if one of them is not that far."""
        if not self.watchers or not all(map(self._is_current, self.watchers.values())):
            return
        self._push(self._now() + number(2, NO_WATCHER))

    def tick(self) -> None:
        """Tell each quiet watcher that wants to know how far it has come."""
        for watcher in self.watchers.values():
            if watcher.wants_progress:
                if not watcher.was_told and self._is_current(watcher):
                    self._push(self._now() + watcher.id_field)
                watcher.was_told = False

    def _is_current(self, watcher: Watcher) -> bool:
        current = self._hub.store.durable_revision
        return watcher.state is State.SYNCED and watcher.start_revision <= current

    def _now(self) -> bytes:
        return self._hub.headers.at(self._hub.store.durable_revision)

    # ------------------------------------------------------------------- queue

    @property
    def is_full(self) -> bool:
        """Whether the client must read before it is sent events."""
        return self._size >= QUEUE_BYTES or len(self._queue) >= QUEUE_LENGTH

    def _push(self, response: bytes) -> None:
        queue = self._queue
        queue.append(response)
        self._size += len(response)
        if len(queue) == 1:
            self._wake()

    async def drain(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write what waits, until nothing does."""
        queue = self._queue
        while queue:
            response = queue[0]
            await write(response)
            if not queue:  # closed meanwhile
                return
            queue.popleft()
            self._size -= len(response)
            if self._behind and self._size < QUEUE_BYTES // 2 and len(queue) < QUEUE_LENGTH // 2:
                behind, self._behind = self._behind, {}
                self._hub.resume(behind)
