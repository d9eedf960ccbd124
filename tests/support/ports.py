"""Ports that stay free until a server takes them, for servers whose address is known before."""

from __future__ import annotations

import errno
import itertools
import os
import random
import socket
from collections.abc import Iterator
from typing import Final

#: Below what systems give to clients and to port 0 by themselves (Linux: from 32768, others from
#: 49152): a port that was given back is not taken by a connection of another test's.
FIRST, LAST = 20_000, 32_000

#: Each worker of a run has ports of its own, also while a server that has one is started again, and
#: takes one after the other; two runs on one machine hardly ever begin at the same.
WORKERS: Final = 8
_worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
_own = range(FIRST + int(_worker) % WORKERS, LAST, WORKERS)
_begin = random.Random().randrange(len(_own))
_ports: Iterator[int] = itertools.cycle([*_own[_begin:], *_own[:_begin]])


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, nor is going to before the caller."""
    while True:
        port = next(_ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port
