"""
A program that a test has started, and that ends with the block whatever becomes of the test.

How its streams are read, and when it is ready, is said by those who inherit from ``Child``:
``tests.lifecycle.process`` and ``tests.support.terminal``.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["TIMEOUT", "Child", "environment"]

#: No step of a test takes longer, even on a busy machine; the process is killed then.
TIMEOUT = 200.0


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our variables, without those that would change a server (``ETCD_*``), and changes."""
    ours = {name: text for name, text in os.environ.items() if not name.startswith("ETCD_")}
    return {**ours, **(changes or {})}


class Child:
    """
    A running program, killed at the end of the block, or when it takes too long.

    Args:
        command: The program and its words.
        changes: Variables besides those of this process.
        cwd: Where it runs.
        options: What else ``subprocess.Popen`` is told.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        changes: Mapping[str, str] | None,
        cwd: Path | None,
        **options: Any,
    ) -> None:
        self._process: subprocess.Popen[Any] = subprocess.Popen(
            list(map(str, command)), cwd=cwd, env=environment(changes), **options
        )
        self._watchdog = threading.Timer(TIMEOUT, self._process.kill)
        self._watchdog.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watchdog.cancel()
        self._process.kill()
        # Its pipes, if it has any, are read to their ends and closed.
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: int) -> None:
        self._process.send_signal(number)
