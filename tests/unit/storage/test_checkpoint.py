from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from etcdpy.storage import Backend, Bucket, GroupCommit, StorageError, checkpoint
from etcdpy.storage.transaction import WriteTransaction
from tests.unit.storage.material import (
    SEGMENT_BYTES,
    as_after_a_crash,
    open_log,
    put,
    revisions_in,
    row_key,
    soon,
    until,
)


@pytest.fixture(autouse=True)
def small_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_BYTES", 2000)
    monkeypatch.setattr(checkpoint, "LARGEST_CHECKPOINT", 4000)


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[Backend]:
    backend = Backend.open(tmp_path, segment_bytes=SEGMENT_BYTES)
    yield backend
    backend.close()


async def opened(backend: Backend) -> GroupCommit:
    return open_log(backend)


async def test_a_little_waits_in_the_journal(backend: Backend) -> None:
    log = await opened(backend)
    await soon(put(log, 2))
    for _ in range(20):
        await asyncio.sleep(0)
    assert backend.row(row_key(2)) is None
    await soon(log.checkpoint())
    assert backend.row(row_key(2)) is not None, "it is there as soon as it is asked for"
    await soon(log.close())


async def test_enough_moves_into_lmdb_while_the_server_runs(backend: Backend) -> None:
    log = await opened(backend)
    await soon(put(log, 2, b"x" * 3000))
    await until(lambda: backend.row(row_key(2)) is not None)
    assert log.row(row_key(2)) == b"x" * 3000
    await soon(log.close())


async def test_rows_are_seen_wherever_they_are(backend: Backend) -> None:
    log = await opened(backend)
    for revision in range(2, 60):
        durable = put(log, revision, b"x" * 300)
        expected = [row_key(r) for r in range(2, revision + 1)]
        assert [key for key, _ in log.scan_rows(b"")] == expected
        assert len(log.rows(expected[::-1])) == len(expected)
        if revision % 3 == 0:
            await soon(durable)
    await soon(log.close())


async def test_a_map_too_small_for_a_checkpoint_grows(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path, map_size=1 << 18)
    log = await opened(backend)
    for revision in range(2, 40):
        await soon(put(log, revision, b"x" * 50_000))
        assert log.row(row_key(2)) is not None
    await soon(log.close())
    assert revisions_in(backend) == list(range(2, 40))
    backend.close()


async def test_a_checkpoint_that_fails_stops_the_log(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit(txn: WriteTransaction) -> None:
        raise StorageError("no space left on device")

    monkeypatch.setattr(WriteTransaction, "commit", commit)
    failures: list[StorageError] = []
    log = open_log(backend)
    log.on_failure = failures.append
    await soon(put(log, 2, b"x" * 3000))
    await until(lambda: bool(failures))
    with pytest.raises(StorageError, match="no space left"):
        await soon(put(log, 3))
    await soon(log.close())
    assert len(failures) == 1


async def test_a_checkpoint_that_fails_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Backend.open(tmp_path)
    with monkeypatch.context() as patched:

        def commit(txn: WriteTransaction) -> None:
            raise StorageError("no space left on device")

        patched.setattr(WriteTransaction, "commit", commit)
        log = await opened(backend)
        await soon(put(log, 2, b"x" * 3000))
        await soon(log.close())
        backend.close()
    again = Backend.open(tmp_path)
    assert revisions_in(again) == [2]
    again.close()


async def test_a_full_journal_is_emptied_before_a_checkpoint_is_due(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_BYTES", 1 << 30)
    monkeypatch.setattr(checkpoint, "LARGEST_CHECKPOINT", 1 << 30)
    log = await opened(backend)
    for revision in range(2, 100):
        await soon(put(log, revision, b"x" * 1000))
    await soon(log.close())
    assert revisions_in(backend) == list(range(2, 100))


async def test_journal_space_is_given_back_only_after_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A checkpoint has all of a segment: given back too early, the next rows would take it.
    monkeypatch.setattr(checkpoint, "CHECKPOINT_BYTES", 2 * SEGMENT_BYTES)
    monkeypatch.setattr(checkpoint, "LARGEST_CHECKPOINT", 4 * SEGMENT_BYTES)
    backend = Backend.open(tmp_path / "data", segment_bytes=SEGMENT_BYTES)
    held, let_go = threading.Event(), threading.Event()
    real = WriteTransaction.commit

    def commit(txn: WriteTransaction) -> None:
        held.set()
        let_go.wait(60)
        real(txn)

    monkeypatch.setattr(WriteTransaction, "commit", commit)
    durable_revisions: list[int] = []
    log = open_log(backend)
    log.on_durable.append(lambda batch: durable_revisions.append(batch.revision))
    written = []
    for revision in range(2, 100):
        written.append(put(log, revision, b"x" * 1000))
        await asyncio.sleep(0)
        await until(lambda: written[-1].done() or held.is_set())
    await until(held.is_set)
    acknowledged = durable_revisions[-1]
    monkeypatch.setattr(WriteTransaction, "commit", real)
    assert not written[-1].done(), "four segments do not hold a hundred such rows"
    left = Backend.open(as_after_a_crash(tmp_path / "data", tmp_path / "left"))
    assert revisions_in(left)[: acknowledged - 1] == list(range(2, acknowledged + 1))
    left.close()
    let_go.set()
    await soon(asyncio.gather(*written))
    await soon(log.close())
    assert revisions_in(backend) == list(range(2, 100))
    backend.close()


async def test_the_last_of_many_values_arrives(backend: Backend) -> None:
    log = await opened(backend)
    for number in range(50):
        log.batch.puts[Bucket.META, b"consistent_index"] = b"%d" % number
        log.batch.puts[Bucket.LEASE, b"even"] = b"" if number % 2 else None
        assert log.get(Bucket.META, b"consistent_index") == b"%d" % number
        assert list(log.items(Bucket.LEASE)) == ([(b"even", b"")] if number % 2 else [])
        await soon(put(log, 2 + number, b"x" * 300))
        assert log.get(Bucket.META, b"consistent_index") == b"%d" % number
        assert list(log.items(Bucket.LEASE)) == ([(b"even", b"")] if number % 2 else [])
    await soon(log.close())
    assert backend.get(Bucket.META, b"consistent_index") == b"49"


async def test_a_checkpoint_can_be_asked_for(backend: Backend) -> None:
    log = await opened(backend)
    put(log, 2)
    await soon(log.checkpoint())
    assert backend.row(row_key(2)) is not None
    await soon(log.checkpoint())  # nothing to do
    await soon(log.close())


async def test_a_checkpoint_nobody_waits_for_is_made_soon(backend: Backend) -> None:
    log = await opened(backend)
    await soon(put(log, 2))
    log.checkpoint_soon()
    await until(lambda: backend.row(row_key(2)) is not None)
    log.checkpoint_soon()  # nothing to do
    await soon(log.close())


async def test_a_checkpoint_that_is_asked_for_waits_for_the_one_under_way(
    backend: Backend,
) -> None:
    log = await opened(backend)
    await soon(put(log, 2, b"x" * 3000))  # enough to begin one
    await soon(put(log, 3))
    await soon(log.checkpoint())
    assert revisions_in(backend) == [2, 3]
    await soon(log.close())


async def test_all_who_ask_for_a_checkpoint_are_told(backend: Backend) -> None:
    log = await opened(backend)
    put(log, 2)
    asking = [asyncio.ensure_future(log.checkpoint()) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await soon(asyncio.gather(*asking[1:]))
    assert revisions_in(backend) == [2]
    await soon(log.close())


async def test_who_asks_for_a_checkpoint_that_fails_is_told(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: WriteTransaction) -> None:
        raise StorageError("no")

    log = await opened(backend)
    await soon(put(log, 2))
    monkeypatch.setattr(WriteTransaction, "commit", refuse)
    for _ in range(2):
        with pytest.raises(StorageError, match="no"):
            await soon(log.checkpoint())
    await soon(log.close())


async def test_lmdb_lets_go_of_what_a_large_checkpoint_took(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[bool] = []
    renew = backend.renew

    def noted() -> bool:
        renewed.append(renew())
        return renewed[-1]

    monkeypatch.setattr(backend, "renew", noted)
    log = await opened(backend)
    await soon(put(log, 2))
    log.checkpoint_soon()
    await until(lambda: backend.row(row_key(2)) is not None)
    await soon(put(log, 3, b"x" * 3000))
    # More comes in the same turn as the wish, and after it.
    log.checkpoint_soon()
    written = [put(log, 4)]
    await until(lambda: bool(renewed))
    written.append(put(log, 5))
    await soon(asyncio.gather(*written))
    await soon(log.checkpoint())
    log.checkpoint_soon()
    await soon(log.checkpoint())
    await soon(log.close())
    assert renewed == [True], "once, and not for a small one"
    assert revisions_in(backend) == [2, 3, 4, 5]


async def test_lmdb_keeps_what_it_has_while_it_is_held(backend: Backend) -> None:
    log = await opened(backend)
    await soon(put(log, 2, b"x" * 3000))
    await until(lambda: backend.row(row_key(2)) is not None)
    async with log.checkpoints_held():
        pin = backend.pin()
        log.checkpoint_soon()
        await soon(put(log, 3))
        assert [key for key, _ in pin.items(Bucket.KEY)] == [row_key(2)]
        pin.close()
    await soon(log.checkpoint())
    assert revisions_in(backend) == [2, 3]
    await soon(log.close())


async def test_who_cannot_open_the_database_again_stops_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> bool:
        raise StorageError("too many open files")

    backend = Backend.open(tmp_path)
    monkeypatch.setattr(backend, "renew", refuse)
    log = open_log(backend)
    failures: list[StorageError] = []
    log.on_failure = failures.append
    await soon(put(log, 2, b"x" * 3000))
    log.checkpoint_soon()
    await until(lambda: bool(failures))
    await soon(log.close())
    backend.close()
    again = Backend.open(tmp_path)
    assert revisions_in(again) == [2]
    again.close()
