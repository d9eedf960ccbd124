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
    assert 0 < await lease.remaining_ttl() < 60
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
    start = (await client.get_all()).header.revision
    await client.put(b"k", b"v", lease=lease)
    # From before on, as it may be over already.
    await client.watch_once(b"k", timeout=60, kind=aetcd.EventKind.DELETE, start_revision=start + 1)
    assert await client.get(b"k") is None


async def test_lease_is_known_by_its_id_alone(client: aetcd.Client) -> None:
    lease = await client.lease(60)
    await client.put(b"k", b"v", lease=lease.id)
    told = await client.get_lease_info(lease.id)
    assert (told.ID, told.grantedTTL, [*told.keys]) == (lease.id, 60, [b"k"])
    refreshed = await client.refresh_lease(lease.id)
    assert refreshed.TTL == 60
    await client.revoke_lease(lease.id)
    assert await client.get(b"k") is None
    assert (await client.refresh_lease(lease.id)).TTL == 0
    assert (await client.get_lease_info(lease.id)).TTL == -1


async def test_refreshed_lease_outlives_its_first_end(client: aetcd.Client) -> None:
    lease = await client.lease(6)
    await client.put(b"k", b"v", lease=lease)
    for _ in range(2):
        await asyncio.sleep(3.1)
        assert (await lease.refresh()).TTL == 6
    assert await client.get(b"k") is not None
    await lease.revoke()


async def test_lease_in_a_transaction(client: aetcd.Client) -> None:
    lease = await client.lease(60)
    put = client.transactions.put(b"k", b"v", lease=lease)
    missing = client.transactions.version(b"k") == 0
    done, _ = await client.transaction(compare=[missing], success=[put], failure=[])
    assert done
    assert [*(await lease.keys())] == [b"k"]
    await lease.revoke()
    assert await client.get(b"k") is None


async def test_lock_that_is_waited_for_in_vain(client: aetcd.Client) -> None:
    async with client.lock(b"lock", ttl=60):
        assert not await client.lock(b"lock", ttl=60).acquire(timeout=0.3)


async def test_many_take_a_lock_in_turn(client: aetcd.Client) -> None:
    inside = 0
    rounds = 0

    async def take() -> None:
        nonlocal inside, rounds
        for _ in range(3):
            async with client.lock(b"lock", ttl=60):
                inside += 1
                assert inside == 1
                await client.put(b"shared", b"%d" % rounds)
                rounds += 1
                inside -= 1

    await asyncio.gather(*(take() for _ in range(8)))
    assert rounds == 24
    assert await client.get(b"lock") is None


async def test_lock_is_held_by_one_and_passed_on(client: aetcd.Client) -> None:
    first, second = client.lock(b"lock", ttl=60), client.lock(b"lock", ttl=60)
    assert await first.acquire()
    assert await first.is_acquired()
    assert not await second.acquire(timeout=0)
    waiting = asyncio.ensure_future(second.acquire(timeout=60))
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
