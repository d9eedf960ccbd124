"""The Cluster service: a list of one and learners, and etcd's refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from etcdpy import errors
from etcdpy.node.cluster_ids import member_id
from etcdpy.node.node import Node
from etcdpy.pb import rpc_pb2 as pb
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.mvcc.stores import new_store, worked_example
from tests.unit.node.askers import Asker
from tests.unit.node.nodes import ANYBODY, IDENTITY, make_node

T = TypeVar("T")


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Node, FakeLog]]:
    async with new_store() as (store, log):
        await worked_example(store, log)
        yield make_node(store, log), log


async def test_list_has_this_member_and_a_header_without_revision() -> None:
    async with serving() as (service, _):
        reply = await service.member_list(pb.MemberListRequest(), ANYBODY)
        [member] = reply.members
        assert member.ID == reply.header.member_id == IDENTITY.member_id
        assert member.name == IDENTITY.name
        assert tuple(member.peerURLs) == IDENTITY.peer_urls
        assert tuple(member.clientURLs) == IDENTITY.client_urls
        assert not member.isLearner
        assert (reply.header.revision, reply.header.raft_term) == (0, 2)


@pytest.mark.parametrize(
    ("urls", "error"),
    [
        ([], errors.BadMemberUrlsError),
        (["bad url"], errors.BadMemberUrlsError),
        (["http://127.0.0.1"], errors.BadMemberUrlsError),
        (["http://127.0.0.1:1/path"], errors.BadMemberUrlsError),
        (["http://127.0.0.1:2380"], errors.PeerUrlExistsError),
        (["http://127.0.0.1:1"], errors.TooFewStartedMembersError),
    ],
)
async def test_nobody_joins(urls: list[str], error: type[Exception]) -> None:
    async with serving() as (service, _):
        with pytest.raises(error):
            await service.member_add(pb.MemberAddRequest(peerURLs=urls), ANYBODY)


class Nobody:
    """A guard that lets nobody in."""

    def identify(self, _: object) -> None:
        raise errors.InvalidAuthTokenError


async def test_addresses_are_looked_at_before_it_is_asked_who_that_is() -> None:
    async with serving() as (service, _):
        service.parts.admission.guard = Nobody()  # type: ignore[assignment]
        with pytest.raises(errors.BadMemberUrlsError):
            await service.member_add(pb.MemberAddRequest(peerURLs=["bad url"]), Asker())
        with pytest.raises(errors.InvalidAuthTokenError):
            await service.member_add(pb.MemberAddRequest(peerURLs=["http://a:1"]), Asker())


async def test_very_many_addresses_are_looked_at_in_turns() -> None:
    async with serving() as (service, _):
        request = pb.MemberAddRequest(peerURLs=[f"http://a:{port}" for port in range(1, 500)])
        adding = asyncio.ensure_future(service.member_add(request, ANYBODY))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not adding.done()
        with pytest.raises(errors.TooFewStartedMembersError):
            await adding


LEARNER = pb.MemberAddRequest(peerURLs=["http://127.0.0.1:2", "http://127.0.0.1:1"], isLearner=True)


async def done(log: FakeLog, call: Coroutine[Any, Any, T]) -> T:
    """Return a reply, which does not come before its change is durable."""
    task = asyncio.ensure_future(call)
    await turns(3)
    assert not task.done()
    log.settle()
    await turns(3)
    return task.result()


async def test_a_learner_is_taken_listed_and_removed_but_not_promoted() -> None:
    async with serving() as (service, log):
        before = service.parts.store.applied_index
        added = await done(log, service.member_add(LEARNER, ANYBODY))
        learner = added.member
        # Its ID is that of an etcd in which it is added in the same second.
        second = str(int(service.parts.clock.wall()))
        assert member_id(learner.peerURLs, second) == learner.ID
        assert list(learner.peerURLs) == sorted(LEARNER.peerURLs)
        assert (learner.isLearner, learner.name, list(learner.clientURLs)) == (True, "", [])
        listed = await service.member_list(pb.MemberListRequest(), ANYBODY)
        assert listed.members == added.members
        ids = [member.ID for member in listed.members]
        assert ids == sorted([learner.ID, IDENTITY.member_id])
        with pytest.raises(errors.LearnerNotReadyError):
            await service.member_promote(pb.MemberPromoteRequest(ID=learner.ID), ANYBODY)
        removal = service.member_remove(pb.MemberRemoveRequest(ID=learner.ID), ANYBODY)
        assert [one.ID for one in (await done(log, removal)).members] == [IDENTITY.member_id]
        assert service.parts.store.applied_index == before + 2
        for call in (
            service.member_remove(pb.MemberRemoveRequest(ID=learner.ID), ANYBODY),
            service.member_promote(pb.MemberPromoteRequest(ID=learner.ID), ANYBODY),
            # In the same second it would have the ID that was removed.
            service.member_add(LEARNER, ANYBODY),
        ):
            with pytest.raises(errors.MemberNotFoundError):
                await call


async def test_a_second_learner_is_one_too_many() -> None:
    async with serving() as (service, log):
        await done(log, service.member_add(LEARNER, ANYBODY))
        for urls, learner, error in (
            (["http://127.0.0.1:3"], True, errors.TooManyLearnersError),
            (["http://127.0.0.1:3"], False, errors.TooFewStartedMembersError),
            (["http://127.0.0.1:1"], True, errors.PeerUrlExistsError),
            (LEARNER.peerURLs, True, errors.MemberExistsError),
        ):
            request = pb.MemberAddRequest(peerURLs=urls, isLearner=learner)
            with pytest.raises(error):
                await service.member_add(request, ANYBODY)


async def test_no_two_members_get_the_same_peer_urls() -> None:
    async with serving() as (service, log):
        learner = (await done(log, service.member_add(LEARNER, ANYBODY))).member
        for id_, urls in (
            (learner.ID, IDENTITY.peer_urls),
            (IDENTITY.member_id, ["http://127.0.0.1:1"]),
        ):
            with pytest.raises(errors.PeerUrlExistsError):
                await service.member_update(pb.MemberUpdateRequest(ID=id_, peerURLs=urls), ANYBODY)
        request = pb.MemberUpdateRequest(ID=learner.ID, peerURLs=["b", "a"])
        reply = await done(log, service.member_update(request, ANYBODY))
        assert [list(one.peerURLs) for one in reply.members if one.isLearner] == [["b", "a"]]


async def test_where_no_learner_may_be_there_is_one_too_many() -> None:
    async with new_store() as (store, log):
        service = make_node(store, log, max_learners=0)
        with pytest.raises(errors.TooManyLearnersError):
            await service.member_add(LEARNER, ANYBODY)
        with pytest.raises(errors.PeerUrlExistsError):
            await service.member_add(
                pb.MemberAddRequest(peerURLs=IDENTITY.peer_urls, isLearner=True), ANYBODY
            )


@pytest.mark.parametrize("unknown", [0, 7])
async def test_other_members_are_not_found(unknown: int) -> None:
    async with serving() as (service, _):
        for call in (
            service.member_remove(pb.MemberRemoveRequest(ID=unknown), ANYBODY),
            service.member_update(pb.MemberUpdateRequest(ID=unknown), ANYBODY),
            service.member_promote(pb.MemberPromoteRequest(ID=unknown), ANYBODY),
        ):
            with pytest.raises(errors.MemberNotFoundError):
                await call


async def test_this_member_neither_leaves_nor_is_promoted() -> None:
    async with serving() as (service, _):
        with pytest.raises(errors.TooFewStartedMembersError):
            await service.member_remove(pb.MemberRemoveRequest(ID=IDENTITY.member_id), ANYBODY)
        with pytest.raises(errors.NotLearnerError):
            await service.member_promote(pb.MemberPromoteRequest(ID=IDENTITY.member_id), ANYBODY)


async def test_peer_urls_change_as_given_once_durable() -> None:
    async with serving() as (service, log):
        request = pb.MemberUpdateRequest(ID=IDENTITY.member_id, peerURLs=["b", "a"])
        call = asyncio.ensure_future(service.member_update(request, ANYBODY))
        await turns(3)
        assert not call.done()
        log.settle()
        reply = await call
        assert [list(member.peerURLs) for member in reply.members] == [["b", "a"]]
