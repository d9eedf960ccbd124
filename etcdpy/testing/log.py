"""What a test's server logs, kept for the test instead of being shown to whoever runs the suite."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final, overload

from etcdpy.logs.formats import JsonFormatter

__all__ = ["Log"]

#: Lines that are kept.
MOST: Final = 2000

_ours: Final = logging.getLogger("etcdpy")
_tokens: Final = logging.getLogger("etcdpy.auth.tokens")
_lock: Final = threading.Lock()
_open: Final[list[Log]] = []
_before: tuple[int, bool] = (logging.NOTSET, True)


class Log(Sequence[str]):
    """
    The lines that a server has logged, in etcd's format, the newest last.

    While any is open, the loggers of ``etcdpy`` log to these alone.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MOST)
        self._thread: int | None = None
        self._handler = _Handler(self)
        self._source: Callable[[], list[str]] | None = None

    def __len__(self) -> int:
        """Return how many lines are kept."""
        return len(self._all())

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """Return a line, or some."""
        return self._all()[index]

    def __iter__(self) -> Iterator[str]:
        """Iterate over those that there are now."""
        return iter(self._all())

    def __str__(self) -> str:
        """Return all lines."""
        return "".join(f"{line}\n" for line in self)

    def come_from(self, source: Callable[[], list[str]] | None) -> None:
        """Ask for the lines of a server in another process; of None keep what there is."""
        if source is None and self._source is not None:
            with suppress(RuntimeError):  # it has gone before
                self._lines.extend(self._source())
        self._source = source

    def _all(self) -> list[str]:
        return list(self._lines) if self._source is None else self._source()

    def add(self, line: str) -> None:
        """Add a line."""
        self._lines.append(line)

    def clear(self) -> None:
        """Forget all lines."""
        self._lines.clear()

    def listen_to(self, thread: int) -> None:
        """Take the lines of this thread, and no more those of other servers' threads."""
        self._thread = thread

    def takes(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is this server's, as far as anybody knows."""
        others = {log._thread for log in _open if log is not self}
        return record.thread == self._thread or record.thread not in others

    def open(self) -> None:
        """Begin to take lines."""
        global _before
        with _lock:
            if not _open:
                _before = _ours.level, _ours.propagate
                _ours.setLevel(logging.INFO)
                _ours.propagate = False
                _tokens.addFilter(_is_news)
            _open.append(self)
            _ours.addHandler(self._handler)

    def close(self) -> None:
        """Take no more lines. Harmless if it takes none."""
        with _lock:
            if self in _open:
                _open.remove(self)
                _ours.removeHandler(self._handler)
                if not _open:
                    _ours.setLevel(_before[0])
                    _ours.propagate = _before[1]
                    _tokens.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether a line is worth its place: this one comes with each reset."""
    return "simple token is not" not in record.msg


class _Handler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        if self._log.takes(record):
            self._log.add(self.format(record))
