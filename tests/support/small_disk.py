"""A file system that is soon full, for tests that may mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: Room for little more than the journal.
DISK_BYTES = 48 << 20


@contextmanager
def mounted(path: Path, size: int = DISK_BYTES) -> Iterator[Path]:
    """Mount a file system of so many bytes at ``path``; skips the test where that is forbidden."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def take_all_room(ballast: Path) -> None:
    """Write to a file until there is no room left on its file system."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return
