from __future__ import annotations

from pathlib import Path

import pytest

from etcdpy.storage import Bucket, StorageError, environment
from etcdpy.storage.environment import Environment
from tests.unit.storage.material import batch_of, row_key


def filled(directory: Path) -> Environment:
    opened = Environment.open(directory, map_size=1 << 24)
    txn = opened.begin()
    for _ in txn.fill([batch_of(2, 3)], 7):
        pass
    txn.commit()
    return opened


def test_a_database_keeps_its_name_and_its_place_in_the_journal(tmp_path: Path) -> None:
    opened = filled(tmp_path)
    name = opened.state.database
    assert opened.state.applied == 0, "as it was when it was opened"
    assert opened.newest_state() == (name, 7)
    opened.close()
    again = Environment.open(tmp_path)
    assert again.state == (name, 7)
    again.close()


def test_databases_are_told_apart(tmp_path: Path) -> None:
    names = set()
    for directory in (tmp_path / "one", tmp_path / "other"):
        directory.mkdir()
        opened = Environment.open(directory)
        names.add(opened.state.database)
        opened.close()
    assert len(names) == 2


def test_who_retired_stays_until_its_last_pin_is_closed(tmp_path: Path) -> None:
    opened = filled(tmp_path)
    pins = [opened.pin(), opened.pin()]
    opened.retire()
    pins[0].close()
    assert [key for key, _ in pins[1].items(Bucket.KEY)] == [row_key(2), row_key(3)]
    assert not opened.is_closed
    pins[1].close()
    opened.close()
    assert opened.is_closed
    with pytest.raises(StorageError):
        opened.pin()


def test_who_retired_without_pins_is_gone(tmp_path: Path) -> None:
    opened = filled(tmp_path)
    opened.retire()
    opened.close()
    with pytest.raises(StorageError):
        opened.begin()


def test_closing_takes_pins_along(tmp_path: Path) -> None:
    opened = filled(tmp_path)
    pin = opened.pin()
    opened.close()
    opened.close()
    with pytest.raises(StorageError, match="gone"):
        next(pin.items(Bucket.KEY))


@pytest.mark.parametrize("has_name", [True, False])
def test_only_a_file_without_a_name_is_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_name: bool
) -> None:
    monkeypatch.setattr(environment, "FREED_AT_ONCE", 4096)
    monkeypatch.setattr(environment, "FREE_PAUSE", 0.001)
    opened = filled(tmp_path)
    file = tmp_path / "data.mdb"
    with file.open("rb") as watched:
        before = watched.read()
        if not has_name:
            file.unlink()
        opened.retire()
        opened.close()
        watched.seek(0)
        assert len(before) > 2 * 4096
        assert watched.read() == (before if has_name else before[: (len(before) - 1) % 4096 + 1])


def test_what_has_a_pin_or_another_place_is_not_to_be_opened_again(tmp_path: Path) -> None:
    opened = filled(tmp_path)
    assert opened.is_unshared(tmp_path)
    pin = opened.pin()
    assert not opened.is_unshared(tmp_path)
    pin.close()
    (tmp_path / "elsewhere").mkdir()
    assert not opened.is_unshared(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "data.mdb").touch()
    assert not opened.is_unshared(tmp_path / "elsewhere")
    opened.close()
