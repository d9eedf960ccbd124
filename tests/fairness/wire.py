"""
The attacker's side: connections that send whatever they are told to, as fast as they can.

Nothing waits here for an answer unless an attack says so. What arrives is read, so that the
server is not held up by TCP, and mostly dropped; of replies it is counted how many there were.
"""

from __future__ import annotations

import selectors
import ssl
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from google.protobuf.message import Message

from tests.fairness.pipe import Pipe, Talk

AnyPipe = TypeVar("AnyPipe", bound=Pipe)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
CONTINUATION = 9
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
WINDOW = 2**31 - 1
MAX_FRAME = 16384

KV = "/etcdserverpb.KV/"
RANGE, PUT, TXN, DELETE = KV + "Range", KV + "Put", KV + "Txn", KV + "DeleteRange"
COMPACT = KV + "Compact"
WATCH = "/etcdserverpb.Watch/Watch"
LOCK, UNLOCK = "/v3lockpb.Lock/Lock", "/v3lockpb.Lock/Unlock"
CAMPAIGN = "/v3electionpb.Election/Campaign"
LEASE = "/etcdserverpb.Lease/"
MAINTENANCE = "/etcdserverpb.Maintenance/"
AUTH = "/etcdserverpb.Auth/"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return the bytes of one frame, however wrong."""
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def settings(**pairs: int) -> bytes:
    """Return a SETTINGS frame: ``_4=65535`` sets the initial window."""
    numbers = {int(name[1:]): value for name, value in pairs.items()}
    payload = b"".join(struct.pack(">HI", *pair) for pair in numbers.items())
    return frame(SETTINGS, 0, 0, payload)


def credit(size: int, stream: int = 0) -> bytes:
    """Return a WINDOW_UPDATE."""
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size))


def _string(text: bytes) -> bytes:
    return _integer(len(text)) + text


def _integer(number: int) -> bytes:
    if number < 127:
        return bytes([number])
    number -= 127
    encoded = bytearray([127])
    while number >= 128:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def literal(name: bytes, value: bytes, kind: int = 0) -> bytes:
    """Return a literal field; ``kind`` 0x40 has it inserted into the table."""
    return bytes([kind]) + _string(name) + _string(value)


def block(path: str, *extra: bytes) -> bytes:
    """Return the header block of a call that leaves the table as it is."""
    fields = (
        b"\x83\x86\x04" + _string(path.encode()) + b"\x01" + _string(b"127.0.0.1"),
        literal(b"content-type", b"application/grpc"),
        literal(b"te", b"trailers"),
        *extra,
    )
    return b"".join(fields)


GZIP = literal(b"grpc-encoding", b"gzip") + literal(b"grpc-accept-encoding", b"gzip")


def message(body: bytes | Message, flag: int = 0) -> bytes:
    """Return one gRPC message with its prefix."""
    encoded = body if isinstance(body, bytes) else body.SerializeToString()
    return struct.pack(">BI", flag, len(encoded)) + encoded


def data(stream: int, payload: bytes, *, end: bool = True, size: int = MAX_FRAME) -> bytes:
    """Return a payload in as many DATA frames as it needs."""
    pieces = [payload[i : i + size] for i in range(0, len(payload), size)] or [b""]
    flags = [0] * (len(pieces) - 1) + [END_STREAM if end else 0]
    return b"".join(
        frame(DATA, flag, stream, piece) for flag, piece in zip(flags, pieces, strict=True)
    )


class Wire(Pipe):
    """
    A connection that HTTP/2 is spoken on.

    Attributes:
        next_id: The number of the next stream.
        ended: Streams that the server has ended.
        received: Bytes of DATA.
        granted: Bytes that the server has let the connection's one long stream send.
        sent: Bytes that ``stream`` has sent.

    """

    def __init__(
        self,
        address: str,
        *,
        window: int = WINDOW,
        stream_window: int = WINDOW,
        reads: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(address, tls=tls, reads=reads)
        self.out += PREFACE + settings(_4=stream_window)
        if window > 65535:
            self.out += credit(window - 65535)
        self.next_id = 1
        self.uncredited = self.sent = 0
        self.granted = 65535
        self._rest = b""

    @property
    def unanswered(self) -> int:
        return self.next_id // 2 - self.ended

    def call(self, path: str, body: bytes | Message, *extra: bytes, flag: int = 0) -> int:
        """Send a request of one message; return its stream."""
        stream = self.begin(path, *extra)
        self.out += data(stream, message(body, flag))
        return stream

    def begin(self, path: str, *extra: bytes) -> int:
        """Send the headers of a request; return its stream."""
        stream, self.next_id = self.next_id, self.next_id + 2
        self.out += frame(HEADERS, END_HEADERS, stream, block(path, *extra))
        return stream

    def take(self, arrived: bytes) -> None:
        buffer = self._rest + arrived
        pos, size = 0, len(buffer)
        while size - pos >= 9:
            word, flags, stream_id = struct.unpack_from(">IBI", buffer, pos)
            end = pos + 9 + (word >> 8)
            if end > size:
                break
            self._take(word & 0xFF, flags, stream_id, buffer[pos + 9 : end])
            pos = end
        self._rest = buffer[pos:]
        if self.uncredited > 1 << 24:
            self.out += credit(self.uncredited)
            self.uncredited = 0

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self.received += len(payload)
            self.uncredited += len(payload)
            self.ended += flags & END_STREAM
        elif kind == HEADERS:
            self.ended += flags & END_STREAM
        elif kind == RST_STREAM:
            # After an answer it says that no more of the request is wanted.
            self.ended += payload != bytes(4)
        elif kind == WINDOW_UPDATE and stream:
            self.granted += int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & ACK:
            for number, value in struct.iter_unpack(">HI", payload):
                if number == 4:
                    self.granted += value - 65535
            self.out += frame(kind, ACK, 0)
        elif kind == PING and not flags & ACK:
            self.out += frame(kind, ACK, 0, payload)

    def stream(self, stream: int, payload: bytes) -> bool:
        """Send more of a long stream, the only one of the connection, if its window has room."""
        if self.sent + len(payload) > min(self.granted, 1 << 62):
            return False
        self.sent += len(payload)
        self.out += data(stream, payload, end=False)
        return True


class Crowd:
    """
    Connections of one attack.

    Args:
        address: ``host:port``.
        seconds: How long the attack goes on.
        tls: What the connections are secured by, if they are.

    Attributes:
        until: When the attack is over, on the monotonic clock.
        notes: What is to be said when it is over.

    """

    def __init__(self, address: str, seconds: float, tls: ssl.SSLContext | None = None) -> None:
        self.address = address
        self.tls = tls
        self.pipes: list[Pipe] = []
        self.until = time.monotonic() + seconds
        self._selector = selectors.DefaultSelector()
        self.gone = 0
        self.notes: list[str] = []

    def restart(self, seconds: float) -> None:
        """Let the attack be over in so many seconds from now."""
        self.until = time.monotonic() + seconds

    def connect(self, number: int = 1, **options: Any) -> list[Wire]:
        """Open connections."""
        return [self.add(Wire(self.address, tls=self.tls, **options)) for _ in range(number)]

    def talk(self, number: int = 1, **options: Any) -> list[Talk]:
        """Open connections of HTTP/1.1."""
        return [self.add(Talk(self.address, tls=self.tls, **options)) for _ in range(number)]

    def add(self, pipe: AnyPipe) -> AnyPipe:
        """Have a connection read and written with the others."""
        self._selector.register(pipe.socket, selectors.EVENT_READ, pipe)
        self.pipes.append(pipe)
        return pipe

    @property
    def wires(self) -> list[Wire]:
        """Those of HTTP/2."""
        return [pipe for pipe in self.pipes if isinstance(pipe, Wire)]

    @property
    def talks(self) -> list[Talk]:
        """Those of HTTP/1.1."""
        return [pipe for pipe in self.pipes if isinstance(pipe, Talk)]

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.until

    @property
    def ended(self) -> int:
        return self.gone + sum(pipe.ended for pipe in self.pipes)

    def pump(self, seconds: float = 0.05) -> None:
        """Send and read for a moment; connections that were closed are dropped."""
        for pipe in self.pipes:
            if pipe.out:
                with suppress(OSError):
                    pipe.write()
            mask = (selectors.EVENT_READ if pipe.reads else 0) | (
                selectors.EVENT_WRITE if pipe.out else 0
            )
            key = self._selector.get_map().get(pipe.socket)
            if not mask:
                if key is not None:
                    self._selector.unregister(pipe.socket)
            elif key is None:
                self._selector.register(pipe.socket, mask, pipe)
            elif key.events != mask:
                self._selector.modify(pipe.socket, mask, pipe)
        for key, mask in self._selector.select(seconds):
            pipe = key.data
            try:
                if mask & selectors.EVENT_WRITE:
                    pipe.write()
                if mask & selectors.EVENT_READ:
                    pipe.read()
            except OSError:
                pipe.is_open = False
            if not pipe.is_open:
                self._selector.unregister(pipe.socket)
                pipe.close()
                self.gone += pipe.ended
                self.pipes.remove(pipe)

    def wait(self, condition: Callable[[], bool], seconds: float = 60.0) -> bool:
        """Pump until something is so, or it has taken too long."""
        limit = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > limit or not self.pipes:
                return False
            self.pump()
        return True

    def drive(self, more: Callable[[Wire], object], most: int, number: int, **options: Any) -> None:
        """
        Keep a number of connections busy until the attack is over.

        Args:
            more: Sends something on a connection.
            most: How many streams may be unanswered on each.

        """
        self._keep_busy(Wire, lambda missing: self.connect(missing, **options), more, most, number)

    def drive_talks(
        self, more: Callable[[Talk], object], most: int, number: int, **options: Any
    ) -> None:
        """Do the same with connections of HTTP/1.1."""
        self._keep_busy(Talk, lambda missing: self.talk(missing, **options), more, most, number)

    def _keep_busy(
        self,
        kind: type[Pipe],
        connect: Callable[[int], object],
        more: Callable[[Any], object],
        most: int,
        number: int,
    ) -> None:
        while not self.is_over:
            pipes = [pipe for pipe in self.pipes if isinstance(pipe, kind)]
            if len(pipes) < number:
                with suppress(OSError):
                    connect(number - len(pipes))
            for pipe in pipes:
                while len(pipe.out) < 1 << 18 and pipe.unanswered < most:
                    more(pipe)
            self.pump()

    def each(self, path: str, bodies: Iterable[bytes | Message], at_once: int = 64) -> None:
        """Make calls one after the other and wait for all of them: to prepare something."""
        (wire,) = self.connect()
        for body in bodies:
            wire.call(path, body)
            if wire.next_id // 2 - wire.ended >= at_once:
                self.wait(lambda: wire.next_id // 2 - wire.ended < at_once // 2)
        self.wait(lambda: wire.ended >= wire.next_id // 2)
        self.leave(wire)

    def leave(self, pipe: Pipe) -> None:
        """Close a connection."""
        if pipe.socket in self._selector.get_map():
            self._selector.unregister(pipe.socket)
        self.pipes.remove(pipe)
        pipe.close()
