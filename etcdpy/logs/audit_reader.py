"""
Reading an audit log back: the files that were set aside, compressed or not, then the one at work.

In the order in which they were written, line by line, so that a log of any size takes no more
memory than a line; and while a server writes it.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from etcdpy.logs.rotation import full_files

__all__ = ["AuditReader", "Entry", "UnreadableError"]

#: Bytes of the longest line that is one; the server writes none of half that length.
LONGEST_LINE = 1 << 20


class UnreadableError(Exception):
    """There is no log, or a file of it cannot be read; the text says why."""


class Entry(NamedTuple):
    """A line: as it stands, without its end, and what it says."""

    text: str
    fields: dict[str, Any]


class AuditReader:
    """
    Reads the log at a path.

    Args:
        path: Of the file at work, which need not be there if others are.

    Attributes:
        torn: Lines so far that are none: a crash or a full disk cut them short.

    """

    def __init__(self, path: Path) -> None:
        # A link stays where it is when the file behind it is set aside.
        self._path = path.resolve()
        self._given = path
        self.torn = 0

    def __iter__(self) -> Iterator[Entry]:
        """
        Iterate over the entries, the oldest first.

        Raises:
            UnreadableError: If there is none, or a file cannot be read.

        """
        with ExitStack() as closing:
            # Opened before it is asked what was set aside: what happens to be so in between is
            # read under its old name, and once.
            current = self._open_current()
            if current is not None:
                closing.enter_context(current)
            full = self._full()
            if current is None and not full:
                raise UnreadableError(f"open {self._given}: no such file or directory")
            for path in full:
                yield from self._read_full(path, current)
            if current is not None:
                yield from self._entries(current)

    def _open_current(self) -> IO[bytes] | None:
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(self._given, error) from None

    def _full(self) -> list[Path]:
        """Return the full files, each once: what it is compressed to may not be whole yet."""
        try:
            names = {path: None for _, path in full_files(self._path)}
        except OSError as error:
            raise _unreadable(self._given, error) from None
        return [path for path in names if path.suffix != ".gz" or path.with_suffix("") not in names]

    def _read_full(self, path: Path, current: IO[bytes] | None) -> Iterator[Entry]:
        try:
            file = _opened(path)
        except FileNotFoundError:
            if path.suffix == ".gz":
                return  # too old to be kept by now
            # It has been compressed since.
            yield from self._read_full(path.with_name(f"{path.name}.gz"), current)
            return
        except OSError as error:
            raise _unreadable(path, error) from None
        with file:
            if current is not None and _is_same(file, current):
                return
            try:
                yield from self._entries(file)
            except (OSError, EOFError) as error:
                raise _unreadable(path, error) from None

    def _entries(self, file: IO[bytes]) -> Iterator[Entry]:
        while data := file.readline(LONGEST_LINE):
            entry = _entry(data)
            if entry is not None:
                yield entry
            elif data.strip():
                self.torn += 1


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path))
    return path.open("rb")


def _entry(data: bytes) -> Entry | None:
    try:
        text = data.decode().rstrip("\n")
        fields = json.loads(text)
    except ValueError:
        return None
    return Entry(text, fields) if isinstance(fields, dict) and "ts" in fields else None


def _is_same(one: IO[bytes], other: IO[bytes]) -> bool:
    return os.path.samestat(os.fstat(one.fileno()), os.fstat(other.fileno()))


def _unreadable(path: Path, error: Exception) -> UnreadableError:
    reason = getattr(error, "strerror", None) or str(error) or "it is cut short"
    return UnreadableError(f"open {path}: {reason.lower()}")
