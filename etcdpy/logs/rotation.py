"""
A log file that is set aside when it is full, with a bound on how much is kept.

::

    etcd.log                                being written
    etcd-2026-11-21T07-50-34.668.log        full since that moment
    etcd-2026-11-20T23-11-02.004.log.gz     the same, compressed

(etcd: ``--enable-log-rotation``, by lumberjack.)
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from etcdpy.clock import SystemClock
from etcdpy.config.rotation import Rotation
from etcdpy.logs.lines import Line

__all__ = ["RotatedFile", "full_files"]

_COMPRESSED = ".gz"
#: lumberjack's mode for the first file; later ones have that of the one before.
_PRIVATE = 0o600


class RotatedFile:
    """
    Writes lines to a file, and sets it aside when the next one would make it too long.

    A line that is longer than a file may be has one for itself.

    Args:
        path: The file. Its directory is made if need be.
        rotation: When to rotate.
        wall: Returns the seconds since 1970.
        keeps_all: Whether a power cut may take no line that was synced: full files and names are
            synced as well.

    Raises:
        OSError: It cannot be opened.

    """

    is_sampled = True
    is_terminal = False

    def __init__(
        self,
        path: str,
        rotation: Rotation,
        wall: Callable[[], float] = SystemClock.wall,
        *,
        keeps_all: bool = False,
    ) -> None:
        self._path = Path(path)
        self._rotation = rotation
        self._wall = wall
        self._keeps_all = keeps_all
        #: How many lines the last ``append`` has written.
        self.appended = 0
        self._tidying = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._path.parent.mkdir(0o755, parents=True, exist_ok=True)
        self._descriptor, self._size = self._open(_PRIVATE)
        # A run before this one may have been killed in the middle of a line.
        self._is_torn = self._size > 0 and not _ends_in_newline(self._path)
        self._sync_names()
        # A run before this one may have been cut short, or told to keep more.
        self._tidy_in_background()

    def write(self, line: Line) -> None:
        """Append a line. A file that cannot be set aside grows; a full disk loses the line."""
        data = f"{line.text}\n".encode(errors="replace")
        if self._size and self._size + len(data) > self._rotation.max_bytes:
            with contextlib.suppress(OSError):
                self._rotate()
        with contextlib.suppress(OSError):
            self._size += len(data)
            while data:
                data = data[os.write(self._descriptor, data) :]

    def append(self, lines: Sequence[bytes]) -> None:
        """
        Append lines, which have their ends; unlike ``write``, say so if that fails.

        Raises:
            OSError: It failed; ``appended`` of them are there.

        """
        self.appended = 0
        while self.appended < len(lines):
            if self._size and self._size + len(lines[self.appended]) > self._rotation.max_bytes:
                with contextlib.suppress(OSError):
                    self._rotate()
            self._append_run(lines[self.appended : self._end_of_run(lines)])

    def _end_of_run(self, lines: Sequence[bytes]) -> int:
        """Return up to which line the file has room for them, which is one more at least."""
        size, end = self._size, self.appended
        while True:
            size += len(lines[end])
            end += 1
            if end == len(lines) or size + len(lines[end]) > self._rotation.max_bytes:
                return end

    def _append_run(self, run: Sequence[bytes]) -> None:
        # What is left of a line that was cut short is no part of the next.
        data = b"\n" * self._is_torn + b"".join(run)
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:] if written else data)
        finally:
            self._size += written
            whole = data[:written].count(b"\n") - self._is_torn if written else 0
            self.appended += max(whole, 0)
            self._is_torn = not data[:written].endswith(b"\n") if written else self._is_torn

    def sync(self) -> None:
        """
        Have the disk keep what was appended.

        Raises:
            OSError: If it cannot.

        """
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file, and wait for what is done to the full ones."""
        os.close(self._descriptor)
        for thread in self._threads:
            thread.join()

    def _open(self, mode: int) -> tuple[int, int]:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, mode)
        return descriptor, os.fstat(descriptor).st_size

    def _rotate(self) -> None:
        full = os.fstat(self._descriptor)
        if self._keeps_all:
            os.fdatasync(self._descriptor)
        self._path.rename(self._free_backup())
        before = self._descriptor
        # Opened before the full one is closed: if that fails lines go on into the latter.
        self._descriptor, self._size = self._open(stat.S_IMODE(full.st_mode))
        os.close(before)
        self._sync_names()
        with contextlib.suppress(OSError):
            os.fchown(self._descriptor, full.st_uid, full.st_gid)
        self._tidy_in_background()

    def _sync_names(self) -> None:
        if self._keeps_all:
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def _free_backup(self) -> Path:
        """Return the name that a file gets which is full now."""
        moment = self._now()
        # Two may be full within the same millisecond, and none may take the place of another.
        while (found := self._backup(moment)).exists() or _compressed(found).exists():
            moment += timedelta(milliseconds=1)
        return found

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), timezone.utc)

    def _backup(self, moment: datetime) -> Path:
        """Return the name of a file that was full at ``moment``."""
        if self._rotation.local_time:
            moment = moment.astimezone()
        # (lumberjack: ``backupTimeFormat``)
        text = f"{moment:%Y-%m-%dT%H-%M-%S}.{moment.microsecond // 1000:03}"
        return self._path.with_name(f"{self._path.stem}-{text}{self._path.suffix}")

    def _tidy_in_background(self) -> None:
        rotation = self._rotation
        if rotation.max_age > 0 or rotation.max_backups > 0 or rotation.compress:
            # Compressing takes seconds, in which lines must not pile up.
            thread = threading.Thread(target=self._tidy, name="log rotation", daemon=True)
            self._threads = [thread, *(other for other in self._threads if other.is_alive())]
            thread.start()

    def _tidy(self) -> None:
        """Remove the full files that are too many or too old, and compress the others."""
        # One at a time, or two threads would compress the same file.
        with self._tidying, contextlib.suppress(OSError):
            kept = self._drop(self._backups())
            for path in kept if self._rotation.compress else ():
                if path.suffix != _COMPRESSED:
                    _compress(path)

    def _backups(self) -> list[tuple[datetime, Path]]:
        """Return the full files, the newest first."""
        if self._rotation.local_time:
            found = [(moment.astimezone(), path) for moment, path in full_files(self._path)]
        else:
            found = [
                (moment.replace(tzinfo=timezone.utc), path)
                for moment, path in full_files(self._path)
            ]
        return sorted(found, reverse=True)

    def _drop(self, backups: Iterable[tuple[datetime, Path]]) -> list[Path]:
        """Remove what is not to be kept, and return the rest."""
        rotation = self._rotation
        oldest = self._now() - timedelta(days=rotation.max_age)
        kept: list[Path] = []
        moments: set[datetime] = set()
        for moment, path in backups:
            # A file and what it was compressed to, when that was cut short, count as one.
            moments.add(moment)
            too_many = 0 < rotation.max_backups < len(moments)
            if too_many or (rotation.max_age > 0 and moment < oldest):
                path.unlink()
            else:
                kept.append(path)
        return kept


def full_files(path: Path) -> list[tuple[datetime, Path]]:
    """
    Return the files that were set aside of the one at ``path``, the oldest first.

    Others in the directory are none of them. Moments are as the names have them, in whatever
    zone; of one there may be two files, the latter being what the former was compressed to.

    Raises:
        OSError: The directory cannot be read.

    """
    found = []
    for other in path.parent.iterdir():
        moment = _moment(path, other.name.removesuffix(_COMPRESSED))
        if moment is not None:
            found.append((moment, other))
    return sorted(found)


def _moment(path: Path, name: str) -> datetime | None:
    start, end = f"{path.stem}-", path.suffix
    if not (name.startswith(start) and name.endswith(end)):
        return None
    text = name[len(start) : len(name) - len(end)]
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H-%M-%S.%f")
    except ValueError:
        return None


def _ends_in_newline(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"
    except OSError:  # who may write to a file may not be let read it
        return True


def _compressed(path: Path) -> Path:
    return path.with_name(path.name + _COMPRESSED)


def _compress(path: Path) -> None:
    """Replace a file by its compressed self; until that is whole, both are there."""
    target = _compressed(path)
    full = path.stat()
    opener = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, stat.S_IMODE(full.st_mode))
    with path.open("rb") as source, os.fdopen(opener, "wb") as file:
        with contextlib.suppress(OSError):
            os.fchown(file.fileno(), full.st_uid, full.st_gid)
        with gzip.GzipFile(filename="", mode="wb", fileobj=file) as compressed:
            shutil.copyfileobj(source, compressed)
    path.unlink()
