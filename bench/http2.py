"""
Just enough of an HTTP/2 client to load a gRPC server from very few cycles.

A request costs a join of prepared bytes, because only its stream id is new::

    HEADERS frame                          DATA frame
    +--------+-----------+---------------+ +--------+-----------+-----------------+
    | len 01 | stream id | header block  | | len 00 | stream id | prefix, message |
    +--------+-----------+---------------+ +--------+-----------+-----------------+
      head     patched     `------- middle ------'    patched     tail

Header blocks are what any client's HPACK encoder sends: literals that enter the
dynamic table in a connection's first calls, a few index bytes from then on. A message
fits one frame, and what is under way fits any server's window (64 KiB a connection), so
the sender keeps no account of flow control.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from hpack import Decoder, Encoder, HPACKError

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
NO_ERROR, CANCEL = bytes(4), b"\0\0\0\x08"

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEADER_SIZE = 9
#: length and type in one word, flags, stream id.
read_frame_header: Callable[[bytes, int], Any] = struct.Struct(">IBI").unpack_from
pack_stream_id = struct.Struct(">I").pack

#: What we let the server send unasked: as much as the protocol knows how to say,
#: so that no round waits for our credit.
WINDOW = 2**31 - 1
DEFAULT_WINDOW = 65_535
MAX_FRAME_SIZE = 16_384
#: Connection credit is returned in steps of this size.
CREDIT_STEP = 2**28

#: A server silent for a minute has hung (struct timeval).
RECEIVE_TIMEOUT = struct.pack("ll", 60, 0)


class LoadError(Exception):
    """The server did not answer a request as the workload needs."""


class Request(NamedTuple):
    """One gRPC request, complete but for its stream id (drawn above)."""

    head: bytes
    middle: bytes
    tail: bytes


class Address(NamedTuple):
    """Where a server listens, and whether it speaks TLS."""

    host: str
    port: int
    is_secure: bool = False


class Method(NamedTuple):
    """One gRPC method's header blocks: of its first call on a connection, and of later ones."""

    first: bytes
    repeat: bytes

    def request(self, message: bytes) -> Request:
        return _request(self.repeat, message)

    def first_request(self, message: bytes) -> Request:
        return _request(self.first, message)

    def first_open_request(self, message: bytes) -> Request:
        """Encode the first request, whose stream stays open for more."""
        return _request(self.first, message, 0)

    def open_request(self, message: bytes) -> Request:
        """Encode a request whose stream stays open for more."""
        return _request(self.repeat, message, 0)


def methods(authority: str, *paths: str, token: str = "") -> list[Method]:
    """
    Encode the header blocks for connections whose first calls are ``paths``, in this order.

    Args:
        token: What says who calls, if anything does.

    """
    encoder = Encoder()
    first = [encoder.encode(_fields(authority, path, token)) for path in paths]
    return [
        Method(block, encoder.encode(_fields(authority, path, token)))
        for block, path in zip(first, paths, strict=True)
    ]


def frame_start(size: int, kind: int, flags: int) -> bytes:
    """A frame's first five bytes: what comes before its stream id."""
    return struct.pack(">IB", size << 8 | kind, flags)


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return frame_start(len(payload), kind, flags) + pack_stream_id(stream_id) + payload


def credit(size: int) -> bytes:
    """A WINDOW_UPDATE that lifts the connection window by ``size``."""
    return frame(WINDOW_UPDATE, 0, 0, pack_stream_id(size))


HELLO = PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, WINDOW))
HELLO += credit(WINDOW - DEFAULT_WINDOW)


def answer_control(kind: int, flags: int, payload: bytes) -> bytes:
    """
    The answer that a frame other than HEADERS and DATA wants, if any.

    Raises:
        LoadError: The frame ends a stream or the connection.

    """
    if kind == RST_STREAM and payload == NO_ERROR:
        # RFC 9113 8.1: the reply is complete, and the server wants no more of the request.
        # grpc-go sends this when its handler was faster than its reader.
        return b""
    if kind in (RST_STREAM, GOAWAY):
        raise LoadError(f"the server gave up: frame type {kind}, {payload!r}")
    if kind in (SETTINGS, PING) and not flags & ACK:
        return frame(kind, ACK, 0, payload if kind == PING else b"")
    return b""


class Statuses:
    """
    How the calls of one connection ended, told by its header blocks.

    Every block has to come by here, in order: it may change the table that later ones refer to.
    A server says nearly always the same. What it said without changing the table is decoded
    once; that cannot come to mean a failure, as the table has none.
    """

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._known: set[bytes] = set()

    def check(self, block: bytes) -> None:
        """
        Take the next header block.

        Raises:
            LoadError: It ends a call that failed, or it cannot be decoded.

        """
        if block in self._known:
            return
        table = list(self._decoder.header_table.dynamic_entries)
        try:
            fields = {str(name): str(value) for name, value in self._decoder.decode(block)}
        except HPACKError as error:
            raise LoadError(f"a header block cannot be decoded: {error}") from error
        if fields.get("grpc-status", "0") != "0" or fields.get(":status", "200") != "200":
            raise LoadError(f"a call failed: {fields}")
        if list(self._decoder.header_table.dynamic_entries) == table:
            self._known.add(block)


class Connection:
    """
    One connection, and the counters that outlive a read of it.

    ``call`` is for one request at a time. The load loop works on the fields
    instead (``bench.load``).

    Args:
        address: Where.
        tls: What it is secured by if the address is, other than by trust in anyone.

    """

    def __init__(self, address: Address, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(address[:2])
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel's own timeout: Python's would cost a poll() before every read and write.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, RECEIVE_TIMEOUT)
        if address.is_secure:
            # A read gives one record at most, so that none waits where epoll cannot see it.
            self.socket = (tls or _trusting()).wrap_socket(self.socket)
        self.socket.sendall(HELLO)
        #: What was read last, and its tail: a frame that is not complete yet.
        self.buffer = self.rest = b""
        self.next_stream_id = 1
        #: Replies whose first HEADERS came, and their trailers not yet.
        self.half_answered = 0
        self.statuses = Statuses()
        self.uncredited = 0

    def prime(self, calls: Sequence[tuple[Method, bytes]]) -> None:
        """Make each method's first call, after which ``Method.request`` may be used."""
        for method, message in calls:
            self.call(method.first_request(message))

    def call(self, request: Request) -> bytes:
        """
        Send one request, wait for its reply, and return the reply's message.

        Raises:
            LoadError: The call failed, or the connection ended.

        """
        self.send(request)
        return self.receive()

    def send(self, request: Request) -> None:
        """Send one request."""
        stream_id = pack_stream_id(self.next_stream_id)
        self.next_stream_id += 2
        self.socket.sendall(
            b"".join((request.head, stream_id, request.middle, stream_id, request.tail))
        )

    def receive(self) -> bytes:
        """
        Wait for the reply to the one request under way, and return its message.

        Raises:
            LoadError: The call failed, or the connection ended.

        """
        message = bytearray()
        done = False
        while not done:
            done = self._read_reply(message)
        if not message:
            raise LoadError("the call failed: its reply holds no message")
        return bytes(memoryview(message)[5:])

    def _read_reply(self, message: bytearray) -> bool:
        """Read once, add what DATA brought to ``message``; true when the stream ended."""
        done = False
        for kind, flags, _, start, end in self.frames(1 << 18):
            if kind == DATA:
                message += self.buffer[start:end]
            else:
                self.statuses.check(self.buffer[start:end])
            done = bool(flags & END_STREAM)
        return done

    def frames(self, most: int) -> Iterator[tuple[int, int, int, int, int]]:
        """
        Read once, up to ``most`` bytes; yield the whole frames of DATA and HEADERS.

        To be used up. Other frames get the answers that they want, and DATA its credit.

        Yields:
            Type, flags, stream, and where in ``buffer`` the payload begins and ends.

        Raises:
            LoadError: The connection ended, or a frame ends it or a stream.

        """
        read = self.socket.recv(most)
        if not read:
            raise LoadError("the server closed the connection")
        self.buffer = buffer = self.rest + read if self.rest else read
        end, size, data = 0, len(buffer), 0
        while size - end >= FRAME_HEADER_SIZE:
            word, flags, stream = read_frame_header(buffer, end)
            start = end + FRAME_HEADER_SIZE
            if start + (word >> 8) > size:
                break
            end = start + (word >> 8)
            kind = word & 0xFF
            if kind == DATA:
                data += end - start
                yield kind, flags, stream, start, end
            elif kind == HEADERS:
                yield kind, flags, stream, start, end
            elif answer := answer_control(kind, flags, buffer[start:end]):
                self.socket.sendall(answer)
        self.rest = buffer[end:]
        self.take_credit(data)

    def take_credit(self, size: int) -> None:
        """Note ``size`` bytes of DATA; now and then give the server that much window again."""
        self.uncredited += size
        if self.uncredited >= CREDIT_STEP:
            self.socket.sendall(credit(self.uncredited))
            self.uncredited = 0

    def close(self) -> None:
        self.socket.close()


def _trusting() -> ssl.SSLContext:
    """TLS that trusts anyone: it is the cost that is looked at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def _fields(authority: str, path: str, token: str) -> list[tuple[str, str]]:
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    return [*fields, ("token", token)] if token else fields


def _request(block: bytes, message: bytes, flags: int = END_STREAM) -> Request:
    tail = struct.pack(">BI", 0, len(message)) + message
    assert len(tail) <= MAX_FRAME_SIZE
    return Request(
        frame_start(len(block), HEADERS, END_HEADERS),
        block + frame_start(len(tail), DATA, flags),
        tail,
    )
