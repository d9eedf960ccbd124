from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from etcdpy.storage import (
    Backend,
    Bucket,
    DataDirError,
    DataDirLocked,
    RowMissingError,
    StorageError,
)
from etcdpy.storage import (
    backend as module,
)
from etcdpy.storage.backend import LARGEST_CHUNK
from etcdpy.storage.environment import Environment
from tests.unit.storage.material import batch_of, revisions_in, row_key


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    backend = Backend.open(tmp_path)
    yield backend
    backend.close()


def test_the_environment_has_etcds_buckets(backend: Backend) -> None:
    assert {bucket.value for bucket in Bucket if bucket.is_etcds} == {
        *("key", "meta", "lease", "alarm", "cluster", "members", "members_removed"),
        *("auth", "authUsers", "authRoles"),
    }
    assert [list(backend.items(bucket)) for bucket in Bucket] == [[]] * len(Bucket)


def test_rows_of_all_sizes_are_scanned_in_order(backend: Backend) -> None:
    sizes = [1] * 600 + [100_000] * 40 + [1] * 50
    batch = batch_of()
    for revision, size in enumerate(sizes, 2):
        batch.rows[row_key(revision)] = bytes(size)
    backend.write([batch], 1)
    assert [(key, len(row)) for key, row in backend.scan_rows(b"")] == [
        (row_key(revision), size) for revision, size in enumerate(sizes, 2)
    ]


def test_files_are_private(backend: Backend, tmp_path: Path) -> None:
    for name in ("data.mdb", "lock.mdb"):
        assert (tmp_path / "member" / "lmdb" / name).stat().st_mode & 0o777 == 0o600


def test_content_outlives_the_process(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path)
    batch = batch_of(2)
    batch.puts[Bucket.CLUSTER, b"clusterVersion"] = b"3.7.0"
    backend.write([batch], 1)
    backend.close()
    again = Backend.open(tmp_path)
    assert again.row(row_key(2)) == b"value"
    assert again.get(Bucket.CLUSTER, b"clusterVersion") == b"3.7.0"
    again.close()


def test_two_servers_cannot_have_one_directory(backend: Backend, tmp_path: Path) -> None:
    with pytest.raises(DataDirLocked):
        Backend.open(tmp_path)


def test_closing_twice_is_safe(backend: Backend) -> None:
    backend.close()
    backend.close()


def test_rows_come_in_the_order_asked_for(backend: Backend) -> None:
    backend.write([batch_of(1, value=b"one"), batch_of(2, value=b"two")], 1)
    assert backend.rows([row_key(2), row_key(1), row_key(2)]) == [b"two", b"one", b"two"]
    assert backend.rows([]) == []


def test_a_missing_row_is_an_error_and_named(backend: Backend) -> None:
    backend.write([batch_of(1)], 1)
    assert backend.row(row_key(9)) is None
    with pytest.raises(RowMissingError, match=row_key(9).hex()):
        backend.rows([row_key(1), row_key(9)])


def test_a_scan_gives_the_rows_between_its_bounds(backend: Backend) -> None:
    backend.write([batch_of(*range(1, 50))], 1)
    assert [key for key, _ in backend.scan_rows(row_key(10), row_key(40))] == [
        row_key(revision) for revision in range(10, 40)
    ]
    assert revisions_in(backend) == list(range(1, 50))
    assert list(backend.scan_rows(row_key(50))) == []


def test_a_scan_longer_than_its_read_ahead_misses_nothing(backend: Backend) -> None:
    everything = list(range(1, 3 * LARGEST_CHUNK))
    backend.write([batch_of(*everything)], 1)
    assert revisions_in(backend) == everything


def test_a_paused_scan_goes_on_in_newer_commits(backend: Backend) -> None:
    backend.write([batch_of(*range(1, 100))], 1)
    scan = backend.scan_rows(b"")
    seen = [next(scan)[0]]
    backend.write([batch_of(100)], 2)
    seen += [key for key, _ in scan]
    assert seen == [row_key(revision) for revision in range(1, 101)]


def test_reads_stay_at_the_commit_of_the_last_refresh(backend: Backend) -> None:
    txn = backend.begin()
    list(txn.fill([batch_of(1)], 1))
    txn.commit()
    assert backend.row(row_key(1)) is None
    backend.refresh()
    assert backend.row(row_key(1)) == b"value"


def test_the_size_grows_with_the_rows_and_stays_when_they_go(backend: Backend) -> None:
    empty, empty_in_use = backend.size(), backend.size_in_use()
    everything = range(1, 2000)
    backend.write([batch_of(*everything, value=b"x" * 500)], 1)
    full, full_in_use = backend.size(), backend.size_in_use()
    assert full - empty > 1999 * 500
    assert full_in_use - empty_in_use > 1999 * 500
    drop = batch_of()
    drop.drops = [row_key(revision) for revision in everything]
    backend.write([drop], 2)
    assert backend.size() >= full
    assert backend.size_in_use() < full_in_use / 4


def test_the_size_is_that_of_the_file_once_it_was_written(backend: Backend, tmp_path: Path) -> None:
    backend.write([batch_of(*range(1, 2000), value=b"x" * 500)], 1)
    file = tmp_path / "member" / "lmdb" / "data.mdb"
    assert backend.size() == file.stat().st_size


def test_a_map_that_is_too_small_grows_under_its_readers(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path, map_size=1 << 20)
    backend.write([batch_of(1)], 1)
    scan = backend.scan_rows(b"")
    for sequence in range(2, 10):
        backend.write([batch_of(sequence, value=b"x" * (1 << 20))], sequence)
    assert [key for key, _ in scan] == [row_key(revision) for revision in range(1, 10)]
    assert backend.size() > 8 << 20
    backend.close()


def test_a_process_with_little_address_space_makes_do(tmp_path: Path) -> None:
    script = f"""
import resource
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from etcdpy.storage import Backend
from tests.unit.storage.material import batch_of, revisions_in
backend = Backend.open(Path({str(tmp_path)!r}))
backend.write([batch_of(1, 2)], 1)
print(revisions_in(backend))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "[1, 2]", done.stderr


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    Backend.open(tmp_path).close()
    (tmp_path / "member" / "lmdb" / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(DataDirError, match=str(tmp_path)):
        Backend.open(tmp_path)


def test_a_failed_open_leaves_the_directory_unlocked(tmp_path: Path) -> None:
    Backend.open(tmp_path).close()
    file = tmp_path / "member" / "lmdb" / "data.mdb"
    good = file.read_bytes()
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(DataDirError):
        Backend.open(tmp_path)
    file.write_bytes(good)
    Backend.open(tmp_path).close()


def test_without_fsync_everything_still_outlives_the_process(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path, fsync=False)
    backend.write([batch_of(1)], 1)
    backend.close()
    again = Backend.open(tmp_path)
    assert revisions_in(again) == [1]
    again.close()


def test_wiped_database_begins_anew(backend: Backend, tmp_path: Path) -> None:
    batch = batch_of(2)
    batch.puts[Bucket.CLUSTER, b"clusterVersion"] = b"3.7.0"
    backend.write([batch], 7)
    database = backend.state().database
    backend.wipe()
    assert [list(backend.items(bucket)) for bucket in Bucket] == [[]] * len(Bucket)
    assert backend.state() == (database, 0)
    assert backend.last_row() == b""
    backend.write([batch_of(1)], 1)
    backend.close()
    again = Backend.open(tmp_path)
    assert again.row(row_key(1)) == b"value"
    assert again.row(row_key(2)) is None
    again.close()


def test_a_database_that_is_opened_again_goes_on_where_it_was(backend: Backend) -> None:
    backend.write([batch_of(*range(2, 100))], 1)
    scan = backend.scan_rows(b"")
    seen = [next(scan) for _ in range(20)]
    state = backend.state()
    assert backend.renew()
    assert backend.state() == state
    assert [key for key, _ in (*seen, *scan)] == [row_key(r) for r in range(2, 100)]
    backend.write([batch_of(100)], 2)
    assert backend.renew()
    assert revisions_in(backend) == list(range(2, 101))
    assert backend.size() > 0


def test_a_database_others_look_into_is_not_opened_again(backend: Backend) -> None:
    backend.write([batch_of(2)], 1)
    pin = backend.pin()
    assert not backend.renew()
    assert [key for key, _ in pin.items(Bucket.KEY)] == [row_key(2)]
    pin.close()
    assert backend.renew()


def test_a_large_database_is_not_opened_again(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST_RENEWED", 4096)
    assert not backend.renew()
    backend.write([batch_of(2)], 1)
    assert revisions_in(backend) == [2]


def test_a_database_whose_file_is_gone_is_kept_open(backend: Backend) -> None:
    backend.write([batch_of(2)], 1)
    (backend.directory.lmdb / "data.mdb").unlink()
    assert not backend.renew()
    assert revisions_in(backend) == [2]


def test_a_database_that_cannot_be_opened_again_is_an_error_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "too many open files")

    opened = Backend.open(tmp_path)
    opened.write([batch_of(2, 3)], 1)
    with monkeypatch.context() as patched:
        patched.setattr(Environment, "open", refuse)
        with pytest.raises(StorageError, match="too many open files"):
            opened.renew()
    opened.close()
    again = Backend.open(tmp_path)
    assert revisions_in(again) == [2, 3]
    again.close()


def test_another_database_in_its_place_is_not_taken_for_it(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    other = Environment.open(tmp_path / "other")
    monkeypatch.setattr(Environment, "open", lambda *_, **__: other)
    with pytest.raises(StorageError, match="not the same"):
        backend.renew()
    assert other.is_closed


def test_a_database_that_was_moved_is_opened_again_where_it_is_now(backend: Backend) -> None:
    backend.write([batch_of(2, 3)], 1)
    place = backend.directory.place_for_copy()
    backend.copy(place)
    copy = backend.open_copy(place)
    backend.directory.put_in_place(place)
    pin = backend.pin()
    backend.replace(copy)
    assert not backend.renew(), "the one before is still open"
    pin.close()
    for thread in threading.enumerate():
        if thread.name == "unmap":
            thread.join()
    assert backend.renew()
    backend.write([batch_of(4)], 2)
    assert revisions_in(backend) == [2, 3, 4]
