"""An audit log is read whole and once, while it is written and after crashes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from etcdpy.logs.audit_reader import LONGEST_LINE, AuditReader, UnreadableError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


def text(*numbers: int) -> str:
    return "".join(json.dumps({"ts": "t", "n": number}) + "\n" for number in numbers)


def full(path: Path, second: int, *numbers: int, compressed: bool = False) -> Path:
    """Make a file that was set aside."""
    made = path.with_name(f"audit-2026-11-21T07-50-{second:02}.000.log")
    if compressed:
        made = made.with_name(f"{made.name}.gz")
        made.write_bytes(gzip.compress(text(*numbers).encode()))
    else:
        made.write_text(text(*numbers))
    return made


def numbers(entries: Iterable[object]) -> list[int]:
    return [entry.fields["n"] for entry in entries]  # type: ignore[attr-defined]


def test_full_files_come_first_and_the_oldest_of_them_before_all(path: Path) -> None:
    full(path, 30, 3)
    full(path, 10, 1, compressed=True)
    full(path, 20, 2)
    path.write_text(text(4, 5))
    (path.parent / "audit-notes.log").write_text(text(9))
    assert numbers(AuditReader(path)) == [1, 2, 3, 4, 5]


def test_entry_has_its_line_as_it_stands(path: Path) -> None:
    path.write_text('{"ts": "t",  "key":"é"}\n')
    (entry,) = AuditReader(path)
    assert entry.text == '{"ts": "t",  "key":"é"}'


def test_file_that_is_being_compressed_counts_once(path: Path) -> None:
    whole = full(path, 10, 1, 2)
    whole.with_name(f"{whole.name}.gz").write_bytes(gzip.compress(text(1).encode())[:-4])
    path.write_text(text(3))
    assert numbers(AuditReader(path)) == [1, 2, 3]


def test_file_at_work_need_not_be_there(path: Path) -> None:
    full(path, 10, 1)
    assert numbers(AuditReader(path)) == [1]


def test_link_leads_to_the_files_beside_the_real_one(path: Path, tmp_path: Path) -> None:
    full(path, 10, 1)
    path.write_text(text(2))
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.log"
    link.symlink_to(path)
    assert numbers(AuditReader(link)) == [1, 2]


@pytest.mark.parametrize(
    "torn", ['{"ts":"2026', "\x00\x00\x00", '{"no":"moment"}', "[1]", "x" * (LONGEST_LINE // 2)]
)
def test_what_was_cut_short_is_left_out_and_counted(path: Path, torn: str) -> None:
    path.write_text(f"{text(1)}{torn}\n{text(2)}{torn}")
    reader = AuditReader(path)
    assert numbers(reader) == [1, 2]
    assert reader.torn == 2


def test_bytes_that_are_no_text_are_left_out(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\n" + text(1).encode())
    assert numbers(AuditReader(path)) == [1]


def test_file_that_is_set_aside_meanwhile_is_read_once(path: Path) -> None:
    full(path, 10, 1)
    path.write_text(text(2, 3))
    entries = iter(AuditReader(path))
    first = next(entries)
    path.rename(path.with_name("audit-2026-11-21T07-50-20.000.log"))
    path.write_text(text(4))
    assert numbers([first, *entries]) == [1, 2, 3]


def test_file_that_is_compressed_meanwhile_is_read_once(path: Path) -> None:
    full(path, 10, 1)
    plain = full(path, 20, 2)
    path.write_text(text(3))
    entries = iter(AuditReader(path))
    first = next(entries)
    full(path, 20, 2, compressed=True)
    plain.unlink()
    assert numbers([first, *entries]) == [1, 2, 3]


def test_file_that_is_removed_meanwhile_is_not_missed(path: Path) -> None:
    full(path, 10, 1)
    full(path, 20, 2, compressed=True).unlink()
    path.write_text(text(3))
    assert numbers(AuditReader(path)) == [1, 3]


def test_log_that_is_not_there_is_said_to_be_so(path: Path) -> None:
    with pytest.raises(UnreadableError, match=f"open {path}: no such file or directory"):
        list(AuditReader(path))
    with pytest.raises(UnreadableError, match="no such file or directory"):
        list(AuditReader(path / "no" / "directory"))


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_compressed_file_that_is_damaged_is_said_to_be_so(path: Path, damage: str) -> None:
    data = gzip.compress(text(*range(1000)).encode())
    made = full(path, 10, 1, compressed=True)
    made.write_bytes(data[:-20] if damage == "cut" else data[:-8] + bytes(8))
    with pytest.raises(UnreadableError, match=str(made)):
        list(AuditReader(path))
