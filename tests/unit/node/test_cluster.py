"""The Cluster service: a list of one, and etcd's refusals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from etcdpy import errors
from etcdpy.node.node import Node
from etcdpy.pb import rpc_pb2 as pb
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.mvcc.stores import new_store, worked_example
from tests.unit.node.nodes import ANYBODY, IDENTITY, make_node


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


@pytest.mark.parametrize(
    ("limit", "error"),
    [(1, errors.TooFewStartedMembersError), (0, errors.TooManyLearnersError)],
)
async def test_learner_may_be_one_too_many(limit: int, error: type[Exception]) -> None:
    async with new_store() as (store, log):
        service = make_node(store, log, max_learners=limit)
        request = pb.MemberAddRequest(peerURLs=["http://127.0.0.1:1"], isLearner=True)
        with pytest.raises(error):
            await service.member_add(request, ANYBODY)
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
