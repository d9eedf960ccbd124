"""The Lease service, by a clock that is set and with a disk that writes when told to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from etcdpy import errors
from etcdpy.cooperative import outcome
from etcdpy.node.crowd import MOST
from etcdpy.pb import rpc_pb2 as pb
from tests.unit.mvcc.fake_log import turns
from tests.unit.mvcc.stalls import least_stall
from tests.unit.node.nodes import ANYBODY
from tests.unit.node.timed_node import TTL, TimedNode, opened

MANY = 100_000
#: Longest that a turn of the loop may take, generously: it is a few milliseconds.
LONGEST_TURN = 0.1


@pytest.fixture
async def node() -> AsyncIterator[TimedNode]:
    async with opened() as node:
        yield node


async def _grant(node: TimedNode, lease: int, ttl: int) -> pb.LeaseGrantResponse:
    request = pb.LeaseGrantRequest(ID=lease, TTL=ttl)
    return pb.LeaseGrantResponse.FromString(
        await node.done(node.node.lease_grant(request, ANYBODY))
    )


async def _keep_alive(node: TimedNode, lease: int) -> asyncio.Task[Any]:
    """Begin to answer one request of a stream."""

    async def answer() -> pb.LeaseKeepAliveResponse:
        request = pb.LeaseKeepAliveRequest(ID=lease)
        reply = node.node.lease_keep_alive(request, ANYBODY)
        return pb.LeaseKeepAliveResponse.FromString(
            reply if isinstance(reply, bytes) else await reply
        )

    return await node.begin(answer())


async def _kept_alive(node: TimedNode, lease: int) -> pb.LeaseKeepAliveResponse:
    task = await _keep_alive(node, lease)
    assert task.done(), "it waits"
    reply: pb.LeaseKeepAliveResponse = task.result()
    return reply


async def _told(node: TimedNode, lease: int, *, keys: bool = False) -> pb.LeaseTimeToLiveResponse:
    request = pb.LeaseTimeToLiveRequest(ID=lease, keys=keys)
    return pb.LeaseTimeToLiveResponse.FromString(
        await node.done(node.node.lease_time_to_live(request, ANYBODY))
    )


async def _listed(node: TimedNode) -> list[int]:
    reply = await node.done(node.node.lease_leases(pb.LeaseLeasesRequest(), ANYBODY))
    return [status.ID for status in pb.LeaseLeasesResponse.FromString(reply).leases]


# ------------------------------------------------------------ grant and revoke


async def test_grant_is_answered_when_the_lease_is_on_the_disk(node: TimedNode) -> None:
    request = pb.LeaseGrantRequest(ID=7, TTL=60)
    granting = asyncio.create_task(outcome(node.node.lease_grant(request, ANYBODY)))
    await turns(10)
    assert not granting.done()
    await node.settle()
    reply = pb.LeaseGrantResponse.FromString(granting.result())
    assert (reply.ID, reply.TTL, reply.error, reply.header.revision) == (7, 60, "", 1)


async def test_lease_is_refused_when_it_does_not_fit_the_quota() -> None:
    async with opened(quota=1000, size=lambda: 936) as node:
        with pytest.raises(errors.NoSpaceError):
            await _grant(node, 7, 1 << 60)
        with pytest.raises(errors.NoSpaceError):
            await _grant(node, 1, 60)
        assert (await node.revoke(1)).header.revision == 1
        assert (await _kept_alive(node, 2)).TTL == TTL


async def test_revocation_is_answered_when_it_is_on_the_disk_and_names_its_revision(
    node: TimedNode,
) -> None:
    for key in (b"b", b"a"):
        await node.put(key, lease=1)
    revoking = asyncio.create_task(
        outcome(node.node.lease_revoke(pb.LeaseRevokeRequest(ID=1), ANYBODY))
    )
    await turns(10)
    assert not revoking.done()
    assert node.keys() == []
    await node.settle()
    assert pb.LeaseRevokeResponse.FromString(revoking.result()).header.revision == 4


async def test_lease_that_has_run_out_can_still_be_attached_to_until_it_is_revoked(
    node: TimedNode,
) -> None:
    await node.clock.advance(TTL + 0.4)
    await node.put(b"a", lease=1)
    await node.pass_time(0)
    assert node.keys() == []
    with pytest.raises(errors.LeaseNotFoundError):
        await node.put(b"a", lease=1)


# ------------------------------------------------------------------ keep alive


async def test_lease_that_is_kept_alive_outlives_its_first_end(node: TimedNode) -> None:
    await node.put(b"a", lease=1)
    await node.pass_time(TTL - 1)
    assert (await _kept_alive(node, 1)).TTL == TTL
    await node.pass_time(TTL - 1)
    assert node.keys() == [b"a"]
    await node.pass_time(1)
    assert node.keys() == []


async def test_keep_alive_is_answered_at_once_with_the_revision_of_before(node: TimedNode) -> None:
    await node.put(b"a")
    putting = asyncio.create_task(outcome(node.node.put(pb.PutRequest(key=b"b"), ANYBODY)))
    await turns(3)
    reply = node.node.lease_keep_alive(pb.LeaseKeepAliveRequest(ID=1), ANYBODY)
    assert isinstance(reply, bytes)
    assert pb.LeaseKeepAliveResponse.FromString(reply).header.revision == 2
    await node.settle()
    await putting


@pytest.mark.parametrize("lease", [0, -1, 1234])
async def test_lease_that_is_not_there_has_no_time(node: TimedNode, lease: int) -> None:
    reply = await _kept_alive(node, lease)
    assert lease == reply.ID
    assert reply.TTL == 0


async def test_keep_alive_of_a_lease_that_has_run_out_waits_for_its_end(node: TimedNode) -> None:
    await node.clock.advance(TTL)
    waiting = await _keep_alive(node, 1)
    assert not waiting.done()
    await node.pass_time(0.3)
    assert waiting.result().TTL == 0


async def test_lease_is_not_called_gone_before_that_is_on_the_disk(node: TimedNode) -> None:
    revoking = asyncio.create_task(
        outcome(node.node.lease_revoke(pb.LeaseRevokeRequest(ID=1), ANYBODY))
    )
    await turns(3)
    reply = node.node.lease_keep_alive(pb.LeaseKeepAliveRequest(ID=1), ANYBODY)
    assert not isinstance(reply, bytes)
    keeping = asyncio.create_task(reply)
    await turns(10)
    assert not keeping.done()
    await node.settle()
    assert pb.LeaseKeepAliveResponse.FromString(keeping.result()).TTL == 0
    await revoking


# ----------------------------------------------------------------- time to live


@pytest.mark.parametrize(
    ("passed", "left"), [(0, 100), (0.1, 99), (98.9, 1), (99.1, 0), (100.5, 0), (102.5, -2)]
)
async def test_time_to_live_is_whole_seconds_cut_off(
    node: TimedNode, passed: float, left: int
) -> None:
    await node.put(b"a", lease=1)
    await node.clock.advance(passed)
    told = await _told(node, 1, keys=True)
    assert (told.ID, told.TTL, told.grantedTTL, [*told.keys]) == (1, left, TTL, [b"a"])


@pytest.mark.parametrize("lease", [0, -1, 1234])
async def test_lease_that_is_not_there_has_less_than_no_time(node: TimedNode, lease: int) -> None:
    told = await _told(node, lease, keys=True)
    assert (told.ID, told.TTL, told.grantedTTL, [*told.keys]) == (lease, -1, 0, [])
    assert told.header.revision == 1


async def test_keys_are_told_in_order_and_when_they_are_asked_for(node: TimedNode) -> None:
    for key in (b"z", b"\0", b"a"):
        await node.put(key, lease=1)
    assert [*(await _told(node, 1, keys=True)).keys] == [b"\0", b"a", b"z"]
    assert not (await _told(node, 1)).keys


async def test_keys_are_told_once_they_are_on_the_disk(node: TimedNode) -> None:
    putting = asyncio.create_task(outcome(node.node.put(pb.PutRequest(key=b"a", lease=1), ANYBODY)))
    await turns(3)
    request = pb.LeaseTimeToLiveRequest(ID=1, keys=True)
    looking = asyncio.create_task(node.node.lease_time_to_live(request, ANYBODY))
    await turns(10)
    assert not looking.done()
    await node.settle()
    told = pb.LeaseTimeToLiveResponse.FromString(looking.result())
    assert ([*told.keys], told.header.revision) == ([b"a"], 2)
    await putting


# --------------------------------------------------------------------- the list


async def test_list_begins_with_the_lease_that_ends_first(node: TimedNode) -> None:
    await _grant(node, -5, 9_000_000_000)
    await _grant(node, 4, 60)
    await node.clock.advance(50)
    await _kept_alive(node, 1)
    assert await _listed(node) == [4, 2, 3, 1, -5]
    await node.pass_time(20)
    assert await _listed(node) == [2, 3, 1, -5]


# ------------------------------------------------------------------ very many


async def test_hundred_thousand_leases_are_listed_in_turns(node: TimedNode) -> None:
    ttls = [*range(1000, 1000 + MANY)]
    random.Random(0).shuffle(ttls)
    for lease, ttl in enumerate(ttls, 4):
        node.keeper.grant(lease, ttl, node.now)
    await node.settle()
    replies: list[bytes] = []

    async def ask() -> None:
        replies.append(await node.node.lease_leases(pb.LeaseLeasesRequest(), ANYBODY))

    assert await least_stall(LONGEST_TURN, ask) < LONGEST_TURN
    listed = [status.ID for status in pb.LeaseLeasesResponse.FromString(replies[-1]).leases]
    assert listed[3:] == sorted(range(4, 4 + MANY), key=lambda lease: ttls[lease - 4])


async def test_hundred_thousand_keys_of_a_lease_are_told_in_turns(node: TimedNode) -> None:
    keys = [b"%06d" % number for number in range(MANY)]
    random.Random(0).shuffle(keys)
    changes = node.store.begin()
    for key in keys:
        changes.put(key, b"", 1)
    changes.commit()
    await node.settle()
    replies: list[bytes] = []

    async def ask() -> None:
        request = pb.LeaseTimeToLiveRequest(ID=1, keys=True)
        replies.append(await node.node.lease_time_to_live(request, ANYBODY))

    assert await least_stall(LONGEST_TURN, ask) < LONGEST_TURN
    assert [*pb.LeaseTimeToLiveResponse.FromString(replies[-1]).keys] == sorted(keys)


async def test_of_those_who_want_what_is_long_told_each_has_its_turn(node: TimedNode) -> None:
    keys = [b"%04d" % number for number in range(3000)]
    changes = node.store.begin()
    for key in keys:
        changes.put(key, b"", 1)
    changes.commit()
    await node.settle()
    request = pb.LeaseTimeToLiveRequest(ID=1, keys=True)
    asked = [
        asyncio.create_task(node.node.lease_time_to_live(request, ANYBODY))
        for _ in range(2 * MOST + 1)
    ]
    await turns(1)
    # One that goes on, and one that waits for it to end.
    gone = {asked[0], asked[MOST]}
    for task in gone:
        task.cancel()
    done, _ = await asyncio.wait(asked)
    for task in done - gone:
        assert [*pb.LeaseTimeToLiveResponse.FromString(task.result()).keys] == keys
    assert all(task.cancelled() for task in gone)
