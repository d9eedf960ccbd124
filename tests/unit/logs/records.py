"""Records as modules of this project log them."""

from __future__ import annotations

import logging


def record(
    message: str, *arguments: object, level: int = logging.INFO, name: str = "etcdpy.x"
) -> logging.LogRecord:
    """Return a record of a line in a file."""
    return logging.LogRecord(name, level, "/a/b/c.py", 7, message, arguments, None)
