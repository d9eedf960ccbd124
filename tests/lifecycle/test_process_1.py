"""As process 1, which a container's only process is, it stops when it is asked to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lifecycle.process import PORT_0, Process

#: Whoever it is outside, inside it may do this.
UNSHARE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]


@pytest.fixture(autouse=True, scope="module")
def _has_process_namespaces() -> None:
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare")
    made = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no namespace can be made: {made.stderr.strip()}")


class First(Process):
    """A Python that is process 1 to itself; its status is that of whoever started it."""

    def __init__(self, *arguments: str | Path, program: tuple[str, ...] = ("-m", "etcdpy")) -> None:
        words = [*UNSHARE, sys.executable, *program]
        code = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"
        super().__init__(*arguments, program=("-c", code, *words))

    @property
    def inside(self) -> int:
        """What process 1 is called out here."""
        (child,) = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(child)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_drains_and_ends_with_0(tmp_path: Path, number: signal.Signals) -> None:
    server = First("--data-dir", tmp_path / "data", *PORT_0)
    with server:
        server.wait_ready()
        os.kill(server.inside, number)
        assert server.wait() == 0
        assert server.messages()[-1] == "closed etcd server"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_before_it_serves_too(tmp_path: Path, number: signal.Signals) -> None:
    # What opens a data directory waits here, for ever.
    os.mkfifo(tmp_path / "config")
    server = First("--config-file", tmp_path / "config")
    with server, held_open(tmp_path / "config"):
        os.kill(server.inside, number)
        assert server.wait() == 128 + number


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """Be the one who would write, once somebody reads."""
    writer = os.open(path, os.O_WRONLY)
    try:
        yield
    finally:
        os.close(writer)
