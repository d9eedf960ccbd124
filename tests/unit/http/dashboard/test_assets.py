"""The files of the dashboard: which are found, and what is told of them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from etcdpy.http.dashboard.assets import CONTENT_TYPES, FOLDER, Asset, Assets


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "a.js").write_text("a")
    (tmp_path / "b.css").write_text("b")
    (tmp_path / "notes.txt").write_text("n")
    return tmp_path


def test_files_are_found_by_their_names_in_the_folder(folder: Path) -> None:
    assets = Assets(folder)
    assert assets.find("core/a.js") == Asset(b"text/javascript; charset=utf-8", b"a")
    assert assets.find("b.css") == Asset(b"text/css; charset=utf-8", b"b")


@pytest.mark.parametrize(
    "name",
    ["", "core", "core/", "a.js", "notes.txt", "../b.css", "core/../b.css", "/b.css", "b.css\0"],
)
def test_nothing_else_is_found(folder: Path, name: str) -> None:
    (folder.parent / "b.css").write_text("outside")
    assert Assets(folder).find(name) is None


def test_nothing_is_read_before_it_is_asked_for(folder: Path) -> None:
    assets = Assets(folder)
    (folder / "later.js").write_text("l")
    assert assets.find("later.js") is not None
    (folder / "b.css").write_text("new")
    found = assets.find("b.css")
    assert found is not None
    assert found.data == b"new"
    (folder / "b.css").write_text("newer")
    assert assets.find("b.css") is found


def test_tag_is_that_of_the_data() -> None:
    one, same, other = (Asset(b"text/css", data) for data in (b"1", b"1", b"2"))
    assert one.etag == same.etag != other.etag
    assert re.fullmatch(rb'W/"[0-9a-f]{20}"', one.etag)


def test_compressed_is_the_same_data() -> None:
    asset = Asset(b"text/css", b"x" * 5000)
    assert len(asset.compressed) < 100
    assert gzip.decompress(asset.compressed) == asset.data


def test_every_file_of_the_dashboard_has_a_type() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == set(CONTENT_TYPES)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.*")), ids=lambda path: path.name)
def test_files_are_short_and_name_only_files_that_there_are(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    imported = re.findall(r'(?:from|import\() ?"(\.[^"]+)"', text)
    named = re.findall(r'/mod/dashboard/static/([^"]+)"', text)
    assert [name for name in imported if not (path.parent / name).is_file()] == []
    assert [name for name in named if not (FOLDER / name).is_file()] == []


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.js")), ids=lambda path: path.name)
def test_no_script_turns_text_into_markup_or_code(path: Path) -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    assert re.findall(ways, path.read_text()) == []


def test_a_wheel_carries_every_file() -> None:
    pyproject = (FOLDER.parents[3] / "pyproject.toml").read_text()
    (line,) = re.findall(r"^etcdpy = \[(.*py\.typed.*)\]$", pyproject, re.MULTILINE)
    pattern = f"{FOLDER.relative_to(FOLDER.parents[2])}/**"  # setuptools: recursive
    assert f'"{pattern}"' in line.split(", ")
