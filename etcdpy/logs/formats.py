"""
How a line looks: as JSON, or for people. (zap: JSON and console encoder)

::

    {"level":"info","ts":"2026-11-21T07:50:34.668748Z","caller":"etcdpy/server.py:87",
     "msg":"serving client traffic ...","traffic":"grpc+http","address":"127.0.0.1:2379"}

"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping

__all__ = ["ConsoleFormatter", "JsonFormatter", "source_of", "timestamp"]

_LEVELS = ((logging.DEBUG, "debug"), (logging.INFO, "info"), (logging.WARNING, "warn"))
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
_encode_wide = json.JSONEncoder(ensure_ascii=False, default=str).encode


class JsonFormatter(logging.Formatter):
    """Formats records as etcd's logger does."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {"level": _level(record.levelno), "ts": timestamp(record.created)}
        # A library's line has to say whose it is; of ours ``caller`` says as much.
        if not record.name.startswith("etcdpy"):
            line["logger"] = record.name
        line["caller"] = _caller(record)
        message, fields = _message(record)
        line["msg"] = message
        line.update(fields)
        if record.exc_info and record.exc_info[1] is not None:
            # What the caller has said of the error comes first.
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
        parts = [timestamp(record.created), _level(record.levelno)]
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


def timestamp(seconds: float) -> str:
    """Write a moment as etcd's log does: in local time, to the microsecond, with its zone."""
    microseconds = round(seconds * 1e6)
    whole, fraction = divmod(microseconds, 10**6)
    local = time.localtime(whole)
    # Go's layout ``Z0700``: a letter for UTC, and no colon in other zones.
    zone = "Z" if local.tm_gmtoff == 0 else time.strftime("%z", local)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{fraction:06}{zone}"


def _caller(record: logging.LogRecord) -> str:
    """Return file and line, with one directory before the file's name, as zap shortens them."""
    name = record.pathname.rpartition("/")[2]
    return f"{source_of(record)}/{name}:{record.lineno}"


def source_of(record: logging.LogRecord) -> str:
    """Return the directory of the file that logged a record."""
    return record.pathname.rpartition("/")[0].rpartition("/")[2]
