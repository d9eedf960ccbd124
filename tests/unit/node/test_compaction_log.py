"""What the log says of a compaction."""

from __future__ import annotations

import logging

import pytest

from etcdpy.mvcc.hashing import KeyHash
from etcdpy.node.compaction_log import compaction_logger
from etcdpy.node.parts import Database
from etcdpy.storage.snapshot import Snapshot
from etcdpy.testing.clock import MovableClock


async def _no_defragmentation() -> None:
    raise AssertionError


async def _no_snapshot() -> Snapshot:
    raise AssertionError


DATABASE = Database(lambda: 20480, lambda: 16384, _no_defragmentation, _no_snapshot)


async def test_end_of_a_compaction_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = MovableClock()
    began = compaction_logger(DATABASE, clock)
    ended = began(7)
    await clock.advance(0.25)
    ended(3, KeyHash(2629504400, 1, 7))
    began(8)(0, None)  # one resumed after a crash
    first, resumed = caplog.records
    assert first.msg == "finished scheduled compaction"
    assert first.args == {
        "compact-revision": 7,
        "took": "250ms",
        "number-of-keys-compacted": 3,
        "hash": 2629504400,
        "current-db-size-bytes": 20480,
        "current-db-size": "20 kB",
        "current-db-size-in-use-bytes": 16384,
        "current-db-size-in-use": "16 kB",
    }
    assert isinstance(resumed.args, dict)
    assert "hash" not in resumed.args
