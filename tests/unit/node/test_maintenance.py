"""The Maintenance service: how the server is, and its alarms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from grpc import StatusCode

from etcdpy import errors
from etcdpy.errors import DefragmentError
from etcdpy.node.node import Node
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.services.codes import status_of
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.mvcc.stores import new_store, put, settle, worked_example
from tests.unit.node.nodes import ANYBODY, IDENTITY, make_node

GET, ACTIVATE, DEACTIVATE = (
    pb.AlarmRequest.GET,
    pb.AlarmRequest.ACTIVATE,
    pb.AlarmRequest.DEACTIVATE,
)


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Node, Node, FakeLog]]:
    async with new_store() as (store, log):
        await worked_example(store, log)
        node = make_node(store, log, quota=1 << 31, size=lambda: 4096)
        yield node, node, log


async def test_status() -> None:
    async with serving() as (service, node, _):
        status = await service.status(pb.StatusRequest(), ANYBODY)
        assert status.version == "3.7.1"
        assert (status.dbSize, status.dbSizeInUse, status.dbSizeQuota) == (4096, 4096, 1 << 31)
        assert status.leader == status.header.member_id == IDENTITY.member_id
        assert status.raftTerm == status.header.raft_term == 2
        assert status.raftIndex == status.raftAppliedIndex == node.parts.store.applied_index == 4
        assert status.header.revision == 5
        assert status.HasField("downgradeInfo")
        assert not status.errors
        assert not status.isLearner


async def test_status_names_the_durable_revision_and_the_alarms() -> None:
    async with serving() as (service, node, _):
        put(node.parts.store, (b"a", b"1"))
        node.parts.alarms.activate(7, pb.NOSPACE)
        status = await service.status(pb.StatusRequest(), ANYBODY)
        assert status.header.revision == 5
        assert list(status.errors) == ["memberID:7 alarm:NOSPACE"]


async def test_alarm_is_answered_once_it_is_durable() -> None:
    async with serving() as (service, _, log):
        request = pb.AlarmRequest(action=ACTIVATE, memberID=7, alarm=pb.CORRUPT)
        call = asyncio.ensure_future(service.alarm(request, ANYBODY))
        await turns(3)
        assert not call.done()
        log.settle()
        reply = await call
        assert list(reply.alarms) == [pb.AlarmMember(memberID=7, alarm=pb.CORRUPT)]
        assert reply.header.revision == 5


async def test_alarms_are_listed_whoever_raised_them_and_switched_off_exactly() -> None:
    async with serving() as (service, node, log):
        node.parts.alarms.activate(7, pb.CORRUPT)
        node.parts.alarms.activate(8, pb.NOSPACE)
        await settle(log)
        everything = await service.alarm(pb.AlarmRequest(action=GET, memberID=99), ANYBODY)
        assert len(everything.alarms) == 2
        some = await service.alarm(pb.AlarmRequest(action=GET, alarm=pb.NOSPACE), ANYBODY)
        assert [alarm.memberID for alarm in some.alarms] == [8]
        other = pb.AlarmRequest(action=DEACTIVATE, memberID=9, alarm=pb.NOSPACE)
        assert not (await service.alarm(other, ANYBODY)).alarms
        exact = pb.AlarmRequest(action=DEACTIVATE, memberID=8, alarm=pb.NOSPACE)
        call = asyncio.ensure_future(service.alarm(exact, ANYBODY))
        await settle(log)
        await settle(log)
        assert [alarm.memberID for alarm in (await call).alarms] == [8]
        assert node.parts.alarms.matching(pb.NOSPACE) == []


async def test_unknown_alarm_action_is_refused() -> None:
    async with serving() as (service, _, _):
        with pytest.raises(errors.InvalidAlarmActionError):
            await service.alarm(pb.AlarmRequest(action=9), ANYBODY)  # type: ignore[arg-type]


async def test_leadership_can_only_be_moved_to_who_has_it() -> None:
    async with serving() as (service, _, _):
        reply = await service.move_leader(
            pb.MoveLeaderRequest(targetID=IDENTITY.member_id), ANYBODY
        )
        assert not reply.HasField("header")
        with pytest.raises(errors.BadLeaderTransfereeError):
            await service.move_leader(pb.MoveLeaderRequest(targetID=7), ANYBODY)


async def test_defragment_answers_when_it_is_done_and_without_a_header() -> None:
    done = asyncio.Event()
    async with new_store() as (store, log):

        async def defragment() -> None:
            await done.wait()

        service = make_node(store, log, defragment=defragment)
        call = asyncio.ensure_future(service.defragment(pb.DefragmentRequest(), ANYBODY))
        await turns(3)
        assert not call.done()
        done.set()
        assert (await call).SerializeToString() == b""


async def test_a_defragmentation_that_fails_says_why_in_etcds_way() -> None:
    async with new_store() as (store, log):

        async def defragment() -> None:
            raise DefragmentError("no space left on device")

        service = make_node(store, log, defragment=defragment)
        with pytest.raises(DefragmentError) as raised:
            await service.defragment(pb.DefragmentRequest(), ANYBODY)
        status = status_of(raised.value)
        assert status is not None
        assert status.code == StatusCode.UNKNOWN
        assert status.details == "no space left on device"
