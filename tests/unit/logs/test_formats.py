"""Log lines have the shape of etcd's."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Any

import pytest

from etcdpy.logs.formats import ConsoleFormatter, JsonFormatter
from tests.unit.logs.records import record


def formatted(record: logging.LogRecord) -> dict[str, Any]:
    line = JsonFormatter().format(record)
    assert "\n" not in line
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_line_begins_as_etcds_does() -> None:
    line = JsonFormatter().format(record("hello", {"name": "x"}))
    pattern = (
        r'\{"level":"info","ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",'
        r'"caller":"b/c\.py:7","msg":"hello","name":"x"\}'
    )
    assert re.fullmatch(pattern, line)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("UTC0", "2026-11-21T08:36:22.250000Z"),
        ("JST-9", "2026-11-21T17:36:22.250000+0900"),
        ("NST3:30", "2026-11-21T05:06:22.250000-0330"),
    ],
)
def test_time_is_local_with_microseconds_and_its_zone(
    monkeypatch: pytest.MonkeyPatch, zone: str, text: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        moment = record("hello")
        moment.created = 1795250182.25
        assert formatted(moment)["ts"] == text
    time.tzset()


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
