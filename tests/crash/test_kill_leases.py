"""
kill -9 of a server with leases: each starts again with it, and ends once, in time and whole.

``ETCDPY_LEASE_KILLS`` sets how often, ``ETCDPY_SEED`` makes the same choices again.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time

from etcdpy.pb import rpc_pb2 as pb
from tests.crash.leases import LEAST, TIMES, TTLS, Book, Held, hold, listed, listen, time_to_live
from tests.interop.conftest import reachable
from tests.locks.connection import PATIENCE, Connection
from tests.locks.contest import connected
from tests.support.seeds import SEED
from tests.support.servers import Server, etcdpy_server

KILLS = int(os.environ.get("ETCDPY_LEASE_KILLS", "4"))
HOLDERS = 24
#: A lease is revoked at most this long after its end, however busy the machine is.
LATEST = 60.0


async def test_leases_end_once_and_in_time_while_the_server_is_killed() -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    book = Book()
    ids = itertools.count(1)
    with etcdpy_server(args=(*reachable(), *TIMES)) as server:
        async with connected(server.address, 5) as (listener, *connections):
            book.listening = asyncio.create_task(listen(listener, book))
            holding = [
                asyncio.create_task(
                    hold(connections[number % 4], book, ids, random.Random(chance.random()))
                )
                for number in range(HOLDERS)
            ]
            for _ in range(KILLS):
                await asyncio.sleep(chance.uniform(0.3, 2.5))
                await _kill(server, book, listener)
            await asyncio.sleep(1)
            book.is_over = True
            await asyncio.gather(*holding)
            await _see_the_end(listener, book)
            book.listening.cancel()
    ends = [book.ended(held) for held in book.leases.values()]
    print(f"{len(ends)} leases, {KILLS} kills, {len(book.deleted)} keys")
    assert len(ends) >= HOLDERS * LEAST


async def _kill(server: Server, book: Book, connection: Connection) -> None:
    killed = time.monotonic()
    await asyncio.to_thread(_kill_and_start, server)
    # No lease runs out this soon after a start: whatever is deleted by now was so before,
    # or is being revoked.
    nothing = await connection.call(connection.kv.Range, pb.RangeRequest(key=b"nothing"))
    await _wait_for_revision(book, nothing.header.revision)
    for held in [*book.leases.values()]:
        if book.ended(held) is None:
            held.restarted(killed)
            await _check_alive(connection, book, held)
        elif not held.is_revoked:
            _check_end(book, held)
            told = await time_to_live(connection, held.lease)
            assert told.TTL == -1, "it has ended, and has come back"


def _kill_and_start(server: Server) -> None:
    server.kill()
    server.start()


async def _wait_for_revision(book: Book, revision: int) -> None:
    async def wait() -> None:
        while book.revision < revision:
            if book.listening is not None and book.listening.done():
                book.listening.result()  # raises what has ended it
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), PATIENCE)


async def _check_alive(connection: Connection, book: Book, held: Held) -> None:
    keys = {*held.keys}
    if held.is_revoked or not keys:
        return  # on its way out, or in
    told = await time_to_live(connection, held.lease)
    if time.monotonic() < held.earliest and not held.is_revoked:
        assert (told.grantedTTL, told.ID) == (held.ttl, held.lease), "it is lost"
        assert 0 <= told.TTL <= max(TTLS)
        assert keys <= {*told.keys}, "it has lost keys"


def _check_end(book: Book, held: Held) -> None:
    """Check when a lease ended that nobody revoked."""
    end = book.ended(held)
    assert end is not None
    _, heard = end
    assert heard >= held.earliest, "it ended too early"
    assert heard <= held.latest + LATEST, "it ended too late"


async def _see_the_end(connection: Connection, book: Book) -> None:
    last = max(held.latest for held in book.leases.values()) + LATEST
    while left := await listed(connection):
        assert time.monotonic() < last, f"leases that never end: {left}"
        await asyncio.sleep(0.1)
    reply = await connection.call(connection.kv.Range, pb.RangeRequest(key=b"\0", range_end=b"\0"))
    assert not reply.kvs, "keys without a lease"
    await _wait_for_revision(book, reply.header.revision)
    for held in book.leases.values():
        if held.keys and not held.is_revoked:
            _check_end(book, held)
        assert held.keys <= book.put
        assert held.keys <= book.deleted.keys()
