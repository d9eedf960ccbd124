"""The Lease service, by a clock that is set and with a disk that writes when told to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from etcdpy import errors
from etcdpy.cooperative import outcome
from etcdpy.pb import rpc_pb2 as pb
from tests.unit.mvcc.fake_log import turns
from tests.unit.mvcc.stalls import probed
from tests.unit.services.house import TTL, House, opened

MANY = 100_000
#: Longest that a turn of the loop may take, generously: it is a few milliseconds.
LONGEST_TURN = 0.1


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened() as house:
        yield house


async def _grant(house: House, lease: int, ttl: int) -> pb.LeaseGrantResponse:
    request = pb.LeaseGrantRequest(ID=lease, TTL=ttl)
    return pb.LeaseGrantResponse.FromString(
        await house.done(house.leases.LeaseGrant(request, None))
    )


async def _keep_alive(house: House, lease: int) -> asyncio.Task[Any]:
    """Begin to answer one request of a stream."""

    async def answer() -> pb.LeaseKeepAliveResponse:
        request = pb.LeaseKeepAliveRequest(ID=lease)
        reply = house.leases.LeaseKeepAlive(request, None)
        return pb.LeaseKeepAliveResponse.FromString(
            reply if isinstance(reply, bytes) else await reply
        )

    return await house.begin(answer())


async def _kept_alive(house: House, lease: int) -> pb.LeaseKeepAliveResponse:
    task = await _keep_alive(house, lease)
    assert task.done(), "it waits"
    reply: pb.LeaseKeepAliveResponse = task.result()
    return reply


async def _told(house: House, lease: int, *, keys: bool = False) -> pb.LeaseTimeToLiveResponse:
    request = pb.LeaseTimeToLiveRequest(ID=lease, keys=keys)
    return pb.LeaseTimeToLiveResponse.FromString(
        await house.done(house.leases.LeaseTimeToLive(request, None))
    )


async def _listed(house: House) -> list[int]:
    reply = await house.done(house.leases.LeaseLeases(pb.LeaseLeasesRequest(), None))
    return [status.ID for status in pb.LeaseLeasesResponse.FromString(reply).leases]


# ------------------------------------------------------------ grant and revoke


async def test_grant_is_answered_when_the_lease_is_on_the_disk(house: House) -> None:
    request = pb.LeaseGrantRequest(ID=7, TTL=60)
    granting = asyncio.create_task(outcome(house.leases.LeaseGrant(request, None)))
    await turns(10)
    assert not granting.done()
    await house.settle()
    reply = pb.LeaseGrantResponse.FromString(granting.result())
    assert (reply.ID, reply.TTL, reply.error, reply.header.revision) == (7, 60, "", 1)


async def test_lease_is_refused_when_it_does_not_fit_the_quota() -> None:
    async with opened(quota=1000, size=lambda: 936) as house:
        with pytest.raises(errors.NoSpaceError):
            await _grant(house, 7, 1 << 60)
        with pytest.raises(errors.NoSpaceError):
            await _grant(house, 1, 60)
        assert (await house.revoke(1)).header.revision == 1
        assert (await _kept_alive(house, 2)).TTL == TTL


async def test_revocation_is_answered_when_it_is_on_the_disk_and_names_its_revision(
    house: House,
) -> None:
    for key in (b"b", b"a"):
        await house.put(key, lease=1)
    revoking = asyncio.create_task(
        outcome(house.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=1), None))
    )
    await turns(10)
    assert not revoking.done()
    assert house.keys() == []
    await house.settle()
    assert pb.LeaseRevokeResponse.FromString(revoking.result()).header.revision == 4


async def test_lease_that_has_run_out_can_still_be_attached_to_until_it_is_revoked(
    house: House,
) -> None:
    house.now += TTL + 0.4
    await house.put(b"a", lease=1)
    await house.pass_time(0)
    assert house.keys() == []
    with pytest.raises(errors.LeaseNotFoundError):
        await house.put(b"a", lease=1)


# ------------------------------------------------------------------ keep alive


async def test_lease_that_is_kept_alive_outlives_its_first_end(house: House) -> None:
    await house.put(b"a", lease=1)
    await house.pass_time(TTL - 1)
    assert (await _kept_alive(house, 1)).TTL == TTL
    await house.pass_time(TTL - 1)
    assert house.keys() == [b"a"]
    await house.pass_time(1)
    assert house.keys() == []


async def test_keep_alive_is_answered_at_once_with_the_revision_of_before(house: House) -> None:
    await house.put(b"a")
    putting = asyncio.create_task(outcome(house.kv.Put(pb.PutRequest(key=b"b"), None)))
    await turns(3)
    reply = house.leases.LeaseKeepAlive(pb.LeaseKeepAliveRequest(ID=1), None)
    assert isinstance(reply, bytes)
    assert pb.LeaseKeepAliveResponse.FromString(reply).header.revision == 2
    await house.settle()
    await putting


@pytest.mark.parametrize("lease", [0, -1, 1234])
async def test_lease_that_is_not_there_has_no_time(house: House, lease: int) -> None:
    reply = await _kept_alive(house, lease)
    assert lease == reply.ID
    assert reply.TTL == 0


async def test_keep_alive_of_a_lease_that_has_run_out_waits_for_its_end(house: House) -> None:
    house.now += TTL
    waiting = await _keep_alive(house, 1)
    assert not waiting.done()
    await house.pass_time(0.3)
    assert waiting.result().TTL == 0


async def test_lease_is_not_called_gone_before_that_is_on_the_disk(house: House) -> None:
    revoking = asyncio.create_task(
        outcome(house.leases.LeaseRevoke(pb.LeaseRevokeRequest(ID=1), None))
    )
    await turns(3)
    reply = house.leases.LeaseKeepAlive(pb.LeaseKeepAliveRequest(ID=1), None)
    assert not isinstance(reply, bytes)
    keeping = asyncio.create_task(reply)
    await turns(10)
    assert not keeping.done()
    await house.settle()
    assert pb.LeaseKeepAliveResponse.FromString(keeping.result()).TTL == 0
    await revoking


# ----------------------------------------------------------------- time to live


@pytest.mark.parametrize(
    ("passed", "left"), [(0, 100), (0.1, 99), (98.9, 1), (99.1, 0), (100.5, 0), (102.5, -2)]
)
async def test_time_to_live_is_whole_seconds_cut_off(
    house: House, passed: float, left: int
) -> None:
    await house.put(b"a", lease=1)
    house.now += passed
    told = await _told(house, 1, keys=True)
    assert (told.ID, told.TTL, told.grantedTTL, [*told.keys]) == (1, left, TTL, [b"a"])


@pytest.mark.parametrize("lease", [0, -1, 1234])
async def test_lease_that_is_not_there_has_less_than_no_time(house: House, lease: int) -> None:
    told = await _told(house, lease, keys=True)
    assert (told.ID, told.TTL, told.grantedTTL, [*told.keys]) == (lease, -1, 0, [])
    assert told.header.revision == 1


async def test_keys_are_told_in_order_and_when_they_are_asked_for(house: House) -> None:
    for key in (b"z", b"\0", b"a"):
        await house.put(key, lease=1)
    assert [*(await _told(house, 1, keys=True)).keys] == [b"\0", b"a", b"z"]
    assert not (await _told(house, 1)).keys


async def test_keys_are_told_once_they_are_on_the_disk(house: House) -> None:
    putting = asyncio.create_task(outcome(house.kv.Put(pb.PutRequest(key=b"a", lease=1), None)))
    await turns(3)
    request = pb.LeaseTimeToLiveRequest(ID=1, keys=True)
    looking = asyncio.create_task(house.leases.LeaseTimeToLive(request, None))
    await turns(10)
    assert not looking.done()
    await house.settle()
    told = pb.LeaseTimeToLiveResponse.FromString(looking.result())
    assert ([*told.keys], told.header.revision) == ([b"a"], 2)
    await putting


# --------------------------------------------------------------------- the list


async def test_list_begins_with_the_lease_that_ends_first(house: House) -> None:
    await _grant(house, -5, 9_000_000_000)
    await _grant(house, 4, 60)
    house.now += 50
    await _kept_alive(house, 1)
    assert await _listed(house) == [4, 2, 3, 1, -5]
    await house.pass_time(20)
    assert await _listed(house) == [2, 3, 1, -5]


# ------------------------------------------------------------------ very many


async def test_hundred_thousand_leases_are_listed_in_turns(house: House) -> None:
    ttls = [*range(1000, 1000 + MANY)]
    random.Random(0).shuffle(ttls)
    for lease, ttl in enumerate(ttls, 4):
        house.keeper.grant(lease, ttl)
    await house.settle()
    with probed() as probe:
        reply = await house.leases.LeaseLeases(pb.LeaseLeasesRequest(), None)
    listed = [status.ID for status in pb.LeaseLeasesResponse.FromString(reply).leases]
    assert listed[3:] == sorted(range(4, 4 + MANY), key=lambda lease: ttls[lease - 4])
    assert probe.longest < LONGEST_TURN


async def test_hundred_thousand_keys_of_a_lease_are_told_in_turns(house: House) -> None:
    keys = [b"%06d" % number for number in range(MANY)]
    random.Random(0).shuffle(keys)
    changes = house.store.begin()
    for key in keys:
        changes.put(key, b"", 1)
    changes.commit()
    await house.settle()
    with probed() as probe:
        request = pb.LeaseTimeToLiveRequest(ID=1, keys=True)
        reply = await house.leases.LeaseTimeToLive(request, None)
    assert [*pb.LeaseTimeToLiveResponse.FromString(reply).keys] == sorted(keys)
    assert probe.longest < LONGEST_TURN
