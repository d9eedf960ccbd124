"""Alarms: who raised which, what they stop, and that they stay."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from etcdpy.errors import CorruptError, NoSpaceError
from etcdpy.node.alarms import Alarms
from etcdpy.pb.rpc_pb2 import CORRUPT, NONE, NOSPACE, AlarmMember, AlarmType
from etcdpy.storage import Bucket
from tests.unit.mvcc.fake_log import FakeLog, turns


@pytest.fixture
async def log() -> AsyncIterator[FakeLog]:
    log = FakeLog()
    yield log
    log.lose()


def alarm(member: int, kind: AlarmType.ValueType) -> AlarmMember:
    return AlarmMember(memberID=member, alarm=kind)


def test_nothing_is_stopped_without_alarms(log: FakeLog) -> None:
    Alarms(log, []).check_write(grows=True)


def test_no_space_stops_what_grows(log: FakeLog) -> None:
    alarms = Alarms(log, [])
    alarms.activate(1, NOSPACE)
    alarms.check_write(grows=False)
    with pytest.raises(NoSpaceError):
        alarms.check_write(grows=True)


@pytest.mark.parametrize("grows", [True, False])
def test_corruption_stops_every_write_and_is_told_first(log: FakeLog, grows: bool) -> None:
    alarms = Alarms(log, [])
    alarms.activate(1, NOSPACE)
    alarms.activate(1, CORRUPT)
    with pytest.raises(CorruptError):
        alarms.check_write(grows)


def test_alarm_of_any_member_counts_until_the_last_is_off(log: FakeLog) -> None:
    alarms = Alarms(log, [])
    alarms.activate(1, NOSPACE)
    alarms.activate(2, NOSPACE)
    alarms.deactivate(1, NOSPACE)
    with pytest.raises(NoSpaceError):
        alarms.check_write(grows=True)
    alarms.deactivate(2, NOSPACE)
    alarms.check_write(grows=True)


def test_matching_by_type(log: FakeLog) -> None:
    alarms = Alarms(log, [])
    alarms.activate(2, NOSPACE)
    alarms.activate(1, CORRUPT)
    assert alarms.matching(NOSPACE) == [alarm(2, NOSPACE)]
    assert alarms.matching(NONE) == [alarm(1, CORRUPT), alarm(2, NOSPACE)]


def test_switching_on_twice_answers_the_same(log: FakeLog) -> None:
    alarms = Alarms(log, [])
    assert alarms.activate(1, NOSPACE) == alarms.activate(1, NOSPACE) == [alarm(1, NOSPACE)]
    assert alarms.activate(1, NONE) == []


def test_only_what_is_on_is_switched_off(log: FakeLog) -> None:
    alarms = Alarms(log, [])
    alarms.activate(1, NOSPACE)
    assert alarms.deactivate(2, NOSPACE) == alarms.deactivate(1, CORRUPT) == []
    assert alarms.deactivate(1, NONE) == []
    assert alarms.deactivate(1, NOSPACE) == [alarm(1, NOSPACE)]
    assert alarms.deactivate(1, NOSPACE) == []


async def test_alarms_outlive_a_restart(log: FakeLog) -> None:
    alarms = Alarms(log, [])
    alarms.activate(7, CORRUPT)
    alarms.activate(8, NOSPACE)
    alarms.deactivate(8, NOSPACE)
    await turns()
    log.settle()
    stored = [key for key, _ in log.items(Bucket.ALARM)]
    assert stored == [alarm(7, CORRUPT).SerializeToString()]
    assert Alarms(log, stored).matching(NONE) == [alarm(7, CORRUPT)]
