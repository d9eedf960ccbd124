"""Virtual environments for clients that are not to be mixed with what etcdpy needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from tests.interop import ROOT

INSTALL_TIMEOUT = 180.0


@dataclass(frozen=True)
class Environment:
    """
    One of them. It is made once, and used until what is wanted of it changes.

    Attributes:
        name: That of its directory under ``build``.
        requirements: What pip installs, from wheels alone.
        versions: The Pythons that have them all, such as ``3.11``.
        sources: Which of them are built here, as there are no wheels.
        timeout: Seconds that installing them may take.
        preferred: Pythons to make it from before any other, where they exist.

    """

    name: str
    requirements: Sequence[str]
    versions: Sequence[str]
    sources: Sequence[str] = ()
    timeout: float = INSTALL_TIMEOUT
    preferred: Sequence[str] = ()

    def interpreter(self) -> Path:
        """Return its Python, or skip where none can be had."""
        directory = ROOT / "build" / self.name
        python, stamp = directory / "bin" / "python", directory / "complete"
        wanted = list(self.requirements)
        directory.parent.mkdir(exist_ok=True)
        with directory.with_suffix(".lock").open("w") as lock:
            flock(lock, LOCK_EX)  # tests that run side by side want the same one
            if not stamp.exists() or stamp.read_text().split() != wanted or not _runs(str(python)):
                self._make(directory, python)
                stamp.write_text("\n".join(wanted))
        return python

    def _make(self, directory: Path, python: Path) -> None:
        base = next(filter(_runs, self._candidates()), None)
        if base is None:
            pytest.skip(f"no Python for {self.requirements[0]}: {', '.join(self.versions)}")
        shutil.rmtree(directory, ignore_errors=True)
        self._step([base, "-m", "venv", str(directory)])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        sources = [f"--no-binary={name}" for name in self.sources]
        self._step([*pip, "--no-compile", "--only-binary=:all:", *sources, *self.requirements])

    def _candidates(self) -> Iterator[str]:
        yield from self.preferred
        if f"{sys.version_info.major}.{sys.version_info.minor}" in self.versions:
            yield sys.executable
        for version in self.versions:
            found = shutil.which(f"python{version}")
            if found:
                yield found

    def _step(self, command: list[str]) -> None:
        reason = f"no environment for {self.requirements[0]}"
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=self.timeout)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{reason}: {command[1:4]} took over {self.timeout} s")
        if done.returncode:
            pytest.skip(f"{reason}: {done.stderr.strip()[-500:]}")


def outside(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Return the variables of the machine for a Python of another environment.

    What this Python is told (its path, its warnings) is not for that one; where the machine has
    its libraries is.
    """
    own = {name: os.environ[name] for name in os.environ if not name.startswith("PYTHON")}
    return own | {"NO_PROXY": "127.0.0.1"} | dict(more or {})


def _runs(python: str) -> bool:
    """Tell whether it is more than a name: version managers leave ones that only print help."""
    try:
        done = subprocess.run([python, "-c", ""], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
