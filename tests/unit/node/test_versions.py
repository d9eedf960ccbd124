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
from tests.unit.mvcc.fake_log import FakeLog


def settle(log: FakeLog) -> None:
    log.flush()
    log.settle()


async def test_a_downgrade_moves_the_versions_at_the_next_look() -> None:
    versions = Versions(FakeLog())
    versions.enable("3.6")
    assert (versions.cluster, versions.target.version) == ("3.7.0", "3.6.0")
    assert versions.look()
    assert (versions.cluster, versions.storage) == ("3.6.0", "3.6.0")
    assert not versions.look()
    versions.cancel()
    assert versions.look()
    assert (versions.cluster, versions.target.enabled) == ("3.7.0", False)


async def test_a_downgrade_outlives_a_restart() -> None:
    log = FakeLog()
    Versions(log).enable("3.6.0")
    settle(log)
    stored = log.disk.get(Bucket.CLUSTER, b"downgrade")
    assert stored == b'{"target-version":"3.6.0","enabled":true}'
    again = FakeLog(log.disk)
    assert Versions(again).cluster == "3.6.0"
    settle(again)
    assert again.disk.get(Bucket.CLUSTER, b"clusterVersion") == b"3.6.0"
    assert again.disk.get(Bucket.META, b"storageVersion") == b"3.6.0"


async def test_one_downgrade_at_a_time() -> None:
    versions = Versions(FakeLog())
    versions.enable("3.6")
    with pytest.raises(DowngradeInProgressError):
        versions.validate("3.6")
    versions.look()
    with pytest.raises(InvalidDowngradeTargetError):
        versions.validate("3.6")
    with pytest.raises(DowngradeInProgressError):
        versions.validate("3.5")


@pytest.mark.parametrize("version", ["", "3", "x", "v3.6", "3.6.", "3.6-rc", "3.6.1.2"])
async def test_what_is_no_version_is_no_target(version: str) -> None:
    with pytest.raises(WrongDowngradeFormatError):
        Versions(FakeLog()).validate(version)
