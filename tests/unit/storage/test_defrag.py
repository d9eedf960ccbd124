"""Defragmentation of a database in use."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etcdpy.errors import DefragmentError, StoppedError
from etcdpy.storage import Backend, Bucket, StorageError, checkpoint, datadir, defrag, small_copy
from etcdpy.storage.defrag import Defragmenter, defragment_at_start
from etcdpy.storage.defrag_process import CopyProcess
from etcdpy.storage.errors import DataDirError, DiskFullError
from etcdpy.storage.small_copy import SmallCopy
from etcdpy.storage.transaction import WriteTransaction
from etcdpy.testing import MovableClock
from tests.unit.storage.material import (
    as_time_passes,
    batch_of,
    open_log,
    put,
    revisions_in,
    row_key,
    soon,
    until,
)

ROWS = 400
VALUE = b"x" * 1000


class Store:
    """A store that is written to, and its defragmenter."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failures: list[StorageError] = []
        self.backend = Backend.open(path, fsync=False)
        self.clock = MovableClock()
        self.log = open_log(self.backend, self.clock)
        self.log.on_failure = self.failures.append
        self.defragmenter = Defragmenter(self.log, self.backend, self.clock)
        self.revision = 1

    async def fill(self) -> None:
        """Write rows and drop every second one, so that half of each page is free."""
        for _ in range(ROWS):
            durable = self.put()
        await durable
        await self.log.checkpoint()
        self.log.batch.drops = [row_key(revision) for revision in range(3, ROWS, 2)]
        self.log.flush_soon()
        await self.log.checkpoint()

    def put(self, value: bytes = VALUE) -> asyncio.Future[None]:
        self.revision += 1
        self.log.batch.puts[Bucket.META, b"consistent_index"] = b"%d" % self.revision
        return put(self.log, self.revision, value)

    def expected(self) -> list[int]:
        return [r for r in range(2, self.revision + 1) if r >= ROWS or r % 2 == 0]

    def copies(self) -> list[Path]:
        return list(self.backend.directory.lmdb.glob("defrag-*"))

    async def close(self) -> None:
        await self.defragmenter.close()
        await self.log.close()
        self.backend.close()

    def check(self) -> None:
        """Check what the log shows, and that nothing of a copy is left."""
        rows = list(self.log.scan_rows(b""))
        assert [int.from_bytes(key[:8], "big") for key, _ in rows] == self.expected()
        assert self.log.get(Bucket.META, b"consistent_index") == b"%d" % self.revision
        assert self.copies() == []

    async def check_restart(self) -> None:
        await self.close()
        backend = Backend.open(self.path)
        assert revisions_in(backend) == self.expected()
        assert backend.get(Bucket.META, b"consistent_index") == b"%d" % self.revision
        backend.close()


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """A store which is copied as a large one is."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_BYTES", 20_000)
    monkeypatch.setattr(defrag, "SMALL_STORE", 0)
    store = Store(tmp_path)
    await store.fill()
    yield store
    await store.close()


@pytest.fixture
async def small_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """A store for which no process is to be had, nor needed."""
    monkeypatch.setattr(checkpoint, "CHECKPOINT_BYTES", 20_000)
    monkeypatch.setattr(small_copy, "ENTRIES_AT_ONCE", 10)
    monkeypatch.setattr("subprocess.Popen", failing(AssertionError("a process was started")))
    store = Store(tmp_path)
    await store.fill()
    yield store
    await store.close()


class Gate:
    """Holds up a step, which waits for the disk or a process, until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def before(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any) -> Any:
            self.reached.set()
            assert self._open.wait(60)
            return real(*args)

        return step

    async def wait(self) -> None:
        await until(self.reached.is_set)

    def open(self) -> None:
        self._open.set()


@contextlib.contextmanager
def gate(monkeypatch: pytest.MonkeyPatch, target: Any, name: str) -> Any:
    found = Gate()
    with monkeypatch.context() as patch:
        patch.setattr(target, name, found.before(getattr(target, name)))
        try:
            yield found
        finally:
            found.open()


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


# -------------------- what it does


async def test_space_returns_and_nothing_else_changes(store: Store) -> None:
    before = store.backend.size()
    file = store.backend.directory.lmdb / "data.mdb"
    length = file.stat().st_size
    await soon(store.defragmenter.defragment())
    store.check()
    assert store.backend.size() < 0.6 * before
    assert store.backend.size_in_use() <= store.backend.size() == file.stat().st_size
    assert file.stat().st_size < 0.6 * length
    await store.check_restart()


async def test_reads_and_writes_go_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with gate(monkeypatch, CopyProcess, "catch_up") as copying:
        task = asyncio.create_task(store.defragmenter.defragment())
        written = 0
        while not task.done():
            await soon(store.put())
            written += 1
            assert store.log.row(row_key(2)) == VALUE
            assert store.log.row(row_key(store.revision)) == VALUE
            if written > 10:
                copying.open()
        await task
    assert written > 10
    store.check()
    await store.check_restart()


async def test_rows_dropped_meanwhile_are_gone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = []
    catch_up = CopyProcess.catch_up

    def count(process: CopyProcess) -> int:
        rounds.append(catch_up(process))
        return rounds[-1]

    monkeypatch.setattr(CopyProcess, "catch_up", count)
    task = asyncio.create_task(store.defragmenter.defragment())
    await until(lambda: bool(rounds) or task.done())
    store.log.batch.drops = [row_key(revision) for revision in store.expected()[:50]]
    store.log.flush_soon()
    await store.log.checkpoint()
    await soon(task)
    assert [key for key, _ in store.log.scan_rows(b"")] == [
        row_key(r) for r in store.expected()[50:]
    ]


async def test_writes_are_acknowledged_while_checkpoints_are_held(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gate(monkeypatch, datadir.DataDir, "put_in_place") as held:
        task = asyncio.create_task(store.defragmenter.defragment())
        await held.wait()
        for _ in range(100):
            await soon(store.put())
            assert store.log.row(row_key(store.revision)) == VALUE
        assert not task.done()
    await soon(task)
    store.check()
    await store.check_restart()


async def test_it_can_be_done_again_and_again(store: Store) -> None:
    for _ in range(3):
        await soon(store.defragmenter.defragment())
        await soon(store.put())
        store.check()
    await store.check_restart()


async def test_who_asks_meanwhile_waits_for_a_turn(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []
    place_for_copy = datadir.DataDir.place_for_copy

    def record(directory: datadir.DataDir) -> Path:
        assert not store.copies(), "one at a time"
        begun.append(place_for_copy(directory))
        return begun[-1]

    monkeypatch.setattr(datadir.DataDir, "place_for_copy", record)
    await soon(asyncio.gather(*(store.defragmenter.defragment() for _ in range(3))))
    assert len(begun) == 3
    store.check()


async def test_a_scan_that_pauses_goes_on_in_the_new_file(store: Store) -> None:
    scan = store.log.scan_rows(b"")
    found = [next(scan)[0] for _ in range(20)]
    await soon(store.defragmenter.defragment())
    found += [key for key, _ in scan]
    assert found == [row_key(revision) for revision in store.expected()]


async def test_a_pin_stays_on_the_old_file(store: Store) -> None:
    pin = store.backend.pin()
    reading = pin.items(Bucket.KEY)
    expected = [row_key(revision) for revision in store.expected()]
    found = [next(reading)[0]]
    await soon(store.defragmenter.defragment())
    await soon(store.put())
    await soon(store.defragmenter.defragment())
    found += [key for key, _ in reading]
    assert found == expected
    pin.close()


async def test_a_map_that_grew_goes_on_growing(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path, map_size=1 << 18)
    log = open_log(backend)
    defragmenter = Defragmenter(log, backend, MovableClock())
    for revision in range(2, 120):
        durable = put(log, revision, b"x" * 50_000)
        if revision % 40 == 0:
            await soon(durable)
            await soon(defragmenter.defragment())
    await soon(log.close())
    assert revisions_in(backend) == list(range(2, 120))
    backend.close()


async def test_it_is_logged_as_etcd_logs_it(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    before = store.backend.size()
    await soon(store.defragmenter.defragment())
    lines = [r for r in caplog.records if r.name == "etcdpy.storage.defrag"]
    assert [line.msg for line in lines] == [
        "starting defragment",
        "defragmenting",
        "finished defragmenting directory",
        "finished defragment",
    ]
    first: Any = lines[1].args
    last: Any = lines[2].args
    assert first["current-db-size-bytes"] == before
    assert last["current-db-size-bytes"] == store.backend.size()
    assert last["current-db-size-bytes-diff"] == store.backend.size() - before
    assert last["current-db-size-in-use-bytes"] == store.backend.size_in_use()
    assert last.keys() >= {"path", "took", "current-db-size", "checkpoints-held"}


async def test_what_empties_pages_is_waited_for(store: Store) -> None:
    compacted = asyncio.Event()

    async def compaction() -> None:
        await compacted.wait()

    defragmenter = Defragmenter(store.log, store.backend, store.clock)
    defragmenter.settle = compaction
    before = store.backend.size()
    task = asyncio.create_task(defragmenter.defragment())
    await soon(store.put())
    assert store.copies() == []
    store.log.batch.drops = [row_key(revision) for revision in store.expected()[50:]]
    store.log.flush_soon()
    compacted.set()
    await soon(task)
    assert store.backend.size() < 0.25 * before
    await defragmenter.close()


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_the_end_of_the_server_does_not_wait_for_a_compaction(
    store: Store, turns: int
) -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    defragmenter = Defragmenter(store.log, store.backend, store.clock)
    defragmenter.settle = for_ever
    task = asyncio.create_task(defragmenter.defragment())
    for _ in range(turns):
        await asyncio.sleep(0)
    await soon(defragmenter.close())
    with pytest.raises(StoppedError):
        await task


# -------------------- who gives up


async def test_it_goes_on_when_its_caller_is_gone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.backend.size()
    with gate(monkeypatch, CopyProcess, "catch_up") as copying:
        task = asyncio.create_task(store.defragmenter.defragment())
        await copying.wait()
        task.cancel()
        await asyncio.wait({task})
    await until(lambda: store.backend.size() < before)
    await soon(store.defragmenter.defragment())
    store.check()


async def test_who_leaves_the_queue_costs_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gate(monkeypatch, CopyProcess, "catch_up") as copying:
        first = asyncio.create_task(store.defragmenter.defragment())
        await copying.wait()
        other = asyncio.create_task(store.defragmenter.defragment())
        await asyncio.sleep(0)
        other.cancel()
        await asyncio.wait({other})
        assert other.cancelled()
    await soon(first)
    store.check()


async def test_the_end_of_the_server_ends_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with gate(monkeypatch, CopyProcess, "catch_up") as copying:
        running = asyncio.create_task(store.defragmenter.defragment())
        await copying.wait()
        waiting = asyncio.create_task(store.defragmenter.defragment())
        closing = asyncio.create_task(store.defragmenter.close())
        await asyncio.sleep(0)
        copying.open()
        await soon(closing)
    for task in (running, waiting):
        with pytest.raises(StoppedError):
            await task
    with pytest.raises(StoppedError):
        await store.defragmenter.defragment()
    store.check()
    await store.check_restart()


async def test_the_end_of_the_server_waits_for_a_swap(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gate(monkeypatch, datadir.DataDir, "put_in_place") as swapping:
        task = asyncio.create_task(store.defragmenter.defragment())
        await swapping.wait()
        closing = asyncio.create_task(store.defragmenter.close())
        await soon(store.put())
        assert not closing.done()
        swapping.open()
        await soon(closing)
    await soon(task)
    store.check()
    await store.check_restart()


async def test_it_gives_up_when_told_to(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not store.defragmenter.give_up("nothing goes on")
    with gate(monkeypatch, CopyProcess, "catch_up") as copying:
        task = asyncio.create_task(store.defragmenter.defragment())
        await copying.wait()
        assert store.defragmenter.give_up("no space left on device")
    with pytest.raises(DefragmentError, match="no space left on device"):
        await soon(task)
    store.check()
    await soon(store.defragmenter.defragment())
    store.check()


# -------------------- a small store


async def test_small_store_is_copied_without_a_process(small_store: Store) -> None:
    before = small_store.backend.size()
    for _ in range(3):
        await soon(small_store.defragmenter.defragment())
        small_store.check()
        assert small_store.backend.size() < 0.6 * before
        await soon(small_store.put())
    await small_store.check_restart()


async def test_process_copies_a_store_that_is_not_small(
    small_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defrag, "SMALL_STORE", small_store.backend.size_in_use() - 1)
    with pytest.raises(AssertionError, match="a process was started"):
        await soon(small_store.defragmenter.defragment())


async def test_reads_and_writes_of_a_small_store_go_on(
    small_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gate(monkeypatch, SmallCopy, "finish") as copying:
        task = asyncio.create_task(small_store.defragmenter.defragment())
        await copying.wait()
        for _ in range(50):
            await soon(small_store.put())
            assert small_store.log.row(row_key(2)) == VALUE
        small_store.log.batch.drops = [row_key(2)]
        small_store.log.flush_soon()
        assert not task.done()
    await soon(task)
    await soon(small_store.log.checkpoint())
    assert [key for key, _ in small_store.log.scan_rows(b"")] == [
        row_key(revision) for revision in small_store.expected()[1:]
    ]
    assert small_store.copies() == []


@pytest.mark.parametrize("why", ["no space left on device", "the server ends"])
async def test_copy_of_a_small_store_is_given_up_when_told_to(
    small_store: Store, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    with gate(monkeypatch, SmallCopy, "finish") as copying:
        task = asyncio.create_task(small_store.defragmenter.defragment())
        await copying.wait()
        assert small_store.defragmenter.give_up(why)
    with pytest.raises(DefragmentError, match=why):
        await soon(task)
    small_store.check()
    await soon(small_store.defragmenter.defragment())
    await small_store.check_restart()


@pytest.mark.parametrize("step", ["__init__", "fill", "finish"])
async def test_copy_of_a_small_store_that_fails_leaves_the_old_file(
    small_store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SmallCopy, step, failing(DiskFullError("no space left on device")))
        with pytest.raises(DefragmentError, match="no space left on device"):
            await soon(small_store.defragmenter.defragment())
    small_store.check()
    await soon(small_store.put())
    await soon(small_store.defragmenter.defragment())
    await small_store.check_restart()


# -------------------- what goes wrong


@pytest.mark.parametrize("hold_up_at", ["the first checkpoint", "one meanwhile"])
async def test_a_checkpoint_without_room_is_not_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch, hold_up_at: str
) -> None:
    """The room it waits for may be that which the copy takes."""
    full = threading.Event()
    commit = WriteTransaction.commit

    def commit_if_room(txn: WriteTransaction) -> None:
        if full.is_set():
            raise DiskFullError("no space left on device")
        commit(txn)

    def make_room() -> None:
        if not store.defragmenter.give_up("no space left on device"):
            full.clear()

    monkeypatch.setattr(WriteTransaction, "commit", commit_if_room)
    store.log.on_full = make_room
    if hold_up_at == "the first checkpoint":
        full.set()
        await soon(store.put())
        task = asyncio.create_task(store.defragmenter.defragment())
    else:
        with gate(monkeypatch, CopyProcess, "catch_up") as copying:
            task = asyncio.create_task(store.defragmenter.defragment())
            await copying.wait()
            full.set()
            await soon(store.put(b"x" * 50_000))
    with pytest.raises(DefragmentError, match="no space left on device"):
        await soon(task)
    await as_time_passes(store.clock, store.log.checkpoint())
    store.check()
    await store.check_restart()


async def test_it_does_not_begin_without_room_for_the_copy(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(datadir.DataDir, "room", lambda _: store.backend.size_in_use())
    with pytest.raises(DefragmentError, match="no space left on device"):
        await soon(store.defragmenter.defragment())
    store.check()
    (line,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert line.msg == "failed to defragment"
    assert line.args == {"error": "no space left on device"}


@pytest.mark.parametrize("finished_rounds", [0, 1])
async def test_a_process_that_dies_leaves_the_old_file(
    store: Store, monkeypatch: pytest.MonkeyPatch, finished_rounds: int
) -> None:
    catch_up = CopyProcess.catch_up
    rounds = 0

    def die(process: CopyProcess) -> int:
        nonlocal rounds
        rounds += 1
        if rounds > finished_rounds:
            process.kill()
        return catch_up(process)

    with monkeypatch.context() as patch:
        patch.setattr(CopyProcess, "catch_up", die)
        with pytest.raises(DefragmentError, match="has ended"):
            await soon(store.defragmenter.defragment())
    store.check()
    await soon(store.put())
    await soon(store.log.checkpoint())
    await soon(store.defragmenter.defragment())
    await store.check_restart()


async def test_no_process_to_be_had(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    monkeypatch.setattr("subprocess.Popen", failing(refused))
    with pytest.raises(DefragmentError, match="Resource temporarily unavailable"):
        await soon(store.defragmenter.defragment())
    store.check()


async def test_a_copy_that_cannot_be_put_in_place_leaves_the_old_file(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing(OSError(errno.EROFS, "Read-only file system")))
        with pytest.raises(DefragmentError, match="Read-only file system"):
            await soon(store.defragmenter.defragment())
    store.check()
    await soon(store.put())
    await store.check_restart()


async def test_checkpoints_are_not_held_for_long(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(defrag, "SHORT_ROUND", 60)
    copied = CopyProcess.catch_up
    killed = threading.Event()
    rounds: list[int] = []

    def never_end(process: CopyProcess) -> int:
        if rounds:
            assert killed.wait(60)
        rounds.append(copied(process))
        return rounds[-1]

    def kill(process: CopyProcess) -> None:
        end(process)
        killed.set()

    end = CopyProcess.kill
    monkeypatch.setattr(CopyProcess, "kill", kill)
    monkeypatch.setattr(CopyProcess, "catch_up", never_end)
    with pytest.raises(DefragmentError, match="takes too long"):
        await as_time_passes(store.clock, store.defragmenter.defragment())
    assert len(rounds) == 1
    store.check()
    await soon(store.put())
    await store.check_restart()


async def test_a_mistake_is_logged_whoever_asked(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(CopyProcess, "catch_up", failing(ValueError("what?")))
    with pytest.raises(ValueError, match="what"):
        await soon(store.defragmenter.defragment())
    assert [r.levelname for r in caplog.records] == ["ERROR"]
    store.check()


async def test_a_copy_that_lags_behind_is_not_taken(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = CopyProcess.catch_up
    rounds: list[int] = []

    def copy_once(process: CopyProcess) -> int:
        rounds.append(0 if rounds else copied(process))
        return rounds[-1]

    monkeypatch.setattr(CopyProcess, "catch_up", copy_once)
    with gate(monkeypatch, CopyProcess, "close") as copying:
        task = asyncio.create_task(store.defragmenter.defragment())
        await copying.wait()
        # Nothing is to be written while the copy is put in place.
        store.backend.write([batch_of(store.revision + 1)], 1 << 30)
    with pytest.raises(DefragmentError, match="not complete"):
        await soon(task)
    assert store.copies() == []


async def test_a_swap_that_may_not_last_ends_the_server(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        error = OSError(errno.EIO, "Input/output error")
        patch.setattr(datadir, "sync_directory", failing(error))
        with pytest.raises(DefragmentError, match="Input/output error"):
            await soon(store.defragmenter.defragment())
    (failure,) = store.failures
    assert "Input/output error" in str(failure)
    with pytest.raises(StorageError):
        await soon(store.put())
    store.revision -= 1
    await store.check_restart()


async def test_checkpoints_that_failed_leave_nothing_to_defragment(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Backend, "begin", failing(StorageError("broken")))
        await soon(store.put())
        with pytest.raises(StorageError):
            await soon(store.log.checkpoint())
    with pytest.raises(DefragmentError, match="broken"):
        await soon(store.defragmenter.defragment())
    await store.check_restart()


# -------------------- at start


async def test_a_start_defragments_where_it_pays(store: Store) -> None:
    await store.close()
    backend = Backend.open(store.path)
    backend.write([SimpleNamespace(rows={}, puts={}, drops=[])], 10_000)
    size, free = backend.size(), backend.size() - backend.size_in_use()
    assert free > 0
    defragment_at_start(backend, free + 1)
    assert backend.size() == size, "too little to gain"
    defragment_at_start(backend, free)
    assert backend.size() < 0.6 * size
    assert revisions_in(backend) == store.expected()
    backend.close()
    backend = Backend.open(store.path)
    assert revisions_in(backend) == store.expected()
    assert list(backend.directory.lmdb.glob("defrag-*")) == []
    backend.close()


async def test_a_start_says_what_it_skips(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    defragment_at_start(store.backend, 1 << 30)
    line = caplog.records[-1]
    fields: Any = line.args
    assert line.msg == "Skipping defragmentation"
    assert fields["bootstrap-defrag-threshold-bytes"] == 1 << 30
    assert fields["bootstrap-defrag-threshold"] == "1.1 GB"
    assert fields["current-db-size-bytes"] == store.backend.size()


async def test_a_start_without_room_goes_on_as_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(datadir.DataDir, "room", lambda _: 0)
    size = store.backend.size()
    defragment_at_start(store.backend, 0)
    assert caplog.records[-1].args == {"error": "no space left on device"}
    assert store.backend.size() == size
    store.check()


async def test_a_start_removes_what_a_killed_server_left(store: Store) -> None:
    left = store.backend.directory.place_for_copy()
    (left / "data.mdb").write_bytes(b"half a copy")
    await store.close()
    Backend.open(store.path).close()
    assert store.copies() == []


def test_the_place_of_a_copy_is_private(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path)
    place = backend.directory.place_for_copy()
    assert place.stat().st_mode & 0o777 == 0o700
    backend.directory.discard(place)
    backend.close()
    with pytest.raises(DataDirError):
        Backend.open(tmp_path / "member" / "lmdb" / "data.mdb")
