"""Copies made by the server itself: everything, in full pages, or an error."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from etcdpy.cooperative import finish
from etcdpy.storage import Backend, Bucket, small_copy
from etcdpy.storage.errors import DiskFullError, StorageError
from etcdpy.storage.small_copy import SmallCopy
from tests.unit.storage.material import batch_of, revisions_in, row_key


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    """A database with something in every bucket, in pages that are half empty."""
    backend = Backend.open(tmp_path, fsync=False)
    chosen = random.Random(1)
    batch = batch_of(*range(2, 1000), value=b"x" * 100)
    for bucket in Bucket:
        if bucket is not Bucket.KEY:
            for _ in range(501):
                batch.puts[bucket, chosen.randbytes(8)] = b"value"
    backend.write([batch], 7)
    drops = batch_of()
    drops.drops = [row_key(revision) for revision in range(2, 1000, 2)]
    backend.write([drops], 8)
    yield backend
    backend.close()


def copied(backend: Backend) -> Path:
    place = backend.directory.place_for_copy()
    copy = SmallCopy(place)
    finish(copy.fill(backend, backend.state()))
    copy.finish()
    copy.close()
    copy.close()
    return place


@pytest.mark.parametrize("at_once", [1, 10, 501, 10_000])
def test_copy_has_everything_in_full_pages(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(small_copy, "ENTRIES_AT_ONCE", at_once)
    before = {bucket: list(backend.items(bucket)) for bucket in Bucket}
    state, size = backend.state(), backend.size_in_use()
    backend.replace(backend.open_copy(copied(backend)))
    assert {bucket: list(backend.items(bucket)) for bucket in Bucket} == before
    assert backend.state() == state
    assert backend.size() < 0.8 * size


def test_empty_database_is_copied(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path)
    backend.replace(backend.open_copy(copied(backend)))
    assert revisions_in(backend) == []
    backend.close()


def test_copy_that_is_not_finished_is_not_taken(backend: Backend) -> None:
    place = backend.directory.place_for_copy()
    copy = SmallCopy(place)
    finish(copy.fill(backend, backend.state()))
    copy.close()
    with pytest.raises(StorageError, match="not complete"):
        backend.open_copy(place)


def test_place_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot copy the database"):
        SmallCopy(tmp_path / "gone")


def test_disk_without_room_is_told_from_other_errors(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = SmallCopy(backend.directory.place_for_copy())

    class Full:
        def commit(self) -> None:
            raise lmdb.DiskError("no room")

        def abort(self) -> None:
            pass

    copy._txn.abort()
    monkeypatch.setattr(copy, "_txn", Full())
    with pytest.raises(DiskFullError, match="no room"):
        copy.finish()
    copy.close()
