"""What can go wrong under the store, told apart by whose fault it is."""

from __future__ import annotations

from pathlib import Path

from etcdpy.errors import StoppedError


class StorageError(StoppedError):
    """
    The disk or its content failed us: nothing more may be acknowledged.

    A call that meets it is told that the server stops, which is what follows.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


class DiskFullError(StorageError):
    """There is no room on the disk; trying again may find some."""


class DataDirError(StorageError):
    """The data directory cannot be used; the message names it and says why."""


class DataDirLocked(DataDirError):  # noqa: N818 - reads as the state it is
    """Another server has the data directory open."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"data directory is in use by another server: {path}")
        self.path = path


class RowMissingError(StorageError, LookupError):
    """A row the index points at is not in the store: they disagree."""
