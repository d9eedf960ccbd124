"""PostgreSQL servers that Patroni keeps, one of them the primary by a key in etcd."""

from __future__ import annotations

import glob
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.interop.environment import outside
from tests.interop.patroni_environment import ENVIRONMENT
from tests.support.ports import free_port

#: Seconds the primary's key lives when it is not renewed.
TTL = 30

#: Seconds between two looks of a node at etcd, and those it keeps trying before it gives up being
#: the primary. That is for both calls of a look, which have to be done within the TTL.
LOOP_WAIT, RETRY_TIMEOUT = 2, 14

#: No step takes longer, even on a busy machine.
TIMEOUT = 120.0

NEEDED = ("postgres", "initdb", "pg_ctl", "pg_basebackup", "pg_rewind", "psql")


class Node:
    """
    Patroni with its PostgreSQL.

    Attributes:
        name: Under which it is a member of the cluster.
        state: What it told of itself when it was last asked, or nothing.

    """

    def __init__(self, name: str, etcd: dict[str, Any], folder: Path, account: Account) -> None:
        self.name = name
        self.state: dict[str, Any] = {}
        self._folder = folder / name
        self._account = account
        self._rest = f"127.0.0.1:{free_port()}"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        account.make(self._folder)
        # JSON is YAML as well.
        (self._folder / "patroni.json").write_text(json.dumps(self._settings() | etcd))

    def start(self) -> None:
        command = [str(self._account.python), "-m", "patroni", str(self._folder / "patroni.json")]
        with (self._folder / "log").open("ab") as log:
            self._process = self._account.run(command, self._folder, log)

    def kill(self) -> None:
        """End Patroni and its PostgreSQL with SIGKILL, as a machine that fails would."""
        process, self._process = self._process, None
        if process is not None:
            # With what it may be running, such as initdb; its PostgreSQL has a session of its own.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
            if _is_postgres(pid):
                os.kill(pid, signal.SIGKILL)
                _wait_until_gone(pid)

    def wait_until(self, what: str, is_it: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until what the node tells of itself (``GET /patroni``) is as wanted."""
        until = time.monotonic() + TIMEOUT
        while not is_it(self._ask()):
            if time.monotonic() > until:
                tail = "\n".join((self._folder / "log").read_text().splitlines()[-40:])
                raise AssertionError(f"{self.name} is not {what}: {self.state}\n{tail}")
            time.sleep(0.2)

    def wait_until_primary(self) -> None:
        self.wait_until("primary", lambda state: state.get("role") == "primary")

    def wait_until_standby(self) -> None:
        """Wait until it follows the primary."""
        self.wait_until("standby", lambda state: state.get("replication_state") == "streaming")

    def wait_until_seen_etcd(self, since: float) -> None:
        """Wait until it has seen etcd at ``since``, in seconds of the epoch, or later."""
        self.wait_until("in touch", lambda state: state.get("dcs_last_seen", 0) >= since)

    def wait_until_has(self, rows: list[str]) -> None:
        until = time.monotonic() + TIMEOUT
        while (found := self.rows()) != rows:
            assert time.monotonic() < until, found
            time.sleep(0.2)

    def rows(self) -> list[str]:
        return self.sql("SELECT word FROM words ORDER BY word").split()

    def sql(self, statement: str) -> str:
        # Of a user's own settings nothing is taken, nor a password asked for.
        command = [str(self._account.programs / "psql"), "-X", "-A", "-t", "-w"]
        where = ["-h", "127.0.0.1", "-p", str(self._port), "-U", "postgres", "-d", "postgres"]
        done = subprocess.run(
            [*command, *where, "-v", "ON_ERROR_STOP=1", "-c", statement],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def history(self) -> list[Any]:
        """Return a row for each change of the primary, oldest first."""
        found: list[Any] = self._get("/history")
        return found

    def _ask(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            self.state = self._get("/patroni")
        except OSError:
            self.state = {}  # not listening yet, or its PostgreSQL is not running
        return self.state

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{self._rest}{path}", timeout=TIMEOUT) as answer:
            return json.load(answer)

    def _settings(self) -> dict[str, Any]:
        users = {
            kind: {"username": name, "password": "-"}  # which nobody asks for
            for kind, name in (("superuser", "postgres"), ("replication", "replicator"))
        }
        return {
            "scope": "words",
            "name": self.name,
            "restapi": {"listen": self._rest, "connect_address": self._rest},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL,
                    "loop_wait": LOOP_WAIT,
                    "retry_timeout": RETRY_TIMEOUT,
                    "postgresql": {"use_pg_rewind": True},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{self._port}",
                "connect_address": f"127.0.0.1:{self._port}",
                "bin_dir": str(self._account.programs),
                "data_dir": str(self._folder / "data"),
                "pgpass": str(self._folder / "pgpass"),
                "authentication": users,
                "pg_hba": [
                    "host all all 127.0.0.1/32 trust",
                    "host replication all 127.0.0.1/32 trust",
                ],
                "parameters": {"unix_socket_directories": "", "shared_buffers": "16MB"},
            },
        }


class Account:
    """
    Whom Patroni and PostgreSQL run as, which refuses to be root, and the programs to run.

    Attributes:
        python: One that has Patroni.
        programs: The directory of PostgreSQL's programs.

    """

    def __init__(self) -> None:
        self.programs = _programs()
        self.python = ENVIRONMENT.interpreter()
        self._user = _ordinary_user() if os.geteuid() == 0 else None
        with tempfile.TemporaryDirectory(prefix="etcdpy-test-") as folder:
            self.make(Path(folder))
            check = [str(self.python), "-c", "import patroni, psycopg"]
            try:
                found = self.run(check, Path(folder), subprocess.DEVNULL).wait()
            except PermissionError:
                found = 126
        if found:
            pytest.skip(f"an ordinary user cannot run {self.python}, where it is")

    def run(self, command: list[str], folder: Path, log: Any) -> subprocess.Popen[bytes]:
        """Start a program as this user, its output into ``log``."""
        identity: dict[str, Any] = {}
        if self._user is not None:
            identity = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return subprocess.Popen(
            command,
            cwd=folder,
            env=outside({"HOME": str(folder)}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **identity,
        )

    def make(self, folder: Path) -> None:
        """Make a directory, or take one, for this user."""
        folder.mkdir(exist_ok=True)
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)


@contextmanager
def two_nodes(etcd: dict[str, Any]) -> Iterator[tuple[Node, Node]]:
    """
    Yield two nodes that have not been started, and end those that are running.

    Args:
        etcd: The part of Patroni's settings that tells where etcd is, and which API to speak.

    """
    account = Account()
    # Not pytest's own directories, which an ordinary user cannot enter.
    with tempfile.TemporaryDirectory(prefix="etcdpy-test-") as directory:
        account.make(Path(directory))
        nodes = tuple(Node(name, etcd, Path(directory), account) for name in ("first", "second"))
        try:
            yield nodes[0], nodes[1]
        finally:
            for node in nodes:
                node.kill()


def _programs() -> Path:
    """Return the directory of PostgreSQL's programs (Debian has them not in PATH), or skip."""
    in_path = shutil.which("postgres")
    candidates = [Path(in_path).resolve().parent] if in_path else []
    candidates += sorted(map(Path, glob.glob("/usr/lib/postgresql/*/bin")), reverse=True)
    for directory in candidates:
        if all(os.access(directory / name, os.X_OK) for name in NEEDED):
            return directory
    pytest.skip("PostgreSQL's server is not installed (Debian's package postgresql)")


def _ordinary_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    pytest.skip("there is no user but root to run PostgreSQL as")


def _is_postgres(pid: int) -> bool:
    """Tell whether it is a PostgreSQL, and not what has got its number since."""
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    return command.endswith(b"/postgres")


def _wait_until_gone(pid: int) -> None:
    """Wait for a process that is not our child: Patroni was its parent, and has ended."""
    until = time.monotonic() + TIMEOUT
    with suppress(ProcessLookupError, FileNotFoundError):
        while Path(f"/proc/{pid}/cmdline").read_bytes():  # none, of one that has ended
            assert time.monotonic() < until, pid
            time.sleep(0.05)
