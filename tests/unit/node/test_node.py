"""A node opens on a data directory, keeps what it acknowledged, and closes what it opened."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from etcdpy import errors
from etcdpy.config import Config, InvalidConfigError
from etcdpy.cooperative import outcome
from etcdpy.memory import Budget
from etcdpy.node.node import Node, log_opened
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.storage import DataDirLocked, StorageError
from etcdpy.testing.clock import MovableClock
from tests.unit.node.nodes import ANYBODY
from tests.unit.storage.material import until


def config(path: Path, **settings: object) -> Config:
    return replace(Config(data_dir=str(path), unsafe_no_fsync=True), **settings)  # type: ignore[arg-type]


async def put(node: Node, key: bytes, lease: int = 0) -> None:
    await outcome(node.put(pb.PutRequest(key=key, lease=lease), ANYBODY))


async def count(node: Node) -> int:
    reply = await outcome(node.range(pb.RangeRequest(key=b"\0", range_end=b"\0"), ANYBODY))
    return pb.RangeResponse.FromString(bytes(reply)).count


async def test_what_was_acknowledged_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    async with Node.open(config(tmp_path / "d"), MovableClock()) as node:
        await put(node, b"a")
        first = node.identity
    async with Node.open(config(tmp_path / "d"), MovableClock()) as node:
        assert await count(node) == 1
        assert node.identity.member_id == first.member_id
        assert node.identity.raft_term == first.raft_term + 1


async def test_data_directory_is_free_again_when_the_block_ends(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    async with Node.open(config(tmp_path / "d"), MovableClock()):
        with pytest.raises(DataDirLocked):
            async with Node.open(config(tmp_path / "d"), MovableClock()):
                raise AssertionError("two nodes on one directory")
    async with Node.open(config(tmp_path / "d"), MovableClock()):
        pass
    assert set(threading.enumerate()) <= before


async def test_error_in_the_block_closes_the_node_all_the_same(tmp_path: Path) -> None:
    async def fail() -> None:
        async with Node.open(config(tmp_path / "d"), MovableClock()) as node:
            await put(node, b"a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with Node.open(config(tmp_path / "d"), MovableClock()) as node:
        assert await count(node) == 1


async def test_retention_that_cannot_be_read_is_refused_before_the_disk_is_touched(
    tmp_path: Path,
) -> None:
    wrong = config(tmp_path / "d", auto_compaction_retention="soon")
    with pytest.raises(InvalidConfigError):
        async with Node.open(wrong, MovableClock()):
            raise AssertionError("opened")
    assert not (tmp_path / "d").exists()


async def test_a_learner_is_there_when_it_is_opened_again_where_there_may_be_one(
    tmp_path: Path,
) -> None:
    request = pb.MemberAddRequest(peerURLs=["http://127.0.0.1:1"], isLearner=True)
    async with Node.open(config(tmp_path / "d"), MovableClock()) as node:
        added = await node.member_add(request, ANYBODY)
    none_allowed = config(tmp_path / "d", max_learners=0)
    with pytest.raises(InvalidConfigError, match="membership: too many learner members"):
        async with Node.open(none_allowed, MovableClock()):
            raise AssertionError("opened")
    async with Node.open(config(tmp_path / "d"), MovableClock()) as node:
        listed = await node.member_list(pb.MemberListRequest(), ANYBODY)
        assert listed.members == added.members


async def test_what_waits_for_a_checkpoint_gets_one_when_memory_is_given_back(
    tmp_path: Path,
) -> None:
    memory = Budget()
    async with Node.open(config(tmp_path / "d"), MovableClock(), memory=memory) as node:
        await put(node, b"a")
        writes = node.parts.database.writes
        assert writes is not None
        before = writes.checkpoints.count
        assert memory.on_quiet is not None
        memory.on_quiet()
        await until(lambda: writes.checkpoints.count > before)


async def test_lease_ends_by_the_nodes_clock(tmp_path: Path) -> None:
    clock = MovableClock()
    async with Node.open(config(tmp_path / "d"), clock) as node:
        lease = await node.grant(60, ANYBODY)
        await put(node, b"a", lease)
        await clock.advance(59)
        assert await count(node) == 1
        await clock.advance(2)
        await outcome(
            node.compact(pb.CompactionRequest(revision=2), ANYBODY)
        )  # the disk has its turn
        assert await count(node) == 0


async def test_store_is_compacted_by_the_nodes_clock(tmp_path: Path) -> None:
    clock = MovableClock()
    settings = {"auto_compaction_mode": "revision", "auto_compaction_retention": "1"}
    async with Node.open(config(tmp_path / "d", **settings), clock) as node:
        for _ in range(3):
            await put(node, b"a")
        await clock.advance(299)
        assert node.parts.store.compact_revision == -1
        await clock.advance(2)
        assert node.parts.store.compact_revision == 3


async def test_failure_of_the_disk_is_the_end_of_the_node_and_says_so(tmp_path: Path) -> None:
    async with Node.open(config(tmp_path / "d"), MovableClock()) as node:
        assert not node.failed.done()
        node.parts.store.log.fail(StorageError("the disk is gone"))
        with pytest.raises(StorageError, match="the disk is gone"):
            await node.failed
        with pytest.raises(errors.StoppedError):
            await put(node, b"a")


async def test_disk_that_is_full_raises_the_alarm_and_keeps_the_node(tmp_path: Path) -> None:
    async with Node.open(config(tmp_path / "d"), MovableClock()) as node:
        log = node.parts.store.log
        log.on_full()  # type: ignore[attr-defined]
        assert [alarm.alarm for alarm in node.parts.alarms.matching(pb.NOSPACE)] == [pb.NOSPACE]
        with pytest.raises(errors.NoSpaceError):
            await put(node, b"a")
        assert not node.failed.done()


def test_opened_database_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_opened(replace(Config(), data_dir="d"), 0.0125)
    [line] = caplog.records
    assert line.msg == "opened backend db"
    assert line.args == {"path": "d/member/lmdb", "took": "12.5ms"}


async def test_nothing_is_left_to_do_on_the_loop_when_it_is_closed(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with Node.open(config(tmp_path / "d"), MovableClock()) as node:
        await node.grant(60, ANYBODY)
    assert asyncio.all_tasks() == before
