"""The signal that ended a server is what its parent is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from etcdpy.server import signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_ends_by_the_signal(number: signal.Signals) -> None:
    text = f"from etcdpy.server import signals; import signal; signals.end_by(signal.{number.name})"
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True)
    assert (ended.returncode, ended.stderr) == (-number, b"")


def test_process_1_cannot_be_ended_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert signals.end_by(signal.SIGTERM) == 0
