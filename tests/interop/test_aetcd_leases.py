"""aetcd's leases and locks, unchanged, of etcdpy as of a real etcd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aetcd
import pytest

from tests.interop import aetcd_clients
from tests.support.servers import Server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[aetcd.Client]:
    async with aetcd_clients.connect(server.address) as client:
        await client.delete_range(b"\0", b"\0")
        yield client


async def test_lease_is_granted_refreshed_and_revoked(client: aetcd.Client) -> None:
    lease = await client.lease(60)
    await client.put(b"k", b"v", lease=lease)
    assert await lease.granted_ttl() == 60
    assert await lease.remaining_ttl() == 59
    assert list(await lease.keys()) == [b"k"]
    assert (await lease.refresh()).TTL == 60
    await lease.revoke()
    assert await client.get(b"k") is None
    assert await lease.remaining_ttl() == -1


async def test_lease_has_the_id_it_is_given(client: aetcd.Client) -> None:
    lease = await client.lease(60, lease_id=4711)
    assert lease.id == 4711
    await lease.revoke()


async def test_lease_runs_out(client: aetcd.Client) -> None:
    lease = await client.lease(1)
    await client.put(b"k", b"v", lease=lease)
    await client.watch_once(b"k", timeout=10, kind=aetcd.EventKind.DELETE)
    assert await client.get(b"k") is None


async def test_lock_is_held_by_one_and_passed_on(client: aetcd.Client) -> None:
    first, second = client.lock(b"lock", ttl=60), client.lock(b"lock", ttl=60)
    assert await first.acquire()
    assert await first.is_acquired()
    assert not await second.acquire(timeout=0)
    waiting = asyncio.ensure_future(second.acquire(timeout=10))
    assert await first.release()
    assert await waiting
    assert await second.is_acquired()
    assert not await first.is_acquired()
    assert not await first.release()
    assert (await second.refresh()).TTL == 60
    assert await second.release()


async def test_lock_ends_with_its_lease(client: aetcd.Client) -> None:
    assert await client.lock(b"lock", ttl=1).acquire()
    async with client.lock(b"lock", ttl=60) as lock:
        assert await lock.is_acquired()
    assert await client.get(b"lock") is None
