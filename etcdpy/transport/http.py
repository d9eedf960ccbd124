"""HTTP requests that are not gRPC, over either version: what the owner of a server may answer."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from etcdpy.memory import Account
from etcdpy.transport.http2.hpack import Field, encode_list, encode_status


class BodyTooLargeError(Exception):
    """A body is longer than its reader takes."""


class BodyBrokenError(Exception):
    """A body did not come whole: its client has left, or sends what is no body."""


class Body:
    """
    The body of a request, which may still be on its way. It has one reader.

    Args:
        data: All of it, where it is there already.

    """

    __slots__ = ("_error", "_is_complete", "_pieces", "_waiter", "size")

    def __init__(self, data: bytes = b"") -> None:
        self._pieces: deque[bytes] = deque((data,) if data else ())
        self._is_complete = True
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.size = len(data)

    async def read(self, limit: int) -> bytes:
        """
        Return all of it.

        Raises:
            BodyTooLargeError: It is longer than ``limit`` bytes; no more of it can be read.
            BodyBrokenError: It did not come whole.

        """
        if self._is_complete and len(self._pieces) == 1:
            piece = await self.next_piece()
            if len(piece) > limit:
                raise BodyTooLargeError
            return piece
        data = bytearray()
        self.wanted(whole=True)
        while piece := await self.next_piece():
            data += piece
            if len(data) > limit:
                raise BodyTooLargeError
        return bytes(data)

    async def next_piece(self) -> bytes:
        """
        Return the next piece as soon as there is one, ``b""`` at the end. Safe to cancel.

        Raises:
            BodyBrokenError: The rest will not come.

        """
        self.wanted(whole=False)
        while not self._pieces:
            if self._error is not None:
                # A new one: raised, it refers to this, and what refers to itself stays for long.
                raise type(self._error)(*self._error.args)
            if self._is_complete:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        piece = self._pieces.popleft()
        self.size -= len(piece)
        self.taken()
        return piece

    def wanted(self, *, whole: bool) -> None:
        """Note that somebody reads."""

    def taken(self) -> None:
        """Note that a piece was taken."""


class ArrivingBody(Body):
    """
    A body that comes in pieces.

    Args:
        wanted: Told when somebody begins to read, and whether all of it or as it comes.
        taken: Told when there is room for more.

    Attributes:
        size: Bytes that are there and not read.

    """

    __slots__ = ("_is_wanted", "_on_taken", "_on_wanted")

    def __init__(self, wanted: Callable[[bool], None], taken: Callable[[], None]) -> None:
        super().__init__()
        self._is_complete = False
        self._is_wanted = False
        self._on_wanted = wanted
        self._on_taken = taken

    def feed(self, piece: bytes) -> None:
        """Add a piece."""
        self._pieces.append(piece)
        self.size += len(piece)
        self._wake()

    def finish(self) -> None:
        """Note that this was all."""
        self._is_complete = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """Note that no more will come, behind what is there."""
        if not self._is_complete and self._error is None:
            self._error = error
            self._wake()

    def wanted(self, *, whole: bool) -> None:
        if not self._is_wanted and not self._is_complete:
            self._is_wanted = True
            self._on_wanted(whole)

    def taken(self) -> None:
        self._on_taken()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _stays() -> bool:
    return False


@dataclass(slots=True)
class HttpRequest:
    """
    A request; its body may still be on its way.

    Attributes:
        method: Such as ``GET``.
        path: With the query string, as it was sent.
        authority: The host that was asked for, with its port if one was named.
        headers: Regular fields, names in lower case.
        body: What to read it from.
        peer: As :meth:`.Context.peer` has it.
        is_secure: Whether it came over TLS.
        certificate_name: The common name of the client's certificate, as
            :class:`.grpc.channel.Channel` has it.
        upgrade: The protocol that the client offers to go on with, such as ``websocket``.
        has_left: Tells whether the client has said that it sends no more, which it does as well
            when it hangs up; its request is cancelled a moment later. Over HTTP/2 that is at once.
        account: What is held for the client is put to it; None if nobody counts that.

    """

    method: str
    path: str
    authority: str
    headers: Sequence[Field]
    body: Body
    peer: str
    is_secure: bool = False
    certificate_name: str | None = None
    upgrade: str = ""
    has_left: Callable[[], bool] = field(default=_stays, compare=False)
    account: Account | None = field(default=None, compare=False)

    def header(self, name: bytes) -> str | None:
        """Return the first field of a name, which is in lower case; None without one."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1")
        return None


class Foreseeing(AsyncIterator[bytes]):
    """Pieces of a body that know of each whether it is the last, so that the end goes with it."""

    def is_at_end(self) -> bool:
        """Tell whether nothing comes behind the piece just given."""
        raise NotImplementedError


class TurnGiver(Protocol):
    """
    Whose input is worked through next, of all connections.

    Attributes:
        each: Seconds for which one works.

    """

    each: float

    def wait(self, connection: Successor, /) -> None:
        """Have ``take_turn`` called, soon, and again for as long as there is more to do."""


class Successor(ABC, asyncio.Protocol):
    """
    What a connection goes on with behind an upgrade.

    Attributes:
        turns: What it waits in with what has arrived, if that can be much; there before
            ``connection_made``.

    """

    turns: TurnGiver

    def take_turn(self) -> bool:
        """Go on with what has arrived for a while, and tell whether something is left."""
        return False

    def write_more(self) -> None:
        """Do nothing: it writes as fast as is taken what it writes."""

    @abstractmethod
    def stop(self) -> None:
        """Say goodbye and close, as the server stops."""


@dataclass(slots=True)
class HttpResponse:
    """
    The answer to a request.

    Attributes:
        status: Such as 200.
        headers: Names in lower case, no connection-specific ones.
        body: All at once, or pieces as they come, each sent as soon as there is room. If the
            client leaves, what makes the pieces is cancelled where it waits.
        is_endless: Whether the pieces end only with the server; it does not wait for them.
        last: What they end with if the server ends them.
        upgrade: Makes what the connection goes on with, behind the head and without a body. Over
            HTTP/1.1 alone, and only if the client has asked for it. It gets ``connection_made``
            and all that follows, from the first byte behind the request on.

    """

    status: int
    headers: Sequence[Field] = ()
    body: bytes | AsyncIterator[bytes] = b""
    is_endless: bool = False
    last: bytes = b""
    upgrade: Callable[[], Successor] | None = field(default=None, compare=False)

    def with_headers(self, headers: Sequence[Field]) -> HttpResponse:
        """Return it with more headers, before those that it has."""
        more = (*headers, *self.headers)
        return HttpResponse(self.status, more, self.body, self.is_endless, self.last, self.upgrade)

    def block(self) -> bytes:
        """Return the header block of HTTP/2."""
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
