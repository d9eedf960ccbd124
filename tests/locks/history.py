"""
What was the case in a queue, revision by revision, from the history of the store.

A client can only tell what it was told, and when. Who was at the head of a queue at some
revision is a matter of its keys alone: the one created first, of those that are there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import grpc.aio

from etcdpy.pb import kv_pb2 as mvccpb
from etcdpy.pb import rpc_pb2 as pb
from tests.locks.connection import Connection

EVERYTHING = {"key": b"\0", "range_end": b"\0"}


class Head(NamedTuple):
    """The key at the head, as it was last changed."""

    key: bytes
    created: int
    modified: int
    value: bytes


class QueueHistory:
    """
    The heads that a queue had, in their order; ``None`` while it was empty.

    A head is there again, later, whenever its value is put.

    Args:
        prefix: What the keys of the queue start with.
        events: All there ever were.

    """

    def __init__(self, prefix: bytes, events: Iterable[mvccpb.Event]) -> None:
        self.heads: list[Head | None] = [None]
        self._since = [0]
        queue: dict[bytes, mvccpb.KeyValue] = {}
        for revision, of_it in _by_revision(events):
            for event in of_it:
                if not event.kv.key.startswith(prefix):
                    continue
                if event.type == mvccpb.Event.PUT:
                    queue[event.kv.key] = event.kv
                else:
                    del queue[event.kv.key]
            self._note(revision, _oldest(queue.values()))

    def _note(self, revision: int, head: Head | None) -> None:
        if head != self.heads[-1]:
            self.heads.append(head)
            self._since.append(revision)

    def place(self, revision: int) -> int:
        """Return which of the heads it was when ``revision`` had been made."""
        return bisect_right(self._since, revision) - 1

    def at(self, revision: int) -> Head | None:
        """Return who was at the head when ``revision`` had been made."""
        return self.heads[self.place(revision)]


def _oldest(queue: Iterable[mvccpb.KeyValue]) -> Head | None:
    kv = min(queue, key=lambda kv: kv.create_revision, default=None)
    return None if kv is None else Head(kv.key, kv.create_revision, kv.mod_revision, kv.value)


def _by_revision(
    events: Iterable[mvccpb.Event],
) -> Iterator[tuple[int, list[mvccpb.Event]]]:
    of_it: list[mvccpb.Event] = []
    for event in events:
        if of_it and event.kv.mod_revision != of_it[0].kv.mod_revision:
            assert event.kv.mod_revision > of_it[0].kv.mod_revision, "history goes back"
            yield of_it[0].kv.mod_revision, of_it
            of_it = []
        of_it.append(event)
    if of_it:
        yield of_it[0].kv.mod_revision, of_it


async def read_events(connection: Connection) -> list[mvccpb.Event]:
    """Return every event there ever was, of a store that was never compacted."""
    marker = await connection.call(connection.kv.Put, pb.PutRequest(key=b"end of history"))
    call: grpc.aio.StreamStreamCall[pb.WatchRequest, pb.WatchResponse] = connection.watch.Watch()
    create = pb.WatchCreateRequest(**EVERYTHING, start_revision=1)  # type: ignore[arg-type]
    await call.write(pb.WatchRequest(create_request=create))
    events: list[mvccpb.Event] = []
    async for response in call:
        assert not response.canceled, response
        events += response.events
        if events and events[-1].kv.mod_revision >= marker.header.revision:
            break
    call.cancel()
    return events
