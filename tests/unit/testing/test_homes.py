"""Data is in memory, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from etcdpy.storage import Bucket
from etcdpy.storage.batch import Batch
from etcdpy.testing import homes
from etcdpy.testing.homes import Home, Shelter


@pytest.fixture(autouse=True)
def _memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homes, "_MEMORY", (tmp_path,))


def test_shelter_goes_with_all_that_is_in_it(tmp_path: Path) -> None:
    shelter = Shelter()
    assert shelter.path.parent == tmp_path
    assert shelter.place() != shelter.place()
    (shelter.path / "file").write_text("x")
    shelter.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_has_left_is_removed_by_the_next(tmp_path: Path) -> None:
    deserted = tmp_path / "etcdpy-testing-old"
    deserted.mkdir()
    in_use = Shelter()
    for folder in (deserted, in_use.path):
        os.utime(folder, (0, 0))
    young = tmp_path / "etcdpy-testing-young"
    young.mkdir()
    Shelter().close()
    assert not deserted.exists()
    assert in_use.path.exists()
    assert young.exists()
    in_use.close()


def test_without_room_in_memory_data_goes_where_temporary_files_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(homes, "_LEAST_ROOM", 1 << 60)
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/elsewhere")
    assert homes.memory_folder() == Path("/elsewhere")


def _write(home: Home, size: int) -> None:
    batch = Batch(asyncio.get_running_loop(), 1)
    batch.puts[Bucket.ALARM, b"k"] = bytes(size)
    home.backend.write([batch], 1)


@pytest.mark.parametrize("size", [10, 2 << 20])
async def test_emptied_home_has_nothing_in_it_and_is_small(tmp_path: Path, size: int) -> None:
    home = Home(tmp_path / "d")
    _write(home, size)
    assert dict(home.backend.items(Bucket.ALARM))
    home.empty()
    assert dict(home.backend.items(Bucket.ALARM)) == {}
    assert home.backend.size() < 1 << 20
    home.leave()
    assert not home.path.exists()


async def test_home_that_is_kept_is_kept(tmp_path: Path) -> None:
    home = Home(tmp_path / "d", is_kept=True)
    _write(home, 10)
    home.leave()
    assert dict(Home(tmp_path / "d", is_kept=True).backend.items(Bucket.ALARM)) == {b"k": bytes(10)}
