"""
Lines in systemd's journal, with their level, so that ``journalctl -p warning`` finds some.

One datagram a line, a field a line of it (systemd: Native Journal Protocol)::

    MESSAGE={"level":"info",...}
    PRIORITY=6
    PACKAGE=etcdpy
    SYSLOG_IDENTIFIER=etcdpy
"""

from __future__ import annotations

import logging
import os
import socket
import sys

from etcdpy.logs.lines import Line, Output

__all__ = ["NoSystemdJournalError", "SystemdJournal"]

SOCKET = "/run/systemd/journal/socket"

#: Levels up to a number, and syslog's number for them.
_PRIORITIES = (
    (logging.DEBUG, 7),
    (logging.INFO, 6),
    (logging.WARNING, 4),
    (logging.ERROR, 3),
)
_CRITICAL = 2


class NoSystemdJournalError(Exception):
    """systemd's journal cannot be reached; the text is etcd's."""


class SystemdJournal:
    """
    Sends lines to systemd's journal.

    Args:
        instead: Gets the lines that the journal does not take: very long ones, or all if it is
            gone.
        path: The journal's socket.

    Raises:
        NoSystemdJournalError: Nobody listens at ``path``.

    """

    # etcd puts this logger together without zap's sampler. (etcd: ``setupLogging``)
    is_sampled = False
    is_terminal = False

    def __init__(self, instead: Output, path: str = SOCKET) -> None:
        self._instead = instead
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._path = path
        self._name = os.path.basename(sys.argv[0])
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            reason = os.strerror(error.errno or 0).lower()
            raise NoSystemdJournalError(
                f"can't find journal (dial unixgram {path}: connect: {reason})"
            ) from None

    def write(self, line: Line) -> None:
        """Send a line; waits while the journal is behind."""
        try:
            # By path, although it is connected: the journal may have been started anew since.
            self._socket.sendto(self._datagram(line), self._path)
        except OSError:
            self._instead.write(line)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _datagram(self, line: Line) -> bytes:
        fields = {
            "MESSAGE": line.text,
            "PRIORITY": str(_priority(line.level)),
            "PACKAGE": line.source,
            "SYSLOG_IDENTIFIER": self._name,
        }
        return b"".join(_field(name, text) for name, text in fields.items())


def _priority(level: int) -> int:
    return next((number for limit, number in _PRIORITIES if level <= limit), _CRITICAL)


def _field(name: str, text: str) -> bytes:
    data = text.encode(errors="replace")
    if b"\n" not in data:
        return b"%b=%b\n" % (name.encode(), data)
    # A value of several lines has its length in front, 64 bits in little-endian order.
    return b"%b\n%b%b\n" % (name.encode(), len(data).to_bytes(8, "little"), data)
