from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etcdpy.storage import Backend, Bucket, StorageError
from etcdpy.storage.errors import TooManyPinsError
from tests.unit.storage.material import batch_of, row_key


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    backend = Backend.open(tmp_path, map_size=1 << 24)
    backend.write([batch_of(2, 3)], 1)
    yield backend
    backend.close()


def test_a_pin_stays_as_it_was_while_others_write(backend: Backend) -> None:
    pin = backend.pin()
    reading = pin.items(Bucket.KEY)
    assert next(reading) == (row_key(2), b"value")
    dropping = batch_of(4)
    dropping.drops.append(row_key(3))
    dropping.puts[Bucket.META, b"term"] = b"later"
    backend.write([dropping], 2)
    assert list(reading) == [(row_key(3), b"value")]
    assert list(pin.items(Bucket.META)) == []
    assert backend.row(row_key(3)) is None
    pin.close()


def test_a_closed_pin_says_so(backend: Backend) -> None:
    pin = backend.pin()
    reading = pin.items(Bucket.KEY)
    next(reading)
    pin.close()
    pin.close()
    with pytest.raises(StorageError, match="gone"):
        next(reading)
    with pytest.raises(StorageError, match="gone"):
        next(pin.items(Bucket.KEY))


def test_a_map_that_moves_takes_pins_with_it(backend: Backend) -> None:
    pin = backend.pin()
    reading = pin.items(Bucket.KEY)
    next(reading)
    backend.enlarge()
    with pytest.raises(StorageError, match="gone"):
        next(reading)
    assert next(backend.pin().items(Bucket.KEY)) == (row_key(2), b"value")


def test_a_closed_database_takes_pins_with_it(backend: Backend) -> None:
    pin = backend.pin()
    backend.close()
    with pytest.raises(StorageError, match="gone"):
        next(pin.items(Bucket.KEY))


def test_as_many_pins_as_the_database_has_readers_can_be_open(backend: Backend) -> None:
    pins = [backend.pin() for _ in range(12)]
    with pytest.raises(TooManyPinsError):
        pins += [backend.pin() for _ in range(12)]
    backend.write([batch_of(4)], 2)  # goes on
    assert backend.row(row_key(4)) == b"value"
    pins.pop().close()
    assert len(list(backend.pin().items(Bucket.KEY))) == 3


def test_a_database_that_is_closed_gives_no_pin(backend: Backend) -> None:
    backend.close()
    with pytest.raises(StorageError):
        backend.pin()
