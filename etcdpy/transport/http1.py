"""
The server's side of one HTTP/1.1 connection, without I/O: bytes in, requests out.

llhttp, by way of httptools, judges every byte of a head and of a chunk's frame (RFC 9112). It is
strict: what two readers could take for two things, such as two lengths, is refused by it. Here
each piece is cut out and given to it whole::

    bytes ──> feed ──> next_event ──> Head  Piece*  End     (start_next)     Head ...

After ``End`` nothing is read before ``start_next``: requests that a client sends ahead wait as
bytes. The words of refusals are those of Go's ``net/http``.

Most requests come whole and alone, with the head that others had before, byte for byte: of these
``take_whole`` makes one piece, and heads are remembered.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from typing import Final, NamedTuple

import httptools

from etcdpy.cooperative import Steps, finish
from etcdpy.transport.http import HttpResponse
from etcdpy.transport.http2.hpack import Field
from etcdpy.transport.limits import MAX_CHUNK_LINE, MAX_HTTP1_FIELDS, MAX_HTTP1_HEAD

__all__ = [
    "CONTINUE",
    "END_OF_CHUNKS",
    "End",
    "Head",
    "Http1Error",
    "Http1Parser",
    "Pause",
    "Piece",
    "chunk",
    "encode_head",
]

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
END_OF_CHUNKS: Final = b"0\r\n\r\n"

#: Methods that llhttp is given as they are. It knows no others than registered ones, while to Go
#: any token is a method; and CONNECT, and the words of RTSP, it would read in ways of their own.
_KNOWN: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"))
_IS_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_IS_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]").fullmatch
#: (Go: ``httpguts.ValidHostHeader``)
_IS_HOST: Final = re.compile(rb"[A-Za-z0-9!$%&'()*+,\-.:;=\[\]_~]*").fullmatch
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
#: (Go: ``url.unescape``)
_BAD_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
#: Heads that are remembered, and the bytes of the longest.
_REMEMBERED: Final = 128
_LONGEST_REMEMBERED: Final = 1024
#: Where a head ends. llhttp wants CR before each LF: a head that does without is cut out, too, so
#: that it can be refused at once.
_BLANK_LINE: Final = re.compile(rb"\n\r?\n")
#: RFC 9110 5.6.7
_DAYS: Final = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS: Final = tuple(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())


class Http1Error(Exception):
    """
    A client has sent what is no request; the connection cannot go on.

    Attributes:
        answer: What it is told before the connection is closed.

    """

    def __init__(self, status: int, more: str = "", body: str = "") -> None:
        # (Go: net/http, ``conn.serve``)
        line = f"{status} {HTTPStatus(status).phrase}{more}"
        super().__init__(line)
        self.answer = (
            f"HTTP/1.1 {line}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Connection: close\r\n\r\n{body or line}"
        ).encode()


class Head(NamedTuple):
    """
    The head of a request.

    Attributes:
        method: A token, in the client's case.
        target: As it was sent, such as ``/version?x``, but for escapes of what is not ASCII.
        minor: 0 or 1: the version is HTTP/1.0 or HTTP/1.1.
        headers: Names in lower case.
        host: What the Host field has, ``""`` without one.
        length: Bytes of its body; None if that comes in chunks.
        keeps_alive: Whether the client wants to send another request.
        expects_continue: Whether it waits to be told to send the body.
        upgrade: What it offers to speak from then on, in lower case; ``""`` if nothing.

    """

    method: str
    target: str
    minor: int
    headers: Sequence[Field]
    host: str
    length: int | None
    keeps_alive: bool
    expects_continue: bool
    upgrade: str


class Piece(bytes):
    """Some of a body."""


class End:
    """The end of a request."""


_END: Final = End()


class Pause:
    """Nothing yet, though much was read: a good moment to let others go on."""


_PAUSE: Final = Pause()

_LINES: Final = 50
"""Lines of trailers that are read at once, each of which takes some microseconds."""

_STEP: Final = 4096
"""Bytes of a head that are read at once: some four hundred fields."""


class _State(Enum):
    HEAD = "before or in a head"
    READING = "behind a long head that is being read"
    LENGTH = "in a body of known length"
    CHUNK_LINE = "before a chunk"
    CHUNK = "in a chunk"
    TRAILER = "behind the last chunk"
    LAST = "at the end of a request that is not told yet"
    DONE = "between requests"
    FAILED = "not to go on"


class _Heard:
    """What llhttp says of one request."""

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[Field] = []
        self.has_head = False
        self.is_complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))
        if len(self.headers) > MAX_HTTP1_FIELDS:
            raise Http1Error(431)

    def on_headers_complete(self) -> None:
        self.has_head = True

    def on_message_complete(self) -> None:
        self.is_complete = True


class Http1Parser:
    """
    Reads the requests of one connection.

    Attributes:
        waiting: Bytes that were fed and are not read yet.

    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._left = 0
        self._trailers = 0
        self._state = _State.HEAD

    @property
    def waiting(self) -> int:
        return len(self._buffer)

    @property
    def is_between(self) -> bool:
        """Whether nothing of a further request has come yet."""
        return self._state is _State.HEAD and not self._buffer

    @property
    def is_done(self) -> bool:
        """Whether the end of a request was told, and ``start_next`` is due."""
        return self._state is _State.DONE

    def feed(self, data: bytes) -> None:
        """Take bytes of the client's."""
        self._buffer += data

    def take_rest(self) -> bytes:
        """Return what comes behind a request after which HTTP is spoken no more."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def start_next(self) -> None:
        """Go on behind the end of a request."""
        assert self._state is _State.DONE
        self._state = _State.HEAD

    def take_whole(self, data: bytes) -> tuple[Head, bytes] | None:
        """
        Return a request and its body if ``data`` is just that, and nothing came before it.

        It is read then, and ``start_next`` is due. Otherwise nothing has happened.
        """
        if self._state is not _State.HEAD or self._buffer:
            return None
        found = data.find(b"\r\n\r\n", 0, _LONGEST_REMEMBERED)
        if found < 0:
            return None
        end = found + 4
        try:
            head = _remembered_head(data[:end])
        except Http1Error:
            return None
        if head.length != len(data) - end or head.expects_continue:
            return None
        self._state = _State.DONE
        return head, data[end:]

    def next_event(self) -> Head | Piece | End | Pause | None:
        """
        Return what comes next; None if that takes more bytes, or ``start_next``.

        Raises:
            Http1Error: It is no HTTP/1.1. Nothing comes after it.

        """
        try:
            return self._next()
        except Http1Error:
            self._state = _State.FAILED
            raise
        except httptools.HttpParserCallbackError:  # the only one that ours raise
            self._state = _State.FAILED
            raise Http1Error(431) from None
        except httptools.HttpParserError:
            self._state = _State.FAILED
            raise Http1Error(400) from None

    def _next(self) -> Head | Piece | End | Pause | None:
        for _ in range(_LINES):
            state = self._state
            if state is _State.HEAD:
                return self._head()
            if state is _State.READING:
                return self._read_on()
            if state in (_State.LENGTH, _State.CHUNK):
                return self._piece()
            if state is _State.LAST:
                self._state = _State.DONE
                return _END
            if state in (_State.DONE, _State.FAILED) or not self._frame():
                return None
        return _PAUSE

    # -------------------- heads

    def _head(self) -> Head | Pause | None:
        # Two bytes back, as the end may come in pieces.
        found = _BLANK_LINE.search(self._buffer, max(0, self._searched - 2))
        end = found.end() if found else len(self._buffer)
        if end > MAX_HTTP1_HEAD:
            raise Http1Error(431)
        self._searched = end
        if found is None:
            return None
        self._searched = 0
        raw = self._take(end)
        if end > _LONGEST_REMEMBERED:
            self._reading = _head_steps(raw)
            self._state = _State.READING
            return self._read_on()
        head = _remembered_head(raw)
        if head.length is None:
            self._heard, self._llhttp = finish(_hear(raw, head.method.encode("ascii")))
        return self._has_head(head)

    def _read_on(self) -> Head | Pause:
        """Read more of a head that has thousands of fields."""
        try:
            next(self._reading)
        except StopIteration as done:
            head, self._heard, self._llhttp = done.value
            del self._reading
            return self._has_head(head)
        return _PAUSE

    def _has_head(self, head: Head) -> Head:
        if head.length is None:
            self._state = _State.CHUNK_LINE
        else:
            self._left = head.length
            self._state = _State.LENGTH if head.length else _State.LAST
        return head

    # -------------------- bodies

    def _piece(self) -> Piece | None:
        if not self._buffer:
            return None
        data = self._take(min(len(self._buffer), self._left))
        self._left -= len(data)
        if self._state is _State.CHUNK:
            self._llhttp.feed_data(data)
        if not self._left:
            self._state = _State.LAST if self._state is _State.LENGTH else _State.CHUNK_LINE
            self._after_chunk = self._state is _State.CHUNK_LINE
        return Piece(data)

    _after_chunk = False

    def _frame(self) -> bool:
        """Read one line of what frames chunks; tell whether it was there."""
        end = self._buffer.find(b"\n", self._searched) + 1
        if (end or len(self._buffer)) > MAX_CHUNK_LINE:
            raise Http1Error(400)
        if not end:
            self._searched = len(self._buffer)
            return False
        self._searched = 0
        line = self._take(end)
        self._llhttp.feed_data(line)
        if self._after_chunk:
            self._after_chunk = False  # the end of a chunk's data
        elif self._state is _State.CHUNK_LINE:
            # llhttp has let it through: hexadecimal digits, and extensions of no meaning here.
            self._left = int(line.partition(b";")[0], 16)
            self._state = _State.CHUNK if self._left else _State.TRAILER
            self._trailers = 0
        else:
            self._trailers += len(line)
            if self._trailers > MAX_HTTP1_HEAD:
                raise Http1Error(431)
            if self._heard.is_complete:
                self._state = _State.LAST
        return True

    def _take(self, size: int) -> bytes:
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return data


def _parsed_head(raw: bytes) -> Head:
    """
    Return what is in a head.

    Raises:
        Http1Error: It is none.

    """
    head, _, _ = finish(_head_steps(raw))
    return head


def _head_steps(raw: bytes) -> Steps[tuple[Head, _Heard, httptools.HttpRequestParser]]:
    """
    Return what is in a head, and llhttp behind it.

    Raises:
        Http1Error: It is none.

    """
    line, _, _ = raw.partition(b"\r\n")
    method, *rest = line.split(b" ")
    if len(rest) != 2 or not _IS_TOKEN(method) or not _IS_VERSION(rest[1]):
        raise Http1Error(400)
    if not rest[1].startswith(b"HTTP/1."):
        raise Http1Error(505, ": unsupported protocol version")
    heard, llhttp = yield from _hear(raw, method)
    if not heard.has_head:
        raise Http1Error(400)
    minor = 0 if rest[1] == b"HTTP/1.0" else 1
    host, target = _resource(_host(heard.headers, minor), heard.target.decode("ascii"))
    length = _length(heard.headers, minor)
    names = dict(heard.headers)
    options = _options(heard.headers)
    expected = names.get(b"expect", b"").lower()
    if expected not in (b"", b"100-continue"):
        raise Http1Error(417)
    head = Head(
        method.decode("ascii"),
        target,
        minor,
        tuple(heard.headers),
        host,
        length,
        # RFC 9112 9.3
        b"close" not in options if minor else b"keep-alive" in options,
        bool(expected) and minor > 0 and length != 0,
        _text(names.get(b"upgrade", b"")).lower() if b"upgrade" in options else "",
    )
    return head, heard, llhttp


_remembered_head: Final = lru_cache(maxsize=_REMEMBERED)(_parsed_head)


def _hear(raw: bytes, method: bytes) -> Steps[tuple[_Heard, httptools.HttpRequestParser]]:
    """
    Return what llhttp says of a head, and llhttp behind it.

    Raises:
        Http1Error: It is none, or has too many fields.

    """
    heard = _Heard()
    llhttp = httptools.HttpRequestParser(heard)
    line, end, fields = raw.partition(b"\r\n")
    if not line.isascii():
        # curl sends what it is given; it stands for its escapes (Go: ``url.ParseRequestURI``).
        raw = _NOT_ASCII.sub(lambda found: b"%%%02X" % found[0][0], line) + end + fields
    if method not in _KNOWN:
        raw = b"PUT" + raw[len(method) :]
    try:
        # What it is told of an upgrade, for which nothing of HTTP has to follow, is no news.
        with contextlib.suppress(httptools.HttpParserUpgrade):
            llhttp.feed_data(raw[:_STEP])
            for start in range(_STEP, len(raw), _STEP):
                yield
                llhttp.feed_data(raw[start : start + _STEP])
    except httptools.HttpParserCallbackError:  # the only one that ours raise
        raise Http1Error(431) from None
    except httptools.HttpParserError:
        raise Http1Error(400) from None
    return heard, llhttp


def _length(headers: Sequence[Field], minor: int) -> int | None:
    """Return the length of the body, None for chunks (RFC 9112 6.3)."""
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings:
        if minor == 0:  # RFC 9112 6.1: its framing is faulty
            raise Http1Error(400)
        if [coding.lower() for coding in codings] != [b"chunked"]:
            raise Http1Error(501, body="Unsupported transfer encoding")
        return None
    # llhttp has let one through, of digits.
    return next((int(value) for name, value in headers if name == b"content-length"), 0)


def _host(headers: Sequence[Field], minor: int) -> str:
    """Return what the only Host field has (RFC 9112 3.2)."""
    hosts = [value for name, value in headers if name == b"host"]
    if not hosts and minor > 0:
        raise Http1Error(400, ": missing required Host header")
    if len(hosts) > 1:
        raise Http1Error(400)
    if hosts and not _IS_HOST(hosts[0]):
        raise Http1Error(400, ": malformed Host header")
    return _text(hosts[0]) if hosts else ""


def _resource(host: str, target: str) -> tuple[str, str]:
    """Return the host and the path of a target, which may name both (RFC 9112 3.2.2)."""
    if target.partition("://")[0].lower() in ("http", "https"):
        host, slash, rest = target.partition("://")[2].partition("/")
        target = slash + rest or "/"
    if _BAD_ESCAPE.search(target.partition("?")[0]):
        raise Http1Error(400)
    return host, target


def _options(headers: Sequence[Field]) -> set[bytes]:
    """Return what the Connection fields name."""
    values = b",".join(value for name, value in headers if name == b"connection")
    return {option.strip() for option in values.lower().split(b",")}


def _text(value: bytes) -> str:
    return value.decode("latin-1")


# -------------------- what goes out


def encode_head(
    response: HttpResponse, head: Head, now: float, *, closes: bool, has_length: bool
) -> bytes:
    """
    Return the head of a response.

    Args:
        response: Its body is not looked at, unless all of it is there.
        head: That of the request.
        now: Seconds since 1970, for the Date field.
        closes: Whether the connection is closed behind it.
        has_length: Whether the body is not sent in pieces of which nobody knows how many come.

    """
    body = response.body
    lines = [_status_line(head.minor, response.status)]
    lines += [_name(name) + b": " + value for name, value in response.headers]
    lines.append(_date(int(now)))
    names = {name for name, _ in response.headers}
    if has_length:
        is_known = isinstance(body, bytes) and b"content-length" not in names
        # RFC 9110 8.6: what can have no content has no length of it either.
        if is_known and response.status not in (101, 204):
            assert isinstance(body, bytes)
            lines.append(b"Content-Length: %d" % len(body))
    elif head.minor:
        lines.append(b"Transfer-Encoding: chunked")
    if b"connection" not in names:
        if closes and head.minor:
            lines.append(b"Connection: close")
        elif not closes and not head.minor:
            lines.append(b"Connection: keep-alive")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Return a piece of a body, which must not be empty, as a chunk (RFC 9112 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@lru_cache(maxsize=64)
def _status_line(minor: int, status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:  # 499 is the gateway's
        phrase = f"status code {status}"
    return f"HTTP/1.{minor} {status} {phrase}".encode()


@lru_cache(maxsize=256)
def _name(name: bytes) -> bytes:
    """Return a name as Go writes it: ``content-type`` is ``Content-Type``."""
    return b"-".join(part.capitalize() for part in name.split(b"-"))


@lru_cache(maxsize=1)
def _date(now: int) -> bytes:
    # ``email.utils`` writes the same, and imports more than all of this module.
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime(now)
    date = (_DAYS[weekday], day, _MONTHS[month - 1], year, hour, minute, second)
    return b"Date: %b, %02d %b %04d %02d:%02d:%02d GMT" % date
