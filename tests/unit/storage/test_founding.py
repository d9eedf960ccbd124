from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import pytest

from etcdpy.storage import Backend, Bucket, DataDirError, StorageError, founding
from etcdpy.storage.bolt_read import BoltReader
from etcdpy.storage.datadir import DataDir
from etcdpy.storage.environment import Environment
from etcdpy.storage.snapshot_restore import restore_snapshot
from tests.unit.storage.bolt_material import make_file
from tests.unit.storage.crashes import SECTOR
from tests.unit.storage.material import batch_of, open_log, put, revisions_in, row_key, soon
from tests.unit.storage.syncs import recorded

PAGE = os.sysconf("SC_PAGESIZE")

Cut = Callable[[bytes], bytes]


def ending_at(size: int) -> Cut:
    """Return what takes all behind so many bytes."""
    return lambda data: data[:size]


def without(number: int, size: int) -> Cut:
    """Return what makes one page or sector one of zeros."""
    start = number * size
    return lambda data: data[:start] + bytes(size) + data[start + size :]


#: What a power cut can leave of three pages: any of their sectors, in a file of any length.
CUTS: dict[str, Cut] = {
    **{f"only {size} bytes": ending_at(size) for size in range(0, 3 * PAGE, SECTOR)},
    **{f"no page {number}": without(number, PAGE) for number in range(3)},
    **{f"no sector {number}": without(number, SECTOR) for number in range(3 * PAGE // SECTOR)},
    "only 100 bytes": ending_at(100),
    "zeros": lambda data: bytes(len(data)),
}


def database(data_dir: Path) -> Path:
    return data_dir / "member" / "lmdb" / "data.mdb"


def fresh(data_dir: Path) -> bytes:
    """Return the file of a store that nothing was written to."""
    Backend.open(data_dir).close()
    data = database(data_dir).read_bytes()
    assert len(data) == 3 * PAGE
    return data


async def write(data_dir: Path, revision: int) -> None:
    """Start, acknowledge a write, and end."""
    backend = Backend.open(data_dir)
    log = open_log(backend)
    await soon(put(log, revision))
    await soon(log.close())
    backend.close()


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
async def test_start_succeeds_on_what_a_cut_left_of_a_database_being_made(
    tmp_path: Path, cut: Cut
) -> None:
    database(tmp_path).parent.mkdir(parents=True)
    database(tmp_path).write_bytes(cut(fresh(tmp_path / "another")))
    await write(tmp_path, 2)
    backend = Backend.open(tmp_path)
    assert revisions_in(backend) == [2]
    backend.close()


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_start_succeeds_after_one_that_nothing_was_acknowledged_by(
    tmp_path: Path, cut: Cut
) -> None:
    data = fresh(tmp_path)
    database(tmp_path).write_bytes(cut(data))
    Backend.open(tmp_path).close()


@pytest.mark.parametrize("left", [0, SECTOR, 4096])
def test_lock_file_of_readers_may_be_torn(tmp_path: Path, left: int) -> None:
    backend = Backend.open(tmp_path)
    backend.write([batch_of(2)], 1)
    backend.close()
    os.truncate(database(tmp_path).with_name("lock.mdb"), left)
    backend = Backend.open(tmp_path)
    assert revisions_in(backend) == [2]
    backend.close()


def test_database_has_its_name_only_when_it_is_whole_and_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, int]] = []
    real = DataDir.put_in_place
    with recorded(tmp_path) as syncs:

        def put_in_place(directory: DataDir, place: Path) -> None:
            seen.append((database(tmp_path).exists(), syncs.counts.get(place / "data.mdb", 0)))
            with lmdb.open(str(place), max_dbs=20, readonly=True, lock=False) as whole:
                assert whole.stat()["entries"] == len(Bucket) + 1
            real(directory, place)

        monkeypatch.setattr(DataDir, "put_in_place", put_in_place)
        Backend.open(tmp_path).close()
    assert seen == [(False, 1)]


def test_making_that_was_cut_off_is_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(DataDir, "put_in_place", killed)
        patched.setattr(DataDir, "discard", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            Backend.open(tmp_path)
    assert not database(tmp_path).exists()
    (left,) = database(tmp_path).parent.iterdir()
    os.truncate(left / "data.mdb", 2 * PAGE)
    Backend.open(tmp_path).close()
    assert sorted(file.name for file in database(tmp_path).parent.iterdir()) == [
        "data.mdb",
        "lock.mdb",
    ]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
async def test_damaged_database_of_a_store_that_was_used_is_reported_and_kept(
    tmp_path: Path, cut: Cut
) -> None:
    """Its first write is in the journal alone: the file is that of a fresh store."""
    data = fresh(tmp_path)
    backend = Backend.open(tmp_path)
    log = open_log(backend)
    await soon(put(log, 2))
    await soon(log.close())
    backend.close()
    damaged = cut(database(tmp_path).read_bytes()[: len(data)])
    database(tmp_path).write_bytes(damaged)
    for _ in range(2):
        with pytest.raises(StorageError):
            Backend.open(tmp_path)
        assert database(tmp_path).exists()


async def test_missing_database_of_a_store_that_was_used_is_reported(tmp_path: Path) -> None:
    await write(tmp_path, 2)
    Backend.open(tmp_path).close()  # which clears the journal
    database(tmp_path).unlink()
    for _ in range(2):
        with pytest.raises(DataDirError, match=r"the database is missing: .*data\.mdb"):
            Backend.open(tmp_path)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_damaged_database_of_a_restored_store_is_reported(tmp_path: Path, cut: Cut) -> None:
    file = make_file({b"key": [(row_key(2), b"a")], b"meta": []})
    restore_snapshot(BoltReader(file), tmp_path, {b"1": b"{}"})
    whole = database(tmp_path).read_bytes()
    database(tmp_path).write_bytes(cut(whole[: 3 * PAGE]))
    with pytest.raises(StorageError):
        Backend.open(tmp_path)


def test_small_file_with_data_is_never_made_anew(tmp_path: Path) -> None:
    """Whatever became of the journal: the second transaction is one of data."""
    backend = Backend.open(tmp_path)
    backend.write([batch_of(2)], 1)
    backend.close()
    os.truncate(database(tmp_path), 2 * PAGE)
    with pytest.raises(StorageError):
        Backend.open(tmp_path)


def test_database_that_lacks_its_end_is_an_error_and_not_the_end_of_the_process(
    tmp_path: Path,
) -> None:
    opened = Environment.open(tmp_path)
    txn = opened.begin()
    for _ in txn.fill([batch_of(*range(2, 2000))], 1):
        pass
    txn.commit()
    opened.close()
    file = tmp_path / "data.mdb"
    size = file.stat().st_size
    os.truncate(file, size // 2 // PAGE * PAGE)
    founding.fill_up(file)
    assert file.stat().st_size == size
    with pytest.raises(lmdb.CorruptedError):
        Environment.open(tmp_path)


@pytest.mark.parametrize("content", [b"mine", b"no database", b"no database" * 1000])
def test_file_that_is_no_database_is_reported_and_kept(tmp_path: Path, content: bytes) -> None:
    database(tmp_path).parent.mkdir(parents=True)
    database(tmp_path).write_bytes(content)
    with pytest.raises(DataDirError):
        Backend.open(tmp_path)
    assert database(tmp_path).read_bytes() == content


def test_whole_database_is_left_as_it_is(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path)
    backend.write([batch_of(2)], 1)
    backend.close()
    before = database(tmp_path).read_bytes()
    founding.fill_up(database(tmp_path))
    assert database(tmp_path).read_bytes() == before


async def test_nothing_is_owed_a_sync_when_the_first_write_is_acknowledged(tmp_path: Path) -> None:
    with recorded(tmp_path) as syncs:
        backend = Backend.open(tmp_path / "some" / "where" / "far" / "data")
        assert syncs.owed() == {}
        log = open_log(backend)
        for revision in range(2, 5):
            await soon(put(log, revision))
            assert syncs.owed() == {}
        await soon(log.close())
        backend.close()
    for directory in ("", "some", "some/where", "some/where/far", "some/where/far/data"):
        assert syncs.counts[tmp_path / directory] >= 1


def test_start_syncs_what_one_before_may_have_been_killed_before_syncing(tmp_path: Path) -> None:
    with recorded(tmp_path) as syncs:
        data_dir = tmp_path / "some" / "data"
        (data_dir / "member" / "lmdb").mkdir(0o700, parents=True)
        assert syncs.owed()
        Backend.open(data_dir).close()
        assert syncs.owed() == {}
