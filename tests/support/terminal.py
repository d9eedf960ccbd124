"""
A process at a terminal: standard streams are a pseudo-terminal of 80 columns.

    with Terminal("-m", "etcdpy", "--data-dir", path) as person:
        person.wait_for("etcdpy serves at")
        person.signal(signal.SIGINT)
        person.wait()

"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.support.child import Child

__all__ = ["Terminal"]


class Terminal(Child):
    """
    A running program at a terminal of its own, with nothing of this process's ``ETCD_*`` variables.

    Args:
        arguments: The words behind the program.
        environment: Variables besides those of this process.
        cwd: Where it runs.
        program: Which one, Python unless it is said.

    Attributes:
        text: What it has written to the terminal so far, as a terminal gets it.

    """

    def __init__(
        self,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        program: str = sys.executable,
    ) -> None:
        self._near, far = os.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), far)
        command = (program, *arguments)
        super().__init__(command, environment, cwd, start_new_session=True, **streams)
        os.close(far)
        self.text = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        os.close(self._near)

    def wait_for(self, words: str) -> None:
        """Read on until the terminal has shown these words."""
        while words not in self.text:
            if not self._read():
                raise AssertionError(f"no {words!r} in {self.text!r}")

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._near, keys.encode())

    def wait(self) -> int:
        """Read to its end and return its exit status; a signal is negative."""
        while self._read():
            pass
        return self._process.wait()

    @property
    def lines(self) -> list[str]:
        """What was written so far, by line."""
        return self.text.replace("\r\n", "\n").splitlines()

    def _read(self) -> bool:
        try:
            data = os.read(self._near, 1 << 16)
        except OSError:  # Linux: nobody has the other end any more
            return False
        self.text += data.decode(errors="replace")
        return bool(data)
