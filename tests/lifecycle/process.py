"""
A process of ``python -m etcdpy``: what it logs, and how it ends.

    with Process("--data-dir", path, *PORT_0) as server:
        server.wait_ready()
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM

"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

PORT_0 = (
    "--listen-client-urls=http://127.0.0.1:0",
    "--advertise-client-urls=http://127.0.0.1:2379",
)

READY = "ready to serve client requests"
SERVING = "serving client traffic insecurely; this is strongly discouraged!"
SERVING_SECURELY = "serving client traffic securely"

#: No step of a test takes longer, even on a busy machine; the process is killed then.
TIMEOUT = 200.0

Line = dict[str, Any]


class Process:
    """
    A running etcdpy, with nothing of this process's ``ETCD_*`` variables.

    Attributes:
        lines: The log lines read so far, parsed.

    """

    def __init__(
        self,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        program: Sequence[str] = ("-m", "etcdpy"),
    ) -> None:
        inherited = {key: text for key, text in os.environ.items() if not key.startswith("ETCD_")}
        self._process = subprocess.Popen(
            [sys.executable, *program, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={**inherited, **(environment or {})},
        )
        self._watchdog = threading.Timer(TIMEOUT, self._process.kill)
        self._watchdog.start()
        self.lines: list[Line] = []

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_line(self, message: str) -> Line:
        """Read on to the next line with this ``msg`` and return it."""
        assert self._process.stderr is not None
        for text in self._process.stderr:
            line: Line = json.loads(text)
            self.lines.append(line)
            if line["msg"] == message:
                return line
        raise AssertionError(f"no line {message!r} among {self.messages()}")

    def wait_ready(self, listeners: int = 1, serving: str = SERVING) -> list[str]:
        """Read on until it serves, and return the addresses."""
        self.wait_line(READY)
        return [str(self.wait_line(serving)["address"]) for _ in range(listeners)]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Read the rest of its log and return its exit status; a signal is negative."""
        assert self._process.stderr is not None
        self.lines += [json.loads(text) for text in self._process.stderr]
        return self._process.wait()

    def messages(self) -> list[str]:
        """The ``msg`` of each line read so far."""
        return [str(line["msg"]) for line in self.lines]

    def find(self, message: str) -> Line:
        """Return the one line with this ``msg`` among those read."""
        (line,) = [line for line in self.lines if line["msg"] == message]
        return line

    def output(self) -> tuple[int, str, str]:
        """Wait for the end and return exit status, standard output and standard error."""
        out, err = self._process.communicate()
        return self._process.returncode, out, err


class Ended(NamedTuple):
    """How a process ended that was expected to: its exit status and its log."""

    status: int
    lines: list[Line]


def run(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Ended:
    """Run a process to its end."""
    with Process(*arguments, environment=environment, cwd=cwd) as process:
        status = process.wait()
        return Ended(status, process.lines)
