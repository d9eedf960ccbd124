from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from etcdpy.storage import Backend, Batch, Bucket, GroupCommit, StorageError, commit
from etcdpy.storage.commit import AT_ONCE_BYTES, AT_ONCE_PACE
from etcdpy.storage.errors import DiskFullError
from etcdpy.storage.journal import Journal, Payload
from tests.unit.storage.material import (
    SEGMENT_BYTES,
    disk_refusing_writes,
    open_log,
    put,
    revisions_in,
    row_key,
    soon,
    until,
)


class Gate:
    """Holds the committer back, as a slow disk does, and notes how many batches it takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open = threading.Event()
        self._open.set()
        self.is_reached = threading.Event()
        self.groups: list[int] = []
        real = Journal.append

        def append(journal: Journal, payloads: list[Payload]) -> int:
            self.is_reached.set()
            self._open.wait(60)
            self.groups.append(len(payloads))
            return real(journal, payloads)

        monkeypatch.setattr(Journal, "append", append)

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[Backend]:
    backend = Backend.open(tmp_path, segment_bytes=SEGMENT_BYTES)
    yield backend
    backend.close()


@pytest.fixture
async def log(backend: Backend) -> AsyncIterator[GroupCommit]:
    log = started(backend)
    yield log
    await soon(log.close())


def started(
    backend: Backend,
    on_durable: Callable[[Batch], None] = lambda batch: None,
    on_failure: Callable[[StorageError], None] | None = None,
) -> GroupCommit:
    log = open_log(backend)
    log.on_durable.append(on_durable)
    log.on_failure = on_failure
    return log


async def test_a_write_becomes_durable(log: GroupCommit) -> None:
    await soon(put(log, 2))
    assert log.row(row_key(2)) == b"value"


async def test_changes_of_one_turn_share_a_batch(log: GroupCommit) -> None:
    assert put(log, 2) is put(log, 3)
    await soon(put(log, 4))


async def test_changes_are_handed_over_at_the_end_of_the_turn(log: GroupCommit) -> None:
    assert not log.is_flushing
    durable = put(log, 2)
    assert log.is_flushing
    await soon(durable)
    assert not log.is_flushing


async def test_a_turns_changes_are_not_split(log: GroupCommit, tmp_path: Path) -> None:
    durable = put(log, 2)
    log.batch.puts[Bucket.META, b"consistent_index"] = b"1"
    await soon(durable)
    assert not log.batch


async def test_the_owner_hears_of_a_batch_before_who_waits_for_it(backend: Backend) -> None:
    heard: list[tuple[int, bool]] = []
    log = started(backend, lambda batch: heard.append((batch.revision, batch.durable.done())))
    await soon(put(log, 2))
    await soon(put(log, 3))
    assert heard == [(2, False), (3, False)]
    await log.close()


async def test_owner_hears_of_each_checkpoint(log: GroupCommit) -> None:
    heard: list[int] = []
    log.on_checkpoint = lambda: heard.append(log.written())
    await soon(put(log, 2))
    assert heard == []
    await soon(log.checkpoint())
    assert heard == [log.written()]


async def test_batches_become_durable_in_order(backend: Backend) -> None:
    revisions: list[int] = []
    log = started(backend, lambda batch: revisions.append(batch.revision))
    for revision in range(2, 30):
        put(log, revision)
        await asyncio.sleep(0)
    await soon(log.close())
    assert revisions == list(range(2, 30))


async def test_what_gathers_during_a_write_is_written_at_once(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    log = started(backend)
    gate.close()
    first = put(log, 2)
    await asyncio.sleep(0)
    later = []
    for revision in range(3, 23):
        later.append(put(log, revision))
        await asyncio.sleep(0)
    assert not first.done()
    gate.open()
    await soon(asyncio.gather(*later))
    await soon(log.close())
    # How many the committer had taken when it was held back is the scheduler's choice.
    assert len(gate.groups) <= 3
    assert sum(gate.groups) == 21


async def test_nothing_is_durable_before_it_is_written(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    log = started(backend)
    gate.close()
    durable = put(log, 2)
    await until(gate.is_reached.is_set)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not durable.done()
    assert log.row(row_key(2)) == b"value", "but the newest view has it"
    gate.open()
    await soon(durable)
    await soon(log.close())


async def at_once(log: GroupCommit, revision: int, value: bytes = b"value") -> bool:
    """Write a row; tell whether it is durable when its turn of the loop ends."""
    durable = put(log, revision, value)
    await asyncio.sleep(0)
    was_at_once = durable.done()
    await soon(durable)
    return was_at_once


@pytest.fixture
async def quick_log(
    log: GroupCommit, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> GroupCommit:
    """A log that finds the disk quick, and whose committer has nothing more to prepare."""
    monkeypatch.setattr("etcdpy.storage.journal.stopwatch", lambda: 0.0)
    await until_at_once(log, backend, 2)
    return log


async def until_at_once(log: GroupCommit, backend: Backend, revision: int) -> None:
    """Write until it happens at once, which the last work of the committer may delay."""
    for later in range(revision, revision + 20):
        backend.journal.pace = 0.0
        if await at_once(log, later):
            return
        await until(lambda: not log._writing.locked())
    pytest.fail("no write happens at once")


async def test_a_small_batch_alone_takes_no_other_thread(
    quick_log: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Journal, "append", None)
    assert await at_once(quick_log, 100)
    assert await at_once(quick_log, 101)
    assert quick_log.unsettled() is None


async def test_a_large_batch_is_left_to_the_committer(quick_log: GroupCommit) -> None:
    assert not await at_once(quick_log, 100, bytes(AT_ONCE_BYTES))


async def test_a_slow_disk_is_left_to_the_committer_until_it_is_quick_again(
    quick_log: GroupCommit, backend: Backend
) -> None:
    backend.journal.pace = 2 * AT_ONCE_PACE
    assert not await at_once(quick_log, 100)
    await until_at_once(quick_log, backend, 101)


async def test_the_first_write_is_left_to_the_committer(log: GroupCommit) -> None:
    assert not await at_once(log, 2), "nobody knows yet how quick the disk is"


async def test_a_batch_waits_its_turn_behind_others(
    quick_log: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    gate.close()
    large = put(quick_log, 100, bytes(AT_ONCE_BYTES))
    await asyncio.sleep(0)
    small = put(quick_log, 101)
    await asyncio.sleep(0)
    assert not large.done()
    assert not small.done()
    gate.open()
    await soon(small)
    assert large.done()


async def test_what_finds_the_disk_full_is_left_to_the_committer(
    quick_log: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(journal: Journal, payload: Payload) -> None:
        raise DiskFullError("no room")

    monkeypatch.setattr(Journal, "append_at_once", full)
    assert not await at_once(quick_log, 100)
    assert quick_log.failed is None


async def test_a_failure_to_write_at_once_is_told_as_any_other(quick_log: GroupCommit) -> None:
    with disk_refusing_writes():
        durable = put(quick_log, 100)
        await asyncio.sleep(0)
    assert quick_log.failed is not None
    with pytest.raises(StorageError, match="cannot write"):
        await durable
    with pytest.raises(StorageError):
        await soon(put(quick_log, 101))


async def test_both_ways_of_writing_share_the_journal(
    quick_log: GroupCommit, backend: Backend
) -> None:
    for revision in range(100, 300):
        durable = put(quick_log, revision, bytes(revision % 3 * AT_ONCE_BYTES // 2))
        await asyncio.sleep(0)
        if revision % 5 > 2:  # else more comes while it is written
            await soon(durable)
    await soon(quick_log.close())
    assert [it for it in revisions_in(backend) if it >= 100] == list(range(100, 300))


async def test_unsettled_is_what_the_newest_change_waits_for(log: GroupCommit) -> None:
    assert log.unsettled() is None
    gathering = put(log, 2)
    assert log.unsettled() is gathering
    await asyncio.sleep(0)
    assert log.unsettled() is gathering
    await soon(gathering)
    assert log.unsettled() is None


async def test_a_batch_is_sealed_once_just_before_it_is_handed_over(backend: Backend) -> None:
    sealed: list[dict[bytes, bytes]] = []

    class Sealing:
        def seal(self, batch: Batch) -> None:
            sealed.append(dict(batch.rows))
            batch.puts[Bucket.META, b"term"] = b"7"

        def made_durable(self, batch: Batch) -> None:
            return

    log = open_log(backend)
    log.serve(Sealing())
    put(log, 2)
    await soon(put(log, 3))
    assert [list(rows) for rows in sealed] == [[row_key(2), row_key(3)]]
    await soon(log.close())
    assert backend.get(Bucket.META, b"term") == b"7"


async def test_a_call_cancelled_while_it_waits_takes_no_other_with_it(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    log = started(backend)
    gate.close()

    async def write(revision: int) -> None:
        await put(log, revision)

    cancelled, other = (asyncio.create_task(write(revision)) for revision in (2, 3))
    await asyncio.sleep(0)
    cancelled.cancel()
    gate.open()
    await soon(other)
    with pytest.raises(asyncio.CancelledError):
        await soon(cancelled)
    await soon(log.close())
    assert revisions_in(backend) == [2, 3]


async def test_closing_makes_everything_durable_and_leaves_no_journal(
    backend: Backend, tmp_path: Path
) -> None:
    log = started(backend)
    durable = put(log, 2)
    await soon(log.close())
    assert durable.done()
    assert revisions_in(backend) == [2]
    assert list(backend.journal.replay()) == []
    await log.close()


async def test_closing_ends_the_threads(backend: Backend) -> None:
    before = set(threading.enumerate())
    log = started(backend)
    await soon(put(log, 2))
    await soon(log.close())
    assert set(threading.enumerate()) <= before


async def test_when_writing_fails_everybody_waiting_is_told(backend: Backend) -> None:
    failures: list[StorageError] = []
    durable_batches: list[Batch] = []
    log = started(backend, durable_batches.append, failures.append)
    with disk_refusing_writes():
        first = put(log, 2)
        await asyncio.sleep(0)
        second = put(log, 3)
        for durable in (first, second):
            with pytest.raises(StorageError, match="cannot write"):
                await soon(durable)
    with pytest.raises(StorageError):
        await soon(put(log, 4))
    assert failures == [log.failed]
    assert durable_batches == []
    await soon(log.close())


async def test_after_a_failure_a_start_finds_what_was_acknowledged(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path)
    log = started(backend)
    await soon(put(log, 2))
    with disk_refusing_writes(), pytest.raises(StorageError):
        await soon(put(log, 3))
    await soon(log.close())
    backend.close()
    again = Backend.open(tmp_path)
    assert revisions_in(again) == [2]
    again.close()


async def test_a_failure_nobody_waits_for_is_no_unhandled_exception(backend: Backend) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    log = started(backend)
    with disk_refusing_writes():
        put(log, 2)
        await soon(log.close())
    assert isinstance(log.failed, StorageError)
    assert complaints == []


async def test_more_than_the_journal_holds_passes_through_it(
    backend: Backend, tmp_path: Path
) -> None:
    log = started(backend)
    for revision in range(2, 200):
        put(log, revision, b"x" * 1000)
        await asyncio.sleep(0)
    await soon(log.close())
    assert revisions_in(backend) == list(range(2, 200))


async def test_a_row_below_an_earlier_one_never_reaches_the_journal(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path)
    failures: list[StorageError] = []
    log = started(backend, on_failure=failures.append)
    await soon(put(log, 5))
    with pytest.raises(StorageError, match="ascending"):
        await soon(put(log, 4))
    assert len(failures) == 1
    await soon(log.close())
    backend.close()
    again = Backend.open(tmp_path)
    assert revisions_in(again) == [5]
    log = started(again)
    with pytest.raises(StorageError, match="ascending"):
        await soon(put(log, 5))
    await soon(log.close())
    again.close()


async def test_a_key_too_long_for_the_database_never_reaches_the_journal(
    tmp_path: Path,
) -> None:
    backend = Backend.open(tmp_path)
    log = started(backend)
    log.batch.puts[Bucket.AUTH_USERS, b"u" * 511] = b"longest"
    await soon(put(log, 2))
    log.batch.puts[Bucket.AUTH_USERS, b"u" * 512] = b"longer"
    with pytest.raises(StorageError, match="longer than 511"):
        await soon(put(log, 3))
    await soon(log.close())
    backend.close()
    again = Backend.open(tmp_path)
    assert list(again.items(Bucket.AUTH_USERS)) == [(b"u" * 511, b"longest")]
    again.close()


async def test_what_has_to_come_first_is_done_once_for_a_group_and_not_by_the_loop(
    backend: Backend,
) -> None:
    done: list[tuple[str, int]] = []
    log = started(backend, lambda batch: done.append(("durable", batch.revision)))
    log.before_write = lambda: done.append((threading.current_thread().name, 0))
    for revision in (2, 3):
        await soon(put(log, revision))
    assert done == [("committer", 0), ("durable", 2), ("committer", 0), ("durable", 3)]
    await soon(log.close())


async def test_nothing_is_written_if_what_has_to_come_first_fails(
    backend: Backend, tmp_path: Path
) -> None:
    failures: list[StorageError] = []
    log = started(backend, on_failure=failures.append)

    def fail() -> None:
        raise StorageError("there is no room for it")

    log.before_write = fail
    with pytest.raises(StorageError, match="no room for it"):
        await soon(put(log, 2))
    assert [str(failure) for failure in failures] == ["there is no room for it"]
    await soon(log.close())
    assert revisions_in(backend) == []


class Pressure:
    """What a log has told of how far the disk is behind."""

    def __init__(self, log: GroupCommit, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(commit, "BEHIND_BYTES", 1000)
        self.told: list[str] = []
        log.on_behind = lambda: self.told.append("behind")
        log.on_caught_up = lambda: self.told.append("caught up")


async def test_it_is_told_when_the_disk_is_behind_and_when_it_has_caught_up(
    log: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressure, gate = Pressure(log, monkeypatch), Gate(monkeypatch)
    gate.close()
    puts = []
    for revision in range(2, 7):
        puts.append(put(log, revision, bytes(400)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert pressure.told == (["behind"] if revision > 3 else [])
    gate.open()
    await soon(asyncio.gather(*puts))
    assert pressure.told == ["behind", "caught up"]


async def test_nobody_waits_for_a_disk_that_is_full(
    log: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    pressure, gate = Pressure(log, monkeypatch), Gate(monkeypatch)
    gate.close()
    first = put(log, 2, bytes(3000))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    log._full()
    assert pressure.told == ["behind", "caught up"]
    second = put(log, 3, bytes(3000))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert pressure.told == ["behind", "caught up"]
    gate.open()
    await soon(asyncio.gather(first, second))
    await soon(put(log, 4, bytes(3000)))
    assert pressure.told == ["behind", "caught up"] * 2


async def test_nobody_waits_for_a_disk_that_has_failed(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = started(backend)
    pressure = Pressure(log, monkeypatch)
    with disk_refusing_writes():
        durable = put(log, 2, bytes(3000))
        with pytest.raises(StorageError, match="cannot write"):
            await soon(durable)
    assert pressure.told == ["behind", "caught up"]
    await soon(log.close())
