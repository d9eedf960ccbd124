"""
Where a test's server has its data: in memory, unless it is to be kept.

A folder in memory outlives a process that is killed. So each is locked by whoever uses it, and
whoever makes one removes those that nobody has locked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from etcdpy.clock import SystemClock
from etcdpy.storage import Backend

__all__ = ["Home", "Shelter"]

#: File systems in memory, by platform's custom.
_MEMORY: Final = (Path("/dev/shm"),)  # noqa: S108
#: Where there is less than this left in memory, a container's default of 64 MiB for example, data
#: goes to the usual folder for temporary files.
_LEAST_ROOM: Final = 96 << 20
_PREFIX: Final = "etcdpy-testing-"
_LOCK: Final = "in-use"
#: A folder that is younger may be about to be locked.
_YOUNG_SECONDS: Final = 60

#: Of a journal of which nothing is to be kept for long.
_SEGMENT_BYTES: Final = 256 << 10
#: A database that has become larger than this is made anew rather than emptied: its size is told.
_LARGE: Final = 512 << 10


class Shelter:
    """A folder for one server's data and its socket, which goes when the server does."""

    def __init__(self) -> None:
        _remove_deserted()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=memory_folder()))
        self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._count = 0

    def place(self) -> Path:
        """Return a path in it where nothing is yet."""
        self._count += 1
        return self.path / f"data-{self._count}"

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class Home:
    """
    A data directory, open or not.

    Args:
        path: Where.
        fsync: Whether what is acknowledged is to outlive the machine.
        is_kept: Whether it stays when nobody uses it any more.

    """

    def __init__(self, path: Path, *, fsync: bool = False, is_kept: bool = False) -> None:
        self.path = path
        self.is_kept = is_kept
        self._fsync = fsync
        self._backend: Backend | None = None

    @property
    def backend(self) -> Backend:
        """The database, which is opened if it is not."""
        if self._backend is None:
            if self.is_kept:
                self._backend = Backend.open(self.path, fsync=self._fsync)
            else:
                self._backend = Backend.open(self.path, fsync=False, segment_bytes=_SEGMENT_BYTES)
        return self._backend

    def close(self) -> None:
        """Close the database; it may be opened again."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def empty(self) -> None:
        """Begin anew without any data; nobody may use it now."""
        if self._backend is not None and self._backend.size() <= _LARGE:
            self._backend.wipe()
        else:
            self.close()
            shutil.rmtree(self.path, ignore_errors=True)

    def leave(self) -> None:
        """Close it, and remove it unless it is kept."""
        self.close()
        if not self.is_kept:
            shutil.rmtree(self.path, ignore_errors=True)


def memory_folder() -> Path:
    """Return a folder in memory if there is one with room, or that for temporary files."""
    for folder in _MEMORY:
        with contextlib.suppress(OSError):
            disk = os.statvfs(folder)
            if disk.f_bavail * disk.f_frsize >= _LEAST_ROOM and os.access(folder, os.W_OK):
                return folder
    return Path(tempfile.gettempdir())


def _remove_deserted() -> None:
    """Remove the folders of processes that were killed."""
    now = SystemClock.wall()
    for folder in memory_folder().glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            status = folder.stat()
            if status.st_uid == os.geteuid() and now - status.st_mtime > _YOUNG_SECONDS:
                with _lock_of(folder):
                    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _lock_of(folder: Path) -> Iterator[None]:
    """
    Hold a folder's lock.

    Raises:
        OSError: Somebody else has it.

    """
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
