"""A server in a child process: for suites that fork, or want nothing else in their own."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import fields
from typing import Any, Final
from urllib.parse import urlencode

from etcdpy.testing.codec import bytes_of, request_of, sent
from etcdpy.testing.data import Event, read_mapping
from etcdpy.testing.operations import Connection, Lease, Watcher
from etcdpy.testing.requests import Method, Request, Requests
from etcdpy.testing.requests import Where as Condition
from etcdpy.testing.settings import Settings
from etcdpy.testing.where import Where

__all__ = ["ServerProcess"]

#: Seconds between two looks at requests that are waited for.
_LOOK_SECONDS: Final = 0.01
#: Seconds that the child has to end in before it is killed.
_END_SECONDS: Final = 10.0


class ServerProcess:
    """
    A server in a child process that is up, driven over its control address.

    Args:
        settings: What the test wants.

    Attributes:
        requests: What was asked; each look at them asks the server.
        where: Where it is.

    Raises:
        ValueError: The settings cannot be used.
        RuntimeError: It did not start; the text is what it has written.

    """

    def __init__(self, settings: Settings) -> None:
        given = {field.name: getattr(settings, field.name) for field in fields(settings)}
        if not isinstance(settings.data, (str, type(None))):
            given["data"] = _data_of(settings.data)
        command = [sys.executable, "-m", "etcdpy", "test-server", "--settings"]
        self._child = subprocess.Popen(  # noqa: S603
            [*command, json.dumps(sent(given))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            _, said = self._child.communicate()
            raise RuntimeError(f"the server did not start: {said.decode(errors='replace')}")
        told = json.loads(line)
        self.where = Where.of(told)
        self.pid: int = told["pid"]
        self._control = told["control"].removeprefix("http://")
        self.requests: Requests = _RemoteRequests(self._ask)

    def call(self, operation: str, **arguments: Any) -> Any:
        """
        Do something to the server, and return what comes of it.

        Raises:
            ValueError: It cannot be done; the text is what the server says.
            RuntimeError: It is not there.

        """
        return _WAYS[operation](self._ask, **arguments)

    def stop(self) -> None:
        """End the child, and wait for that."""
        child = self._child
        assert child.stdin is not None
        with suppress(OSError):
            child.stdin.close()
        try:
            child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()

    def _ask(self, verb: str, path: str, /, **said: Any) -> Any:
        """Ask the control address."""
        body = json.dumps(sent(said)) if verb != "GET" else None
        query = f"?{urlencode(said)}" if said and verb == "GET" else ""
        connection = http.client.HTTPConnection(self._control)
        try:
            with closing(connection):
                connection.request(verb, f"/testing/{path}{query}", body)
                response = connection.getresponse()
                answer = json.loads(response.read())
        except OSError as error:
            raise RuntimeError(f"the server in process {self.pid} is not there: {error}") from error
        if response.status != 200:
            raise ValueError(answer["error"])
        return answer


class _RemoteRequests(Requests):
    """The requests of a server in another process."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        super().__init__()
        self._ask = ask
        self._pause = threading.Event()

    def __len__(self) -> int:
        return len(self._list())

    def clear(self) -> None:
        self._ask("DELETE", "requests")

    def wait_for(
        self,
        method: Method,
        where: Condition | None = None,
        *,
        count: int = 1,
        timeout: float = 5.0,
    ) -> Request:
        for _ in range(max(1, int(timeout / _LOOK_SECONDS))):
            if len(found := self.all(method, where)) >= count:
                return found[count - 1]
            self._pause.wait(_LOOK_SECONDS)
        raise self._too_few(method, where, count, timeout)

    def _list(self) -> list[Request]:
        return [request_of(told) for told in self._ask("GET", "requests")]


Ask = Callable[..., Any]


def _put(ask: Ask, key: bytes, value: bytes, lease: int = 0) -> int:
    revision: int = ask("POST", "put", key=key, value=value, lease=lease)["revision"]
    return revision


def _get(ask: Ask, key: bytes) -> bytes | None:
    value = ask("POST", "get", key=key)
    return None if value is None else bytes_of(value)


def _delete(ask: Ask, key: bytes, *, prefix: bool = False) -> int:
    deleted: int = ask("POST", "delete", key=key, prefix=prefix)["deleted"]
    return deleted


def _pairs(ask: Ask, prefix: bytes = b"") -> dict[bytes, bytes]:
    found = ask("GET", "data", prefix=prefix.decode("utf-8", "surrogateescape"))
    return {bytes_of(key): bytes_of(value) for key, value in found.items()}


def _history(ask: Ask, prefix: bytes = b"") -> list[Event]:
    return [
        Event(
            bytes_of(told.pop("key")),
            None if (value := told.pop("value")) is None else bytes_of(value),
            **told,
        )
        for told in ask("GET", "history", prefix=prefix.decode("utf-8", "surrogateescape"))
    ]


def _watchers(ask: Ask) -> list[Watcher]:
    return [
        Watcher(bytes_of(told["key"]), bytes_of(told["range_end"]), told["watch_id"])
        for told in ask("GET", "watchers")
    ]


def _leases(ask: Ask) -> list[Lease]:
    return [
        Lease(told["id"], told["ttl"], told["remaining"], [bytes_of(key) for key in told["keys"]])
        for told in ask("GET", "leases")
    ]


def _connections(ask: Ask) -> list[Connection]:
    return [Connection(**told) for told in ask("GET", "connections")]


def _load(ask: Ask, source: Any) -> None:
    if isinstance(source, str):
        ask("POST", "load", path=source)
    else:
        ask("POST", "load", data=_data_of(source))


def _begin_fault(ask: Ask, kind: str, **arguments: Any) -> int:
    given = {name: value for name, value in arguments.items() if value is not None}
    method = sent(given.get("method", "*"))
    if isinstance(method, dict):
        given.update(method)
    fault: int = ask("POST", f"faults/{kind}", **given)["fault"]
    return fault


def _data_of(source: Any) -> dict[str, Any]:
    return {
        key.decode("utf-8", "surrogateescape"): sent(value)
        for key, value in read_mapping(source).items()
    }


def _is_new(ask: Ask) -> bool:
    # It costs as much to ask as to reset it.
    return False


_WAYS: Final[dict[str, Callable[..., Any]]] = {
    "reset": lambda ask: ask("POST", "reset"),
    "restart": lambda ask: ask("POST", "restart"),
    "crash": lambda ask: ask("POST", "crash"),
    "is_new": _is_new,
    "put": _put,
    "get": _get,
    "delete": _delete,
    "pairs": _pairs,
    "revision": lambda ask: ask("GET", "revision"),
    "history": _history,
    "load": _load,
    "dump": lambda ask, path: ask("POST", "dump", path=path),
    "now": lambda ask: ask("GET", "clock")["now"],
    "advance": lambda ask, seconds: ask("POST", "clock/advance", seconds=seconds),
    "freeze": lambda ask: ask("POST", "clock/freeze"),
    "resume": lambda ask: ask("POST", "clock/resume"),
    "jump": lambda ask, seconds: ask("POST", "clock/jump", seconds=seconds),
    "begin_fault": _begin_fault,
    "end_fault": lambda ask, number: ask("DELETE", f"faults/{number}"),
    "end_faults": lambda ask: ask("DELETE", "faults"),
    "watchers": _watchers,
    "leases": _leases,
    "connections": _connections,
    "log": lambda ask: ask("GET", "log"),
}
