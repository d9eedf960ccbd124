"""Keys and values as tests write them down."""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdpy.testing.data import (
    Event,
    as_bytes,
    as_text,
    is_snapshot,
    read_mapping,
    write_mapping,
)

PAIRS = {b"a": b"1", "ä/b".encode(): b"\xff\x00"}


def test_text_and_bytes_are_each_others() -> None:
    for data in (b"plain", "ä".encode(), bytes(range(256))):
        assert as_bytes(as_text(data)) == data
    assert as_bytes(bytearray(b"x")) == b"x"
    assert as_bytes(12) == b"12"


def test_mapping_is_read_as_it_was_written(tmp_path: Path) -> None:
    text = {key: value for key, value in PAIRS.items() if key == b"a"}
    for name in ("data.json", "data.yaml"):
        write_mapping(text, tmp_path / name)
        assert read_mapping(tmp_path / name) == text
    assert read_mapping({as_text(k): v for k, v in PAIRS.items()}) == PAIRS


def test_file_without_a_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text("[1]")
    with pytest.raises(ValueError, match="no mapping"):
        read_mapping(tmp_path / "data.json")


def test_what_is_no_mapping_by_its_name_is_a_snapshot(tmp_path: Path) -> None:
    assert is_snapshot("backup.db")
    assert is_snapshot(tmp_path / "snapshot")
    assert not is_snapshot("data.YAML")
    assert not is_snapshot({"a": "b"})


def test_event_without_a_value_is_a_deletion() -> None:
    assert Event(b"a", None, 3).is_delete
    assert not Event(b"a", b"", 3).is_delete
