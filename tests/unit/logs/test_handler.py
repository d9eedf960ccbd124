"""Logging does not wait for whoever reads it."""

from __future__ import annotations

import json
import os
import select
from typing import Any

import pytest

from etcdpy.logs.handler import LineHandler
from etcdpy.logs.outputs import Descriptor
from tests.unit.logs.records import record


class Pipe:
    """A pipe with a handler that writes to it."""

    def __init__(self, limit: int) -> None:
        self.reader, self.writer = os.pipe()
        self.handler = LineHandler(Descriptor(self.writer), limit)

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
    select.select([pipe.reader], [], [])
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
