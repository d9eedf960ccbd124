"""Building the package from a clean copy of its sources, and installing it where nothing is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from tests.interop.environment import outside

__all__ = ["ROOT", "Built", "build", "install"]

ROOT = Path(__file__).parents[2]
TIMEOUT = 240.0

#: What a release is made of; no ``build`` or ``egg-info`` of an older one.
SOURCES = (
    "etcdpy",
    "proto",
    "docs",
    "pyproject.toml",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
)


@dataclass(frozen=True)
class Built:
    """The two files of a release."""

    sdist: Path
    wheel: Path


def build(directory: Path) -> Built:
    """Make an sdist of the sources, and a wheel of what is in the sdist, in a directory."""
    copy = directory / "sources"
    copy.mkdir()
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, copy)
    # Without isolation: what builds is in the lock, and nothing is downloaded.
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        f"{directory}",
        f"{copy}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    (sdist,) = directory.glob("*.tar.gz")
    (wheel,) = directory.glob("*.whl")
    return Built(sdist, wheel)


def install(wheel: Path, directory: Path) -> Path:
    """
    Make an empty environment, install the wheel in it with what suites need, and return its Python.

    As a user does but for the versions, which are those of the lock.
    """
    _step([sys.executable, "-m", "venv", "--without-pip", str(directory)])
    python = directory / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    pip += ["--no-compile", "--only-binary=:all:", "--disable-pip-version-check"]
    _step([*pip, "--constraint", str(ROOT / "requirements-dev.txt"), f"{wheel}[pytest]"])
    return python


def _step(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT, env=outside()
        )
    except subprocess.TimeoutExpired:
        _give_up(f"{command[1:4]} took over {TIMEOUT} s")
    if done.returncode:
        _give_up(done.stderr.strip()[-1000:])


def _give_up(reason: str) -> NoReturn:
    """Skip where there may be no network; where changes are judged, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"the wheel cannot be installed: {reason}")
    pytest.skip(f"the wheel cannot be installed: {reason}")
