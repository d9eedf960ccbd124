"""A full log file is set aside, and there are never more of them than wanted."""

from __future__ import annotations

import gzip
import logging
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from etcdpy.config.rotation import Rotation
from etcdpy.logs.lines import Line
from etcdpy.logs.rotation import RotatedFile

#: Lines of which two fit into a file of a megabyte.
LONG = 500_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "etcd.log"


def fill(path: Path, texts: str, **rotation: Any) -> None:
    """Write a long line for each letter of ``texts``, into files of a megabyte."""
    with closing(RotatedFile(str(path), Rotation(max_size=1, **rotation))) as file:
        for text in texts:
            file.write(Line(text * LONG, logging.INFO, "etcdpy"))


def held(path: Path) -> str:
    """The letters of a file's lines."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return "".join(line[0] for line in text.splitlines())


def backups(path: Path) -> list[Path]:
    """The files set aside, oldest first."""
    return sorted(other for other in path.parent.iterdir() if other != path)


def age(path: Path, days: float, *, name: str = "etcd-{}.log") -> Path:
    """Make a file that was set aside so long ago."""
    moment = datetime.now(timezone.utc) - timedelta(days=days)
    path.parent.mkdir(exist_ok=True)
    made = path.with_name(
        name.format(f"{moment:%Y-%m-%dT%H-%M-%S}.{moment.microsecond // 1000:03}")
    )
    made.write_text("old\n")
    return made


def test_file_is_private_and_its_directory_is_made(path: Path) -> None:
    fill(path, "a")
    assert held(path) == "a"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert backups(path) == []


def test_full_file_is_named_by_the_time(path: Path) -> None:
    fill(path, "abc")
    assert held(path) == "c"
    [full] = backups(path)
    assert held(full) == "ab"
    assert re.fullmatch(r"etcd-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log", full.name)


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX-14")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_east")
@pytest.mark.parametrize(("local", "hours"), [(False, 0), (True, 14)])
def test_names_are_in_utc_or_local_time(path: Path, local: bool, hours: int) -> None:
    fill(path, "abc", local_time=local, max_age=1)
    [full] = backups(path)
    named = datetime.strptime(full.name, "etcd-%Y-%m-%dT%H-%M-%S.%f.log")
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    assert abs(named - now - timedelta(hours=hours)) < timedelta(minutes=5)


def test_what_an_earlier_server_wrote_counts(path: Path) -> None:
    fill(path, "ab")
    fill(path, "c")
    assert held(path) == "c"
    assert [held(full) for full in backups(path)] == ["ab"]


def test_next_file_has_the_mode_of_the_last(path: Path) -> None:
    fill(path, "a")
    path.chmod(0o640)
    fill(path, "bc")
    assert held(path) == "c"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_line_longer_than_a_file_has_one_for_itself(path: Path) -> None:
    with closing(RotatedFile(str(path), Rotation(max_size=1))) as file:
        for text in ("a", "b" * 3_000_000, "c"):
            file.write(Line(text, logging.INFO, "etcdpy"))
    assert held(path) == "c"
    assert [held(full) for full in backups(path)] == ["a", "b"]


def test_so_many_are_kept_the_newest(path: Path) -> None:
    old = [age(path, days) for days in (3, 2, 1)]
    fill(path, "abc", max_backups=2)
    kept = backups(path)
    assert kept[0] == old[2]
    assert [held(full) for full in kept[1:]] == ["ab"]


def test_none_is_kept_longer_than_so_many_days(path: Path) -> None:
    age(path, 8)
    young = age(path, 6)
    fill(path, "a", max_age=7)
    assert backups(path) == [young]


def test_other_files_are_left_alone(path: Path) -> None:
    names = ["other-{}.log", "etcd-{}.txt", "etcd-notes{}.log", "etcd.log.old"]
    others = sorted(age(path, 99, name=name) for name in names)
    fill(path, "a", max_age=1, max_backups=1, compress=True)
    assert backups(path) == others


def test_full_files_are_compressed(path: Path) -> None:
    fill(path, "a")
    path.chmod(0o640)
    fill(path, "bcde", compress=True)
    full = backups(path)
    assert [(held(one), one.suffix) for one in full] == [("ab", ".gz"), ("cd", ".gz")]
    assert stat.S_IMODE(full[0].stat().st_mode) == 0o640


def test_compression_cut_short_is_done_again(path: Path) -> None:
    old = age(path, 2)
    age(path, 3)
    partial = old.with_name(old.name + ".gz")
    partial.write_bytes(b"half")
    fill(path, "a", compress=True, max_backups=1)
    assert backups(path) == [partial]
    assert held(partial) == "o"


def test_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="File exists"):
        RotatedFile(str(tmp_path / "file" / "etcd.log"), Rotation())


def test_file_that_cannot_be_set_aside_grows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, target: Path) -> None:
        raise OSError("read-only")

    monkeypatch.setattr(Path, "rename", fail)
    fill(path, "abc")
    assert held(path) == "abc"


def test_full_disk_is_no_reason_to_stop(path: Path) -> None:
    with closing(RotatedFile(str(path), Rotation())) as file:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, file._descriptor)
        os.close(full)
        file.write(Line("lost", logging.INFO, "etcdpy"))
