"""
A plugin of coverage's: what a process has run is written down before it ends itself by a signal.

A server that was asked to end does so by the signal that asked (``server/signals.py``), and then
nothing is written that is left for the end of the program.
"""

from __future__ import annotations

import os

import coverage
from coverage.plugin_support import Plugins
from coverage.types import TConfigSectionOut


def coverage_init(_registry: Plugins, _options: TConfigSectionOut) -> None:
    """Be called by coverage, once in each process that it measures."""
    kill = os.kill

    def write_and_kill(pid: int, number: int, /) -> None:
        measuring = coverage.Coverage.current()
        if pid == os.getpid() and measuring is not None:
            measuring.stop()
            measuring.save()
        kill(pid, number)

    os.kill = write_and_kill
