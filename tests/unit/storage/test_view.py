from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from etcdpy.storage import Backend, Bucket, GroupCommit, RowMissingError, checkpoint, view
from tests.support.seeds import SEED
from tests.unit.storage.material import open_log, put, row_key, soon


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[GroupCommit]:
    backend = Backend.open(tmp_path)
    log = open_log(backend)
    yield log
    await soon(log.close())
    backend.close()


async def test_a_gathering_row_is_seen_at_once(log: GroupCommit) -> None:
    put(log, 2)
    assert log.row(row_key(2)) == b"value"
    assert log.rows([row_key(2)]) == [b"value"]
    assert list(log.scan_rows(b"")) == [(row_key(2), b"value")]


async def test_a_missing_row_among_recent_ones_is_an_error(log: GroupCommit) -> None:
    put(log, 2)
    assert log.row(row_key(1)) is None
    with pytest.raises(RowMissingError):
        log.rows([row_key(2), row_key(1)])


async def test_a_scan_gives_the_rows_between_its_bounds(log: GroupCommit) -> None:
    for revision in range(2, 10):
        put(log, revision)
        await asyncio.sleep(0)
    assert [key for key, _ in log.scan_rows(row_key(4), row_key(7))] == [
        row_key(revision) for revision in (4, 5, 6)
    ]


async def test_a_dropped_row_is_left_out_of_scans_once_handed_over(log: GroupCommit) -> None:
    await soon(put(log, 2))
    await soon(put(log, 3))
    log.batch.drops.append(row_key(2))
    durable = log.batch.durable
    log.flush_soon()
    await soon(durable)
    assert [key for key, _ in log.scan_rows(b"")] == [row_key(3)]


async def test_a_paused_scan_misses_nothing_that_moved_meanwhile(
    log: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "CHECKPOINT_BYTES", 500)
    for revision in range(2, 5):
        await soon(put(log, revision))
    scan = log.scan_rows(b"")
    seen = [next(scan)[0]]
    for revision in range(5, 60):
        await soon(put(log, revision, b"x" * 100))
        if revision % 10 == 0:
            seen.append(next(scan)[0])
            await soon(log.checkpoint())
    seen += [key for key, _ in scan]
    assert seen == [row_key(revision) for revision in range(2, 60)]


async def test_a_deletion_hides_what_is_on_disk(log: GroupCommit) -> None:
    log.batch.puts[Bucket.ALARM, b"a"] = b""
    log.batch.puts[Bucket.ALARM, b"b"] = b""
    await soon(put(log, 2))
    log.batch.puts[Bucket.ALARM, b"a"] = None
    assert log.get(Bucket.ALARM, b"a") is None
    assert list(log.items(Bucket.ALARM)) == [(b"b", b"")]
    assert list(log.items(Bucket.META)) == []


async def test_what_a_burst_needed_is_let_go_behind_it(log: GroupCommit) -> None:
    def size() -> int:
        return sum(sys.getsizeof(held) for held in vars(log).values() if type(held) in (dict, set))

    before = size()
    for number in range(3000):
        log.batch.puts[Bucket.LEASE, b"%d" % number] = b""
        log.batch.rows[row_key(2, number)] = b"value"
        log.batch.drops.append(row_key(1, number))
    log.flush_soon()
    await soon(log.batch.durable)
    assert size() > before + 100_000, "that much is in memory"
    await soon(log.checkpoint())
    assert size() < before + 2000
    assert len(list(log.scan_rows(b""))) == 3000


@pytest.mark.parametrize("large", [2, view.LARGE_BATCH])
async def test_random_work_reads_as_a_model_says(
    log: GroupCommit, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    monkeypatch.setattr(view, "LARGE_BATCH", large)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_BYTES", 3000)
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    rows: dict[bytes, bytes] = {}
    leases: dict[bytes, bytes] = {}
    for revision in range(2, 600):
        value = chance.randbytes(chance.randrange(200))
        rows[row_key(revision)] = value
        put(log, revision, value)
        lease = b"%d" % chance.randrange(10)
        if chance.random() < 0.5:
            leases[lease] = log.batch.puts[Bucket.LEASE, lease] = value
        else:
            leases.pop(lease, None)
            log.batch.puts[Bucket.LEASE, lease] = None
        if chance.random() < 0.1:
            dropped = chance.choice(list(rows))
            if dropped not in log.batch.rows:
                del rows[dropped]
                log.batch.drops.append(dropped)
        for _ in range(chance.choice((2, 2, 2, 50))):
            await asyncio.sleep(0)  # Drops count from the hand-over.
        if chance.random() < 0.05:
            await soon(log.checkpoint())
        sample = chance.sample(list(rows), min(5, len(rows)))
        assert log.rows(sample) == [rows[key] for key in sample]
        assert dict(log.items(Bucket.LEASE)) == leases
        start, stop = sorted(row_key(chance.randrange(revision + 2)) for _ in "ab")
        assert list(log.scan_rows(start, stop)) == [
            item for item in rows.items() if start <= item[0] < stop
        ]
