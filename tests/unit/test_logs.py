"""Log lines have etcd's shape, and logging does not wait for its reader."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etcdpy import logs
from etcdpy.logs import ConsoleFormatter, JsonFormatter, LineHandler


def formatted(record: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(record)
    assert "\n" not in line
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def record(
    message: str, *arguments: object, level: int = logging.INFO, name: str = "etcdpy.x"
) -> logging.LogRecord:
    return logging.LogRecord(name, level, "/a/b/c.py", 7, message, arguments, None)


def test_line_begins_as_etcds_does() -> None:
    line = JsonFormatter().format(record("hello", {"name": "x"}))
    pattern = (
        r'\{"level":"info","ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",'
        r'"caller":"b/c\.py:7","msg":"hello","name":"x"\}'
    )
    assert re.fullmatch(pattern, line)


def test_time_is_utc_with_microseconds() -> None:
    moment = record("hello")
    moment.created = 1795250182.25
    assert formatted(moment)["ts"] == "2026-11-21T08:36:22.250000Z"


@pytest.mark.parametrize(
    ("level", "name"),
    [(10, "debug"), (20, "info"), (30, "warn"), (40, "error"), (50, "fatal")],
)
def test_levels_have_zaps_names(level: int, name: str) -> None:
    assert formatted(record("hello", level=level))["level"] == name


def test_mapping_becomes_the_fields() -> None:
    line = formatted(record("100% of it", {"data-dir": "x", "urls": ["a"], "count": 1}))
    assert line["msg"] == "100% of it"
    assert (line["data-dir"], line["urls"], line["count"]) == ("x", ["a"], 1)


def test_other_loggers_keep_their_arguments_and_their_name() -> None:
    line = formatted(record("%s of %d", "one", 2, name="asyncio"))
    assert (line["msg"], line["logger"]) == ("one of 2", "asyncio")


def test_exception_is_told_with_its_trace() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        failed = logging.LogRecord("etcdpy", 40, "c.py", 1, "failed", (), sys.exc_info())
    line = formatted(failed)
    assert line["error"] == "broken"
    assert line["stacktrace"].endswith("ValueError: broken")


class Pipe:
    """A pipe with a handler that writes to it."""

    def __init__(self, limit: int) -> None:
        self.reader, self.writer = os.pipe()
        self.handler = LineHandler(self.writer, limit)
        self.handler.FLUSH_SECONDS = 10.0

    def lines(self) -> list[dict[str, Any]]:
        """Everything written, once nothing more will be."""
        self.handler.flush()
        os.close(self.writer)
        with os.fdopen(self.reader, encoding="utf-8") as stream:
            return [json.loads(line) for line in stream]


@pytest.fixture
def pipe() -> Pipe:
    return Pipe(limit=1000)


def test_lines_are_written_in_order(pipe: Pipe) -> None:
    for number in range(100):
        pipe.handler.handle(record("line", {"number": number}))
    assert [line["number"] for line in pipe.lines()] == list(range(100))


def test_text_that_is_no_utf8_is_written_somehow(pipe: Pipe) -> None:
    pipe.handler.handle(record("odd", {"path": os.fsdecode(b"\xff")}))
    assert pipe.lines()[0]["path"] == "?"


def test_reader_that_stalls_costs_lines_not_time() -> None:
    pipe = Pipe(limit=10)
    # More than a pipe holds, so that the writer is stuck while the rest queues up.
    pipe.handler.handle(record("x" * 1_000_000))
    for number in range(100):
        pipe.handler.handle(record("line", {"number": number}))
    with os.fdopen(pipe.reader, encoding="utf-8") as stream:
        assert len(stream.readline()) > 1_000_000
        for _ in range(9):
            assert json.loads(stream.readline())["msg"] == "line"
        pipe.handler.flush()
        pipe.handler.handle(record("afterwards"))
        pipe.handler.flush()
        os.close(pipe.writer)
        remaining = [json.loads(line) for line in stream]
    dropped = [line for line in remaining if line["msg"] == "log lines dropped"]
    assert len(dropped) == 1
    assert dropped[0]["count"] >= 89
    assert remaining[-1]["msg"] == "afterwards"


def test_closed_descriptor_is_no_reason_to_stop(pipe: Pipe) -> None:
    os.close(pipe.reader)
    pipe.handler.handle(record("nobody reads this"))
    pipe.handler.flush()
    os.close(pipe.writer)


def test_console_line_has_tabs_between_its_parts() -> None:
    line = ConsoleFormatter().format(record("hello", {"name": "x", "count": 1}))
    time, *rest = line.split("\t")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time)
    assert rest == ["info", "b/c.py:7", "hello", '{"name": "x", "count": 1}']


def test_console_line_without_fields_ends_with_its_message() -> None:
    line = ConsoleFormatter().format(record("%s of %d", "one", 2, name="asyncio"))
    assert line.split("\t")[1:] == ["info", "asyncio", "b/c.py:7", "one of 2"]


def test_console_shows_a_trace_below_its_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        failed = logging.LogRecord("etcdpy", 40, "c.py", 1, "failed", (), sys.exc_info())
    first, *trace = ConsoleFormatter().format(failed).splitlines()
    assert first.endswith('\tfailed\t{"error": "broken"}')
    assert trace[-1] == "ValueError: broken"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, as it was before once the test is over."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


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
    with pytest.raises(FileNotFoundError):
        logs.configure(logging.INFO, outputs=("/nonexistent/x",))
    assert root.handlers == before


def test_same_output_by_two_names_is_written_once(root: logging.Logger) -> None:
    logs.configure(logging.INFO, outputs=("stderr", "systemd/journal", "stdout"))
    assert len([handler for handler in root.handlers if isinstance(handler, LineHandler)]) == 2
