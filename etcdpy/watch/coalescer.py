"""
One event on its way to many watchers: those of one stream are sent it in one write.

What is written is the same for all streams whose watchers have the same ids, as those of
equal clients do, and is made once:

    stream 1   watchers 0 1 2   ->   [header 0 event][header 1 event][header 2 event]
    stream 2   watchers 0 1 2   ->   the same bytes
"""

from __future__ import annotations

from etcdpy.watch.body import Body
from etcdpy.watch.output import Joined
from etcdpy.watch.watcher import PREVIOUS, Stream, Watcher

#: Below so many watchers nothing is gained.
FEWEST = 8
#: Bytes of a write, less what a frame of HTTP/2 may carry at least.
LARGEST_WRITE = 16_000
#: More than what the transport adds to a response, and the watch id.
RESPONSE_OVERHEAD = 20
#: Writes remembered. Where there are more, hardly any stream has an equal, and all are forgotten.
MOST_KNOWN = 64


class Coalescer:
    """
    Gathers watchers of one event.

    Args:
        header: Of the responses.
        body: Their events.
        expected: How many watchers there are.

    """

    __slots__ = ("_by_stream", "_field", "_known", "_most", "_start")

    def __init__(self, header: bytes, body: Body, expected: int) -> None:
        self._start = header
        self._field = b""
        # Watchers that fit in one write; 0 if none is gathered.
        self._most = 0
        if expected >= FEWEST and len(body.events) == 1:
            self._field = body.events[0].field()
            self._most = LARGEST_WRITE // (len(header) + len(self._field) + RESPONSE_OVERHEAD)
        self._by_stream: dict[Stream, list[Watcher]] = {}
        self._known: dict[tuple[bytes, ...], Joined] = {}

    def add(self, watcher: Watcher) -> bool:
        """Gather a watcher; return False if it has to be notified by itself."""
        if self._most < 2 or watcher.wishes & PREVIOUS:
            return False
        watchers = self._by_stream.get(watcher.stream)
        if watchers is None:
            self._by_stream[watcher.stream] = [watcher]
        elif len(watchers) < self._most:
            watchers.append(watcher)
        else:
            return False
        return True

    def send(self) -> list[Watcher]:
        """Send the event to all gathered; return those that have to be notified by themselves."""
        left: list[Watcher] = []
        for stream, watchers in self._by_stream.items():
            if len(watchers) < 2 or not self._send(stream, watchers):
                left += watchers
        self._by_stream.clear()
        return left

    def _send(self, stream: Stream, watchers: list[Watcher]) -> bool:
        ids = tuple([it.id_field or it.make_id_field() for it in watchers])
        joined = self._known.get(ids)
        if joined is None:
            responses = [(self._start + id_field, self._field) for id_field in ids]
            joined = stream.joined(responses)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[ids] = joined
        if not stream.try_send_joined(joined):
            return False
        for watcher in watchers:
            watcher.was_notified = True
        return True
