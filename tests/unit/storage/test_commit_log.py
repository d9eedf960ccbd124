"""What those above storage rely on, of the real log and of the one their tests use instead."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from etcdpy.storage import Backend, Bucket, RowMissingError, StorageError
from etcdpy.storage.commit_log import CommitLog
from etcdpy.storage.journal import Journal, Payload
from tests.unit.mvcc.fake_log import FakeLog, turns
from tests.unit.storage.material import open_log, row_key, soon


class Subject(ABC):
    """A log whose disk writes when it is told to."""

    log: CommitLog

    @abstractmethod
    async def write_all(self) -> None:
        """Let everything handed over become durable."""


class Fake(Subject):
    def __init__(self) -> None:
        self.fake = self.log = FakeLog()

    async def write_all(self) -> None:
        await turns()
        self.fake.settle()


class Real(Subject):
    def __init__(self, backend: Backend, may_write: threading.Event) -> None:
        self.real = self.log = open_log(backend)
        self._may_write = may_write

    async def write_all(self) -> None:
        await turns()
        # What was gathered meanwhile is not meant.
        pending = self.log.until(self.log.batch.sequence - 1)
        self._may_write.set()
        if pending is not None:
            await soon(pending)
        self._may_write.clear()


@contextmanager
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let the journal be written while an event is set."""
    may_write = threading.Event()
    append = Journal.append

    def wait_and_append(journal: Journal, payloads: Sequence[Payload]) -> int:
        assert may_write.wait(60)
        return append(journal, payloads)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", wait_and_append)
        patch.setattr(Journal, "append_at_once", lambda journal, payload: None)
        try:
            yield may_write
        finally:
            may_write.set()


@asynccontextmanager
async def real_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Real]:
    backend = Backend.open(path, fsync=False)
    with slow_disk(monkeypatch) as may_write:
        subject = Real(backend, may_write)
        yield subject
        may_write.set()
        await soon(subject.real.close())
    backend.close()


@pytest.fixture(params=["FakeLog", "GroupCommit"])
async def subject(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Subject]:
    if request.param == "FakeLog":
        yield Fake()
    else:
        async with real_log(tmp_path, monkeypatch) as subject:
            yield subject


def change(log: CommitLog) -> int:
    """Make a change; return the sequence of the batch that it is in."""
    log.batch.puts[Bucket.META, b"key"] = b"%d" % log.batch.sequence
    log.flush_soon()
    return log.batch.sequence


async def hand_over(log: CommitLog, batches: int) -> list[int]:
    """Hand over so many batches; return their sequences."""
    sequences = []
    for _ in range(batches):
        sequences.append(change(log))
        await turns()
    return sequences


def pending(log: CommitLog, sequence: int) -> asyncio.Future[None]:
    found = log.until(sequence)
    assert found is not None
    assert not found.done()
    return found


async def test_empty_log_has_nothing_to_wait_for(subject: Subject) -> None:
    log = subject.log
    assert (log.written(), log.until(0), log.unsettled()) == (0, None, None)
    assert log.batch.sequence == 1


async def test_change_is_in_the_batch_that_gathers(subject: Subject) -> None:
    log = subject.log
    sequence = change(log)
    assert (sequence, log.written()) == (1, 1)
    assert pending(log, sequence) is log.batch.durable
    assert log.unsettled() is log.batch.durable


async def test_handed_over_batch_is_waited_for_like_a_gathering_one(subject: Subject) -> None:
    log = subject.log
    sequence = change(log)
    before = log.until(sequence)
    await turns()
    assert (log.batch.sequence, log.written()) == (2, 1)
    assert pending(log, sequence) is before
    assert log.unsettled() is before


async def test_nothing_is_handed_over_where_nothing_changed(subject: Subject) -> None:
    log = subject.log
    log.flush_soon()
    await turns()
    assert (log.batch.sequence, log.written()) == (1, 0)


async def test_durable_batch_is_not_waited_for(subject: Subject) -> None:
    log = subject.log
    sequence = change(log)
    future = pending(log, sequence)
    await subject.write_all()
    assert future.done()
    assert future.exception() is None
    assert (log.until(sequence), log.unsettled(), log.written()) == (None, None, sequence)


def _note(order: list[int], sequence: int, _: asyncio.Future[None]) -> None:
    order.append(sequence)


async def test_batches_are_numbered_without_a_gap_and_each_is_waited_for(subject: Subject) -> None:
    log = subject.log
    sequences = await hand_over(log, 3)
    assert sequences == [1, 2, 3]
    futures = [pending(log, sequence) for sequence in sequences]
    assert len(set(map(id, futures))) == 3
    order: list[int] = []
    for sequence, future in zip(sequences, futures, strict=True):
        future.add_done_callback(partial(_note, order, sequence))
    await subject.write_all()
    await turns()
    assert order == sequences
    assert [log.until(sequence) for sequence in range(4)] == [None] * 4


async def test_change_made_while_others_are_written_is_waited_for_apart(subject: Subject) -> None:
    log = subject.log
    (first,) = await hand_over(log, 1)
    await subject.write_all()
    second = change(log)
    assert log.until(first) is None
    assert log.unsettled() is pending(log, second)


async def test_held_batch_gathers_until_it_is_released(subject: Subject) -> None:
    log = subject.log
    log.hold()
    sequence = change(log)
    await turns(3)
    assert log.batch.sequence == sequence
    assert change(log) == sequence
    log.prepare()
    log.release()
    await turns()
    assert log.batch.sequence == sequence + 1
    pending(log, sequence)


async def test_nobody_who_waits_can_cancel_it_for_the_others(subject: Subject) -> None:
    log = subject.log
    future = pending(log, change(log))
    assert not future.cancel()
    await subject.write_all()
    assert future.done()
    assert not future.cancelled()


@pytest.fixture
async def failed(subject: Subject) -> tuple[CommitLog, list[int]]:
    """A log that has failed with one batch durable, one handed over and one gathering."""
    log = subject.log
    sequences = await hand_over(log, 1)
    await subject.write_all()
    sequences += [*await hand_over(log, 1), change(log)]
    log.fail(StorageError("the disk is gone"))
    await turns(2)
    return log, sequences


async def fails(future: asyncio.Future[None] | None) -> bool:
    assert future is not None
    with pytest.raises(StorageError):
        await soon(future)
    return True


async def test_failed_log_still_says_what_is_durable(failed: tuple[CommitLog, list[int]]) -> None:
    log, (durable, handed_over, gathering) = failed
    assert log.until(durable) is None
    assert await fails(log.until(handed_over))
    assert await fails(log.until(gathering))


async def test_failed_log_never_settles(failed: tuple[CommitLog, list[int]]) -> None:
    log, sequences = failed
    assert log.written() == sequences[-1]
    assert await fails(log.unsettled())
    later = change(log)
    assert log.written() == later
    assert await fails(log.until(later))
    assert await fails(log.unsettled())


async def test_log_that_fails_with_everything_durable_has_nothing_to_wait_for(
    subject: Subject,
) -> None:
    log = subject.log
    (durable,) = await hand_over(log, 1)
    await subject.write_all()
    log.fail(StorageError("the disk is gone"))
    assert (log.until(durable), log.unsettled()) == (None, None)


# ------------------------------------------------------------------- reading


async def written(subject: Subject) -> CommitLog:
    """Return a log in which rows and values are durable, one of each taken away again."""
    log = subject.log
    for revision in (2, 3, 5, 6):
        log.batch.rows[row_key(revision)] = b"%d" % revision
    for key in (b"b", b"a", b"gone"):
        log.batch.puts[Bucket.ALARM, key] = key * 2
    log.batch.puts[Bucket.LEASE, b"c"] = b""
    log.flush_soon()
    await subject.write_all()
    log.batch.drops.append(row_key(3))
    log.batch.puts[Bucket.ALARM, b"gone"] = None
    log.flush_soon()
    await subject.write_all()
    return log


async def test_rows_are_found_by_their_keys(subject: Subject) -> None:
    log = await written(subject)
    assert log.row(row_key(2)) == b"2"
    assert log.row(row_key(4)) is None
    assert log.rows([row_key(6), row_key(2)]) == [b"6", b"2"]
    with pytest.raises(RowMissingError):
        log.rows([row_key(2), row_key(4)])


async def test_rows_are_scanned_in_order(subject: Subject) -> None:
    log = await written(subject)
    rows = {revision: (row_key(revision), b"%d" % revision) for revision in (2, 5, 6)}
    assert list(log.scan_rows(b"")) == [*rows.values()]
    assert list(log.scan_rows(row_key(2), row_key(6))) == [rows[2], rows[5]]
    assert list(log.scan_rows(row_key(7))) == []


async def test_small_buckets_are_apart(subject: Subject) -> None:
    log = await written(subject)
    assert list(log.items(Bucket.ALARM)) == [(b"a", b"aa"), (b"b", b"bb")]
    assert list(log.items(Bucket.LEASE)) == [(b"c", b"")]
    assert [log.get(Bucket.ALARM, key) for key in (b"a", b"gone", b"c")] == [b"aa", None, None]


async def test_changes_are_seen_before_they_are_durable(subject: Subject) -> None:
    log = subject.log
    log.batch.rows[row_key(2)] = b"2"
    log.batch.puts[Bucket.ALARM, b"a"] = b"1"
    for _ in range(2):
        assert log.row(row_key(2)) == b"2"
        assert log.rows([row_key(2)]) == [b"2"]
        assert log.get(Bucket.ALARM, b"a") == b"1"
        log.flush_soon()
        await turns()
