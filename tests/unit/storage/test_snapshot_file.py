from __future__ import annotations

import fcntl
from hashlib import sha256
from pathlib import Path

import pytest

from etcdpy.storage.snapshot_file import (
    SnapshotFileError,
    check_checksum,
    has_checksum,
    open_snapshot,
)

PAGES = bytes(range(256)) * 16


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.db"


def test_a_file_is_open_until_the_block_ends(path: Path) -> None:
    path.write_bytes(PAGES)
    with open_snapshot(path) as data:
        assert data[:] == PAGES
    with pytest.raises(ValueError, match="closed"):
        data[:1]


def test_a_file_that_is_not_there_is_told_as_etcdutl_tells_it(path: Path) -> None:
    with (
        pytest.raises(SnapshotFileError, match=r"^open .*file.db: no such file or directory$"),
        open_snapshot(path),
    ):
        pass


@pytest.mark.parametrize("what", ["empty", "directory"])
def test_what_cannot_be_mapped_is_refused(path: Path, what: str) -> None:
    path.touch() if what == "empty" else path.mkdir()
    with pytest.raises(SnapshotFileError, match="no snapshot file"), open_snapshot(path):
        pass


def test_a_file_that_an_etcd_is_running_on_is_refused(path: Path) -> None:
    path.write_bytes(PAGES)
    with path.open("rb") as etcds:
        fcntl.flock(etcds, fcntl.LOCK_EX)
        with pytest.raises(SnapshotFileError, match="in use"), open_snapshot(path):
            pass


def test_the_size_tells_whether_there_is_a_checksum() -> None:
    assert has_checksum(len(PAGES) + 32)
    assert not has_checksum(len(PAGES))
    assert not has_checksum(len(PAGES) + 31)


def test_a_right_checksum_is_accepted(path: Path) -> None:
    path.write_bytes(PAGES + sha256(PAGES).digest())
    with open_snapshot(path) as data:
        check_checksum(data)


@pytest.mark.parametrize("place", [0, len(PAGES) - 1, len(PAGES), len(PAGES) + 31])
def test_a_changed_byte_is_told_as_etcdutl_tells_it(path: Path, place: int) -> None:
    file = bytearray(PAGES + sha256(PAGES).digest())
    file[place] ^= 1
    path.write_bytes(file)
    expected = r"expected sha256 \[[\d ]+\], got \[[\d ]+\]"
    with open_snapshot(path) as data, pytest.raises(SnapshotFileError, match=expected):
        check_checksum(data)


def test_a_missing_checksum_is_told_as_etcdutl_tells_it(path: Path) -> None:
    path.write_bytes(PAGES)
    expected = "snapshot missing hash but --skip-hash-check=false"
    with open_snapshot(path) as data, pytest.raises(SnapshotFileError, match=expected):
        check_checksum(data)
