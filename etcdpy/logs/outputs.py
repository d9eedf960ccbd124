"""Where lines go: a descriptor, a file that is rotated, systemd. (etcd: ``setupLogging``)"""

from __future__ import annotations

import os
import re
import select
from collections.abc import Iterable

from etcdpy.config.rotation import Rotation
from etcdpy.logs.lines import Line, Output
from etcdpy.logs.systemd import SystemdJournal

__all__ = ["Descriptor", "OutputError", "open_outputs"]

_DESCRIPTORS = {"default": 2, "stderr": 2, "stdout": 1}

#: Discards everything, whatever else is named. (etcd: ``MergeOutputPaths``)
_NOWHERE = "/dev/null"


class OutputError(Exception):
    """An output cannot be opened; the text is zap's."""


class Descriptor:
    """
    Writes lines to a file descriptor.

    Args:
        number: Written to, never closed.

    """

    is_sampled = True

    def __init__(self, number: int) -> None:
        self.number = number

    @property
    def is_terminal(self) -> bool:
        try:
            return os.isatty(self.number)
        except OSError:
            return False

    def write(self, line: Line) -> None:
        """Write a line, however long its reader takes."""
        data = f"{line.text}\n".encode(errors="replace")
        while data:
            try:
                data = data[os.write(self.number, data) :]
            except BlockingIOError:
                select.select((), (self.number,), ())
            except OSError:
                # Nobody reads standard error any more, which is no reason to stop serving.
                return


def open_outputs(names: Iterable[str], rotation: Rotation | None = None) -> list[Output]:
    """
    Open what ``names`` mean, each once.

    Args:
        names: As of ``--log-outputs``.
        rotation: How files are rotated, if they are.

    Raises:
        OutputError: A file cannot be opened.
        NoSystemdJournalError: systemd does not run here.

    """
    wanted = sorted(set(names))
    if "systemd/journal" in wanted:
        return [SystemdJournal(instead=Descriptor(2))]
    if _NOWHERE in wanted:
        wanted = [_NOWHERE]
    known = dict.fromkeys(_DESCRIPTORS[name] for name in wanted if name in _DESCRIPTORS)
    opened: list[Output] = [Descriptor(number) for number in known]
    opened += [_open(name, rotation) for name in wanted if name not in _DESCRIPTORS]
    return opened


def _open(name: str, rotation: Rotation | None) -> Output:
    try:
        if rotation is not None:
            # Only now: importing gzip and dates takes a tenth of the time that --help may take.
            from etcdpy.logs.rotation import RotatedFile

            return RotatedFile(name, rotation)
        # zap: the mode is what the umask leaves of 0666.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return Descriptor(os.open(_path(name), flags, 0o666))
    except OSError as error:
        path, reason = error.filename, os.strerror(error.errno or 0).lower()
        raise OutputError(f'open sink "{name}": open {path}: {reason}') from None


def _path(name: str) -> str:
    """Return the path of an output that may be a URL."""
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*):", name)
    if scheme is None:
        return name
    path = re.fullmatch(r"file:(?://(?:localhost)?(?=/))?(.*)", name, re.IGNORECASE)
    if path is None:
        kind = scheme[1].lower()
        raise OutputError(f'open sink "{name}": no sink found for scheme "{kind}"')
    return path[1]
