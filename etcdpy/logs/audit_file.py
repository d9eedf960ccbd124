"""
The file of the audit log: lines gather on the loop, and are written elsewhere.

::

    loop                              writing thread
    append ---> gathered ----------> file, once a second or with 64 KiB
                      \\
                       \\------------> file and disk, by ``settle``: committer thread

The loop never waits for a disk. Where lines have to be on the disk before something else is,
whoever sees to that something calls ``settle``, once for however much there is of it.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from etcdpy.clock import Clock, Timer
from etcdpy.config.rotation import Rotation
from etcdpy.logs.rotation import RotatedFile

__all__ = ["FLUSH_INTERVAL", "AuditFile", "AuditFileError"]

logger = logging.getLogger(__name__)

#: Seconds that a line waits before it is handed to the system, at the most.
FLUSH_INTERVAL = 1.0
#: Characters with which the writing thread is woken earlier: some 300 lines.
WAKE_SIZE = 64 << 10
#: Characters that may gather while the disk takes none; what comes then is lost, and counted.
MOST_GATHERED = 64 << 20


class AuditFileError(Exception):
    """The file cannot be an audit log; the text says why."""


class AuditFile:
    """
    Takes lines; loop thread only, but for ``settle``.

    Without ``is_synced`` lines that cannot be written are lost: that is logged once, they are
    counted, and the line made by ``gap`` tells of them as soon as there is room again.

    Args:
        path: The file. Its directory exists.
        rotation: When it is set aside.
        clock: Times the writing thread, and names full files.
        is_synced: Whether what is written is synced, and a failure final.
        gap: Makes a line that says how many are missing before it.

    Raises:
        AuditFileError: If it cannot be opened, or is no regular file.

    """

    def __init__(
        self,
        path: str,
        rotation: Rotation,
        clock: Clock,
        *,
        is_synced: bool,
        gap: Callable[[int], str],
    ) -> None:
        self.is_synced = is_synced
        self._path = path
        self._clock = clock
        self._gap = gap
        self._file = _open(path, rotation, clock, is_synced)
        self._gathered: list[str] = []
        # Characters: the loop counts what comes, whoever writes counts what goes.
        self._came = 0
        self._went = 0
        # Lines: the same.
        self._turned_away = 0
        self._told = 0
        self._lost = 0
        self._failure: OSError | None = None
        self._timer: Timer | None = None
        self._is_woken = False
        self._wakings: SimpleQueue[bool] = SimpleQueue()
        # Whoever has it may take lines and write them.
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="audit log", daemon=True)
        self._thread.start()

    # The loop's side.

    def append(self, line: str) -> None:
        """Take a line, without its end, that may be lost if the disk takes none."""
        if self._came - self._went > MOST_GATHERED:
            self._turned_away += 1
            return
        self.append_always(line)

    def append_always(self, line: str) -> None:
        """Take a line, without its end; whoever has it written waits for that before the next."""
        # Fast path (bench: put/100x1): two additions for a line. Whatever else there is to do
        # is done once a second, or for some hundred of them.
        self._gathered.append(line)
        self._came += len(line)
        if self._timer is None:
            self._timer = self._clock.wake_after(FLUSH_INTERVAL, self._flush)
        if self._came - self._went > WAKE_SIZE and not self._is_woken:
            self._wake()

    def close(self) -> None:
        """Write and sync what has gathered, and end the thread. To be called once."""
        if self._timer is not None:
            self._timer.cancel()
        self._wakings.put(False)
        self._thread.join()
        self._write_out()
        if self._failure is None:
            try:
                self._file.sync()
            except OSError as error:
                self._warn(error)
        self._file.close()

    def _flush(self) -> None:
        self._timer = None
        if self._gathered:
            self._wake()

    def _wake(self) -> None:
        self._is_woken = True
        self._wakings.put(True)

    # Any thread's.

    def settle(self) -> None:
        """
        Return once all lines taken so far are on the disk.

        Raises:
            OSError: They are not, and no later ones will be.

        """
        self._write_out()
        if self._failure is not None:
            raise self._failure

    # The writing thread's side.

    def _run(self) -> None:
        while self._wakings.get():
            self._is_woken = False
            self._write_out()

    def _write_out(self) -> None:
        with self._writing:
            # Two steps of which the interpreter interrupts neither: what the loop appends in
            # between stays.
            lines = self._gathered[:]
            del self._gathered[: len(lines)]
            self._went += sum(map(len, lines))
            turned_away = self._turned_away
            missing = self._lost + turned_away - self._told
            if self._failure is None and (lines or missing):
                self._lost = self._write(lines, missing)
                self._told = turned_away

    def _write(self, lines: list[str], missing: int) -> int:
        """Write lines behind one that tells how many are missing; return how many are now."""
        if missing:
            lines.insert(0, self._gap(missing))
        data = [f"{line}\n".encode(errors="backslashreplace") for line in lines]
        try:
            self._file.append(data)
            if self.is_synced:
                self._file.sync()
        except OSError as error:
            if self.is_synced:
                self._failure = error
            return self._count_lost(error, len(data), missing)
        if missing:
            logger.info("writing the audit log again", {"path": self._path, "lost": missing})
        return 0

    def _count_lost(self, error: OSError, all_lines: int, missing: int) -> int:
        if not missing:
            self._warn(error)
        lost = all_lines - self._file.appended
        # The line that was to tell of them is none of those that it tells of.
        return lost + missing - 1 if missing and not self._file.appended else lost

    def _warn(self, error: OSError) -> None:
        fields = {"path": self._path, "error": os.strerror(error.errno or 0).lower()}
        logger.warning("cannot write the audit log", fields)


def _open(path: str, rotation: Rotation, clock: Clock, is_synced: bool) -> RotatedFile:
    try:
        given = Path(path)
        is_other = given.exists() and not stat.S_ISREG(given.stat().st_mode)
        if is_other or given.is_relative_to("/dev"):
            raise AuditFileError(f"--audit-log: {path} is not a regular file")
        # Whatever leads there: rotation is to move the file itself.
        real = given.resolve()
        real.parent.stat()
        return RotatedFile(str(real), rotation, clock.wall, keeps_all=is_synced)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise AuditFileError(f"--audit-log: open {path}: {reason}") from None
