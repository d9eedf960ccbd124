"""
Log lines in etcd's shape: one JSON object a line, on standard error unless told otherwise.

Every module logs through ``logging.getLogger(__name__)``; a mapping given as the only argument
becomes the fields::

    log.info("closed etcd server", {"name": config.name, "data-dir": config.data_dir})

On a terminal, where a person reads them, lines are etcd's for people unless a format is asked for.

Logging never waits for whoever reads the lines: they are handed to a thread, and when it cannot
keep up lines are dropped and counted.

"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from etcdpy.config.rotation import Rotation
from etcdpy.logs.formats import ConsoleFormatter, JsonFormatter, timestamp
from etcdpy.logs.handler import LineHandler
from etcdpy.logs.outputs import OutputError, open_outputs
from etcdpy.logs.sampling import Sampler
from etcdpy.logs.systemd import NoSystemdJournalError

__all__ = [
    "FOR_THE_READER",
    "NoSystemdJournalError",
    "OutputError",
    "configure",
    "flush",
    "tell",
    "timestamp",
]

#: A format of lines that depends on the output: ``console`` on a terminal, JSON elsewhere.
FOR_THE_READER = ""


def configure(
    level: int,
    line_format: str = "json",
    outputs: Iterable[str] = ("default",),
    rotation: Rotation | None = None,
) -> None:
    """
    Send all logging at ``level`` and above to ``outputs``. May be called again.

    Args:
        level: A number of the standard library's.
        line_format: ``console``, ``FOR_THE_READER``, or else JSON.
        outputs: Names as of ``--log-outputs``; others than those known are paths of files,
            which are appended to and stay open.
        rotation: How files are rotated, if they are.

    Raises:
        OutputError: A file cannot be opened; what was configured before still is.
        NoSystemdJournalError: systemd does not run here.

    """
    # Before anything is taken away: if it fails the old outputs go on.
    opened = open_outputs(outputs, rotation)
    root = logging.getLogger()
    root.setLevel(level)
    # What the old handlers have queued was meant for their outputs.
    flush()
    for old in [handler for handler in root.handlers if isinstance(handler, LineHandler)]:
        root.removeHandler(old)
    for output in opened:
        is_console = line_format == "console" or (
            line_format == FOR_THE_READER and output.is_terminal
        )
        formatter = ConsoleFormatter() if is_console else JsonFormatter()
        handler = LineHandler(output, formatter=formatter)
        handler.has_reader = is_console and output.is_terminal
        if output.is_sampled:
            handler.addFilter(Sampler())
        root.addHandler(handler)


def tell(text: str) -> None:
    """Write a line as it stands, behind those of the log, wherever somebody reads them."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LineHandler) and handler.has_reader:
            handler.tell(text)


def flush() -> None:
    """Wait, for a second at most, until the lines logged so far are written."""
    for handler in logging.getLogger().handlers:
        handler.flush()
