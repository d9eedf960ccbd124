"""The Maintenance service: how the server is, and its alarms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from etcdpy import errors
from etcdpy.cooperative import Steps
from etcdpy.errors import DefragmentError
from etcdpy.mvcc.hashing import Hasher
from etcdpy.node.maintenance import MOST_HASHES
from etcdpy.node.node import Node
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.services.codes import status_of
from etcdpy.storage.errors import TooManyPinsError
from etcdpy.transport import StatusCode
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


# ------------------------------------------------------------------------ hashes


async def test_hashes_are_of_the_durable_revision() -> None:
    async with serving() as (service, _, log):
        await settle(log)
        keys = await service.hash_kv(pb.HashKVRequest(), ANYBODY)
        assert (keys.hash_revision, keys.compact_revision, keys.header.revision) == (5, -1, 5)
        assert keys.hash
        with pytest.raises(errors.FutureRevisionError):
            await service.hash_kv(pb.HashKVRequest(revision=6), ANYBODY)


async def test_hash_of_everything_is_the_same_for_the_same_content() -> None:
    hashes = []
    for _ in range(2):
        async with serving() as (service, _, log):
            await settle(log)
            reply = await service.hash(pb.HashRequest(), ANYBODY)
            hashes.append((reply.hash, reply.header.revision))
    assert hashes[0] == hashes[1]
    assert hashes[0][0]


# --------------------------------------------------------------------- downgrade


async def _downgrade(
    service: Node, log: FakeLog, action: pb.DowngradeRequest.DowngradeAction.ValueType
) -> pb.DowngradeResponse:
    request = pb.DowngradeRequest(action=action, version="3.6.0")
    call = asyncio.ensure_future(service.downgrade(request, ANYBODY))
    for _ in range(3):
        await settle(log)
    return await call


async def test_downgrade_is_checked_begun_and_cancelled() -> None:
    async with serving() as (service, node, log):
        target = node.parts.versions.target
        checked = await _downgrade(service, log, pb.DowngradeRequest.VALIDATE)
        assert (checked.version, checked.header.revision) == ("3.7", 5)
        assert node.parts.versions.target == target
        await _downgrade(service, log, pb.DowngradeRequest.ENABLE)
        assert node.parts.versions.target.version == "3.6.0"
        await _downgrade(service, log, pb.DowngradeRequest.CANCEL)
        assert not node.parts.versions.target.enabled


async def test_unknown_downgrade_action_is_refused() -> None:
    async with serving() as (service, _, _):
        with pytest.raises(errors.UnknownMethodError):
            await service.downgrade(pb.DowngradeRequest(action=9), ANYBODY)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- snapshot


class File:
    """A snapshot of three pieces, the last of which is a checksum that its size leaves out."""

    size = 10

    def __init__(self) -> None:
        self.is_closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in (b"123456", b"7890", b"checksum"):
            yield piece

    def close(self) -> None:
        self.is_closed = True


async def test_snapshot_is_given_in_pieces_that_say_what_is_left() -> None:
    async with new_store() as (store, log):
        file: Any = File()

        async def take_snapshot() -> Any:
            return file

        node = make_node(store, log, take_snapshot=take_snapshot)
        pieces = [piece async for piece in node.snapshot(pb.SnapshotRequest(), ANYBODY)]
        assert [(piece.blob, piece.remaining_bytes) for piece in pieces] == [
            (b"123456", 4),
            (b"7890", 0),
            (b"checksum", 0),
        ]
        assert {piece.version for piece in pieces} == {"3.7.0"}
        assert file.is_closed


async def test_snapshot_that_is_not_taken_to_its_end_is_let_go() -> None:
    async with new_store() as (store, log):
        file: Any = File()

        async def take_snapshot() -> Any:
            return file

        node = make_node(store, log, take_snapshot=take_snapshot)
        pieces = node.snapshot(pb.SnapshotRequest(), ANYBODY)
        await anext(pieces)
        await pieces.aclose()
        assert file.is_closed


async def test_one_snapshot_too_many_is_refused() -> None:
    async with new_store() as (store, log):

        async def take_snapshot() -> Any:
            raise TooManyPinsError("no reader left")

        node = make_node(store, log, take_snapshot=take_snapshot)
        with pytest.raises(errors.TooManySnapshotsError):
            await anext(node.snapshot(pb.SnapshotRequest(), ANYBODY))


async def test_few_hashes_are_begun_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    under_way: list[int] = []
    most: list[int] = []

    def hash_all(_: Hasher) -> Steps[int]:
        under_way.append(1)
        most.append(len(under_way))
        for _step in range(3):
            yield
        under_way.pop()
        return 7

    monkeypatch.setattr(Hasher, "hash_all", hash_all)
    async with serving() as (service, _, log):
        await settle(log)
        asked = [service.hash(pb.HashRequest(), ANYBODY) for _ in range(5 * MOST_HASHES)]
        replies = await asyncio.gather(*asked)
    assert [reply.hash for reply in replies] == [7] * len(asked)
    assert max(most) == MOST_HASHES
