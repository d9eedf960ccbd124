"""Lines reach their file in order and once each, or it is told how many did not."""

from __future__ import annotations

import errno
import gzip
import json
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from etcdpy.config.rotation import Rotation
from etcdpy.logs import audit_file
from etcdpy.logs.audit_file import FLUSH_INTERVAL, AuditFile, AuditFileError
from etcdpy.logs.rotation import full_files
from etcdpy.testing.clock import MovableClock

#: As long as threads may take on a busy machine.
PATIENCE = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


def opened(path: Path, *, is_synced: bool = False, **rotation: Any) -> AuditFile:
    clock = MovableClock()
    return AuditFile(
        str(path),
        Rotation(max_size=1, **rotation),
        clock,
        is_synced=is_synced,
        gap=lambda lost: json.dumps({"lost": lost}),
    )


def written(path: Path) -> list[str]:
    """All lines, of the file and of those that were set aside."""
    texts = []
    for _, full in full_files(path):
        data = full.read_bytes()
        texts.append(gzip.decompress(data) if full.suffix == ".gz" else data)
    texts.append(path.read_bytes())
    return b"".join(texts).decode().splitlines()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write(path: Path, text: str) -> None:
    path.write_text(text)


def linked(path: Path, directory: Path) -> Path:
    """Make a link to a file that is not there yet, in a directory that is."""
    directory.mkdir()
    path.symlink_to(directory / "real.log")
    return directory / "real.log"


def is_link(path: Path) -> bool:
    return path.is_symlink()


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(PATIENCE * 100):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")


async def test_all_lines_are_there_after_a_clean_stop(path: Path) -> None:
    with closing(opened(path)) as file:
        for number in range(1000):
            file.append(str(number))
    assert written(path) == [str(number) for number in range(1000)]


async def test_file_is_nobody_elses_to_read(path: Path) -> None:
    with closing(opened(path)):
        assert mode_of(path) == 0o600


async def test_file_is_appended_to(path: Path) -> None:
    for text in "ab":
        with closing(opened(path)) as file:
            file.append(text)
    assert written(path) == ["a", "b"]


async def test_line_that_a_kill_cut_short_does_not_run_into_the_next(path: Path) -> None:
    write(path, 'whole\n{"ts":"2026-')
    with closing(opened(path)) as file:
        file.append("next")
        file.append("after")
    assert written(path) == ["whole", '{"ts":"2026-', "next", "after"]


async def test_line_waits_no_longer_than_the_interval(path: Path) -> None:
    clock = MovableClock()
    file = AuditFile(str(path), Rotation(), clock, is_synced=False, gap=str)
    with closing(file):
        file.append("a")
        await clock.advance(FLUSH_INTERVAL)
        wait_for(lambda: path.read_text() == "a\n")
        file.append("b")
        await clock.advance(FLUSH_INTERVAL)
        wait_for(lambda: path.read_text() == "a\nb\n")


async def test_many_lines_do_not_wait_for_the_interval(path: Path) -> None:
    with closing(opened(path)) as file:
        for _ in range(100):
            file.append("x" * 1000)
        wait_for(lambda: path.stat().st_size > 0)


async def test_settled_lines_are_synced_once_for_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        real(descriptor)
        synced.append(path.read_text())

    with closing(opened(path, is_synced=True)) as file:
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        for text in "abc":
            file.append_always(text)
        file.settle()
        assert synced == ["a\nb\nc\n"]
        file.settle()
        assert len(synced) == 1, "there was nothing to sync"


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("is_synced", [False, True])
async def test_rotation_under_load_loses_and_doubles_nothing(
    path: Path, compress: bool, is_synced: bool
) -> None:
    # The clock stands still: all full files would have the same name.
    count = 40_000
    with closing(opened(path, compress=compress, is_synced=is_synced)) as file:
        stop = threading.Event()

        def settle() -> None:
            while not stop.is_set():
                file.settle()
                stop.wait(0.001)

        thread = threading.Thread(target=settle)
        thread.start()
        for number in range(count):
            file.append(f"{number:08}".ljust(120, "."))
        stop.set()
        thread.join()
    assert [int(line[:8]) for line in written(path)] == list(range(count))
    full = [name for _, name in full_files(path)]
    assert len(full) >= 4
    assert {name.suffix for name in full} == {".gz" if compress else ".log"}


class Disk:
    """Takes so many bytes more and then none, until there is room again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self._real = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room is None:
            return self._real(descriptor, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, "full")
        taken = self._real(descriptor, data[: self.room])
        self.room -= taken
        return taken


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


async def test_full_disk_loses_lines_which_are_counted_where_they_are_missing(
    path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with closing(opened(path)) as file:
        file.append("first")
        file.settle()
        disk.room = 10
        for number in range(5):
            file.append(f"line {number}")
        file.settle()
        file.append("while it is full")
        file.settle()
        disk.room = None
        file.append("then")
        file.settle()
    # The second of the five was cut short.
    assert written(path) == ["first", "line 0", "lin", '{"lost": 5}', "then"]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "cannot write the audit log"),
        ("INFO", "writing the audit log again"),
    ]
    assert caplog.records[1].args == {"path": str(path), "lost": 5}


async def test_gap_that_there_is_no_room_for_is_told_of_later(path: Path, disk: Disk) -> None:
    with closing(opened(path)) as file:
        disk.room = 0
        file.append("a")
        file.settle()
        disk.room = 5
        file.append("b")
        file.settle()
        disk.room = None
        file.append("c")
        file.settle()
    assert written(path) == ['{"los', '{"lost": 2}', "c"]


async def test_failure_is_final_where_lines_are_synced(path: Path, disk: Disk) -> None:
    file = opened(path, is_synced=True)
    disk.room = 0
    file.append_always("a")
    with pytest.raises(OSError, match="full"):
        file.settle()
    disk.room = None
    file.append_always("b")
    with pytest.raises(OSError, match="full"):
        file.settle()
    file.close()
    assert written(path) == []


async def test_lines_that_nobody_takes_do_not_pile_up(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_file, "MOST_GATHERED", 100)
    with closing(opened(path)) as file:
        for _ in range(30):
            file.append("x" * 10)
        file.append_always("a change")
        file.settle()
        file.append("next")
    lines = written(path)
    assert json.loads(lines[0]) == {"lost": 30 - (len(lines) - 3)}
    assert lines[-2:] == ["a change", "next"]
    assert len(lines) < 20


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/audit.log", "no such file or directory"),
        (".", "is not a regular file"),
        ("pipe", "is not a regular file"),
        ("/dev/stderr", "is not a regular file"),
        ("/dev/stdout", "is not a regular file"),
        ("/dev/null", "is not a regular file"),
    ],
)
async def test_what_is_no_regular_file_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AuditFileError, match=reason):
        opened(tmp_path / name)


async def test_link_stays_one_when_the_file_behind_it_is_set_aside(
    path: Path, tmp_path: Path
) -> None:
    real = linked(path, tmp_path / "far")
    with closing(opened(path)) as file:
        for text in "ab":
            file.append(text * 900_000)
    assert is_link(path)
    assert [line[0] for line in written(real)] == ["a", "b"]
    assert len(full_files(real)) == 1


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    with suppress(StopIteration):
        left = next(one for one in threading.enumerate() if one.name == "audit log")
        raise AssertionError(f"{left} still runs")
