from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from etcdpy.storage import Backend, Bucket, GroupCommit, StorageError
from etcdpy.storage.snapshot import CHUNK_BYTES, Snapshot, take_snapshot
from tests.unit.mvcc.stalls import least_stall
from tests.unit.storage.bolt_material import read_file
from tests.unit.storage.material import disk_refusing_writes, open_log, put, row_key, soon

#: In CPU seconds. A slice is a millisecond and a leaf's work; others would notice much more.
LONGEST_STALL = 0.01


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[Backend]:
    backend = Backend.open(tmp_path)
    yield backend
    backend.close()


@pytest.fixture
async def log(backend: Backend) -> AsyncIterator[GroupCommit]:
    log = open_log(backend)
    yield log
    await soon(log.close())


async def received(snapshot: Snapshot) -> list[bytes]:
    return [chunk async for chunk in snapshot.chunks()]


def revisions_of(chunks: list[bytes]) -> list[int]:
    """Check a snapshot as it is sent and return its rows' revisions."""
    *file, checksum = chunks
    assert sha256(b"".join(file)).digest() == checksum
    return [int.from_bytes(key[:8], "big") for key, _ in read_file(b"".join(file))[b"key"]]


async def test_a_snapshot_has_what_was_durable_only_in_the_journal(
    backend: Backend, log: GroupCommit
) -> None:
    await soon(put(log, 2))
    assert backend.row(row_key(2)) is None
    snapshot = await soon(take_snapshot(log, backend))
    assert revisions_of(await received(snapshot)) == [2]
    snapshot.close()


async def test_a_snapshot_has_what_was_written_just_before_it(
    backend: Backend, log: GroupCommit
) -> None:
    put(log, 2)
    log.batch.puts[Bucket.META, b"term"] = b"12345678"
    snapshot = await soon(take_snapshot(log, backend))
    file = read_file(b"".join(await received(snapshot)))
    assert [key for key, _ in file[b"key"]] == [row_key(2)]
    assert file[b"meta"] == [(b"term", b"12345678")]
    snapshot.close()


async def test_a_snapshot_has_all_of_etcds_buckets_also_when_they_are_empty(
    backend: Backend, log: GroupCommit
) -> None:
    snapshot = await soon(take_snapshot(log, backend))
    file = read_file(b"".join(await received(snapshot)))
    assert file == {bucket.value.encode(): [] for bucket in Bucket if bucket.is_etcds}
    snapshot.close()


async def test_a_snapshot_has_the_bucket_of_v2_when_there_is_something_in_it(
    backend: Backend, log: GroupCommit
) -> None:
    log.batch.puts[Bucket.V2, b"n"] = b"row"
    log.flush_soon()
    snapshot = await soon(take_snapshot(log, backend))
    file = read_file(b"".join(await received(snapshot)))
    assert file[b"v2"] == [(b"n", b"row")]
    snapshot.close()


async def test_what_is_written_while_it_is_sent_is_not_in_it(
    backend: Backend, log: GroupCommit
) -> None:
    for revision in range(2, 500):
        durable = put(log, revision, b"x" * 1000)
    await soon(durable)
    snapshot = await soon(take_snapshot(log, backend))
    chunks = []
    revision = 500
    async for chunk in snapshot.chunks():
        chunks.append(chunk)
        log.batch.drops.append(row_key(revision - 498))
        await soon(put(log, revision, b"y" * 1000))
        await soon(log.checkpoint())
        revision += 1
    assert revision > 510
    assert revisions_of(chunks) == list(range(2, 500))
    assert backend.row(row_key(2)) is None
    snapshot.close()


async def test_chunks_are_as_long_as_etcds(backend: Backend, log: GroupCommit) -> None:
    await soon(put(log, 2, b"x" * 100_000))
    snapshot = await soon(take_snapshot(log, backend))
    *file, last, checksum = await received(snapshot)
    assert {len(chunk) for chunk in file} == {CHUNK_BYTES}
    assert 0 < len(last) <= CHUNK_BYTES
    assert len(checksum) == 32
    assert len(file) * CHUNK_BYTES + len(last) == snapshot.size
    snapshot.close()


async def test_the_loop_goes_on_while_a_snapshot_is_made(
    backend: Backend, log: GroupCommit
) -> None:
    for revision in range(2, 20_000):
        durable = put(log, revision, b"x" * 100)
        if revision % 1000 == 0:
            await soon(durable)
    await soon(log.checkpoint())
    chunks: list[bytes] = []

    async def take() -> None:
        snapshot = await soon(take_snapshot(log, backend))
        chunks[:] = await received(snapshot)
        snapshot.close()

    assert await least_stall(LONGEST_STALL, take) < LONGEST_STALL
    assert len(revisions_of(chunks)) == 19_998


async def test_a_snapshot_ends_when_the_database_is_closed(
    backend: Backend, log: GroupCommit
) -> None:
    for revision in range(2, 200):
        durable = put(log, revision, b"x" * 1000)
    await soon(durable)
    snapshot = await soon(take_snapshot(log, backend))
    chunks = snapshot.chunks()
    await anext(chunks)
    await soon(log.close())
    backend.close()
    with pytest.raises(StorageError, match="gone"):
        async for _ in chunks:
            pass


async def test_a_snapshot_that_nobody_takes_any_more_lets_go(
    backend: Backend, log: GroupCommit
) -> None:
    await soon(put(log, 2))
    taking = asyncio.ensure_future(take_snapshot(log, backend))
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(taking)
    snapshot = await soon(take_snapshot(log, backend))
    assert revisions_of(await received(snapshot)) == [2]
    snapshot.close()


async def test_a_log_that_has_failed_gives_no_snapshot(backend: Backend) -> None:
    log = open_log(backend)
    with disk_refusing_writes(), pytest.raises(StorageError):
        await soon(put(log, 2))
    with pytest.raises(StorageError):
        await soon(take_snapshot(log, backend))
    await soon(log.close())
