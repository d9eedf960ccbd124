"""The machine that a run is made on, as far as its figures depend on it."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from pathlib import Path


def facts(directory: Path) -> dict[str, str]:
    """What a reader needs to judge figures taken here, with data below ``directory``."""
    return {
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "data on": filesystem(directory),
        "append of 4 KiB and fdatasync": f"{sync_seconds(directory) * 1e6:.0f} us (median)",
        "load average before the run": f"{os.getloadavg()[0]:.2f}",
    }


def filesystem(directory: Path) -> str:
    """The type of the file system that holds ``directory``."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, mounted_kind = line.split()[:3]
        inside = directory.resolve().is_relative_to(mount)
        if inside and len(mount) >= len(best):
            best, kind = mount, mounted_kind
    return kind


def sync_seconds(directory: Path, count: int = 100) -> float:
    """The median time of one small durable append."""
    probe = directory / "sync-probe"
    block = os.urandom(4096)
    times: list[float] = []
    with probe.open("wb", buffering=0) as file:
        for _ in range(count):
            start = time.perf_counter()
            file.write(block)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    probe.unlink()
    return statistics.median(times)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def commit(directory: Path) -> str:
    """The commit that the working copy in ``directory`` is at, ``-dirty`` if it was changed."""
    command = ["git", "-C", str(directory), "describe", "--always", "--dirty"]
    run = subprocess.run(command, capture_output=True, text=True)
    return run.stdout.strip() or "unknown"
