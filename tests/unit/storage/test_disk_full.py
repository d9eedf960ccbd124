"""A disk without room: what is handed over waits, and is written once there is some."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from etcdpy.mvcc.store import Store
from etcdpy.storage import Backend, Batch, Bucket, GroupCommit, StorageError, journal
from etcdpy.storage.errors import DiskFullError
from etcdpy.storage.transaction import WriteTransaction
from etcdpy.testing import MovableClock
from tests.unit.storage.material import as_time_passes, open_log


class Disk:
    """Lets writes of the journal through, or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self._pwrite = os.pwrite
        monkeypatch.setattr(os, "pwrite", self._write)
        monkeypatch.setattr(journal, "ROOM_CHECK_SECONDS", 0.01)

    def _write(self, descriptor: int, data: bytes, offset: int) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._pwrite(descriptor, data, offset)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def started(
    path: Path, failures: list[StorageError], clock: MovableClock | None = None
) -> tuple[Backend, GroupCommit, asyncio.Event]:
    """Return an open log and what is set when it tells of a full disk."""
    backend = Backend.open(path, fsync=False)
    log = open_log(backend, clock)
    log.on_failure = failures.append
    told = asyncio.Event()
    log.on_full = told.set
    return backend, log, told


def put(log: GroupCommit, key: bytes, value: bytes) -> Batch:
    log.batch.puts[Bucket.META, key] = value
    log.flush_soon()
    return log.batch


async def test_a_batch_waits_for_room_in_the_journal(tmp_path: Path, disk: Disk) -> None:
    failures: list[StorageError] = []
    backend, log, told = started(tmp_path, failures)
    disk.full = True
    batch = put(log, b"k", b"1")
    await told.wait()
    assert not batch.durable.done()
    disk.full = False
    await batch.durable
    await log.close()
    assert backend.get(Bucket.META, b"k") == b"1"
    assert not failures
    backend.close()


async def test_an_end_does_not_wait_for_room(tmp_path: Path, disk: Disk) -> None:
    failures: list[StorageError] = []
    backend, log, told = started(tmp_path, failures)
    await put(log, b"k", b"1").durable
    disk.full = True
    lost = put(log, b"k", b"2")
    await told.wait()
    await log.close()
    backend.close()
    with pytest.raises(DiskFullError):
        lost.durable.result()
    disk.full = False
    with_rest = Backend.open(tmp_path)
    assert with_rest.get(Bucket.META, b"k") == b"1"
    with_rest.close()


async def test_a_checkpoint_is_tried_again_until_there_is_room(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = iter([DiskFullError("full")] * 2)
    commit = WriteTransaction.commit

    def commit_later(txn: WriteTransaction) -> Any:
        if refusal := next(refusals, None):
            raise refusal
        return commit(txn)

    failures: list[StorageError] = []
    clock = MovableClock()
    backend, log, told = started(tmp_path, failures, clock)
    await put(log, b"k", b"1").durable
    monkeypatch.setattr(WriteTransaction, "commit", commit_later)
    await as_time_passes(clock, log.checkpoint())
    assert told.is_set()
    assert backend.get(Bucket.META, b"k") == b"1"
    assert not failures
    await log.close()
    backend.close()


async def test_a_server_that_ends_with_a_full_disk_leaves_its_journal(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(txn: WriteTransaction) -> None:
        raise DiskFullError("full")

    backend, log, _ = started(tmp_path, [])
    await put(log, b"k", b"1").durable
    with monkeypatch.context() as patch:
        patch.setattr(WriteTransaction, "commit", refuse)
        await log.close()
        backend.close()
    again = Backend.open(tmp_path)
    assert again.get(Bucket.META, b"k") == b"1"
    again.close()


async def test_the_size_counts_what_is_on_its_way(tmp_path: Path) -> None:
    backend, log, _ = started(tmp_path, [])
    before = log.size()
    await put(log, b"k", b"v" * 500_000).durable
    assert before + 400_000 < log.size() < before + 600_000
    await log.checkpoint()
    assert log.size() == backend.size()
    await log.close()
    backend.close()


async def test_the_size_counts_what_is_still_being_gathered(tmp_path: Path) -> None:
    backend, log, _ = started(tmp_path, [])
    changes = Store(log).begin()
    before = log.size()
    for number in range(50):
        changes.put(b"%d" % number, b"v" * 10_000, 0)
    gathered = log.size() - before
    assert 400_000 < gathered < 600_000
    durable = log.until(changes.commit())
    assert durable is not None
    await durable
    assert log.size() - before == pytest.approx(gathered, rel=0.05)
    await log.close()
    backend.close()
