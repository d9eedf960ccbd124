"""What tests in other languages say while they run: what is to be done to their server."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.servers import Server

KILL = "kill the server\n"
RESTART = "restart the server\n"


def lines(process: subprocess.Popen[str], server: Server) -> Iterator[str]:
    """Iterate over a process's output; do what it asks for, and tell it with an empty line."""
    assert process.stdin is not None
    assert process.stdout is not None
    for line in process.stdout:
        # A test runner may have begun the line.
        if line.endswith((KILL, RESTART)):
            if line.endswith(KILL):
                server.kill()
                server.start()
            else:
                server.restart()
            say(process, "")
        yield line


def say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


@contextmanager
def time_limit(process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
    """Kill a process that has not ended its output in time, so that reading it ends."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
