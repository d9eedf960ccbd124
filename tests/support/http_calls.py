"""Requests of HTTP/1.1 from the test's own loop, each on a connection of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import urlencode

#: No answer takes longer, even on a busy machine.
TIMEOUT = 60.0


@dataclass(frozen=True)
class Reply:
    """
    An answer.

    Attributes:
        headers: Names in lower case.

    """

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict, compare=False)


async def call(
    address: str, method: str, target: str, form: dict[str, str] | None = None, **headers: str
) -> Reply:
    """
    Ask, and return the answer. Cancelling it hangs up.

    Args:
        form: What to send as the body; None for no body.
        headers: Names have ``_`` for ``-``.

    """
    host, _, port = address.rpartition(":")
    body = urlencode(form).encode() if form is not None else b""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {address}", "Connection: close"]
    if form is not None:
        lines.append("Content-Type: application/x-www-form-urlencoded")
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        answer = await asyncio.wait_for(reader.read(), TIMEOUT)
    finally:
        writer.close()
    if not answer:
        raise ConnectionError("the server hung up")
    return _reply(answer)


def _reply(answer: bytes) -> Reply:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    pairs = (line.partition(": ") for line in fields)
    headers = {name.lower(): value for name, _, value in pairs}
    return Reply(int(status.split()[1]), body.decode("utf-8", "surrogateescape"), headers)
