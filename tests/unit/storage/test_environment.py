from __future__ import annotations

from pathlib import Path

import pytest

from etcdpy.storage import Bucket, StorageError
from etcdpy.storage.environment import Environment
from tests.unit.storage.material import batch_of, row_key


def filled(directory: Path) -> Environment:
    environment = Environment.open(directory, map_size=1 << 24)
    txn = environment.begin()
    for _ in txn.fill([batch_of(2, 3)], 7):
        pass
    txn.commit()
    return environment


def test_a_database_keeps_its_name_and_its_place_in_the_journal(tmp_path: Path) -> None:
    environment = filled(tmp_path)
    name = environment.state.database
    assert environment.state.applied == 0, "as it was when it was opened"
    assert environment.newest_state() == (name, 7)
    environment.close()
    again = Environment.open(tmp_path)
    assert again.state == (name, 7)
    again.close()


def test_databases_are_told_apart(tmp_path: Path) -> None:
    names = set()
    for directory in (tmp_path / "one", tmp_path / "other"):
        environment = Environment.open(directory)
        names.add(environment.state.database)
        environment.close()
    assert len(names) == 2


def test_who_retired_stays_until_its_last_pin_is_closed(tmp_path: Path) -> None:
    environment = filled(tmp_path)
    pins = [environment.pin(), environment.pin()]
    environment.retire()
    pins[0].close()
    assert [key for key, _ in pins[1].items(Bucket.KEY)] == [row_key(2), row_key(3)]
    assert not environment.is_closed
    pins[1].close()
    environment.close()
    assert environment.is_closed
    with pytest.raises(StorageError):
        environment.pin()


def test_who_retired_without_pins_is_gone(tmp_path: Path) -> None:
    environment = filled(tmp_path)
    environment.retire()
    environment.close()
    with pytest.raises(StorageError):
        environment.begin()


def test_closing_takes_pins_along(tmp_path: Path) -> None:
    environment = filled(tmp_path)
    pin = environment.pin()
    environment.close()
    environment.close()
    with pytest.raises(StorageError, match="gone"):
        next(pin.items(Bucket.KEY))
