"""Observers of one election, and whether they were told what was the case."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator
from contextlib import suppress

import grpc.aio

from etcdpy.pb import v3election_pb2 as elect
from tests.locks.connection import Connection, is_away
from tests.locks.history import Head, QueueHistory


class Observer:
    """Observes, again whenever the server has gone away, and sometimes just like that."""

    def __init__(self, connection: Connection, name: bytes, seed: float) -> None:
        self._connection = connection
        self._request = elect.LeaderRequest(name=name)
        self._chance = random.Random(seed)
        #: What each stream brought.
        self.streams: list[list[elect.LeaderResponse]] = []
        self._changed = asyncio.Condition()

    async def observe(self) -> None:
        """Go on until cancelled."""
        while True:
            call = self._connection.election.Observe(self._request, wait_for_ready=True)
            told: list[elect.LeaderResponse] = []
            self.streams.append(told)
            enough = self._chance.randrange(1, 400)
            try:
                async for response in call:
                    told.append(response)
                    async with self._changed:
                        self._changed.notify_all()
                    if len(told) == enough:
                        break
                else:
                    raise AssertionError("the stream ended by itself")
            except grpc.aio.AioRpcError as error:
                if not is_away(error):
                    raise
            finally:
                call.cancel()

    async def wait_for(self, value: bytes) -> None:
        """Wait until the newest that was told is ``value``."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: bool(self.streams[-1]) and self.streams[-1][-1].kv.value == value
            )


async def stop(observing: Iterable[asyncio.Task[None]]) -> None:
    """End observers; raises what ended one of them before."""
    for task in observing:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def check_stream(told: Iterable[elect.LeaderResponse], queue: QueueHistory) -> None:
    """
    Check what one Observe told.

    Each message shows who was at the head of the queue at the revision of its header. They
    are in order; while one leads, nothing is left out; when another one comes, that may be
    told late, as it is by then.
    """
    last = None
    for place in _places(told, queue):
        if last is not None:
            assert place > last, "what was told before is told again"
            before, following = queue.heads[last], queue.heads[last + 1]
            if _is_same_leader(before, following):
                assert place == last + 1, "a proclamation was left out"
        last = place


def _places(told: Iterable[elect.LeaderResponse], queue: QueueHistory) -> Iterator[int]:
    for response in told:
        kv, place = response.kv, queue.place(response.header.revision)
        shown = Head(kv.key, kv.create_revision, kv.mod_revision, kv.value)
        assert queue.heads[place] == shown, "somebody was told of who did not lead"
        yield place


def _is_same_leader(one: Head | None, other: Head | None) -> bool:
    return one is not None and other is not None and one.created == other.created
