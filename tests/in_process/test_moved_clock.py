"""Hours pass in milliseconds, for a server that real clients talk to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import grpc.aio
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.testing.clock import MovableClock
from tests.in_process.serving import InProcess, served

HOUR = 3600
#: Seconds of the processor that an hour may take, from moving the clock to the event at the client,
BOUND = 0.050
#: and of real time, in which a busy machine does other things as well.
REAL_BOUND = HOUR / 60


class Client:
    """A grpcio client of a server."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.kv = rpc_pb2_grpc.KVStub(channel)  # type: ignore[no-untyped-call]
        self.leases = rpc_pb2_grpc.LeaseStub(channel)  # type: ignore[no-untyped-call]
        self.watches = rpc_pb2_grpc.WatchStub(channel)  # type: ignore[no-untyped-call]

    async def watch(self, key: bytes) -> Any:
        """Return a stream whose watch of a key is confirmed."""
        stream = self.watches.Watch()
        await stream.write(pb.WatchRequest(create_request=pb.WatchCreateRequest(key=key)))
        assert (await stream.read()).created
        return stream

    async def attach(self, key: bytes, ttl: int) -> int:
        """Put a key that hangs on a new lease; return the lease's id."""
        lease: int = (await self.leases.LeaseGrant(pb.LeaseGrantRequest(TTL=ttl))).ID
        await self.kv.Put(pb.PutRequest(key=key, lease=lease))
        return lease


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def server(tmp_path: Path, clock: MovableClock) -> AsyncIterator[InProcess]:
    async with served(tmp_path / "data", clock) as server:
        yield server


@pytest.fixture
async def client(server: InProcess) -> AsyncIterator[Client]:
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield Client(channel)


async def _hour_passes(client: Client, clock: MovableClock) -> float:
    """Return what it took from moving the clock by an hour to the event it brings about."""
    watching = await client.watch(b"a")
    await client.attach(b"a", HOUR)
    assert (await watching.read()).events[0].type == 0
    event = asyncio.ensure_future(watching.read())
    began, used = perf_counter(), process_time()
    await clock.advance(HOUR)
    [deleted] = (await event).events
    took = process_time() - used
    assert perf_counter() - began < REAL_BOUND
    assert (deleted.type, deleted.kv.key) == (1, b"a")
    watching.cancel()
    return took


async def test_lease_of_an_hour_ends_in_milliseconds(client: Client, clock: MovableClock) -> None:
    # The quickest of a few: the process may do something else meanwhile.
    took = [await _hour_passes(client, clock) for _ in range(5)]
    print("milliseconds:", *(round(seconds * 1000, 1) for seconds in took))
    assert min(took) < BOUND


async def test_no_lease_ends_early_and_time_to_live_follows_the_clock(
    client: Client, clock: MovableClock
) -> None:
    lease = await client.attach(b"a", HOUR)
    await clock.advance(HOUR - 10)
    left = await client.leases.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=lease))
    assert left.TTL == 10
    assert (await client.kv.Range(pb.RangeRequest(key=b"a"))).count == 1


async def test_calls_have_their_own_time(client: Client, clock: MovableClock) -> None:
    waiting = client.kv.Put(pb.PutRequest(key=b"a"), timeout=30)
    await clock.advance(HOUR)
    assert (await waiting).header.revision == 2
