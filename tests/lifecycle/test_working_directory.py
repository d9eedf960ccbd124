"""Where the server is started from is a place for data, and never for code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.lifecycle.process import PORT_0, Process
from tests.support.client import Client

ROOT = Path(__file__).resolve().parents[2]

#: Of the standard library, of what etcdpy needs, and of what others import when it is there. Not
#: what Python imports on its way to us: that is none of ours.
LIBRARIES = (
    "argparse",
    "asyncio",
    "dataclasses",
    "google",
    "grpc",
    "grpc_health",
    "grpc_status",
    "json",
    "lmdb",
    "logging",
    "multiprocessing",
    "queue",
    "random",
    "secrets",
    "selectors",
    "sentry_sdk",
    "shutil",
    "signal",
    "socket",
    "sortedcontainers",
    "ssl",
    "statistics",
    "subprocess",
    "tempfile",
    "threading",
    "uvloop",
    "yaml",
)


@pytest.fixture
def traps(tmp_path: Path) -> Path:
    """A directory with a file named like each library, which leaves a trace when it is run."""
    place = tmp_path / "shared"
    place.mkdir()
    for name in LIBRARIES:
        trace = tmp_path / f"{name} was run"
        text = f"open({str(trace)!r}, 'w')\nraise ImportError('not a library')\n"
        (place / f"{name}.py").write_text(text)
    return place


def traces(traps: Path) -> list[str]:
    return [path.name for path in traps.parent.iterdir() if path.name.endswith("was run")]


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_files_of_the_working_directory_are_not_run(traps: Path, transport: str) -> None:
    flags = (f"--transport={transport}", *PORT_0)
    with Process("--data-dir", traps, *flags, cwd=traps) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            client.kv.Put(pb.PutRequest(key=b"k"), timeout=60)
            # Another Python.
            client.maintenance.Defragment(pb.DefragmentRequest(), timeout=60)
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM
    assert traces(traps) == []


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["snapshot", "status", "none"]])
def test_nor_by_commands_that_end(traps: Path, words: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "etcdpy", *words], cwd=traps, capture_output=True)
    assert traces(traps) == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no -P")
def test_nothing_else_is_lost_where_python_does_not_look_there_anyway(traps: Path) -> None:
    command = [sys.executable, "-P", "-m", "etcdpy", "--version"]
    libraries = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=ROOT, env=libraries, capture_output=True, text=True)
    assert ended.stdout.startswith("etcd")


def test_etcdpy_may_be_in_it(tmp_path: Path) -> None:
    (tmp_path / "etcdpy").symlink_to(ROOT / "etcdpy")
    with Process("--data-dir", tmp_path / "data", *PORT_0, cwd=tmp_path) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            client.maintenance.Defragment(pb.DefragmentRequest(), timeout=60)


def test_it_may_be_gone(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    code = "import os; os.rmdir(os.getcwd()); os.execv(sys.executable, sys.argv)"
    program = ("-c", f"import sys; sys.argv[:1] = [sys.executable, '-m', 'etcdpy']; {code}")
    with Process("--data-dir", tmp_path / "data", *PORT_0, cwd=place, program=program) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            client.kv.Put(pb.PutRequest(key=b"k"), timeout=60)
        server.signal(signal.SIGTERM)
        assert server.wait() == -signal.SIGTERM
