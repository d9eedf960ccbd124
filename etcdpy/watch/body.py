"""
The events of a response, encoded once for all who receive them.

Encoding goes in steps, as one revision may delete a hundred thousand keys; whether it was
prepared so or is done when it is asked for, the result is the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from etcdpy.mvcc.store import Store
from etcdpy.watch.events import Event

#: Events encoded in one step, if they are small.
EVENTS_PER_STEP = 128
#: Bytes after which a step has enough events.
BYTES_PER_STEP = 1 << 20
#: What an event costs if what its key held before has to be read: so many without.
COST_OF_PREVIOUS = 8
#: What letting go of an event costs, as a share of making it.
COST_OF_RELEASE = 0.25


class _Encoding:
    """
    What some events are, encoded.

    Attributes:
        parts: Some events each, with the position of the first.
        whole: All of them, once that was asked for.
        pieces: The same in pieces, by the room that there is for one.

    """

    __slots__ = ("parts", "pieces", "whole")

    def __init__(self, parts: list[tuple[int, bytes]]) -> None:
        self.parts = parts
        self.whole: bytes | None = None
        self.pieces: dict[int, list[bytes]] = {}


class Body:
    """
    Events that go together in one response, or in its fragments.

    Args:
        events: In the order in which they happened; at least one.
        store: Knows what keys held before.

    """

    __slots__ = ("_plain", "_store", "_with_previous", "events")

    def __init__(self, events: list[Event], store: Store) -> None:
        self.events = events
        self._store = store
        self._plain: _Encoding | None = None
        self._with_previous: _Encoding | None = None

    @property
    def is_long(self) -> bool:
        """Whether to prepare it in steps."""
        return len(self.events) > EVENTS_PER_STEP

    def prepare(self, previous: bool) -> Iterator[float]:
        """
        Encode step by step; yield the work of each, in events.

        Args:
            previous: Whether with what the keys held before.

        """
        if (self._with_previous if previous else self._plain) is not None:
            return
        parts: list[tuple[int, bytes]] = []
        position, length = 0, len(self.events)
        while position < length:
            fields = self._step(position, previous)
            parts.append((position, b"".join(fields)))
            position += len(fields)
            yield len(fields) * COST_OF_PREVIOUS if previous else len(fields)
        if previous:
            self._with_previous = _Encoding(parts)
        else:
            self._plain = _Encoding(parts)

    def whole(self, previous: bool) -> bytes:
        """Return all events, as fields of a WatchResponse."""
        if len(self.events) == 1:
            return self._field(self.events[0], previous)
        encoding = self._complete(previous)
        if encoding.whole is None:
            encoding.whole = b"".join([part for _, part in encoding.parts])
        return encoding.whole

    def pieces(self, previous: bool, room: int) -> list[bytes]:
        """Return the same in pieces shorter than ``room``, each as long as that allows."""
        encoding = self._complete(previous)
        if room not in encoding.pieces:
            encoding.pieces[room] = list(self._cut(encoding.parts, previous, room))
        return encoding.pieces[room]

    def size(self, previous: bool) -> int:
        """Return the length of all events, encoded."""
        return sum(len(part) for _, part in self._complete(previous).parts)

    def dissolve(self) -> Iterator[float]:
        """
        Let go of the events step by step, as freeing many takes a while, too; yield the work.

        No method may be called afterwards.
        """
        events = self.events
        while len(events) > EVENTS_PER_STEP:
            del events[-EVENTS_PER_STEP:]
            yield EVENTS_PER_STEP * COST_OF_RELEASE

    def _complete(self, previous: bool) -> _Encoding:
        for _ in self.prepare(previous):
            pass
        encoding = self._with_previous if previous else self._plain
        assert encoding is not None
        return encoding

    def _cut(self, parts: list[tuple[int, bytes]], previous: bool, room: int) -> Iterator[bytes]:
        piece: list[bytes] = []
        size = 0
        for number, (first, part) in enumerate(parts):
            if size + len(part) < room:
                piece.append(part)
                size += len(part)
                continue
            stop = parts[number + 1][0] if number + 1 < len(parts) else None
            for event in self.events[first:stop]:
                field = self._field(event, previous)
                # One event at least, however large. (etcd: v3rpc/watch.go, sendFragments)
                if piece and size + len(field) >= room:
                    yield b"".join(piece)
                    piece, size = [], 0
                piece.append(field)
                size += len(field)
        yield b"".join(piece)

    def _step(self, position: int, previous: bool) -> list[bytes]:
        fields: list[bytes] = []
        size = 0
        for event in self.events[position : position + EVENTS_PER_STEP]:
            fields.append(self._field(event, previous))
            size += len(fields[-1])
            if size >= BYTES_PER_STEP:
                break
        return fields

    def _field(self, event: Event, previous: bool) -> bytes:
        return event.field_with_previous(self._store) if previous else event.field()
