"""One attack on one server: what a bystander sees, and what the server's memory does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO, NamedTuple

from tests.fairness.attacks import ATTACKS
from tests.fairness.bystander import Waits
from tests.fairness.papers import flags_of
from tests.support.servers import Server

#: Most that a bystander's call may take, in milliseconds, and that the server may grow by.
WORST_MS = 250.0
GROWTH_MB = 256.0

#: How long the bystander goes on when the attacker has gone.
AFTERMATH = 2.0

#: Flags of both servers: it is not the disk that is looked at.
FLAGS = ("--unsafe-no-fsync", "--quota-backend-bytes=8589934592")


class Line(NamedTuple):
    """
    What came of an attack.

    Attributes:
        name: Its name.
        put: The bystander's Puts.
        range: Its Ranges.
        login: Its logins, where it has to.
        before: Megabytes of the server before, at its worst, and later.
        worst: See above.
        later: See above.
        failed: Why the bystander was not served, if it was not.
        said: What the attack has to say.

    """

    name: str
    put: Waits
    range: Waits
    login: Waits | None
    before: float
    worst: float
    later: float
    failed: str
    said: str

    @property
    def is_good(self) -> bool:
        """Whether everybody else was served, and memory has come back."""
        return not self.failed and self.wait <= WORST_MS and self.growth <= GROWTH_MB

    @property
    def wait(self) -> float:
        """The bystander's worst wait, in milliseconds."""
        return max(self.put.worst, self.range.worst)

    @property
    def growth(self) -> float:
        """Megabytes by which the server has grown at most."""
        return self.worst - self.before

    @property
    def _shown_login(self) -> str:
        if self.login is None:
            return ""
        return f"login {self.login.p50:6.1f} {self.login.worst:8.1f} ms  "

    def __str__(self) -> str:
        put, read = self.put, self.range
        return (
            f"{self.name:28} Put {put.p50:6.1f} {put.p99:7.1f} {put.worst:8.1f}  "
            f"Range {read.p50:6.1f} {read.p99:7.1f} {read.worst:8.1f} ms  "
            f"{self._shown_login}memory {self.before:6.0f} {self.worst:6.0f} {self.later:6.0f} MB "
            f"{'ok' if self.is_good else 'NOT ok'} {self.said} {self.failed}"
        )


def contest(
    name: str,
    server: AbstractContextManager[Server],
    seconds: float,
    settling: float,
    aftermath: float = AFTERMATH,
) -> Line:
    """
    Attack a server for some seconds and look at its memory ``settling`` seconds later.

    Args:
        aftermath: How long the bystander goes on when the attacker has gone.

    """
    with server as running, _process("attacker", name, running.address, str(seconds)) as attacker:
        assert attacker.stdin is not None
        running.is_checked = False
        with _process("bystander", name, running.address) as bystander:
            before = worst = memory(running.pid)
            attacker.stdin.write("go\n")
            attacker.stdin.flush()
            ends: float | None = None
            while ends is None or time.monotonic() < ends:
                time.sleep(0.02)
                worst = max(worst, memory(running.pid))
                if ends is None and attacker.poll() is not None:
                    ends = time.monotonic() + aftermath
            seen = json.loads(bystander.communicate()[0].splitlines()[-1])
        said = attacker.communicate()[0].strip()
        if attacker.returncode:
            seen["failed"] += " the attacker failed"
        time.sleep(settling)
        later = memory(running.pid)
    put, read = Waits(*seen["put"]), Waits(*seen["range"])
    login = Waits(*seen["login"]) if "login" in seen else None
    return Line(name, put, read, login, before, worst, later, seen["failed"], said)


def flags(name: str) -> tuple[str, ...]:
    """Return the flags of a server that is attacked."""
    return (*FLAGS, *flags_of(ATTACKS[name]))


def memory(pid: int) -> float:
    """Return the megabytes that a process has for itself, the mapped database apart."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) / 1024
    return 0.0


@contextmanager
def _process(role: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """Run one of the other processes until the block ends; returns when it is ready."""
    command = [sys.executable, "-m", f"tests.fairness.{role}", *args]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        output: IO[str] | None = process.stdout
        assert output is not None
        assert output.readline() == "ready\n", f"the {role} did not get ready"
        yield process
    finally:
        process.kill()
        process.wait()
