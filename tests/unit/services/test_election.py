"""The Election service, by a clock that is set: who leads when leases run out, and who is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from etcdpy.errors import EmbeddedClientError
from etcdpy.pb import v3election_pb2 as elect
from etcdpy.services.codes import status_of
from etcdpy.transport import StatusCode
from tests.unit.mvcc.fake_log import turns
from tests.unit.node.asked import Asked
from tests.unit.node.nodes import ANYBODY
from tests.unit.node.timed_node import TTL, TimedNode, opened

NO_LEADER = "election: no leader"
NOT_LEADER = "election: not leader"
LEADER_MISSING = '"leader" field must be provided'

KEYLESS = elect.LeaderKey(lease=1)


@pytest.fixture
async def node() -> AsyncIterator[TimedNode]:
    async with opened() as node:
        yield node


def _proclaim(node: TimedNode, leader: Any, value: bytes) -> Coroutine[Any, Any, Any]:
    return node.elections.Proclaim(elect.ProclaimRequest(leader=leader, value=value), ANYBODY)


def _resign(node: TimedNode, leader: Any) -> Coroutine[Any, Any, Any]:
    return node.elections.Resign(elect.ResignRequest(leader=leader), ANYBODY)


def _leader(node: TimedNode) -> Coroutine[Any, Any, Any]:
    return node.elections.Leader(elect.LeaderRequest(name=b"m"), ANYBODY)


@asynccontextmanager
async def _observed(node: TimedNode) -> AsyncIterator[list[tuple[bytes, bytes, int]]]:
    """Observe during the block: key, value and header revision of what is told."""
    told: list[tuple[bytes, bytes, int]] = []

    async def observe() -> None:
        async for response in node.elections.Observe(elect.LeaderRequest(name=b"m"), ANYBODY):
            shown = response.kv.key, response.kv.value, response.header.revision
            told.append(shown)

    observing = await node.begin(observe())
    yield told
    assert not observing.done(), "the stream ended"
    observing.cancel()
    await node.settle()


# ------------------------------------------------------------------- campaign


async def test_next_candidate_leads_when_the_leaders_lease_runs_out(node: TimedNode) -> None:
    await node.done(node.campaign(1))
    await node.clock.advance(50)
    node.renew(2)
    waiting = await node.begin(node.campaign(2, b"w"))
    await node.pass_time(49.9)
    assert not waiting.done()
    await node.pass_time(0.1)
    won = waiting.result()
    assert (won.leader.rev, won.header.revision) == (3, 3)
    assert (await node.done(_leader(node))).kv.value == b"w"


async def test_candidate_whose_lease_runs_out_wins_without_a_key(node: TimedNode) -> None:
    first = (await node.done(node.campaign(1))).leader
    waiting = await node.begin(node.campaign(2))
    await node.clock.advance(99)
    node.renew(1)
    await node.pass_time(1)
    assert not waiting.done()
    await node.done(_resign(node, first))
    assert waiting.result().leader.key == b"m/2"
    with pytest.raises(EmbeddedClientError, match=NO_LEADER):
        await node.done(_leader(node))


async def test_leader_without_a_lease_leads_for_a_minute(node: TimedNode) -> None:
    leader = (await node.done(node.campaign(0))).leader
    assert leader.lease > 0
    await node.pass_time(59)
    assert (await node.done(_leader(node))).kv.lease == leader.lease
    await node.pass_time(1)
    with pytest.raises(EmbeddedClientError, match=NO_LEADER):
        await node.done(_leader(node))


async def test_campaign_is_answered_with_the_revision_at_which_it_was_entered(
    node: TimedNode,
) -> None:
    first = (await node.done(node.campaign(1))).leader
    waiting = await node.begin(node.campaign(2))
    await node.put(b"other")
    await node.done(_resign(node, first))
    assert waiting.result().header.revision == 3
    assert node.store.revision == 5


async def test_requests_are_let_go_of_while_they_wait(node: TimedNode) -> None:
    await node.done(node.campaign(1))
    asked = Asked()
    request = asked.of(name=b"m", lease=2, value=b"w")
    waiting = await node.begin(node.elections.Campaign(request, ANYBODY))
    del request
    changes: Any = node.elections.Observe(asked.of(name=b"m"), ANYBODY)
    assert (await anext(changes)).kv.value == b"v"
    assert asked.are_gone
    await node.delete(b"m/1")
    await node.settle()
    assert (waiting.result().leader.name, waiting.result().leader.lease) == (b"m", 2)
    await changes.aclose()


async def test_waiting_candidate_changes_its_value(node: TimedNode) -> None:
    first = (await node.done(node.campaign(1))).leader
    waiting = await node.begin(node.campaign(2, b"w1"))
    again = await node.begin(node.campaign(2, b"w2"))
    await node.done(_resign(node, first))
    assert waiting.result().leader == again.result().leader
    assert (await node.done(_leader(node))).kv.value == b"w2"


async def test_candidate_whose_new_value_is_refused_does_not_wait(node: TimedNode) -> None:
    await node.done(node.campaign(1))
    waiting = await node.begin(node.campaign(2, b"w1"))
    again = asyncio.create_task(node.campaign(2, b"w2"))
    await turns(2)  # it has found its key, and waits to be sure of it
    await node.delete(b"m/2")
    with pytest.raises(EmbeddedClientError, match=NOT_LEADER):
        again.result()
    assert not waiting.done()
    waiting.cancel()
    await node.settle()


async def test_cancelled_candidate_keeps_its_lease(node: TimedNode) -> None:
    await node.done(node.campaign(1))
    waiting = await node.begin(node.campaign(2))
    waiting.cancel()
    await node.settle()
    assert node.queue() == [b"m/1"]
    assert 2 in node.keeper.lessor


# -------------------------------------------------------- proclaim and resign


async def test_leader_whose_lease_has_run_out_proclaims_in_vain(node: TimedNode) -> None:
    leader = (await node.done(node.campaign(1))).leader
    await node.done(_proclaim(node, leader, b"w"))
    await node.pass_time(TTL)
    with pytest.raises(EmbeddedClientError, match=NOT_LEADER):
        await node.done(_proclaim(node, leader, b"x"))
    assert node.store.revision == 4


async def test_proclaiming_does_not_keep_the_lease_alive(node: TimedNode) -> None:
    leader = (await node.done(node.campaign(1))).leader
    await node.pass_time(TTL - 1)
    await node.done(_proclaim(node, leader, b"w"))
    await node.pass_time(1)
    assert node.queue() == []


async def test_resigning_twice_makes_one_revision_and_hurts_no_later_candidacy(
    node: TimedNode,
) -> None:
    leader = (await node.done(node.campaign(1))).leader
    assert (await node.done(_resign(node, leader))).header.revision == 3
    assert (await node.done(_resign(node, leader))).header.revision == 3
    await node.done(node.campaign(1))
    assert (await node.done(_resign(node, leader))).header.revision == 4
    assert node.queue() == [b"m/1"]


async def test_leader_that_names_no_lease_is_granted_one_to_hang_its_key_on(
    node: TimedNode,
) -> None:
    leader = (await node.done(node.campaign(1))).leader
    leader.lease = 0
    await node.done(_proclaim(node, leader, b"w"))
    assert (await node.done(_leader(node))).kv.lease not in (0, 1)
    await node.pass_time(60)
    assert node.queue() == []


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
    node: TimedNode, request_: Any, text: str
) -> None:
    name = type(request_).__name__.removesuffix("Request")
    with pytest.raises(EmbeddedClientError) as refused:
        await node.done(getattr(node.elections, name)(request_, ANYBODY))
    status = status_of(refused.value)
    assert status is not None
    assert (status.code, status.details) == (StatusCode.UNKNOWN, text)
    assert node.store.revision == 1


# --------------------------------------------------------------------- observe


async def test_observer_is_told_of_each_change_of_the_leader_and_of_its_value(
    node: TimedNode,
) -> None:
    async with _observed(node) as told:
        assert told == []
        first = (await node.done(node.campaign(1, b"1"))).leader
        await node.done(_proclaim(node, first, b"2"))
        await node.done(_proclaim(node, first, b"2"))
        second = await node.begin(node.campaign(2, b"3"))
        await node.done(_resign(node, first))
        assert told == [
            (b"m/1", b"1", 2),
            (b"m/1", b"2", 3),
            (b"m/1", b"2", 4),
            (b"m/2", b"3", 6),
        ]
        await node.done(_resign(node, second.result().leader))
        assert len(told) == 4


async def test_observer_is_told_of_who_leads_when_a_lease_has_run_out(node: TimedNode) -> None:
    await node.done(node.campaign(1, b"1"))
    async with _observed(node) as told:
        await node.begin(node.campaign(2, b"2"))
        await node.clock.advance(TTL - 1)
        node.renew(2)
        await node.pass_time(1)
        assert told == [(b"m/1", b"1", 2), (b"m/2", b"2", 4)]


async def test_observer_hears_of_nothing_that_is_not_on_the_disk(node: TimedNode) -> None:
    async with _observed(node) as told:
        winning = asyncio.create_task(node.campaign(1, b"1"))
        await turns(20)
        assert node.queue() == [b"m/1"]
        assert told == []
        await node.settle()
        assert told == [(b"m/1", b"1", 2)]
        await winning
