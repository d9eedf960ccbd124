"""
The well-behaved client: one connection, on which it puts a key and reads it, over and over.

``python -m tests.fairness.bystander NAME HOST:PORT`` begins at once and ends when its input does;
then it prints, as JSON, what it has seen. Where users have to log in it does so again, every half a
second, on a connection of its own.
"""

from __future__ import annotations

import json
import select
import sys
import threading
import time
from typing import NamedTuple

from bench.http2 import Address, Connection, LoadError, methods
from etcdpy.pb import rpc_pb2 as pb
from tests.fairness.attacks import ATTACKS
from tests.fairness.papers import client_context
from tests.fairness.wire import AUTH, PUT, RANGE

#: Between two calls: it is no load of its own.
PAUSE = 0.002
#: Between two logins.
LOGIN_PAUSE = 0.5


class Waits(NamedTuple):
    """Milliseconds that calls of one kind took, and how many there were."""

    calls: int
    p50: float
    p99: float
    worst: float

    @classmethod
    def of(cls, seconds: list[float]) -> Waits:
        ordered = sorted(seconds) or [0.0]
        last = len(ordered) - 1
        at = (ordered[round(last * share)] * 1000 for share in (0.5, 0.99, 1.0))
        return cls(len(seconds), *at)


class Logins(threading.Thread):
    """
    Logs in, again and again.

    Args:
        name: The attack.
        address: The server's.

    Attributes:
        token: What the first gave.
        took: Seconds of each of the others.
        stopped: Set when it is to end.

    """

    def __init__(self, name: str, address: str) -> None:
        super().__init__(daemon=True)
        user, _, password = ATTACKS[name].user.partition(":")
        self._body = pb.AuthenticateRequest(name=user, password=password).SerializeToString()
        self._connection = connect(name, address)
        (self._method,) = methods(address, AUTH + "Authenticate")
        self.token = self._log_in(is_first=True)
        self.took: list[float] = []
        self.stopped = threading.Event()
        self._began = 0.0

    def _log_in(self, *, is_first: bool = False) -> str:
        method = self._method
        request = (method.first_request if is_first else method.request)(self._body)
        reply = pb.AuthenticateResponse.FromString(self._connection.call(request))
        return reply.token

    def run(self) -> None:
        try:
            while not self.stopped.wait(LOGIN_PAUSE):
                self._began = time.perf_counter()
                self._log_in()
                self.took.append(time.perf_counter() - self._began)
                self._began = 0.0
        except (LoadError, OSError) as error:
            self.failed = f"a login failed: {error}"

    failed = ""

    def end(self) -> Waits:
        """End, and return what was seen, one that is not answered yet included."""
        self.stopped.set()
        if self._began:
            self.took.append(time.perf_counter() - self._began)
        return Waits.of(self.took)


def connect(name: str, address: str) -> Connection:
    """Connect as everybody has to who is let in."""
    host, _, port = address.rpartition(":")
    attack = ATTACKS[name]
    tls = client_context("h2") if attack.is_secure else None
    return Connection(Address(host, int(port), attack.is_secure), tls)


def main(name: str, address: str) -> None:
    """Measure until standard input ends."""
    logins = Logins(name, address) if ATTACKS[name].user else None
    connection = connect(name, address)
    put, read = methods(address, PUT, RANGE, token=logins.token if logins else "")
    key = b"/bystander"
    bodies = (
        (put, pb.PutRequest(key=key, value=b"x" * 64).SerializeToString()),
        (read, pb.RangeRequest(key=key).SerializeToString()),
    )
    connection.prime(bodies)
    if logins is not None:
        logins.start()
    print("ready", flush=True)
    taken: tuple[list[float], list[float]] = ([], [])
    failed = ""
    try:
        while not select.select([sys.stdin], [], [], PAUSE)[0]:
            for seconds, (method, body) in zip(taken, bodies, strict=True):
                began = time.perf_counter()
                connection.call(method.request(body))
                seconds.append(time.perf_counter() - began)
    except (LoadError, OSError) as error:
        failed = str(error)
    seen = {"put": Waits.of(taken[0]), "range": Waits.of(taken[1]), "failed": failed}
    if logins is not None:
        seen["login"] = logins.end()
        seen["failed"] = failed or logins.failed
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
