"""A server of its own ends with its input, its parent, or a signal, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from etcdpy.testing.settings import Settings
from etcdpy.testing.standalone import run

COMMAND = [sys.executable, "-m", "etcdpy", "test-server"]


def start(*arguments: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    pipe = subprocess.PIPE
    server = subprocess.Popen([*COMMAND, *arguments], stdin=pipe, stdout=pipe, stderr=pipe)
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line, server.communicate()
    return server, json.loads(line)


@pytest.mark.parametrize("end", ["input", "signal"])
def test_it_ends_and_leaves_nothing(end: str) -> None:
    server, told = start("--max-txn-ops=7")
    assert told["pid"] == server.pid
    with urllib.request.urlopen(f"{told['url']}/health") as response:
        assert response.status == 200
    data = b'{"key": "a", "value": "1"}'
    with urllib.request.urlopen(f"{told['control']}/testing/put", data=data) as response:
        assert json.load(response) == {"revision": 2}
    folder = Path(told["unix_socket"]).parent
    assert folder.exists()
    if end == "signal":
        server.send_signal(signal.SIGTERM)
        out, errors = server.communicate()
    else:
        out, errors = server.communicate()
    assert (server.returncode, out, errors) == (0, b"", b"")
    assert not folder.exists()


def test_it_ends_with_its_parent_even_if_its_input_does_not() -> None:
    read, write = os.pipe()
    # The parent ends at once; the server's input is a pipe that this process holds open.
    script = (
        "import subprocess, sys\n"
        f"subprocess.Popen({COMMAND!r}, stdin=0, stdout=1, stderr=2)\n"
        "sys.stdin.readline()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=read, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    os.close(read)
    assert parent.stdout is not None
    told = json.loads(parent.stdout.readline())
    parent.kill()
    # Its output is closed when the last process that has it ends: the server.
    out, errors = parent.communicate()
    os.close(write)
    assert (out, errors) == (b"", b"")
    assert not Path(told["unix_socket"]).exists()


def test_control_address_is_never_another_machine_s() -> None:
    for address in ("0.0.0.0:0", "10.0.0.1:80"):
        with pytest.raises(ValueError, match="of this machine alone"):
            run(Settings.of(), control=address)
