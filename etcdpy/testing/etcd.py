"""An etcd for a test: where it is, what is in it, and what the test does to it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from etcdpy.testing.clocks import Clock
from etcdpy.testing.data import Event, as_bytes, as_text
from etcdpy.testing.faults import Faults
from etcdpy.testing.log import Log
from etcdpy.testing.operations import Connection, Lease, Watcher
from etcdpy.testing.requests import Requests
from etcdpy.testing.settings import Settings
from etcdpy.testing.thread import ServerThread
from etcdpy.testing.where import Certificates, Where

__all__ = ["Etcd"]

Text = str | bytes


class Driver(Protocol):
    """Where a server runs, and how it is told what to do."""

    @property
    def requests(self) -> Requests:
        """What was asked."""

    @property
    def where(self) -> Where:
        """Where it is."""

    def call(self, operation: str, **arguments: Any) -> Any:
        """Do something to the server."""

    def stop(self) -> None:
        """Stop it."""


class Etcd:
    """
    An etcd of a test's own.

    It is started by ``start``, or by a ``with`` or ``async with`` block, and stopped at the end::

        with Etcd(quota_backend_bytes=1 << 20) as etcd:
            client = connect(etcd.endpoint)

    Its methods take a few milliseconds and may be called from any thread, also from that of an
    event loop: the server has one of its own.

    Args:
        mode: ``"thread"`` for a server in this process; ``"process"`` for one in a child, for
            suites that fork.
        settings: See ``Settings``: etcd's flags with underscores, ``auth``, ``tls``, ``data``, ...

    Attributes:
        clock: Its time.
        faults: What is to go wrong.
        log: What it has logged.

    Raises:
        TypeError: There is no such setting.
        ValueError: A setting cannot be used.

    """

    def __init__(self, *, mode: str = "thread", **settings: Any) -> None:
        if mode not in ("thread", "process"):
            raise ValueError(f"a mode is 'thread' or 'process', not {mode!r}")
        self.settings = Settings.of(**settings)
        self._mode = mode
        self._driver: Driver | None = None
        self._requests: Requests | None = None
        self.log = Log()
        self.clock = Clock(self._call)
        self.faults = Faults(self._call)

    # ------------------------------------------------------------------- its life

    def start(self) -> Etcd:
        """
        Start it, and return it once it serves.

        Raises:
            RuntimeError: It has been started.
            StorageError: The data directory cannot be used.
            OSError: The port cannot be.

        """
        if self._driver is not None:
            raise RuntimeError("this etcd has been started")
        if self._mode == "process":
            from etcdpy.testing.process import ServerProcess

            self._driver = ServerProcess(self.settings)
            self.log.come_from(partial(self._driver.call, "log"))
        else:
            self.log.open()
            try:
                self._driver = thread = ServerThread(self.settings)
            except BaseException:
                self.log.close()
                raise
            self.log.listen_to(thread.ident)
        self._requests = self._driver.requests
        return self

    def stop(self) -> None:
        """Stop it. Harmless if it does not run."""
        driver, self._driver = self._driver, None
        if driver is not None:
            self.log.come_from(None)
            driver.stop()
            self.log.close()

    def reset(self) -> None:
        """
        Make it as new: empty at revision 1, no users, alarms, leases, faults or requests.

        Streams are cut off; connections stay, as a client may be made for many tests.
        """
        self._call("reset")
        self.log.clear()

    def renew(self) -> None:
        """Reset it, unless it is as new anyway."""
        if not self._call("is_new"):
            self.reset()

    def restart(self) -> None:
        """Stop it and start it again: the same port, the same data; all connections break."""
        self._call("restart")

    def crash(self) -> None:
        """Be down at once, as after ``kill -9``, until ``restart``."""
        self._call("crash")

    def __enter__(self) -> Etcd:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Etcd:
        return self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # ------------------------------------------------------------------- where it is

    @property
    def host(self) -> str:
        """``"127.0.0.1"``."""
        return self.where.host

    @property
    def port(self) -> int:
        """The port."""
        return self.where.port

    @property
    def endpoint(self) -> str:
        """Where clients of etcd find it: ``"127.0.0.1:PORT"``."""
        return f"{self.host}:{self.port}"

    @property
    def grpc_target(self) -> str:
        """What a channel of gRPC is opened to."""
        return f"ipv4:{self.endpoint}"

    @property
    def url(self) -> str:
        """Where clients of HTTP find it: ``"http://127.0.0.1:PORT"``, or ``https``."""
        return f"{'https' if self.settings.tls else 'http'}://{self.endpoint}"

    @property
    def unix_socket(self) -> str:
        """The path of a socket where it is found as well, without TLS."""
        return self.where.unix_socket

    @property
    def tls(self) -> Certificates | None:
        """Where the certificates are; None without TLS."""
        return self.where.certificates

    @property
    def env(self) -> dict[str, str]:
        """The environment by which ``etcdctl``, in a process of its own, finds it."""
        found = {"ETCDCTL_API": "3", "ETCDCTL_ENDPOINTS": self.url}
        if (tls := self.tls) is not None:
            found["ETCDCTL_CACERT"] = tls.ca
            if self.settings.client_certificates:
                found |= {"ETCDCTL_CERT": tls.client_cert, "ETCDCTL_KEY": tls.client_key}
        if self.settings.auth is not None:
            root = self.settings.auth["root"]
            password = root["password"] if isinstance(root, Mapping) else root
            found["ETCDCTL_USER"] = f"root:{password}"
        return found

    @property
    def where(self) -> Where:
        """
        All of where it is.

        Raises:
            RuntimeError: If it does not run.

        """
        if self._driver is None:
            raise RuntimeError(
                "this etcd does not run: it is started by start(), or by a with block"
            )
        return self._driver.where

    # ------------------------------------------------------------------- what is in it

    def put(self, key: Text, value: Any, lease: int = 0) -> int:
        """Put a key, whatever its users may; return the revision."""
        revision: int = self._call("put", key=as_bytes(key), value=as_bytes(value), lease=lease)
        return revision

    def get(self, key: Text) -> bytes | None:
        """Return the value of a key, None if it is not there."""
        value: bytes | None = self._call("get", key=as_bytes(key))
        return value

    def delete(self, key: Text, *, prefix: bool = False) -> int:
        """Delete a key, or with ``prefix`` all that begin so; return how many there were."""
        deleted: int = self._call("delete", key=as_bytes(key), prefix=prefix)
        return deleted

    @property
    def data(self) -> dict[str, str]:
        """All keys and values, as text; bytes that are no UTF-8 as ``surrogateescape`` has it."""
        return {as_text(key): as_text(value) for key, value in self.pairs().items()}

    def pairs(self, prefix: Text = b"") -> dict[bytes, bytes]:
        """Return the keys that begin so, with their values."""
        pairs: dict[bytes, bytes] = self._call("pairs", prefix=as_bytes(prefix))
        return pairs

    @property
    def revision(self) -> int:
        """The revision of the store; 1 if nothing was ever written."""
        revision: int = self._call("revision")
        return revision

    def history(self, prefix: Text = b"") -> list[Event]:
        """Return every change of the keys that begin so, the oldest first."""
        events: list[Event] = self._call("history", prefix=as_bytes(prefix))
        return events

    def load(self, source: Mapping[Any, Any] | str | Path) -> None:
        """
        Put what a mapping has, or a file in JSON or YAML; of a snapshot of etcd's begin anew.

        Raises:
            ValueError: The file has no mapping.
            BoltError: It is no snapshot, or a damaged one.
            OSError: It cannot be read.

        """
        self._call("load", source=dict(source) if isinstance(source, Mapping) else str(source))

    def dump(self, path: str | Path) -> None:
        """Write what there is into a file: JSON or YAML by its name, else a snapshot of etcd's."""
        self._call("dump", path=str(path))

    # ------------------------------------------------------------------- who is there

    @property
    def requests(self) -> Requests:
        """
        What it was asked, the newest last; also after it has stopped.

        Raises:
            RuntimeError: If it was never started.

        """
        if self._requests is None:
            raise RuntimeError("this etcd has not been started")
        return self._requests

    @property
    def watchers(self) -> list[Watcher]:
        """The watches that are open."""
        found: list[Watcher] = self._call("watchers")
        return found

    @property
    def leases(self) -> list[Lease]:
        """The leases that there are."""
        found: list[Lease] = self._call("leases")
        return found

    @property
    def connections(self) -> list[Connection]:
        """The connections that are open."""
        found: list[Connection] = self._call("connections")
        return found

    def _call(self, operation: str, **arguments: Any) -> Any:
        if self._driver is None:
            raise RuntimeError(
                "this etcd does not run: it is started by start(), or by a with block"
            )
        return self._driver.call(operation, **arguments)
