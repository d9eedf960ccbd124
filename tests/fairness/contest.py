"""
One attack on one server: what a bystander sees, and what the server's memory does.

Memory is looked at three times:

* *before*: what the attack needs is there, a crowd of ordinary clients has been there for a moment
  and has left (``housekeeper``), and the server has rested, half as long as later. A process that
  nobody has called yet has not imported all that it serves with.
* *worst*: at its worst until the bystander leaves, two seconds after the attacker has.
* *later*: all connections are closed, the housekeeper has taken away what the attack has left by
  right (keys, leases, and by a compaction the history of both), and after that the server had ten
  seconds. It is back if it has at most a fifth more than before, and ``GRAIN_MB``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import IO, NamedTuple

from tests.fairness.attacks import ATTACKS
from tests.fairness.bystander import Waits
from tests.fairness.papers import flags_of
from tests.support.servers import Server

#: Most that a bystander's call may take, in milliseconds, and that the server may grow by.
WORST_MS = 250.0
GROWTH_MB = 256.0

#: How much of what it had before it may have later, after so many seconds, and what on top of that:
#: memory that comes back in less than a few mebibytes is none, and a server does not look for it
#: (``server.trimming.LEAST``).
BACK = 1.2
SETTLED = 10.0
GRAIN_MB = 4.0

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
        watch: From its Puts to their events.
        login: Its logins, where it has to.
        before: Megabytes of the server before, at its worst, and later.
        worst: See above.
        later: See above.
        failed: Why the bystander was not served, if it was not.
        said: What the attack has to say.
        settling: Seconds between the end of the attack and ``later``.

    """

    name: str
    put: Waits
    range: Waits
    watch: Waits
    login: Waits | None
    before: float
    worst: float
    later: float
    failed: str
    said: str
    settling: float = SETTLED

    @property
    def is_good(self) -> bool:
        """Whether everybody else was served, and memory has come back."""
        return (
            not self.failed
            and self.wait <= WORST_MS
            and self.growth <= GROWTH_MB
            and self.is_back is not False
        )

    @property
    def is_back(self) -> bool | None:
        """Whether memory has come back; None if there was no time for that."""
        if self.settling < SETTLED:
            return None
        return self.later <= self.before * BACK + GRAIN_MB

    @property
    def wait(self) -> float:
        """The bystander's worst wait for an answer, in milliseconds."""
        return max(self.put.worst, self.range.worst)

    @property
    def is_late(self) -> bool:
        """Whether an event has come late; what few watch does not wait for a crowd."""
        return self.watch.worst > WORST_MS

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
        put, read, watch = self.put, self.range, self.watch
        return (
            f"{self.name:28} Put {put.p50:6.1f} {put.p99:7.1f} {put.worst:8.1f}  "
            f"Range {read.p50:6.1f} {read.p99:7.1f} {read.worst:8.1f}  "
            f"Watch {watch.p50:6.1f} {watch.p99:7.1f} {watch.worst:8.1f} ms  "
            f"{self._shown_login}memory {self.before:6.0f} {self.worst:6.0f} {self.later:6.0f} MB "
            f"{'late events, ' if self.is_late else ''}"
            f"{'NOT back, ' if self.is_back is False else ''}"
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
        settling: 0 if it is not to be compared: then nobody keeps house, either.
        aftermath: How long the bystander goes on when the attacker has gone.

    """
    with (
        server as running,
        _process("attacker", name, running.address, str(seconds)) as attacker,
        _process("housekeeper", name, running.address) if settling else nullcontext() as keeper,
    ):
        time.sleep(settling / 2)
        with _process("bystander", name, running.address) as bystander:
            before = worst = memory(running.pid)
            _tell(attacker)
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
        if keeper is not None:
            _tell(keeper)
            said = f"{said}, {keeper.communicate()[0].strip()}"
        time.sleep(settling)
        later = memory(running.pid)
        if running.complaints:
            seen["failed"] += f" the server complained: {running.complaints[0]}"
    put, read, watch = (Waits(*seen[kind]) for kind in ("put", "range", "watch"))
    login = Waits(*seen["login"]) if "login" in seen else None
    failed = seen["failed"]
    return Line(name, put, read, watch, login, before, worst, later, failed, said, settling)


def _tell(process: subprocess.Popen[str]) -> None:
    """Have a process go on that waits for it."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


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
