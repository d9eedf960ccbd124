"""Handing lines to a thread, so that nobody waits for whoever reads them."""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import nullcontext

from etcdpy.logs.formats import JsonFormatter, source_of
from etcdpy.logs.lines import Line, Output

__all__ = ["LineHandler"]


class LineHandler(logging.Handler):
    """
    Writes formatted records to an output from a thread of its own.

    Args:
        output: Written to, never closed.
        limit: Most lines that wait to be written. At a few hundred bytes a line the default
            is some megabytes, and more than a busy second's worth.
        formatter: How lines look; as JSON by default.

    Attributes:
        has_reader: Whether it is a person that the lines are for.

    """

    FLUSH_SECONDS = 1.0

    def __init__(
        self, output: Output, limit: int = 10_000, formatter: logging.Formatter | None = None
    ) -> None:
        super().__init__()
        self.setFormatter(formatter or JsonFormatter())
        self.has_reader = False
        self._output = output
        self._limit = limit
        self._dropped = 0
        self._lines: queue.SimpleQueue[Line | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line; called with the handler's lock held."""
        # To wait here would be to have the loop wait for a pipe that nobody reads.
        if self._lines.qsize() >= self._limit:
            self._dropped += 1
            return
        self._start()
        if self._dropped:
            self._put(_dropped_record(self._dropped))
            self._dropped = 0
        try:
            self._put(record)
        except Exception:  # noqa: BLE001 - logging reports its own failures
            self.handleError(record)

    def tell(self, text: str) -> None:
        """Queue a line that is no record's. Any thread."""
        with self.lock or nullcontext():
            self._start()
            self._lines.put(Line(text, logging.INFO, ""))

    def _start(self) -> None:
        # Only now: a command that logs nothing, such as --help, needs no thread. As a daemon it
        # cannot keep the process from ending while its reader does not read.
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_lines, name="log", daemon=True)
            self._thread.start()

    def _put(self, record: logging.LogRecord) -> None:
        # Formatted in the caller's turn: what a record refers to may have changed by the time the
        # thread runs.
        self._lines.put(Line(self.format(record), record.levelno, source_of(record)))

    def flush(self) -> None:
        """Wait until what was logged is written, or for a second if nobody reads it."""
        if self._thread is not None:
            # Queued behind what was logged so far, it is set when all of that is written.
            written = threading.Event()
            self._lines.put(written)
            written.wait(self.FLUSH_SECONDS)

    def _write_lines(self) -> None:
        while True:
            item = self._lines.get()
            if isinstance(item, threading.Event):
                item.set()
            else:
                self._output.write(item)


def _dropped_record(count: int) -> logging.LogRecord:
    return logging.LogRecord(
        __name__, logging.WARNING, __file__, 0, "log lines dropped", ({"count": count},), None
    )
