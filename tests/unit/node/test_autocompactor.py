"""Compacting when the policy says so."""

from __future__ import annotations

import asyncio
import logging

import pytest

from etcdpy.mvcc.store import Store
from etcdpy.node.autocompact import REVISION_INTERVAL, RevisionPolicy
from etcdpy.node.autocompactor import AutoCompactor, keep_compacting
from etcdpy.node.compactor import Compactor
from etcdpy.pb.rpc_pb2 import CORRUPT
from etcdpy.testing.clock import MovableClock
from tests.unit.mvcc.fake_log import FakeLog
from tests.unit.node.nodes import make_node


class CompactedStore:
    """A store of ten revisions of which five are to be kept."""

    def __init__(self) -> None:
        self.log = FakeLog()
        self.store = Store(self.log)
        self.log.serve(self.store)
        for _ in range(9):
            changes = self.store.begin()
            changes.put(b"a", b"", 0)
            changes.commit()
        self.log.flush()
        self.log.settle()
        clock = MovableClock()
        self.compactor = Compactor(self.store, None, clock)
        self.node = node = make_node(self.store, self.log, clock=clock, compactor=self.compactor)
        self.alarms = node.parts.alarms
        self.automatic = AutoCompactor(RevisionPolicy(5), node, self.store, clock)

    async def tick(self) -> None:
        await self.settling(asyncio.ensure_future(self.automatic.tick()))

    async def settle(self) -> None:
        """Let compactions that have begun come to their end."""
        await self.settling(self.compactor.resume(0))

    async def settling(self, work: asyncio.Future[None]) -> None:
        """Wait for ``work`` with a disk that writes whatever it gets."""
        while not work.done():
            await asyncio.sleep(0)
            self.log.flush()
            self.log.settle()
        work.result()


async def test_a_compaction_is_told_of_before_and_after(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store = CompactedStore()
    await store.tick()
    assert store.store.compact_revision == 5
    assert [record.msg for record in caplog.records] == [
        "starting auto revision compaction",
        "completed auto revision compaction",
    ]
    assert caplog.records[1].args == {
        "revision": 5,
        "revision-compaction-retention": 5,
        "took": "0s",
    }
    await store.tick()
    assert len(caplog.records) == 2
    await store.settle()


async def test_one_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store = CompactedStore()
    store.alarms.activate(1, CORRUPT)
    await store.tick()
    assert store.store.compact_revision == -1
    assert caplog.records[-1].msg == "failed auto revision compaction"
    assert caplog.records[-1].args == {
        "revision": 5,
        "revision-compaction-retention": 5,
        "retry-interval": "5m0s",
        "error": "etcdserver: corrupt cluster",
    }
    store.alarms.deactivate(1, CORRUPT)
    await store.tick()
    assert store.store.compact_revision == 5
    await store.settle()


async def test_what_somebody_else_compacted_counts_as_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    store = CompactedStore()
    store.compactor.schedule(7)
    await store.tick()
    await store.settle()
    assert store.store.compact_revision == 7
    assert caplog.records[-1].msg == "completed auto revision compaction"


async def test_it_goes_on_until_it_is_closed() -> None:
    store, clock = CompactedStore(), MovableClock()
    automatic = keep_compacting("revision", 5, store.node, store.store, clock)
    # Nobody compacts before the first of the five minutes are over.
    await clock.advance(REVISION_INTERVAL - 1)
    assert store.store.compact_revision == -1
    await clock.advance(1)
    await store.settle()
    assert store.store.compact_revision == 5
    await automatic.close()
    await clock.advance(2 * REVISION_INTERVAL)
    assert store.store.compact_revision == 5
