"""
Holders of leases that remember every answer, and when each lease may end at the earliest.

Each lease has keys of its own, put once and never deleted but with the lease. So what became
of the lease can be told from the history of its keys.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc
import grpc.aio

from etcdpy.pb import kv_pb2 as mvccpb
from etcdpy.pb import rpc_pb2 as pb
from tests.locks.connection import Connection, is_away

#: What a server gets told so that leases may be short: election timeouts of half a second.
TIMES = ("--heartbeat-interval=100", "--election-timeout=500")
#: Seconds that leases get on top when the server starts.
EXTRA = 0.5
TTLS = (1, 2, 3)
#: Held by each holder, however slow the machine.
LEAST = 2


@dataclass
class Held:
    """What its holder knows of a lease."""

    lease: int
    ttl: int
    #: It may not end before; moments are those of the monotonic clock.
    earliest: float
    #: It has to end by then, but for the time it takes to notice and to tell.
    latest: float
    keys: set[bytes] = field(default_factory=set)
    #: Whether somebody has begun to revoke it.
    is_revoked: bool = False

    def renewed(self, sent: float) -> None:
        self.earliest, self.latest = sent + self.ttl, time.monotonic() + self.ttl

    def restarted(self, killed: float) -> None:
        """It starts again, some time after the server was killed."""
        self.earliest = max(self.earliest, killed + self.ttl)
        self.latest = time.monotonic() + self.ttl + EXTRA


@dataclass
class Book:
    """All leases there ever were, and when each of their keys was put and deleted."""

    leases: dict[int, Held] = field(default_factory=dict)
    #: Key to the revision of its deletion, and when that was heard of.
    deleted: dict[bytes, tuple[int, float]] = field(default_factory=dict)
    put: set[bytes] = field(default_factory=set)
    revision: int = 1
    is_over: bool = False
    #: Who hears the events; it ends only when it fails.
    listening: asyncio.Task[None] | None = None

    def hear(self, event: mvccpb.Event) -> None:
        """Take note of an event; each is to be told once, and in order."""
        key, self.revision = event.kv.key, event.kv.mod_revision
        assert key not in self.deleted, f"{key!r} was deleted, and has come back"
        if event.type == mvccpb.Event.PUT:
            self.put.add(key)
        else:
            self.deleted[key] = self.revision, time.monotonic()

    def ended(self, held: Held) -> tuple[int, float] | None:
        """Return the revision at which a lease has ended, and when that was heard of."""
        ends = {self.deleted.get(key) for key in held.keys & self.put}
        revisions = {end and end[0] for end in ends}
        assert len(revisions) <= 1, "the keys of a lease did not go together"
        return min((end for end in ends if end), default=None)


async def hold(
    connection: Connection, book: Book, ids: Iterator[int], chance: random.Random
) -> None:
    """Hold one lease after another until it is over: each is kept alive, revoked, or left."""
    for count in itertools.count():
        if book.is_over and count >= LEAST:
            return
        held = await _grant(connection, next(ids), chance.choice(TTLS))
        book.leases[held.lease] = held
        for number in range(chance.randrange(1, 4)):
            await _put(connection, held, b"lease %d/%d" % (held.lease, number))
        what = chance.choice(("leave", "keep", "keep", "revoke"))
        if what == "keep":
            for _ in range(chance.randrange(1, 5)):
                await asyncio.sleep(held.ttl * chance.uniform(0.1, 0.9))
                await _keep_alive(connection, held)
        elif what == "revoke":
            held.is_revoked = True
            await connection.revoke(held.lease)
        await asyncio.sleep(chance.uniform(0, 0.2))


async def _grant(connection: Connection, lease: int, ttl: int) -> Held:
    sent = time.monotonic()
    try:
        request = pb.LeaseGrantRequest(ID=lease, TTL=ttl)
        await connection.call(connection.lease.LeaseGrant, request)
    except grpc.aio.AioRpcError as error:
        # It was granted before the server was killed, and nobody was told.
        if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
            raise
    return Held(lease, ttl, sent + ttl, time.monotonic() + ttl)


async def _put(connection: Connection, held: Held, key: bytes) -> None:
    try:
        request = pb.PutRequest(key=key, lease=held.lease)
        await connection.call(connection.kv.Put, request)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        assert time.monotonic() >= held.earliest, "a lease was gone too early"
    else:
        held.keys.add(key)


async def _keep_alive(connection: Connection, held: Held) -> None:
    sent = time.monotonic()
    while True:
        stream = connection.lease.LeaseKeepAlive(
            iter([pb.LeaseKeepAliveRequest(ID=held.lease)]), wait_for_ready=True
        )
        try:
            replies = [reply.TTL async for reply in stream]
        except grpc.aio.AioRpcError as error:
            if not is_away(error):
                raise
            continue
        if replies == [held.ttl]:
            held.renewed(sent)
        else:
            assert replies == [0]
            assert time.monotonic() >= held.earliest, "a lease was gone too early"
        return


async def listen(connection: Connection, book: Book) -> None:
    """Write down every event, over all kills of the server, until cancelled."""
    while True:
        create = pb.WatchCreateRequest(key=b"\0", range_end=b"\0", start_revision=book.revision + 1)
        stream = connection.watch.Watch(wait_for_ready=True)
        try:
            await stream.write(pb.WatchRequest(create_request=create))
            async for response in stream:
                for event in response.events:
                    book.hear(event)
        except grpc.aio.AioRpcError as error:
            if not is_away(error):
                raise
        except asyncio.InvalidStateError:
            continue  # the stream ended before the request was written
        finally:
            stream.cancel()


async def time_to_live(connection: Connection, lease: int) -> pb.LeaseTimeToLiveResponse:
    request = pb.LeaseTimeToLiveRequest(ID=lease, keys=True)
    told: pb.LeaseTimeToLiveResponse = await connection.call(
        connection.lease.LeaseTimeToLive, request
    )
    return told


async def listed(connection: Connection) -> list[int]:
    reply = await connection.call(connection.lease.LeaseLeases, pb.LeaseLeasesRequest())
    return [status.ID for status in reply.leases]
