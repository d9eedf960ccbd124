"""A server and systemd: told when clients are served and when it ends, by a sound unit."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lifecycle.process import PORT_0, Process
from tests.support.child import TIMEOUT

UNIT = Path(__file__).parents[2] / "docs" / "etcdpy.service"


def test_systemd_is_told_of_the_beginning_and_the_end(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(TIMEOUT)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        options = ("--data-dir", tmp_path / "data", *PORT_0)
        with Process(*options, environment=environment) as server:
            assert systemd.recv(100) == b"READY=1"
            (address,) = server.wait_ready()
            host, port = address.rsplit(":", 1)
            socket.create_connection((host, int(port)), timeout=TIMEOUT).close()
            server.signal(signal.SIGTERM)
            assert systemd.recv(100) == b"STOPPING=1"
            assert server.wait() == -signal.SIGTERM
    assert "successfully notified init daemon" in server.messages()


def test_example_unit_is_sound(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze to ask")
    unit = tmp_path / UNIT.name
    # The program has to be there to be sound, too; wherever Python is, it may be in such a folder.
    folder = tmp_path / "ein Ordner mit Ü"
    folder.mkdir()
    (folder / "etcdpy").symlink_to(sys.executable)
    # systemd.syntax(7): what holds a blank is quoted.
    command = f'"{folder}/etcdpy"'
    unit.write_text(UNIT.read_text().replace("/opt/etcdpy/bin/etcdpy", command))
    verify = [program, "verify", "--man=no", str(unit)]
    ended = subprocess.run(verify, capture_output=True, text=True, timeout=TIMEOUT)
    complaints = [line for line in ended.stderr.splitlines() if UNIT.name in line]
    assert (ended.returncode, complaints) == (0, [])
