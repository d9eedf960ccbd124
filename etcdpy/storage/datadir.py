"""
The data directory: made with private modes, checked, and locked for one server.

::

    <data-dir>/member/lock        flock'ed while a server runs
    <data-dir>/member/journal/    0.journal ... 3.journal
    <data-dir>/member/lmdb/       data.mdb, lock.mdb
    <data-dir>/member/lmdb/defrag-*/    the same, while they are copied
    <data-dir>/member/lmdb/new-*/       the same, while they are made
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
from pathlib import Path

from etcdpy.storage.errors import DataDirError, DataDirLocked, NotDurableError

logger = logging.getLogger(__name__)

PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600
#: Before the umask.
_USUAL_DIR = 0o777

DATABASE = "data.mdb"
_READERS = "lock.mdb"
_FILES = 2
_COPY_PREFIX = "defrag-"
_NEW_PREFIX = "new-"
_SEGMENT = ".journal"
_SECTOR = 512


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
            # Before ``member`` is touched: what is etcd's is left as it was.
            _refuse_etcd(path)
            _make_private(path / "member")
            lock = os.open(path / "member" / "lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        except OSError as error:
            raise _explain(path, error) from error
        try:
            # flock(2): the kernel lets go of it however the server ends.
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
            # Under the lock: they are nobody else's.
            for name in os.listdir(opened.lmdb):
                if name.startswith((_COPY_PREFIX, _NEW_PREFIX)):
                    opened.discard(opened.lmdb / name)  # of a server that was killed
        except OSError as error:
            opened.close()
            raise _explain(path, error) from error
        return opened

    def room(self) -> int:
        """Return the bytes of the disk that are left for the database."""
        disk = os.statvfs(self.lmdb)
        return disk.f_bavail * disk.f_frsize

    def place_for_copy(self) -> Path:
        """Make an empty directory for a copy of the database; ``discard`` it in the end."""
        return self._place_aside(_COPY_PREFIX)

    def place_for_new(self) -> Path:
        """Make an empty directory for a database to begin in; ``discard`` it in the end."""
        return self._place_aside(_NEW_PREFIX)

    def _place_aside(self, prefix: str) -> Path:
        # A new name each time: py-lmdb keeps a list of the paths that are open.
        place = self.lmdb / f"{prefix}{os.urandom(8).hex()}"
        place.mkdir(PRIVATE_DIR)
        return place

    def discard(self, copy: Path) -> None:
        """Remove a copy, or what is left of its place."""
        # Whose server was killed, the process that copies may be about to make its two files.
        for _ in range(_FILES + 1):
            _remove(copy)

    def put_in_place(self, copy: Path) -> None:
        """
        Make the database in ``copy``, which is durable, the one that the next start opens.

        A crash leaves one of the two. LMDB's lock file, where its readers are, belongs to the
        environment that is open: it comes along. A start alone with another one empties it.

        Raises:
            OSError: If it is not in place.
            NotDurableError: If it is, and a power failure may bring the old one back.

        """
        (copy / DATABASE).replace(self.lmdb / DATABASE)
        try:
            (copy / _READERS).replace(self.lmdb / _READERS)
            sync_directory(self.lmdb)
        except OSError as error:
            raise NotDurableError(f"cannot put a new database in place: {error}") from error

    def was_used(self) -> bool:
        """Tell whether anything may ever have been acknowledged: there is more than names."""
        names = [name for name in os.listdir(self.journal) if name.endswith(_SEGMENT)]
        return any((self.journal / name).stat().st_size for name in names)

    def mark_used(self) -> None:
        """
        Have ``was_used`` say so, durably, of a store that got its data by another way.

        Raises:
            OSError: If that cannot be done.

        """
        first = self.journal / f"0{_SEGMENT}"
        with os.fdopen(os.open(first, os.O_WRONLY | os.O_CREAT, PRIVATE_FILE), "wb") as file:
            file.write(bytes(_SECTOR))  # which is no header: it will be written as a new one
            file.flush()
            os.fsync(file.fileno())
        sync_directory(self.journal)

    def sync(self) -> None:
        """Make what was created in it durable."""
        # From the inside out, so that no name is durable before what it names.
        for part in (self.lmdb, self.journal, self.path / "member", self.path):
            sync_directory(part)

    def sync_way(self) -> None:
        """
        Make the directories above it durable as far as we may.

        Those who make them sync them, but may have been killed in between.
        """
        for parent in self.path.absolute().parents:
            with contextlib.suppress(OSError):
                _sync_readable(parent)

    def close(self) -> None:
        """Give the lock back. Safe to call twice."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _remove(directory: Path) -> None:
    """Remove a directory and the files in it, as far as that can be done."""
    with contextlib.suppress(OSError):
        for name in os.listdir(directory):
            with contextlib.suppress(OSError):
                os.unlink(directory / name)
        os.rmdir(directory)


def sync_directory(path: Path) -> None:
    """
    Make the names in a directory durable, as ``fsync`` of a file in it does not.

    Raises:
        OSError: If the disk fails.

    """
    try:
        _sync_readable(path)
    except PermissionError:
        # Names can be made in a directory that may not be read, nor so opened: sync everything.
        os.sync()


def make_directory(path: Path, mode: int = PRIVATE_DIR) -> None:
    """
    Make a directory, unless it is there, and durably so, and all that are missing above it.

    Those above have the usual mode. Each is synced into the one that it is in: of a path of which
    one part is lost, all below is.

    Raises:
        OSError: If that cannot be done.

    """
    if not path.parent.exists():
        make_directory(path.parent, _USUAL_DIR)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode)
        sync_directory(path.parent)


def _sync_readable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_private(path: Path) -> None:
    make_directory(path)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "not a directory", str(path))
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        # etcd: warns and leaves the mode alone.
        logger.warning(
            "check file permission: directory %s exists with mode %03o, should be 700", path, mode
        )


def _refuse_etcd(path: Path) -> None:
    """
    Raise if etcd's own files are there: starting empty beside them would mislead.

    Directories made for them, and what is in a volume by itself, are none. (etcd: ``wal.Exist``)

    Raises:
        OSError: If they cannot be looked into.

    """
    found = ["member/snap/db"] if (path / "member/snap/db").is_file() else []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        names = os.listdir(path / "member/wal")
        found += [f"member/wal/{name}" for name in sorted(names) if name.endswith(".wal")]
    if found:
        raise DataDirError(
            f"data directory belongs to an etcd member: {path} (found {found[0]}); "
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
