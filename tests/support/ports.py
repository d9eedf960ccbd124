"""Ports that stay free until a server takes them, for servers whose address is known before."""

from __future__ import annotations

import errno
import random
import socket

#: Below what systems give to clients and to port 0 by themselves (Linux: from 32768, others from
#: 49152): a port that was given back is not taken by a connection of another test's.
FIRST, LAST = 20_000, 32_000

#: Each process of a run has its own order, so that two hardly ever try the same.
_random = random.Random()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, nor is likely to before the caller."""
    while True:
        port = _random.randrange(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port
