"""
The well-behaved client: one connection, on which it puts a key and reads it, over and over, and
watches it: each Put has to come as one event, in order.

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
from collections import deque
from ssl import SSLContext
from typing import Any, NamedTuple

from bench.http2 import DATA, END_STREAM, Address, Connection, LoadError, Method, methods
from etcdpy.pb import rpc_pb2 as pb
from tests.fairness.attacks import ATTACKS
from tests.fairness.papers import client_context
from tests.fairness.wire import AUTH, PUT, RANGE, WATCH

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


class Watching(Connection):
    """A connection with one watch beside its calls."""

    def watch(self, method: Method, key: bytes) -> None:
        """
        Watch a key.

        Raises:
            LoadError: It is not to be watched.

        """
        self._stream = self.next_stream_id
        self._unread = bytearray()
        self._is_created = False
        #: Revisions of events that nobody has asked for yet, and when each of them came.
        self._events: deque[tuple[int, float]] = deque()
        request = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=key))
        self.send(method.first_open_request(request.SerializeToString()))
        while not self._is_created:
            self._read_reply(bytearray())

    def event(self, revision: int) -> float:
        """
        Wait for the next event, and return when it came.

        Args:
            revision: What it must be of.

        Raises:
            LoadError: It is another one, so that one was lost or came twice.

        """
        while not self._events:
            self._read_reply(bytearray())
        found, came = self._events.popleft()
        if found != revision:
            raise LoadError(f"an event of revision {found} instead of {revision}")
        return came

    def _read_reply(self, message: bytearray) -> bool:
        is_done = False
        for kind, flags, stream, start, end in self.frames(1 << 18):
            payload = self.buffer[start:end]
            if kind != DATA:
                self.statuses.check(payload)
            elif stream == self._stream:
                self._unread += payload
            else:
                message += payload
            if flags & END_STREAM:
                if stream == self._stream:
                    raise LoadError("the watch ended")
                is_done = True
        self._take_events()
        return is_done

    def _take_events(self) -> None:
        unread = self._unread
        while len(unread) >= 5 and len(unread) >= (end := 5 + int.from_bytes(unread[1:5], "big")):
            response = pb.WatchResponse.FromString(bytes(unread[5:end]))
            del unread[:end]
            if response.canceled:
                raise LoadError(f"the watch was cancelled: {response.cancel_reason}")
            self._is_created = self._is_created or response.created
            came = time.perf_counter()
            self._events.extend((event.kv.mod_revision, came) for event in response.events)


def connect(name: str, address: str) -> Connection:
    """Connect as everybody has to who is let in."""
    return Connection(*_door(name, address))


def _door(name: str, address: str) -> tuple[Address, SSLContext | None]:
    host, _, port = address.rpartition(":")
    attack = ATTACKS[name]
    tls = client_context("h2") if attack.is_secure else None
    return Address(host, int(port), attack.is_secure), tls


def main(name: str, address: str) -> None:
    """Measure until standard input ends."""
    logins = Logins(name, address) if ATTACKS[name].user else None
    connection = Watching(*_door(name, address))
    token = logins.token if logins else ""
    watch, put, read = methods(address, WATCH, PUT, RANGE, token=token)
    key = b"/bystander"
    to_put = pb.PutRequest(key=key, value=b"x" * 64).SerializeToString()
    to_read = pb.RangeRequest(key=key).SerializeToString()
    connection.watch(watch, key)
    written = connection.call(put.first_request(to_put))
    connection.event(_revision(written))
    connection.call(read.first_request(to_read))
    if logins is not None:
        logins.start()
    print("ready", flush=True)
    puts, ranges, events = list[float](), list[float](), list[float]()
    failed = ""
    try:
        while not select.select([sys.stdin], [], [], PAUSE)[0]:
            began = time.perf_counter()
            written = connection.call(put.request(to_put))
            puts.append(time.perf_counter() - began)
            events.append(connection.event(_revision(written)) - began)
            began = time.perf_counter()
            connection.call(read.request(to_read))
            ranges.append(time.perf_counter() - began)
    except (LoadError, OSError) as error:
        failed = str(error)
    seen: dict[str, Any] = {
        "put": Waits.of(puts),
        "range": Waits.of(ranges),
        "watch": Waits.of(events),
        "failed": failed,
    }
    if logins is not None:
        seen["login"] = logins.end()
        seen["failed"] = failed or logins.failed
    print(json.dumps(seen), flush=True)


def _revision(written: bytes) -> int:
    return pb.PutResponse.FromString(written).header.revision


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
