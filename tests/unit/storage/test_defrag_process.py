from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from etcdpy.storage import Backend, Bucket, StorageError, defrag_copy, environment
from etcdpy.storage.defrag_process import CopyProcess
from etcdpy.storage.environment import Environment
from tests.unit.storage.material import batch_of, revisions_in, row_key


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    backend = Backend.open(tmp_path)
    backend.write([batch_of(*range(2, 100))], 1)
    yield backend
    backend.close()


@pytest.fixture
def place(backend: Backend) -> Path:
    return backend.directory.place_for_copy()


def rows_in(place: Path) -> list[bytes]:
    environment = Environment.open(place)
    pin = environment.pin()
    found = [key for key, _ in pin.items(Bucket.KEY)]
    environment.close()
    return found


def test_each_round_brings_what_is_new(backend: Backend, place: Path) -> None:
    process = CopyProcess(backend.directory.lmdb, place)
    assert process.catch_up() > 0
    assert process.catch_up() == 0
    backend.write([batch_of(100)], 2)
    assert process.catch_up() > 0
    process.close()
    process.close()
    assert rows_in(place) == [row_key(revision) for revision in range(2, 101)]


def test_a_database_that_outgrows_its_map_is_copied_on(tmp_path: Path) -> None:
    backend = Backend.open(tmp_path, map_size=1 << 20)
    backend.write([batch_of(2)], 1)
    place = backend.directory.place_for_copy()
    process = CopyProcess(backend.directory.lmdb, place)
    process.catch_up()
    for frame in range(2, 40):
        backend.write([batch_of(frame + 1, value=b"x" * 1_000_000)], frame)
    process.catch_up()
    process.close()
    assert len(rows_in(place)) == 39 == len(revisions_in(backend))
    backend.close()


def test_what_goes_wrong_there_is_told_here(backend: Backend, place: Path, tmp_path: Path) -> None:
    process = CopyProcess(tmp_path / "nowhere", place)
    with pytest.raises(StorageError, match="nowhere"):
        process.catch_up()
    with pytest.raises(StorageError, match="nowhere"):
        process.catch_up()
    process.close()


def test_a_process_that_was_killed_says_nothing_more(backend: Backend, place: Path) -> None:
    process = CopyProcess(backend.directory.lmdb, place)
    process.catch_up()
    process.kill()
    with pytest.raises(StorageError, match="has ended"):
        process.catch_up()
    process.close()
    process.kill()


def test_what_a_killed_process_was_reading_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "MOST_READERS", 3)
    backend = Backend.open(tmp_path)
    place = backend.directory.place_for_copy()
    for _ in range(4):
        process = CopyProcess(backend.directory.lmdb, place)
        process.catch_up()
        process.kill()
        process.close()
        backend.forget_dead_readers()
    backend.close()


def test_it_works_whatever_directory_and_path_the_server_has(
    backend: Backend, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(defrag_copy.__file__).parents[2]
    monkeypatch.setattr(sys, "path", [os.path.relpath(p or root, tmp_path) for p in sys.path])
    monkeypatch.chdir(tmp_path)
    process = CopyProcess(Path("member/lmdb"), place.relative_to(tmp_path))
    assert process.catch_up() > 0
    process.close()


def test_a_process_whose_server_is_gone_ends_by_itself(backend: Backend, place: Path) -> None:
    backend.write([batch_of(*range(100, 200), value=os.urandom(1 << 20))], 2)
    command = [sys.executable, "-m", defrag_copy.__name__, str(backend.directory.lmdb), str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        out, _ = process.communicate(b"round\n", timeout=60)
    assert b"not wanted any more" in out
    assert process.returncode == 0


def test_working_directory_that_is_gone_is_no_obstacle(
    backend: Backend, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.syspath_prepend("relative")
    monkeypatch.chdir(gone)
    gone.rmdir()
    process = CopyProcess(backend.directory.lmdb, place)
    assert process.catch_up() > 0
    process.close()
