"""Requests of v2, and what comes back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from tests.support import http1
from tests.support.http1 import request

FORM: Final = "application/x-www-form-urlencoded"

_EXPIRATION: Final = re.compile(r'"expiration":"[0-9T:.\-]+Z"')
#: Seconds that are left differ while a second passes; those of the tests are hundreds or none.
_TTL: Final = re.compile(r'"ttl":\d+')


@dataclass(frozen=True)
class Reply:
    """
    An answer of one server.

    Attributes:
        status: Such as 200.
        headers: By name.
        body: As it came.

    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def index(self) -> int:
        return int(self.headers["X-Etcd-Index"])

    @property
    def outcome(self) -> str | int:
        """The action, or the code of the error."""
        told = self.json
        outcome: str | int = told.get("action") or told["errorCode"]
        return outcome


class V2Client:
    """
    Asks one server, over one connection.

    Args:
        address: Of its client listener.

    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = http1.Client(address)

    def close(self) -> None:
        self._client.__exit__()

    def ask(self, method: str, path: str, form: str = "", kind: str = FORM) -> Reply:
        """
        Ask for a key.

        Args:
            path: Behind ``/v2/keys``, with its query.
            form: The body.
            kind: Its type.

        """
        return self.raw(method, f"/v2/keys{path}", form, kind)

    def raw(self, method: str, target: str, form: str = "", kind: str = FORM) -> Reply:
        """Ask for anything."""
        self._client.send(_request(method, target, form, kind))
        return _reply(self._client.answer(to_head=method == "HEAD"))

    def index(self) -> int:
        """Return the store's index."""
        return self.ask("GET", "").index

    def watch(self, path: str, query: str = "") -> Watch:
        """Begin to watch."""
        return Watch(self.address, f"{path}?wait=true{query and '&'}{query}")


class Watch:
    """
    A request that waits.

    Attributes:
        head: The status and the headers, which come at once.

    """

    def __init__(self, address: str, path: str) -> None:
        self._client = http1.Client(address)
        self._client.send(_request("GET", f"/v2/keys{path}", "", ""))
        self.head = self._client.head()
        # Several may come together.
        self._lines: list[bytes] = []

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()

    @property
    def index(self) -> int:
        return int(self.head.headers["X-Etcd-Index"])

    def line(self) -> bytes:
        """Return the next event as it came, ``b""`` if there is none any more."""
        if not self._lines:
            self._lines = self._client.chunk().splitlines()
        return self._lines.pop(0) if self._lines else b""

    def next(self) -> dict[str, Any]:
        """Return the next event, ``{}`` if there is none any more."""
        line = self.line()
        event: dict[str, Any] = json.loads(line) if line else {}
        return event


def _request(method: str, target: str, form: str, kind: str) -> bytes:
    fields = {"Content_Type": kind} if form and kind else {}
    body = form.encode("utf-8", "surrogateescape")
    if method in ("PUT", "POST") and not body:
        fields["Content_Length"] = "0"
    return request(target, method, body=body, **fields)


def _reply(answer: http1.Answer) -> Reply:
    return Reply(int(answer.status.split()[1]), answer.headers, answer.body)


def comparable(reply: Reply) -> tuple[object, ...]:
    """Return what has to be the same of an answer on two servers."""
    names = ("Content-Type", "X-Etcd-Index", "Allow", "Location")
    headers = tuple(reply.headers.get(name) for name in names)
    return reply.status, headers, comparable_body(reply.body)


def comparable_body(body: bytes) -> bytes:
    """Return a body whose nodes are in order and without times."""
    text = _TTL.sub('"ttl":0', _EXPIRATION.sub('"expiration":""', body.decode()))
    if '"nodes":[' not in text:
        return text.encode()
    told = json.loads(text)
    _sort(told["node"])
    return json.dumps(told).encode()


def _sort(node: dict[str, Any]) -> None:
    nodes = node.get("nodes", [])
    nodes.sort(key=lambda one: one["key"])
    for one in nodes:
        _sort(one)
