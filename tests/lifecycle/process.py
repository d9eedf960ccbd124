"""
A process of ``python -m etcdpy``: what it logs, and how it ends.

    with Process("--data-dir", path, *PORT_0) as server:
        server.wait_ready()
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM

"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.child import Child

PORT_0 = (
    "--listen-client-urls=http://127.0.0.1:0",
    "--advertise-client-urls=http://127.0.0.1:2379",
)

READY = "ready to serve client requests"
SERVING = "serving client traffic insecurely; this is strongly discouraged!"
SERVING_SECURELY = "serving client traffic securely"

Line = dict[str, Any]


class Process(Child):
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
        super().__init__(
            [sys.executable, *program, *arguments],
            environment,
            cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[Line] = []

    def __enter__(self) -> Process:
        return self

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
