from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from etcdpy.storage import Backend, DataDirError, DataDirLocked
from etcdpy.storage.datadir import DataDir, make_directory
from tests.unit.storage.syncs import recorded

needs_permissions = pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")


def test_missing_directories_are_made_private(tmp_path: Path) -> None:
    DataDir.open(tmp_path / "some" / "data").close()
    member = tmp_path / "some" / "data" / "member"
    assert (member / "lock").stat().st_mode & 0o777 == 0o600
    for made in (member.parent, member, member / "journal", member / "lmdb"):
        assert made.stat().st_mode & 0o777 == 0o700


def test_each_directory_that_gained_a_name_is_synced_up_to_the_first_that_was_there(
    tmp_path: Path,
) -> None:
    (tmp_path / "there").mkdir()
    with recorded(tmp_path / "there") as syncs:
        make_directory(tmp_path / "there" / "some" / "where" / "data")
        assert syncs.owed() == {}
    assert syncs.counts == {
        tmp_path / "there": 1,
        tmp_path / "there" / "some": 1,
        tmp_path / "there" / "some" / "where": 1,
    }


def test_new_database_is_in_place_durably(tmp_path: Path) -> None:
    opened = DataDir.open(tmp_path)
    opened.sync()
    place = opened.place_for_copy()
    for name in ("data.mdb", "lock.mdb"):
        (place / name).touch()
    with recorded(opened.lmdb) as syncs:
        opened.put_in_place(place)
        opened.discard(place)
        assert syncs.owed() == {}
    assert syncs.counts == {opened.lmdb: 1}
    opened.close()


def test_directory_that_was_there_costs_no_sync(tmp_path: Path) -> None:
    with recorded(tmp_path) as syncs:
        make_directory(tmp_path)
    assert syncs.counts == {}


def test_directory_that_may_not_be_read_is_synced_with_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open
    everything: list[bool] = []

    def refuse(path: Path, flags: int, *args: int) -> int:
        if path == tmp_path:
            raise PermissionError
        return real(path, flags, *args)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "sync", lambda: everything.append(True))
    make_directory(tmp_path / "data")
    assert everything == [True]
    DataDir.open(tmp_path / "data").close()


def test_store_was_used_once_there_is_more_than_names_in_its_journal(tmp_path: Path) -> None:
    opened = DataDir.open(tmp_path)
    assert not opened.was_used()
    (opened.journal / "3.journal").touch()
    assert not opened.was_used()
    opened.mark_used()
    assert opened.was_used()
    opened.close()


def test_an_open_directory_is_locked_until_it_is_closed(tmp_path: Path) -> None:
    opened = DataDir.open(tmp_path)
    with pytest.raises(DataDirLocked, match=str(tmp_path)):
        DataDir.open(tmp_path)
    opened.close()
    DataDir.open(tmp_path).close()


def test_an_open_directory_has_the_lock_of_only_its_own_path(tmp_path: Path) -> None:
    one = DataDir.open(tmp_path / "one")
    other = DataDir.open(tmp_path / "other")
    one.close()
    other.close()


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("")
    with pytest.raises(DataDirError, match=f"cannot access data directory: {path}"):
        DataDir.open(path)


def test_a_file_as_its_parent_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirError, match="not a directory"):
        DataDir.open(tmp_path / "file" / "data")


@needs_permissions
def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DataDirError, match="permission denied"):
            DataDir.open(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_a_failed_open_leaves_no_lock(tmp_path: Path) -> None:
    (tmp_path / "member").mkdir(0o700)
    (tmp_path / "member" / "lmdb").write_text("")
    with pytest.raises(DataDirError, match="not a directory"):
        DataDir.open(tmp_path)
    (tmp_path / "member" / "lmdb").unlink()
    DataDir.open(tmp_path).close()


@pytest.mark.parametrize("left", ["member/snap/db", "member/wal/0.wal"])
def test_a_real_etcds_data_is_refused_untouched(tmp_path: Path, left: str) -> None:
    (tmp_path / left).parent.mkdir(parents=True)
    (tmp_path / left).write_text("")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataDirError, match="belongs to an etcd member"):
        DataDir.open(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "prepared", ["member/wal", "member/wal/lost+found", "member/snap", "member/snap/lost+found"]
)
def test_directories_made_for_etcds_files_are_not_etcds_data(tmp_path: Path, prepared: str) -> None:
    (tmp_path / prepared).mkdir(parents=True)
    DataDir.open(tmp_path).close()
    assert (tmp_path / prepared).is_dir()


@pytest.mark.parametrize("part", ["", "member", "member/journal", "member/lmdb"])
def test_every_part_may_be_a_volume_of_its_own(tmp_path: Path, part: str) -> None:
    (tmp_path / part / "lost+found").mkdir(parents=True)
    for _ in range(2):
        Backend.open(tmp_path).close()
    assert (tmp_path / part / "lost+found").is_dir()


@needs_permissions
def test_log_of_etcds_that_cannot_be_looked_into_is_refused(tmp_path: Path) -> None:
    (tmp_path / "member" / "wal").mkdir(parents=True)
    (tmp_path / "member" / "wal").chmod(0)
    with pytest.raises(DataDirError, match="permission denied"):
        DataDir.open(tmp_path)
    (tmp_path / "member" / "wal").chmod(0o700)


def test_a_stray_file_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    DataDir.open(tmp_path).close()
    assert (tmp_path / "notes").read_text() == "mine"


def test_a_directory_open_to_others_is_only_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o755)
    with caplog.at_level(logging.WARNING):
        DataDir.open(tmp_path).close()
    assert "check file permission" in caplog.text
    assert tmp_path.stat().st_mode & 0o777 == 0o755
