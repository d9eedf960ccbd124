"""
Log lines in etcd's shape: one JSON object a line, on standard error unless told otherwise.

::

    {"level":"info","ts":"2026-11-21T07:50:34.668748Z","caller":"etcdpy/server.py:87",
     "msg":"serving client traffic ...","traffic":"grpc+http","address":"127.0.0.1:2379"}

Every module logs through ``logging.getLogger(__name__)``; a mapping given as the only argument
becomes the fields::

    log.info("closed etcd server", {"name": config.name, "data-dir": config.data_dir})

Logging never waits for whoever reads standard error: lines are handed to a thread, and when it
cannot keep up lines are dropped and counted.

"""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import threading
import time
from collections.abc import Iterable, Mapping

__all__ = ["ConsoleFormatter", "JsonFormatter", "LineHandler", "configure", "flush"]

_LEVELS = ((logging.DEBUG, "debug"), (logging.INFO, "info"), (logging.WARNING, "warn"))
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


_encode_wide = json.JSONEncoder(ensure_ascii=False, default=str).encode

#: Outputs by name. The journal reads what a unit writes to standard error.
_DESCRIPTORS = {"default": 2, "stderr": 2, "systemd/journal": 2, "stdout": 1}


def configure(level: int, line_format: str = "json", outputs: Iterable[str] = ("default",)) -> None:
    """
    Send all logging at ``level`` and above to ``outputs``. May be called again.

    Args:
        level: A number of the standard library's.
        line_format: ``json`` or ``console``.
        outputs: Names as of ``--log-outputs``; others than those known are paths of files,
            which are appended to and stay open.

    Raises:
        OSError: A file cannot be opened; what was configured before still is.

    """
    descriptors = {name: _open(name) for name in outputs}
    formatter = ConsoleFormatter() if line_format == "console" else JsonFormatter()
    root = logging.getLogger()
    root.setLevel(level)
    flush()
    for old in [handler for handler in root.handlers if isinstance(handler, LineHandler)]:
        root.removeHandler(old)
    for descriptor in dict.fromkeys(descriptors.values()):
        root.addHandler(LineHandler(descriptor, formatter=formatter))


def _open(name: str) -> int:
    if name in _DESCRIPTORS:
        return _DESCRIPTORS[name]
    # zap: the mode is what the umask leaves of 0666.
    return os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)


def flush() -> None:
    """Wait, for a second at most, until the lines logged so far are written."""
    for handler in logging.getLogger().handlers:
        handler.flush()


class JsonFormatter(logging.Formatter):
    """Formats records as etcd's logger does. (zap: production encoder, ISO 8601 time in UTC)"""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {"level": _level(record.levelno), "ts": _timestamp(record)}
        if not record.name.startswith("etcdpy"):
            line["logger"] = record.name
        line["caller"] = _caller(record)
        message, fields = _message(record)
        line["msg"] = message
        line.update(fields)
        if record.exc_info and record.exc_info[1] is not None:
            line.setdefault("error", str(record.exc_info[1]))
            line["stacktrace"] = self.formatException(record.exc_info)
        return _encode(line)


class ConsoleFormatter(logging.Formatter):
    """
    Formats records for people: tabs between the parts, the fields as JSON at the end.

    ::

        2026-11-21T07:50:34.668748Z    info    etcdpy/server.py:87    closed    {"name": "x"}

    (zap: console encoder)

    """

    def format(self, record: logging.LogRecord) -> str:
        message, fields = _message(record)
        parts = [_timestamp(record), _level(record.levelno)]
        if not record.name.startswith("etcdpy"):
            parts.append(record.name)
        parts += [_caller(record), message]
        if record.exc_info and record.exc_info[1] is not None:
            fields = {"error": str(record.exc_info[1]), **fields}
        if fields:
            parts.append(_encode_wide(fields))
        line = "\t".join(parts)
        if record.exc_info:
            line += f"\n{self.formatException(record.exc_info)}"
        return line


def _message(record: logging.LogRecord) -> tuple[str, dict[str, object]]:
    """Return what a record says and its fields."""
    if isinstance(record.args, Mapping):
        return str(record.msg), dict(record.args)
    return record.getMessage(), {}


def _level(number: int) -> str:
    for limit, name in _LEVELS:
        if number <= limit:
            return name
    return "error" if number <= logging.ERROR else "fatal"


def _timestamp(record: logging.LogRecord) -> str:
    seconds, fraction = divmod(record.created, 1)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(fraction * 1e6):06}Z"


def _caller(record: logging.LogRecord) -> str:
    """File and line, with one directory before the file's name, as zap shortens them."""
    directory, _, name = record.pathname.rpartition("/")
    return f"{directory.rpartition('/')[2]}/{name}:{record.lineno}"


class LineHandler(logging.Handler):
    """
    Writes formatted records to a file descriptor from a thread of its own.

    Args:
        descriptor: Written to, never closed.
        limit: Most lines that wait to be written. At a few hundred bytes a line the default
            is some megabytes, and more than a busy second's worth.
        formatter: How lines look; as JSON by default.

    """

    FLUSH_SECONDS = 1.0

    def __init__(
        self, descriptor: int, limit: int = 10_000, formatter: logging.Formatter | None = None
    ) -> None:
        super().__init__()
        self.setFormatter(formatter or JsonFormatter())
        self._descriptor = descriptor
        self._limit = limit
        self._dropped = 0
        self._lines: queue.SimpleQueue[str | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line; called with the handler's lock held."""
        if self._lines.qsize() >= self._limit:
            self._dropped += 1
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_lines, name="log", daemon=True)
            self._thread.start()
        if self._dropped:
            self._lines.put(self.format(_dropped_record(self._dropped)))
            self._dropped = 0
        try:
            self._lines.put(self.format(record))
        except Exception:  # noqa: BLE001 - logging reports its own failures
            self.handleError(record)

    def flush(self) -> None:
        """Wait until what was logged is written, or for a second if nobody reads it."""
        if self._thread is not None:
            written = threading.Event()
            self._lines.put(written)
            written.wait(self.FLUSH_SECONDS)

    def _write_lines(self) -> None:
        while True:
            item = self._lines.get()
            if isinstance(item, threading.Event):
                item.set()
            else:
                self._write(f"{item}\n".encode(errors="replace"))

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                select.select((), (self._descriptor,), ())
            except OSError:
                # Nobody reads standard error any more, which is no reason to stop serving.
                return


def _dropped_record(count: int) -> logging.LogRecord:
    return logging.LogRecord(
        __name__, logging.WARNING, __file__, 0, "log lines dropped", ({"count": count},), None
    )
