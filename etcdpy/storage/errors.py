"""What can go wrong under the store: one class for each thing that is dealt with differently."""

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


class MapFullError(StorageError):
    """LMDB's map is too small: it has to be enlarged, and all of the transaction done again."""


class NotDurableError(StorageError):
    """Something is done that the disk may not know of yet: nothing may be built on it."""


class TooManyPinsError(StorageError):
    """The database has no more readers to give; closing a pin frees one."""


class DataDirError(StorageError):
    """The data directory cannot be used; the message names it and says why."""


class DataDirLocked(DataDirError):  # noqa: N818 - reads as the state it is
    """Another server has the data directory open."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"data directory is in use by another server: {path}")
        self.path = path


class RowMissingError(StorageError, LookupError):
    """A row the index points at is not in the store: they disagree."""
