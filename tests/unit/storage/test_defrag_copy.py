"""Copies of a database, and what they have to be after each round."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import lmdb
import pytest

from etcdpy.storage import Bucket, StorageError, defrag_copy
from etcdpy.storage.defrag_copy import ROOM_LEFT, Copy
from etcdpy.storage.environment import SMALLEST_MAP, STATE_KEY, Environment, open_lmdb
from etcdpy.storage.errors import DiskFullError
from tests.unit.storage.material import batch_of, row_key


class Database:
    """A database that is written to."""

    def __init__(self, directory: Path) -> None:
        # LMDB would make it with the mode of a file, which only root can enter.
        directory.mkdir()
        self.environment = Environment.open(directory, map_size=1 << 26, fsync=False)
        self.frame = 0
        self.revision = 1

    @property
    def env(self) -> lmdb.Environment:
        return self.environment.lmdb

    def write(
        self,
        rows: int = 0,
        value: bytes = b"value",
        drops: tuple[int, ...] = (),
        puts: dict[tuple[Bucket, bytes], bytes | None] | None = None,
    ) -> None:
        batch = batch_of(*range(self.revision + 1, self.revision + rows + 1), value=value)
        batch.drops = [row_key(revision) for revision in drops]
        batch.puts = puts or {}
        self.revision += rows
        self.frame += 1
        txn = self.environment.begin()
        for _ in txn.fill([batch], self.frame):
            pass
        txn.commit()

    def revisions(self) -> list[int]:
        return [int.from_bytes(key[:8], "big") for key, _ in content(self.env)["key"]]


def content(env: lmdb.Environment) -> dict[str, list[tuple[bytes, bytes]]]:
    """Return everything in an environment of ours."""
    found = {}
    main = env.open_db()
    tables = {b.value: env.open_db(b.value.encode()) for b in Bucket}
    with env.begin() as txn:
        found = {name: list(txn.cursor(table)) for name, table in tables.items()}
        found["state"] = [(STATE_KEY, txn.get(STATE_KEY, b"", db=main))]
    return found


def content_of_copy(directory: Path) -> dict[str, list[tuple[bytes, bytes]]]:
    environment = Environment.open(directory)
    found = content(environment.lmdb)
    environment.close()
    return found


def pages(env: lmdb.Environment) -> int:
    return int(env.info()["last_pgno"]) + 1


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "database")
    yield database
    database.environment.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "copy"
    place.mkdir()
    return place


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defrag_copy, "PIECE_BYTES", 4000)
    monkeypatch.setattr(defrag_copy, "KEYS_AT_ONCE", 7)


def copied(database: Database, place: Path) -> dict[str, list[tuple[bytes, bytes]]]:
    copy = Copy(database.env, place)
    copy.catch_up()
    copy.close()
    return content_of_copy(place)


def test_an_empty_database(database: Database, place: Path) -> None:
    assert copied(database, place) == content(database.env)


def test_every_bucket_is_copied_and_so_is_the_state(database: Database, place: Path) -> None:
    puts: dict[tuple[Bucket, bytes], bytes | None] = {
        (bucket, b"%d" % number): bucket.value.encode()
        for bucket in Bucket
        if bucket is not Bucket.KEY
        for number in range(20)
    }
    database.write(100, puts=puts)
    found = copied(database, place)
    assert found == content(database.env)
    assert all(found[bucket.value] for bucket in Bucket)
    assert found["state"][0][1][8:] == (1).to_bytes(8, "little")


def test_values_larger_than_a_piece(database: Database, place: Path) -> None:
    database.write(5, value=os.urandom(100_000))
    assert copied(database, place) == content(database.env)


def test_half_empty_pages_become_full_ones(database: Database, place: Path) -> None:
    database.write(4000, value=b"x" * 200)
    database.write(drops=tuple(range(2, 4000, 2)))
    copy = Copy(database.env, place)
    copy.catch_up()
    copy.close()
    environment = Environment.open(place)
    assert pages(environment.lmdb) < 0.56 * pages(database.env)
    environment.close()


def test_a_round_brings_what_was_written_since(database: Database, place: Path) -> None:
    puts = {(Bucket.LEASE, b"b"): b"1", (Bucket.LEASE, b"c"): b"1"}
    database.write(500, puts={**puts})
    copy = Copy(database.env, place)
    first = copy.catch_up()
    database.write(
        5,
        puts={
            (Bucket.LEASE, b"a"): b"new",
            (Bucket.LEASE, b"b"): b"other",
            (Bucket.LEASE, b"c"): None,
            (Bucket.META, b"term"): b"2",
        },
    )
    assert 0 < copy.catch_up() < first
    assert copy.catch_up() == 0, "nothing was written in between"
    copy.close()
    assert content_of_copy(place) == content(database.env)


@pytest.mark.parametrize(
    "dropped",
    [(2,), (51,), (20, 21, 22, 30), tuple(range(2, 52)), tuple(range(3, 52, 2))],
    ids=["first", "last", "some", "all", "every second"],
)
def test_a_round_drops_what_was_dropped_since(
    database: Database, place: Path, dropped: tuple[int, ...]
) -> None:
    database.write(50)
    copy = Copy(database.env, place)
    copy.catch_up()
    database.write(3, drops=dropped)
    copy.catch_up()
    copy.close()
    assert content_of_copy(place) == content(database.env)
    assert set(database.revisions()) == set(range(2, 55)) - set(dropped)


def test_a_round_while_the_database_is_written_to_is_of_one_moment(
    database: Database, place: Path
) -> None:
    database.write(200, value=b"x" * 100)
    before = content(database.env)
    asked = 0
    copying = False

    def write_meanwhile() -> bool:
        nonlocal asked
        if not copying:
            return True
        asked += 1
        database.write(1, drops=(asked + 1,), puts={(Bucket.META, b"%d" % asked): b"now"})
        return True

    copy = Copy(database.env, place, write_meanwhile)
    copying = True
    copy.catch_up()
    assert asked > 3
    copy.close()
    assert content_of_copy(place) == before


@pytest.mark.parametrize("seed", range(8))
def test_random_histories(database: Database, place: Path, seed: int) -> None:
    chance = random.Random(seed)
    copy = Copy(database.env, place)
    for _ in range(12):
        for _ in range(chance.randrange(4)):
            left = database.revisions()
            database.write(
                chance.randrange(60),
                os.urandom(chance.choice((0, 10, 3000))),
                tuple(chance.sample(left, chance.randrange(len(left) // 2 + 1))),
                {
                    (bucket, b"%d" % chance.randrange(30)): chance.choice((None, b"", b"1", b"2"))
                    for bucket in chance.choices([b for b in Bucket if b is not Bucket.KEY], k=20)
                },
            )
        copy.catch_up()
    copy.close()
    assert content_of_copy(place) == content(database.env)


def test_who_is_not_wanted_any_more_stops(database: Database, place: Path) -> None:
    database.write(50)
    wanted = iter([True, False])
    copy = Copy(database.env, place, lambda: next(wanted))
    with pytest.raises(StorageError, match="not wanted"):
        copy.catch_up()
    copy.close()


def test_who_is_not_wanted_does_not_begin(database: Database, place: Path) -> None:
    with pytest.raises(StorageError, match="not wanted"):
        Copy(database.env, place, lambda: False)
    assert list(place.iterdir()) == []


def test_a_place_that_was_removed_is_not_made_again(database: Database, place: Path) -> None:
    place.rmdir()
    with pytest.raises(StorageError, match="cannot copy the database"):
        Copy(database.env, place)
    assert not place.exists()


def test_room_is_left_for_those_who_write(
    database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.write(50)
    blocks = SimpleNamespace(f_bavail=ROOM_LEFT // 512, f_frsize=512)
    copy = Copy(database.env, place)
    monkeypatch.setattr(os, "statvfs", lambda path: blocks)
    with pytest.raises(DiskFullError, match="no space left on device"):
        copy.catch_up()
    blocks.f_bavail += 4000
    copy.catch_up()
    copy.close()
    monkeypatch.undo()
    assert content_of_copy(place) == content(database.env)


def test_a_map_too_small_for_the_copy_grows(
    database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.write(400, value=b"x" * 2000)
    monkeypatch.setattr(
        "etcdpy.storage.defrag_copy.open_lmdb",
        lambda path, **options: open_lmdb(path, 1 << 17, **options),
    )
    assert copied(database, place) == content(database.env)


#: Another process makes the file longer; LMDB opens no file twice in one.
GROW = """
import sys, lmdb
env = lmdb.open(sys.argv[1], map_size=1 << 30, max_dbs=16)
with env.begin(write=True, db=env.open_db(b"meta")) as txn:
    txn.put(sys.argv[2].encode(), bytes(1 << 24))
"""


def grow(directory: Path, key: str) -> None:
    subprocess.run([sys.executable, "-c", GROW, str(directory), key], check=True)


def test_a_database_may_outgrow_its_map_at_any_time(
    database: Database, place: Path, tmp_path: Path
) -> None:
    """Whoever writes to it goes on while the copy is begun, and between its rounds."""
    directory = tmp_path / "database"
    database.write(50)
    database.environment.close()
    env = open_lmdb(directory, SMALLEST_MAP, readonly=True)
    keys = iter(["begin"])

    def is_wanted() -> bool:
        for key in keys:
            grow(directory, key)
        return True

    copy = Copy(env, place, is_wanted)
    copy.catch_up()
    grow(directory, "round")
    copy.catch_up()
    copy.close()
    env.close()
    found = content_of_copy(place)
    assert [key for key, _ in found["meta"]] == [b"begin", b"round"]
    assert len(found["key"]) == 50


def test_a_database_may_outgrow_its_map_while_that_is_made(
    database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LMDB looks into the file once more after it has mapped it."""
    outgrown = iter([lmdb.MapResizedError("MDB_MAP_RESIZED")])

    def open_grown(path: Path, *options: int, **flags: bool) -> lmdb.Environment:
        if path == place:
            return open_lmdb(path, *options, **flags)
        for error in outgrown:
            raise error
        return database.env

    database.write(50)
    monkeypatch.setattr(defrag_copy, "open_lmdb", open_grown)
    monkeypatch.setattr("sys.stdin", iter(["round\n"]))
    monkeypatch.setattr(os, "nice", lambda _: 0)
    monkeypatch.setattr(defrag_copy, "_is_wanted", lambda: True)
    defrag_copy.main(Path("database"), place)
    assert content_of_copy(place) == content(database.env)
