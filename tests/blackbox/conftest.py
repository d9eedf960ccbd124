"""Servers in processes of their own, watched for memory and for errors they should not log."""

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .h2client import PATIENCE, Client

SERVER = Path(__file__).with_name("echo_server.py")
ROOT = SERVER.parents[2]
UNARY = "/echo.Echo/Unary"

DEFAULTS: dict[str, Any] = {
    "max_receive_message": 2097152,
    "stopped_message": "echo: server stopped",
}

UNEXPECTED = ("Traceback", "ERROR", "CRITICAL", "never retrieved", "never awaited", "Warning")


class EchoServer:
    """One echo server process."""

    def __init__(self, expect_errors: bool = False, **options: Any) -> None:
        """
        Start the process and wait for its port.

        Args:
            expect_errors: The test makes the server log an error.
            options: Fields of ServerOptions; ``grace``, the seconds a stop may take; and
                ``certificate``, a file with a key and a certificate to serve TLS with.

        """
        self._expect_errors = expect_errors
        self._is_terminated = False
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed in stop)
        paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "always", str(SERVER), json.dumps(options)],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the server did not start:\n{self.log()}"
        self.port = int(line)

    def connect(self, *pairs: tuple[int, int], **how: Any) -> Client:
        return Client(self.port, *pairs, **how)

    def connect_patiently(self, **how: Any) -> Client:
        """Connect as clients do, again where room was made by closing a handshake under way."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.connect(**how)
            except (ssl.SSLError, ConnectionResetError):
                if time.monotonic() > deadline:
                    raise

    def log(self) -> str:
        """Return all that the server wrote to stderr so far."""
        self._log.seek(0)
        return self._log.read()

    def rss(self) -> int:
        """Return the resident bytes of the server process."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def stats(self) -> dict[str, int]:
        """Return the counts kept by the echo service, over a connection of their own."""
        with self.connect() as client:
            found = client.call_json("/echo.Echo/Stats")
        assert isinstance(found, dict)
        return found

    @contextlib.contextmanager
    def unharmed(self, memory: int = 32 << 20, delay: float = 2.0, **how: Any) -> Iterator[None]:
        """
        Let a bystander make calls during the block, and check what it and the server suffered.

        Args:
            memory: Most bytes by which the server may have grown, then or afterwards.
            delay: Most seconds for which the server may be busy until one call of the bystander
                is answered; how long that takes on a machine with other work says nothing.
            how: What the bystander's ``connect`` is told.

        """
        before = self.rss()
        peak, slowest = before, 0.0
        over = threading.Event()
        failures: list[BaseException] = []

        def stand_by() -> None:
            nonlocal peak, slowest
            try:
                with self.connect_patiently(**how) as client:
                    while not over.wait(0.01):
                        before_it = self._times()
                        assert client.call(UNARY, b"hello").messages == [b"hello"]
                        slowest = max(slowest, self._busy_since(before_it))
                        peak = max(peak, self.rss())
            except BaseException as error:  # noqa: BLE001  (handed to the test's thread)
                failures.append(error)

        thread = threading.Thread(target=stand_by)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(PATIENCE)
        assert not failures, failures
        assert slowest < delay, f"a bystander waited {slowest:.2f} s"
        assert self.latency(**how) < delay
        assert max(peak, self.rss()) - before < memory, f"grew by {peak - before:,} bytes"

    def wait_idle(self, timeout: float = PATIENCE) -> dict[str, int]:
        """Return the counts once no counted call is running."""
        deadline = time.monotonic() + timeout
        while (counts := self.stats()).get("running", 0):
            assert time.monotonic() < deadline, f"calls still running: {counts}"
            time.sleep(0.02)
        return counts

    def latency(self, **how: Any) -> float:
        """Return for how many seconds the server is busy until a fresh client has made a call."""
        start = self._times()
        with self.connect_patiently(**how) as client:
            assert client.call(UNARY, b"hello").messages == [b"hello"]
        return self._busy_since(start)

    def _times(self) -> tuple[float, float]:
        """Return the time, and how much of a processor the server has had, in seconds."""
        # proc_pid_stat(5): utime and stime, the 14th and 15th; the name before may have spaces.
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return time.monotonic(), sum(map(int, stat[11:13])) / os.sysconf("SC_CLK_TCK")

    def _busy_since(self, then: tuple[float, float]) -> float:
        # Its threads together may be busy for longer than the time that passes.
        return min(now - before for now, before in zip(self._times(), then, strict=True))

    def terminate(self) -> None:
        """Send SIGTERM, but never a second time: that may come when there is no loop left."""
        if not self._is_terminated:
            self._is_terminated = True
            self.process.terminate()

    def stop(self) -> None:
        """End the process if it still runs, and check that nothing unexpected was logged."""
        self.terminate()
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            log = self.log()
            self._log.close()
        if not self._expect_errors:
            assert not [word for word in UNEXPECTED if word in log], log


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a file with a key and a certificate for it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key, made, both = folder / "key", folder / "certificate", folder / "both"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    both.write_text(key.read_text() + made.read_text())
    return str(both)


@pytest.fixture(scope="module")
def server() -> Iterator[EchoServer]:
    """A server with default options, shared by the tests of a module."""
    running = EchoServer(**DEFAULTS)
    yield running
    running.stop()


@pytest.fixture
def start_server() -> Iterator[Callable[..., EchoServer]]:
    """A function that starts a server with options of the test's own."""
    running: list[EchoServer] = []

    def start(**options: Any) -> EchoServer:
        running.append(EchoServer(**options))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def client(server: EchoServer) -> Iterator[Client]:
    """A connection to the shared server."""
    with server.connect() as connected:
        yield connected
