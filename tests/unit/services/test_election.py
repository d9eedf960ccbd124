"""The Election service, by a clock that is set: who leads when leases run out, and who is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpc import StatusCode

from etcdpy.errors import EmbeddedClientError
from etcdpy.pb import v3election_pb2 as elect
from etcdpy.services.codes import status_of
from tests.unit.mvcc.fake_log import turns
from tests.unit.services.house import TTL, House, opened

NO_LEADER = "election: no leader"
NOT_LEADER = "election: not leader"
LEADER_MISSING = '"leader" field must be provided'

KEYLESS = elect.LeaderKey(lease=1)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened() as house:
        yield house


def _proclaim(house: House, leader: Any, value: bytes) -> Coroutine[Any, Any, Any]:
    return house.elections.Proclaim(elect.ProclaimRequest(leader=leader, value=value), None)


def _resign(house: House, leader: Any) -> Coroutine[Any, Any, Any]:
    return house.elections.Resign(elect.ResignRequest(leader=leader), None)


def _leader(house: House) -> Coroutine[Any, Any, Any]:
    return house.elections.Leader(elect.LeaderRequest(name=b"m"), None)


@asynccontextmanager
async def _observed(house: House) -> AsyncIterator[list[tuple[bytes, bytes, int]]]:
    """Observe during the block: key, value and header revision of what is told."""
    told: list[tuple[bytes, bytes, int]] = []

    async def observe() -> None:
        async for response in house.elections.Observe(elect.LeaderRequest(name=b"m"), None):
            shown = response.kv.key, response.kv.value, response.header.revision
            told.append(shown)

    observing = await house.begin(observe())
    yield told
    assert not observing.done(), "the stream ended"
    observing.cancel()
    await house.settle()


# ------------------------------------------------------------------- campaign


async def test_next_candidate_leads_when_the_leaders_lease_runs_out(house: House) -> None:
    await house.done(house.campaign(1))
    house.now += 50
    house.keeper.renew_at_once(2)
    waiting = await house.begin(house.campaign(2, b"w"))
    await house.pass_time(49.9)
    assert not waiting.done()
    await house.pass_time(0.1)
    won = waiting.result()
    assert (won.leader.rev, won.header.revision) == (3, 3)
    assert (await house.done(_leader(house))).kv.value == b"w"


async def test_candidate_whose_lease_runs_out_wins_without_a_key(house: House) -> None:
    first = (await house.done(house.campaign(1))).leader
    waiting = await house.begin(house.campaign(2))
    house.now += 99
    house.keeper.renew_at_once(1)
    await house.pass_time(1)
    assert not waiting.done()
    await house.done(_resign(house, first))
    assert waiting.result().leader.key == b"m/2"
    with pytest.raises(EmbeddedClientError, match=NO_LEADER):
        await house.done(_leader(house))


async def test_leader_without_a_lease_leads_for_a_minute(house: House) -> None:
    leader = (await house.done(house.campaign(0))).leader
    assert leader.lease > 0
    await house.pass_time(59)
    assert (await house.done(_leader(house))).kv.lease == leader.lease
    await house.pass_time(1)
    with pytest.raises(EmbeddedClientError, match=NO_LEADER):
        await house.done(_leader(house))


async def test_campaign_is_answered_with_the_revision_at_which_it_was_entered(
    house: House,
) -> None:
    first = (await house.done(house.campaign(1))).leader
    waiting = await house.begin(house.campaign(2))
    await house.put(b"other")
    await house.done(_resign(house, first))
    assert waiting.result().header.revision == 3
    assert house.store.revision == 5


async def test_waiting_candidate_changes_its_value(house: House) -> None:
    first = (await house.done(house.campaign(1))).leader
    waiting = await house.begin(house.campaign(2, b"w1"))
    again = await house.begin(house.campaign(2, b"w2"))
    await house.done(_resign(house, first))
    assert waiting.result().leader == again.result().leader
    assert (await house.done(_leader(house))).kv.value == b"w2"


async def test_candidate_whose_new_value_is_refused_does_not_wait(house: House) -> None:
    await house.done(house.campaign(1))
    waiting = await house.begin(house.campaign(2, b"w1"))
    again = asyncio.create_task(house.campaign(2, b"w2"))
    await turns(2)  # it has found its key, and waits to be sure of it
    await house.delete(b"m/2")
    with pytest.raises(EmbeddedClientError, match=NOT_LEADER):
        again.result()
    assert not waiting.done()
    waiting.cancel()
    await house.settle()


async def test_cancelled_candidate_keeps_its_lease(house: House) -> None:
    await house.done(house.campaign(1))
    waiting = await house.begin(house.campaign(2))
    waiting.cancel()
    await house.settle()
    assert house.queue() == [b"m/1"]
    assert 2 in house.keeper.lessor


# -------------------------------------------------------- proclaim and resign


async def test_leader_whose_lease_has_run_out_proclaims_in_vain(house: House) -> None:
    leader = (await house.done(house.campaign(1))).leader
    await house.done(_proclaim(house, leader, b"w"))
    await house.pass_time(TTL)
    with pytest.raises(EmbeddedClientError, match=NOT_LEADER):
        await house.done(_proclaim(house, leader, b"x"))
    assert house.store.revision == 4


async def test_proclaiming_does_not_keep_the_lease_alive(house: House) -> None:
    leader = (await house.done(house.campaign(1))).leader
    await house.pass_time(TTL - 1)
    await house.done(_proclaim(house, leader, b"w"))
    await house.pass_time(1)
    assert house.queue() == []


async def test_resigning_twice_makes_one_revision_and_hurts_no_later_candidacy(
    house: House,
) -> None:
    leader = (await house.done(house.campaign(1))).leader
    assert (await house.done(_resign(house, leader))).header.revision == 3
    assert (await house.done(_resign(house, leader))).header.revision == 3
    await house.done(house.campaign(1))
    assert (await house.done(_resign(house, leader))).header.revision == 4
    assert house.queue() == [b"m/1"]


async def test_leader_that_names_no_lease_is_granted_one_to_hang_its_key_on(house: House) -> None:
    leader = (await house.done(house.campaign(1))).leader
    leader.lease = 0
    await house.done(_proclaim(house, leader, b"w"))
    assert (await house.done(_leader(house))).kv.lease not in (0, 1)
    await house.pass_time(60)
    assert house.queue() == []


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (elect.CampaignRequest(name=b"m", lease=9), "etcdserver: requested lease not found"),
        (elect.ProclaimRequest(value=b"v"), LEADER_MISSING),
        (elect.ResignRequest(), LEADER_MISSING),
        (elect.LeaderRequest(name=b"m"), NO_LEADER),
        (elect.ProclaimRequest(leader=KEYLESS), "etcdserver: key is not provided"),
        (elect.ResignRequest(leader=KEYLESS), "etcdserver: key is not provided"),
    ],
)
async def test_errors_have_etcds_text_and_no_code_of_their_own(
    house: House, request_: Any, text: str
) -> None:
    name = type(request_).__name__.removesuffix("Request")
    with pytest.raises(EmbeddedClientError) as refused:
        await house.done(getattr(house.elections, name)(request_, None))
    status = status_of(refused.value)
    assert status is not None
    assert (status.code, status.details) == (StatusCode.UNKNOWN, text)
    assert house.store.revision == 1


# --------------------------------------------------------------------- observe


async def test_observer_is_told_of_each_change_of_the_leader_and_of_its_value(
    house: House,
) -> None:
    async with _observed(house) as told:
        assert told == []
        first = (await house.done(house.campaign(1, b"1"))).leader
        await house.done(_proclaim(house, first, b"2"))
        await house.done(_proclaim(house, first, b"2"))
        second = await house.begin(house.campaign(2, b"3"))
        await house.done(_resign(house, first))
        assert told == [
            (b"m/1", b"1", 2),
            (b"m/1", b"2", 3),
            (b"m/1", b"2", 4),
            (b"m/2", b"3", 6),
        ]
        await house.done(_resign(house, second.result().leader))
        assert len(told) == 4


async def test_observer_is_told_of_who_leads_when_a_lease_has_run_out(house: House) -> None:
    await house.done(house.campaign(1, b"1"))
    async with _observed(house) as told:
        await house.begin(house.campaign(2, b"2"))
        house.now += TTL - 1
        house.keeper.renew_at_once(2)
        await house.pass_time(1)
        assert told == [(b"m/1", b"1", 2), (b"m/2", b"2", 4)]


async def test_observer_hears_of_nothing_that_is_not_on_the_disk(house: House) -> None:
    async with _observed(house) as told:
        winning = asyncio.create_task(house.campaign(1, b"1"))
        await turns(20)
        assert house.queue() == [b"m/1"]
        assert told == []
        await house.settle()
        assert told == [(b"m/1", b"1", 2)]
        await winning
