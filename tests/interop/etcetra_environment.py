"""A virtual environment with etcetra, which needs an older grpcio and protobuf than etcdpy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import ROOT

DIRECTORY = ROOT / "build" / "interop-venv"
REQUIREMENTS = ["etcetra==0.1.19", "grpcio==1.62.2", "grpcio-tools==1.62.2", "protobuf==4.25.9"]

# grpcio 1.62 has no wheels for later ones, and etcetra locks with asyncio.timeout, new in 3.11.
VERSIONS = ("3.11", "3.12")

INSTALL_TIMEOUT = 180.0


def interpreter() -> Path:
    """Return a Python that can import etcetra, or skip where none can be had.

    It is made once and used until what is wanted of it changes.
    """
    python, stamp = DIRECTORY / "bin" / "python", DIRECTORY / "complete"
    if not stamp.exists() or stamp.read_text().split() != REQUIREMENTS or not _runs(str(python)):
        _make(python)
        stamp.write_text("\n".join(REQUIREMENTS))
    return python


def _make(python: Path) -> None:
    base = next(filter(_runs, _candidates()), None)
    if base is None:
        pytest.skip(f"etcetra runs on Python {' and '.join(VERSIONS)} only")
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    _step([base, "-m", "venv", str(DIRECTORY)])
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _step([*pip, "--only-binary=:all:", *REQUIREMENTS])


def _candidates() -> Iterator[str]:
    if f"{sys.version_info.major}.{sys.version_info.minor}" in VERSIONS:
        yield sys.executable
    for version in VERSIONS:
        found = shutil.which(f"python{version}")
        if found:
            yield found


def _runs(python: str) -> bool:
    """Tell whether it is more than a name: version managers leave ones that only print help."""
    try:
        done = subprocess.run([python, "-c", ""], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _step(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT)
    except subprocess.TimeoutExpired:
        pytest.skip(f"no environment for etcetra: {command[1:4]} took over {INSTALL_TIMEOUT} s")
    if done.returncode:
        pytest.skip(f"no environment for etcetra: {done.stderr.strip()[-500:]}")
