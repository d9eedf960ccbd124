"""Requests of HTTP/1.1 as bytes, and what comes back."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace

#: No answer takes longer, even on a busy machine.
TIMEOUT = 60.0


def request(
    target: str, method: str = "GET", host: str = "localhost", body: bytes = b"", **fields: str
) -> bytes:
    """Return a request; names of fields have ``_`` for ``-``."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Answer:
    """
    An answer.

    Attributes:
        status: With its version and phrase, such as ``HTTP/1.1 200 OK``.
        headers: By name as written, without Date.
        body: Without the frames of chunks.

    """

    status: str
    headers: dict[str, str]
    body: bytes


class Client:
    """A connection."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=TIMEOUT)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, to_head: bool = False) -> Answer:
        """Return the next answer."""
        head = self.head()
        return head if to_head else replace(head, body=self._body(head.headers))

    def head(self) -> Answer:
        """Return the next answer without its body, which is still to be read."""
        status = self._file.readline().decode().rstrip("\r\n")
        headers = {}
        while line := self._file.readline().decode().rstrip("\r\n"):
            name, _, value = line.partition(": ")
            headers[name] = value
        headers.pop("Date", None)
        return Answer(status, headers, b"")

    def rest(self) -> bytes:
        """Return all until the connection is closed."""
        try:
            return self._file.read()
        except ConnectionResetError:
            return b""

    def chunk(self) -> bytes:
        """Return the next chunk of a body, ``b""`` for the last one."""
        data = self._file.read(int(self._file.readline(), 16))
        self._file.readline()
        return data

    def _body(self, headers: dict[str, str]) -> bytes:
        if "Content-Length" in headers:
            return self._file.read(int(headers["Content-Length"]))
        if headers.get("Transfer-Encoding") == "chunked":
            return b"".join(iter(self.chunk, b""))
        return self.rest()


def ask(address: str, data: bytes, *, to_head: bool = False) -> Answer:
    """Send bytes on a connection of their own and return the first answer."""
    with Client(address) as client:
        client.send(data)
        return client.answer(to_head=to_head)


def get(address: str, target: str) -> Answer:
    return ask(address, request(target))
