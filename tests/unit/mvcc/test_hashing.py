"""Hashes of the store: the ones a real etcd gave for the same history."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import pytest
from google_crc32c import extend

from etcdpy.cooperative import finish, run
from etcdpy.errors import CompactedError, FutureRevisionError
from etcdpy.mvcc.hashing import MOST_REMEMBERED, Hasher
from etcdpy.mvcc.restore import restore
from etcdpy.mvcc.revision import row_key, tombstone_key
from etcdpy.mvcc.slices import SLICE_BYTES
from etcdpy.mvcc.store import CONSISTENT_INDEX, Store
from etcdpy.node.compactor import Compactor
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.storage import Bucket
from etcdpy.testing import MovableClock
from tests.unit.mvcc.fake_log import Disk, FakeLog

T = TypeVar("T")

#: CRC-32C of the bucket's name alone.
NOTHING = 1084519789


class Put(NamedTuple):
    key: bytes
    value: bytes


class Delete(NamedTuple):
    key: bytes


#: The changes of revisions 2 to 5, and of 2 to 7.
SHORT: list[list[Put | Delete]] = [
    [Put(b"a", b"1")],
    [Put(b"b", b"2")],
    [Put(b"c", b"3")],
    [Put(b"a", b"9")],
]
LONG: list[list[Put | Delete]] = [
    *SHORT,
    [Delete(b"b")],
    [Put(b"d", b"4"), Delete(b"c"), Put(b"e", b"5")],
]


def disk_of(history: Sequence[Sequence[Put | Delete]]) -> Disk:
    """Return what etcd has on its disk after these transactions, the first at revision 2."""
    disk = Disk()
    alive: dict[bytes, KeyValue] = {}
    for main, changes in enumerate(history, 2):
        for sub, change in enumerate(changes):
            if isinstance(change, Delete):
                del alive[change.key]
                row = KeyValue(key=change.key)
                disk.key_rows[tombstone_key(main, sub)] = row.SerializeToString()
                continue
            before = alive.get(change.key, KeyValue(create_revision=main))
            row = alive[change.key] = KeyValue(
                key=change.key,
                value=change.value,
                create_revision=before.create_revision,
                mod_revision=main,
                version=before.version + 1,
            )
            disk.key_rows[row_key(main, sub)] = row.SerializeToString()
    return disk


class HashedStore:
    """A store over a disk, and its hashes."""

    def __init__(self, disk: Disk) -> None:
        self.log = FakeLog(disk)
        self.store = Store(self.log)
        restore(self.store, self.log)
        self.log.serve(self.store)
        self.hasher = Hasher(self.store, self.log)
        self.compactor = Compactor(self.store, self.hasher, MovableClock())

    async def compact(self, *revisions: int) -> None:
        """Compact at these revisions, each begun while the one before it runs."""
        done = [self.compactor.schedule(revision)[1] for revision in revisions]
        while not done[-1].done():
            await asyncio.sleep(0)
            self.log.flush()
            self.log.settle()

    async def hash(self, revision: int) -> tuple[int, int, int]:
        return await run(self.hasher.hash_keys(revision))


async def test_every_revision_has_etcds_hash() -> None:
    hashed = HashedStore(disk_of(SHORT))
    assert await hashed.hash(1) == (NOTHING, -1, 1)
    assert await hashed.hash(2) == (2587454935, -1, 2)
    assert await hashed.hash(3) == (1827592406, -1, 3)
    assert await hashed.hash(0) == (858714350, -1, 5)
    assert await HashedStore(disk_of(LONG[:5])).hash(0) == (2171101175, -1, 6)
    assert await HashedStore(disk_of(LONG)).hash(0) == (824406332, -1, 7)


async def test_a_compaction_is_remembered_until_a_restart() -> None:
    hashed = HashedStore(disk_of(LONG))
    await hashed.compact(6)
    assert await hashed.hash(0) == (363671125, 6, 7)
    assert await hashed.hash(6) == (2171101175, -1, 6)
    with pytest.raises(CompactedError):
        await hashed.hash(5)
    assert await HashedStore(hashed.log.disk).hash(6) == (317478926, 6, 6)


async def test_what_is_not_there_yet_or_never_was_has_no_hash() -> None:
    hashed = HashedStore(disk_of(SHORT))
    with pytest.raises(FutureRevisionError):
        await hashed.hash(6)
    assert await hashed.hash(-1) == (NOTHING, -1, -1)


async def test_compacting_at_zero_leaves_its_hash_for_the_newest_revision() -> None:
    hashed = HashedStore(disk_of(SHORT))
    await hashed.compact(0)
    assert await hashed.hash(0) == (NOTHING, -1, 0)


async def test_the_last_ten_compactions_are_remembered() -> None:
    hashed = HashedStore(disk_of([[Put(b"a", b"1")]] * (MOST_REMEMBERED + 2)))
    for revision in range(2, MOST_REMEMBERED + 3):
        await hashed.compact(revision)
    with pytest.raises(CompactedError):
        await hashed.hash(2)
    for revision in range(3, MOST_REMEMBERED + 3):
        assert (await hashed.hash(revision))[1:] == (revision - 1, revision)


async def test_a_compaction_begun_while_one_runs_is_not_remembered() -> None:
    hashed = HashedStore(disk_of(SHORT))
    await hashed.compact(3, 4)
    assert (await hashed.hash(3))[1:] == (-1, 3)
    assert (await hashed.hash(4))[1:] == (4, 4)


async def test_a_compaction_waits_for_a_hash_that_has_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("etcdpy.mvcc.hashing.ROWS_PER_SLICE", 1)
    hashed = HashedStore(disk_of(LONG))
    expected = await hashed.hash(0)
    hashing = asyncio.ensure_future(hashed.hash(0))
    await asyncio.sleep(0)
    await hashed.compact(7)
    assert hashing.done()
    assert hashing.result() == expected


async def test_large_rows_are_hashed_some_at_a_time() -> None:
    changes: list[list[Put | Delete]] = [
        [Put(b"k%d" % i, bytes(SLICE_BYTES // 3))] for i in range(9)
    ]
    steps = HashedStore(disk_of(changes)).hasher.hash_keys(0)
    assert sum(1 for _ in steps) >= 3


async def test_a_long_key_is_found_like_a_short_one() -> None:
    key = b"k" * 300
    hashed = HashedStore(disk_of([[Put(key, b"1")], [Put(key, b"2")], [Put(key, b"3")]]))
    before = await hashed.hash(3)
    await hashed.compact(3)
    assert await hashed.hash(3) == before
    assert (await hashed.hash(0))[0] == (await HashedStore(hashed.log.disk).hash(0))[0]


async def test_the_hash_of_everything_passes_over_what_members_have_of_their_own() -> None:
    disk = disk_of(SHORT)
    before = finish(HashedStore(disk).hasher.hash_all())
    disk.values[Bucket.META, CONSISTENT_INDEX] = bytes(7) + b"\x09"
    disk.values[Bucket.META, b"term"] = bytes(7) + b"\x04"
    assert finish(HashedStore(disk).hasher.hash_all()) == before
    disk.values[Bucket.LEASE, bytes(8)] = b""
    assert finish(HashedStore(disk).hasher.hash_all()) != before


async def test_the_hash_of_everything_knows_of_v2_what_is_in_a_snapshot() -> None:
    disk = disk_of(SHORT)
    of_etcds = finish(HashedStore(disk).hasher.hash_all())
    crc = 0
    for bucket in sorted(Bucket, key=lambda bucket: bucket.value):
        if bucket.is_etcds:
            crc = extend(crc, bucket.value.encode())
            rows = disk.key_rows.items() if bucket is Bucket.KEY else disk.items(bucket)
            for key, value in rows:
                if bucket is not Bucket.META or key not in (CONSISTENT_INDEX, b"term"):
                    crc = extend(extend(crc, key), value)
    assert of_etcds == crc, "an empty bucket of v2 is none"
    disk.values[Bucket.V2, b"n"] = b"row"
    of_both = finish(HashedStore(disk).hasher.hash_all())
    # It is the last by its name.
    assert of_both == extend(crc, b"v2nrow")
