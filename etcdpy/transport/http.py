"""Requests on an HTTP/2 connection that are not gRPC: what the owner of a server may answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from etcdpy.transport.http2.hpack import Field, encode_list, encode_status


@dataclass(frozen=True)
class HttpRequest:
    """
    A complete request.

    Attributes:
        method: Such as ``GET``.
        path: With the query string.
        authority: The host that was asked for.
        headers: Regular fields, names in lower case.
        body: All of it.
        peer: As :meth:`.Context.peer` has it.

    """

    method: str
    path: str
    authority: str
    headers: Sequence[Field]
    body: bytes
    peer: str


@dataclass(frozen=True)
class HttpResponse:
    """
    The answer to a request.

    Attributes:
        status: Such as 200.
        headers: Names in lower case, no connection-specific ones.
        body: All at once, or pieces as they come, each sent as soon as there is window.

    """

    status: int
    headers: Sequence[Field] = ()
    body: bytes | AsyncIterator[bytes] = b""

    def block(self) -> bytes:
        """Return the header block."""
        return encode_status(self.status) + encode_list(self.headers)


HttpHandler = Callable[[HttpRequest], Awaitable[HttpResponse]]

NOT_FOUND_BODY: Final = b"404 page not found\n"


def plain_text(status: int, text: bytes) -> HttpResponse:
    """Return an answer of plain text, with the headers Go's http.Error gives it."""
    return HttpResponse(
        status,
        (
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-length", b"%d" % len(text)),
        ),
        text,
    )


async def not_found(request: HttpRequest) -> HttpResponse:
    """Answer a request when nobody else does."""
    return plain_text(404, NOT_FOUND_BODY)
