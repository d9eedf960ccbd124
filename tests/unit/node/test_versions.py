"""The versions of cluster and storage, up and down."""

from __future__ import annotations

import pytest

from etcdpy.errors import (
    DowngradeInProgressError,
    InvalidDowngradeTargetError,
    WrongDowngradeFormatError,
)
from etcdpy.node.versions import Versions
from etcdpy.storage import Bucket
from etcdpy.testing.clock import MovableClock
from tests.unit.mvcc.fake_log import FakeLog


def settle(log: FakeLog) -> None:
    log.flush()
    log.settle()


async def test_a_downgrade_moves_the_versions_at_the_next_tick() -> None:
    versions = Versions(FakeLog(), MovableClock())
    versions.enable("3.6")
    assert (versions.cluster, versions.target.version) == ("3.7.0", "3.6.0")
    assert versions.tick()
    assert (versions.cluster, versions.storage) == ("3.6.0", "3.6.0")
    assert not versions.tick()
    versions.cancel()
    assert versions.tick()
    assert (versions.cluster, versions.target.enabled) == ("3.7.0", False)


async def test_a_downgrade_outlives_a_restart() -> None:
    log = FakeLog()
    Versions(log, MovableClock()).enable("3.6.0")
    settle(log)
    stored = log.disk.get(Bucket.CLUSTER, b"downgrade")
    assert stored == b'{"target-version":"3.6.0","enabled":true}'
    again = FakeLog(log.disk)
    assert Versions(again, MovableClock()).cluster == "3.6.0"
    settle(again)
    assert again.disk.get(Bucket.CLUSTER, b"clusterVersion") == b"3.6.0"
    assert again.disk.get(Bucket.META, b"storageVersion") == b"3.6.0"


async def test_one_downgrade_at_a_time() -> None:
    versions = Versions(FakeLog(), MovableClock())
    versions.enable("3.6")
    with pytest.raises(DowngradeInProgressError):
        versions.validate("3.6")
    versions.tick()
    with pytest.raises(InvalidDowngradeTargetError):
        versions.validate("3.6")
    with pytest.raises(DowngradeInProgressError):
        versions.validate("3.5")


@pytest.mark.parametrize("version", ["", "3", "x", "v3.6", "3.6.", "3.6-rc", "3.6.1.2"])
async def test_what_is_no_version_is_no_target(version: str) -> None:
    with pytest.raises(WrongDowngradeFormatError):
        Versions(FakeLog(), MovableClock()).validate(version)


async def test_ticks_are_four_seconds_apart_from_the_start_and_taken_only_if_needed() -> None:
    clock = MovableClock()
    versions = Versions(FakeLog(), clock)
    await clock.advance(5)
    versions.enable("3.6")
    await clock.advance(2.9)
    assert versions.cluster == "3.7.0"
    await clock.advance(0.1)
    assert versions.cluster == "3.6.0"
    await clock.advance(100)
    versions.cancel()
    versions.close()
    await clock.advance(100)
    assert versions.cluster == "3.6.0"
