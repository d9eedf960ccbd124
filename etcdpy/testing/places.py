"""
Where a test's server listens: a port of 127.0.0.1 and a Unix socket, its own for its whole life.

A server that restarts, or refuses connections for a while, has to come back to the same port. So
the port is held by a second socket, which is bound and does not listen: clients are refused then,
and nobody else is given it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from etcdpy.transport import LISTEN_BACKLOG

__all__ = ["Places"]


class Places:
    """
    A port and the path of a socket.

    Args:
        unix_path: Where the socket is to be.
        port: Which port; 0 for a free one.

    Attributes:
        port: The port.
        unix_path: As given.

    Raises:
        OSError: The port is in use.

    """

    def __init__(self, unix_path: Path, port: int = 0) -> None:
        self.unix_path = unix_path
        self._holder = _bound(port)
        self.port = int(self._holder.getsockname()[1])

    @property
    def descriptors(self) -> list[int]:
        """Those of what is held."""
        return [self._holder.fileno()]

    def listen(self) -> list[socket.socket]:
        """
        Return sockets that listen at both; whoever serves them closes them.

        Raises:
            OSError: It cannot be listened there.

        """
        tcp = _bound(self.port)
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            tcp.listen(LISTEN_BACKLOG)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.unix_path)
            unix.bind(str(self.unix_path))
            unix.listen(LISTEN_BACKLOG)
        except BaseException:
            tcp.close()
            unix.close()
            raise
        return [tcp, unix]

    def close(self) -> None:
        """Give both back."""
        self._holder.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.unix_path)


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # socket(7): two may be bound to one port as long as neither of them listens by then.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
    except BaseException:
        bound.close()
        raise
    return bound
