"""
The data directory: made with private modes, checked, and locked for one server.

::

    <data-dir>/member/lock        flock'ed while a server runs
    <data-dir>/member/journal/    0.journal ... 3.journal
    <data-dir>/member/lmdb/       data.mdb, lock.mdb
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
from pathlib import Path

from etcdpy.storage.errors import DataDirError, DataDirLocked

log = logging.getLogger(__name__)

PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600


class DataDir:
    """An open, exclusively locked data directory."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.journal = path / "member" / "journal"
        self.lmdb = path / "member" / "lmdb"
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> DataDir:
        """
        Create what is missing, then take the lock; the data is not touched.

        Raises:
            DataDirLocked: If another server has the directory.
            DataDirError: If it is no directory, or not ours to read and write.

        """
        try:
            _make_private(path)
            _refuse_etcd(path)
            _make_private(path / "member")
            lock = os.open(path / "member" / "lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        except OSError as error:
            raise _explain(path, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise DataDirLocked(path) from None
            raise _explain(path, error) from error
        opened = cls(path, lock)
        try:
            for part in (opened.journal, opened.lmdb):
                _make_private(part)
                _probe(part)
        except OSError as error:
            opened.close()
            raise _explain(path, error) from error
        return opened

    def sync(self) -> None:
        """Make what was created in it durable."""
        for part in (self.lmdb, self.journal, self.path / "member", self.path, self.path.parent):
            sync_directory(part)

    def close(self) -> None:
        """Give the lock back. Safe to call twice."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, as ``fsync`` of a file in it does not."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_private(path: Path) -> None:
    with contextlib.suppress(FileExistsError):
        path.mkdir(PRIVATE_DIR, parents=True)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "not a directory", str(path))
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        # etcd: warns and leaves the mode alone.
        log.warning(
            "check file permission: directory %s exists with mode %03o, should be 700", path, mode
        )


def _refuse_etcd(path: Path) -> None:
    """etcd's own files mean another server's data: starting empty beside them would mislead."""
    for name in ("member/snap/db", "member/wal"):
        if (path / name).exists():
            raise DataDirError(
                f"data directory belongs to an etcd member: {path} (found {name}); "
                "take a snapshot of that etcd and restore it here"
            )


def _probe(path: Path) -> None:
    """Find out now, not at the first write, that files cannot be made (etcd: ``.touch``)."""
    probe = path / ".touch"
    os.close(os.open(probe, os.O_WRONLY | os.O_CREAT, PRIVATE_FILE))
    probe.unlink()


def _explain(path: Path, error: OSError) -> DataDirError:
    where = error.filename or path
    reason = (error.strerror or str(error)).lower()
    return DataDirError(f"cannot access data directory: {path} ({where}: {reason})")
