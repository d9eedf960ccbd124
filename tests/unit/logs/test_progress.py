"""Whoever waits at a terminal sees how far it is, and nobody else sees anything."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etcdpy.logs import progress as module
from etcdpy.logs.progress import growing, progress


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, delay: float = 0.0) -> Iterator[int]:
    """Have standard error be a terminal for a time, and give its other end."""
    near, far = os.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with os.fdopen(far, "w") as stream, monkeypatch.context() as patched:
        patched.setattr(module, "DELAY", delay)
        patched.setattr(sys, "stderr", stream)
        yield near
    os.close(near)


def seen(near: int) -> str:
    return os.read(near, 1 << 16).decode(errors="replace")  # may end within a character


def seen_until_end(near: int) -> str:
    """Return what is left to see; a terminal hands it out in as many pieces as it likes."""
    os.write(sys.stderr.fileno(), b"end")
    shown = ""
    while not shown.endswith("end"):
        shown += seen(near)
    return shown


def test_bar_tells_what_is_done_and_how_much_and_is_gone_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with terminal(monkeypatch) as near:
        with progress("restoring snapshot") as show:
            shown, done = "", 0
            while "%" not in shown:
                done += 1
                show(done, 4_000_000_000)
                while select.select([near], [], [], 0)[0]:
                    shown += seen(near)
        assert "restoring snapshot:   0%" in shown
        assert "/4.00G" in shown
        # The line is empty again, for what comes behind it.
        assert seen_until_end(near).endswith(" \rend")


def test_what_is_quick_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, delay=1000.0) as near:
        with progress("quick") as show:
            show(1, 2)
            show(2, 2)
        assert seen_until_end(near).strip("\r ") == "end"


def test_nothing_is_shown_or_imported_where_nobody_looks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)  # importing it fails
    with progress("saving") as show:
        show(1, 2)
    with growing("defragmenting", tmp_path, 1):
        pass
    assert capsys.readouterr() == ("", "")


def test_file_that_grows_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "LOOKS", 0.001)
    before = set(threading.enumerate())
    with terminal(monkeypatch) as near:
        shown = ""
        with growing("defragmenting", tmp_path, 1 << 20):
            (tmp_path / "data.mdb").write_bytes(bytes(1 << 20))
            while "defragmenting: 100%" not in shown:
                shown += seen(near)
    assert set(threading.enumerate()) <= before
