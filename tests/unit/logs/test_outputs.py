"""Names of outputs mean what they mean to etcd."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from etcdpy.config.rotation import Rotation
from etcdpy.logs import systemd
from etcdpy.logs.lines import Line
from etcdpy.logs.outputs import Descriptor, OutputError, open_outputs
from etcdpy.logs.rotation import RotatedFile

LINE = Line("hello", logging.INFO, "etcdpy")


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["default"], [2]),
        (["stderr"], [2]),
        (["stdout"], [1]),
        (["stderr", "stdout", "stderr"], [2, 1]),
        ([], []),
    ],
)
def test_streams_have_their_descriptors_once(names: Sequence[str], numbers: list[int]) -> None:
    outputs = open_outputs(names)
    assert all(isinstance(output, Descriptor) for output in outputs)
    assert [output.number for output in outputs if isinstance(output, Descriptor)] == numbers


def test_dev_null_takes_it_all() -> None:
    [output] = open_outputs(["stderr", "/dev/null", "stdout"])
    assert isinstance(output, Descriptor)
    assert output.number > 2


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}", "file://localhost{}", "FILE:{}"])
def test_file_has_a_path_or_a_url(tmp_path: Path, form: str) -> None:
    path = tmp_path / "etcd.log"
    [output] = open_outputs([form.format(path)])
    output.write(LINE)
    assert path.read_text() == "hello\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", 'open sink "": open : no such file or directory'),
        ("/nonexistent/x", 'open sink "/nonexistent/x": open /nonexistent/x: no such file or '),
        ("file:///nonexistent/x", 'open sink "file:///nonexistent/x": open /nonexistent/x: no '),
        ("foo://x", 'open sink "foo://x": no sink found for scheme "foo"'),
        ("/", 'open sink "/": open /: is a directory'),
    ],
)
def test_what_cannot_be_opened_is_told_in_zaps_words(name: str, text: str) -> None:
    with pytest.raises(OutputError) as error:
        open_outputs([name])
    assert str(error.value).startswith(text)


def test_files_alone_are_rotated(tmp_path: Path) -> None:
    streams, file = open_outputs(["stderr", str(tmp_path / "x" / "etcd.log")], Rotation())
    assert isinstance(streams, Descriptor)
    assert isinstance(file, RotatedFile)


def test_journal_is_alone_and_has_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "socket"
    monkeypatch.setattr(systemd.SystemdJournal.__init__, "__defaults__", (str(path),))
    with pytest.raises(systemd.NoSystemdJournalError) as error:
        open_outputs(["systemd/journal"])
    assert str(error.value) == (
        f"can't find journal (dial unixgram {path}: connect: no such file or directory)"
    )
