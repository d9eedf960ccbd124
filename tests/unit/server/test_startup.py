"""A data directory is recognised, and what does not belong there is pointed out."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from etcdpy.server.startup import DataDirUnreadableError, is_initialized


def test_directory_is_initialized_once_a_member_lives_there(tmp_path: Path) -> None:
    assert is_initialized(tmp_path / "none") is False
    assert is_initialized(tmp_path) is False
    (tmp_path / "member").mkdir()
    assert is_initialized(tmp_path) is True


def test_stray_names_are_pointed_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "stray").touch()
    is_initialized(tmp_path)
    fields = {"filename": "stray", "data-dir": str(tmp_path)}
    message = "found invalid file under data directory"
    assert [(r.msg, r.args) for r in caplog.records if r.levelno == logging.WARNING] == [
        (message, fields)
    ]


def test_what_is_no_directory_cannot_be_listed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(DataDirUnreadableError, match=f"^open {path}: not a directory$"):
        is_initialized(path)
