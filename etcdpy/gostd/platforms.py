"""The machine in Go's words, which readers of a log or of ``--version`` know."""

from __future__ import annotations

import os

__all__ = ["go_arch", "go_os", "usable_cpus"]

#: What ``uname`` calls machines, and what Go does where that is another name (``GOARCH``).
_ARCHS = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}


def go_os() -> str:
    """Return the name of the system: ``linux``. (Go: ``runtime.GOOS``)"""
    return os.uname().sysname.lower()


def go_arch() -> str:
    """Return the name of the machine: ``amd64``. (Go: ``runtime.GOARCH``)"""
    machine = os.uname().machine
    return _ARCHS.get(machine, machine)


def usable_cpus() -> int:
    """Return how many processors this process may run on. (Go: ``runtime.NumCPU``)"""
    # Linux and some others tell of this process; macOS tells how many there are.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
