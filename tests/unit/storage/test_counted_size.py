"""What is counted for the quota: room that was made is room, however little there is."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from etcdpy.storage import Backend, Bucket, GroupCommit
from etcdpy.storage.backend import SMALL
from etcdpy.storage.defrag import Defragmenter, defragment_at_start
from etcdpy.testing import MovableClock
from tests.unit.storage.material import open_log, put, row_key, soon


class Store:
    """A log, and what moves it into a new file."""

    def __init__(self, path: Path) -> None:
        self.backend = Backend.open(path, fsync=False)
        self.log: GroupCommit = open_log(self.backend)
        self.defragmenter = Defragmenter(self.log, self.backend, MovableClock())
        self.revision = 1

    async def write(self, *sizes: int, keep: int = 0) -> None:
        """Put a row of each size, then drop all but the newest ``keep``, unless that is 0."""
        first = self.revision + 1
        for size in sizes:
            self.revision += 1
            self.log.batch.puts[Bucket.META, b"consistent_index"] = b"%8d" % self.revision
            await soon(put(self.log, self.revision, b"x" * size))
        if keep:
            last = self.revision + 1 - keep
            await self.drop(first, last)

    async def drop(self, first: int, last: int) -> None:
        self.log.batch.drops = [row_key(revision) for revision in range(first, last)]
        self.log.flush_soon()
        await soon(self.log.unsettled() or _nothing())

    async def sizes(self) -> AsyncIterator[int]:
        """Yield what is counted now, after a checkpoint, and after each of two new files."""
        yield self.log.size()
        await soon(self.log.checkpoint())
        yield self.log.size()
        for _ in range(2):
            await soon(self.defragmenter.defragment())
            assert self.backend.size_in_use() <= self.log.size()
            yield self.log.size()


async def _nothing() -> None:
    pass


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    store = Store(path)
    yield store
    await store.defragmenter.close()
    await store.log.close()
    store.backend.close()


def mixed(seed: int) -> Iterator[int]:
    chosen = random.Random(seed)
    left = 100_000
    while left > 0:
        size = chosen.choice([0, 10, 100, 1_400, 2_020, 2_050, 4_100, 9_000])
        left -= size + 100
        yield size


ROWS = {
    "none": [],
    "small": [100] * 150,
    "two to a page": [1_400] * 40,
    "half a page": [2_050] * 40,
    "a byte more than a page": [4_097] * 20,
    **{f"mixed {seed}": list(mixed(seed)) for seed in range(5)},
}


@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
async def test_new_file_of_a_small_store_never_counts_more(
    tmp_path: Path, rows: list[int], keep: int
) -> None:
    async with opened(tmp_path) as store:
        await store.write(*rows, keep=keep)
        sizes = [size async for size in store.sizes()]
        assert store.backend.size() <= SMALL
    assert sizes == sorted(sizes, reverse=True)
    async with opened(tmp_path) as store:
        assert store.log.size() == sizes[-1], "a start counts the same"


async def test_room_that_was_made_is_room_again_and_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        counted = []
        for _ in range(5):
            await store.write(*[100] * 100, keep=1)
            counted.append([size async for size in store.sizes()][-1])
            await store.drop(store.revision, store.revision + 1)
    assert max(counted) < 12_288 + 1_000


async def test_compaction_on_its_way_counts_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.write(*[100] * 100)
        before = store.log.size()
        await store.drop(2, 101)
        assert before <= store.log.size() < before + 1_000


def fragmented(store: Store) -> None:
    """Fill every bucket out of order, as clients do, and delete some of it."""
    chosen = random.Random(1)
    for bucket in (Bucket.LEASE, Bucket.MEMBERS):
        for _ in range(10_000):
            store.log.batch.puts[bucket, chosen.randbytes(8)] = b"x" * 20


async def test_new_file_of_a_large_store_never_counts_more_than_the_one_before(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as store:
        fragmented(store)
        await store.write(*[500] * 300, *[9_000] * 100)
        sizes = [size async for size in store.sizes()][1:]
        assert store.backend.size() > SMALL
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1.1 * sizes[-1], "pages are filled"


async def test_start_that_defragments_counts_no_more(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.write(*[100] * 200, keep=1)
        before = store.log.size()
    backend = Backend.open(tmp_path)
    defragment_at_start(backend, 1)
    backend.close()
    async with opened(tmp_path) as store:
        assert store.log.size() <= before
