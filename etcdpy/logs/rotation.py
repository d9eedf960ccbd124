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
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from etcdpy.clock import SystemClock
from etcdpy.config.rotation import Rotation
from etcdpy.logs.lines import Line

__all__ = ["RotatedFile"]

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

    Raises:
        OSError: It cannot be opened.

    """

    is_sampled = True

    def __init__(
        self, path: str, rotation: Rotation, wall: Callable[[], float] = SystemClock.wall
    ) -> None:
        self._path = Path(path)
        self._rotation = rotation
        self._wall = wall
        self._tidying = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._path.parent.mkdir(0o755, parents=True, exist_ok=True)
        self._descriptor, self._size = self._open(_PRIVATE)
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
        self._path.rename(self._backup(self._now()))
        before = self._descriptor
        # Opened before the full one is closed: if that fails lines go on into the latter.
        self._descriptor, self._size = self._open(stat.S_IMODE(full.st_mode))
        os.close(before)
        with contextlib.suppress(OSError):
            os.fchown(self._descriptor, full.st_uid, full.st_gid)
        self._tidy_in_background()

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
        """Return the full files, the newest first; others in the directory are none of ours."""
        found = []
        for path in self._path.parent.iterdir():
            moment = self._moment(path.name.removesuffix(_COMPRESSED))
            if moment is not None:
                found.append((moment, path))
        return sorted(found, reverse=True)

    def _moment(self, name: str) -> datetime | None:
        start, end = f"{self._path.stem}-", self._path.suffix
        if not (name.startswith(start) and name.endswith(end)):
            return None
        text = name[len(start) : len(name) - len(end)]
        try:
            moment = datetime.strptime(text, "%Y-%m-%dT%H-%M-%S.%f")
        except ValueError:
            return None
        if self._rotation.local_time:
            return moment.astimezone()
        return moment.replace(tzinfo=timezone.utc)

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


def _compress(path: Path) -> None:
    """Replace a file by its compressed self; until that is whole, both are there."""
    target = path.with_name(path.name + _COMPRESSED)
    full = path.stat()
    opener = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, stat.S_IMODE(full.st_mode))
    with path.open("rb") as source, os.fdopen(opener, "wb") as file:
        with contextlib.suppress(OSError):
            os.fchown(file.fileno(), full.st_uid, full.st_gid)
        with gzip.GzipFile(filename="", mode="wb", fileobj=file) as compressed:
            shutil.copyfileobj(source, compressed)
    path.unlink()
