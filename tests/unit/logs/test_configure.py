"""Where logging goes can be chosen, and changed."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest

from etcdpy import logs
from etcdpy.config.rotation import Rotation
from etcdpy.logs import outputs
from etcdpy.logs.handler import LineHandler


@pytest.mark.usefixtures("root")
def test_files_are_appended_to(tmp_path: Path) -> None:
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    one.write_text("before\n")
    logs.configure(logging.INFO, "console", (str(one), str(two)))
    logging.getLogger("etcdpy.x").info("hello")
    logging.getLogger("etcdpy.x").debug("too low")
    logs.flush()
    assert one.read_text() == "before\n" + two.read_text()
    assert two.read_text().endswith("\thello\n")


def test_output_that_cannot_be_opened_leaves_the_others(root: logging.Logger) -> None:
    logs.configure(logging.INFO)
    before = root.handlers[:]
    with pytest.raises(logs.OutputError):
        logs.configure(logging.INFO, outputs=("/nonexistent/x",))
    assert root.handlers == before


@pytest.mark.usefixtures("root")
def test_storm_is_thinned_out(tmp_path: Path) -> None:
    path = tmp_path / "etcd.log"
    logs.configure(logging.INFO, outputs=(str(path),), rotation=Rotation(max_size=1))
    for _ in range(5000):
        logging.getLogger("etcdpy.x").info("again")
    logs.flush()
    # A hundred and forty-nine a second, in the one or the few that this takes.
    lines = path.read_text().splitlines()
    assert 149 <= len(lines) < 5000


def test_same_output_by_two_names_is_written_once(root: logging.Logger) -> None:
    logs.configure(logging.INFO, outputs=("stderr", "stdout", "stderr"))
    assert len([handler for handler in root.handlers if isinstance(handler, LineHandler)]) == 2


@pytest.mark.usefixtures("root")
def test_terminal_has_lines_for_people_and_what_is_told_besides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    near, far = os.openpty()
    monkeypatch.setitem(outputs._DESCRIPTORS, "stderr", far)
    logs.configure(logging.INFO, logs.FOR_THE_READER, ("stderr", str(path)))
    logging.getLogger("etcdpy.x").info("hello")
    logs.tell("look there")
    logs.flush()
    seen = b""
    while not seen.endswith(b"there\r\n"):
        seen += os.read(near, 1000)
    first, second = seen.decode().splitlines()
    assert first.endswith("\thello")
    assert second == "look there"
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["msg"] == "hello"
    os.close(near)
    os.close(far)
