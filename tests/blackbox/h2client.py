"""
A small HTTP/2 client on a plain socket that will also say what no real client should.

It sends exactly the frames it is told to send, reads frames only inside :meth:`Client.wait`,
and keeps what it read by stream. By default it acknowledges SETTINGS and returns credit for
DATA, as every client must; ``quiet=True`` leaves that to the test.
"""

import contextlib
import json
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9

END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITIZED = 0x4, 0x8, 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL = 5, 6, 7, 8
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 9, 11

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS = 1, 2, 3
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 4, 5, 6

Fields = list[tuple[bytes, bytes]]


class Frame(NamedTuple):
    type: int
    flags: int
    stream: int
    payload: bytes

    def __repr__(self) -> str:
        shown = self.payload[:40].hex() + ("…" if len(self.payload) > 40 else "")
        return f"<{self.type} flags {self.flags:#x} stream {self.stream}: {shown}>"


class Goaway(NamedTuple):
    last: int
    code: int
    debug: bytes

    @classmethod
    def parse(cls, payload: bytes) -> "Goaway":
        last, code = struct.unpack_from(">LL", payload)
        return cls(last, code, payload[8:])


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return the bytes of one frame, however wrong."""
    return struct.pack(">HBBBL", len(payload) >> 8, len(payload) & 255, kind, flags, stream) + (
        payload
    )


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, payload=b"".join(struct.pack(">HL", *pair) for pair in pairs))


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">L", increment))


def reset(stream: int, code: int = CANCEL) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">L", code))


def message(body: bytes, flag: int = 0) -> bytes:
    """Return one gRPC message with its prefix of flag and length."""
    return struct.pack(">BL", flag, len(body)) + body


def data(stream: int, body: bytes, end: bool = False) -> bytes:
    """Return ``body`` in as many DATA frames as it needs."""
    chunks = [body[i : i + 16384] for i in range(0, len(body), 16384)] or [b""]
    last = len(chunks) - 1
    return b"".join(
        frame(DATA, END_STREAM if end and i == last else 0, stream, chunk)
        for i, chunk in enumerate(chunks)
    )


def request_fields(path: str | None, *extra: tuple[str, str], **pseudo: str | None) -> Fields:
    """
    Return the header list of an ordinary gRPC request.

    ``extra`` is appended; an ``extra`` named content-type or te takes the place of the usual
    one. ``pseudo`` replaces ``method``, ``scheme`` or ``authority``; None drops a field.
    """
    start = {"method": "POST", "scheme": "http", "path": path, "authority": "localhost"} | pseudo
    named = {name for name, _ in extra}
    usual = [("content-type", "application/grpc"), ("te", "trailers")]
    pairs = [(f":{name}", value) for name, value in start.items() if value is not None]
    pairs += [pair for pair in usual if pair[0] not in named] + list(extra)
    return [(name.encode(), value.encode("latin-1")) for name, value in pairs]


@dataclass
class Reply:
    """What came back on one stream so far."""

    blocks: list[Fields] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray, repr=False)
    frames: list[Frame] = field(default_factory=list, repr=False)
    ended: bool = False
    reset: int | None = None

    @property
    def finished(self) -> bool:
        return self.ended or self.reset is not None

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.blocks[0])

    @property
    def trailers(self) -> dict[bytes, bytes]:
        return dict(self.blocks[-1])

    @property
    def trailers_only(self) -> bool:
        return self.ended and len(self.blocks) == 1 and not self.body

    @property
    def http_status(self) -> int:
        return int(self.headers[b":status"])

    @property
    def status(self) -> tuple[int, str]:
        """The gRPC code and its message, still percent-encoded."""
        return int(self.trailers[b"grpc-status"]), self.trailers.get(b"grpc-message", b"").decode()

    @property
    def messages(self) -> list[bytes]:
        """The whole messages so far, as they came: not decompressed."""
        found, start = [], 0
        while start + 5 <= len(self.body):
            end = start + 5 + int.from_bytes(self.body[start + 1 : start + 5], "big")
            if end > len(self.body):
                break
            found.append(bytes(self.body[start + 5 : end]))
            start = end
        return found

    @property
    def data_sizes(self) -> list[int]:
        return [len(f.payload) for f in self.frames if f.type == DATA]


PATIENCE = 60.0
"""Seconds for what comes at once, if it comes, on a machine that has nothing else to do."""


class Client:
    """One connection; ids are handed out 1, 3, 5 … unless a test names its own."""

    def __init__(
        self,
        port: int,
        *pairs: tuple[int, int],
        quiet: bool = False,
        preface: bool = True,
        tls: ssl.SSLContext | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Connect and, unless ``preface`` is False, send the preface and SETTINGS ``pairs``."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder(max_header_list_size=1 << 24)
        self.quiet = quiet
        self.frames: list[Frame] = []
        self.streams: dict[int, Reply] = {}
        self.goaways: list[Goaway] = []
        self.closed = False
        self.next_stream = 1
        self.poured: dict[int, int] = {}
        self._buffer = bytearray()
        self._block = b""
        if preface:
            self.send(PREFACE, settings(*pairs))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *chunks: bytes) -> None:
        """Send bytes; a server that has already hung up is no error, it is read about."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(b"".join(chunks))

    def stream(self, stream: int) -> Reply:
        return self.streams.setdefault(stream, Reply())

    def headers(self, stream: int, fields: Fields, end: bool = False) -> bytes:
        """Return a header block in frames; the encoder's table moves on, so it must be sent."""
        # hpack takes minutes to find the Huffman code of a megabyte.
        is_large = sum(len(value) for _, value in fields) > 65536
        block = self.encoder.encode(fields, huffman=not is_large)
        flags = END_STREAM if end else 0
        if len(block) <= 16384:
            return frame(HEADERS, flags | END_HEADERS, stream, block)
        pieces = [block[i : i + 16384] for i in range(0, len(block), 16384)]
        middle = b"".join(frame(CONTINUATION, 0, stream, piece) for piece in pieces[1:-1])
        last = frame(CONTINUATION, END_HEADERS, stream, pieces[-1])
        return frame(HEADERS, flags, stream, pieces[0]) + middle + last

    def open(self, path: str, *extra: tuple[str, str], **pseudo: str | None) -> int:
        """Send the HEADERS of a gRPC call and return its stream."""
        stream = self.next_stream
        self.next_stream += 2
        self.send(self.headers(stream, request_fields(path, *extra, **pseudo)))
        return stream

    def start(self, path: str, *bodies: bytes, metadata: Iterable[tuple[str, str]] = ()) -> int:
        """Send a whole call, half-closed, and return its stream."""
        stream = self.open(path, *metadata)
        self.send(data(stream, b"".join(map(message, bodies)), end=True))
        return stream

    def call(self, path: str, *bodies: bytes, metadata: Iterable[tuple[str, str]] = ()) -> Reply:
        """Make a whole call and return its whole reply."""
        return self.finish(self.start(path, *bodies, metadata=metadata))

    def call_json(self, path: str, request: object = None) -> Any:
        reply = self.call(path, json.dumps(request).encode())
        assert reply.status == (0, ""), reply
        return json.loads(reply.messages[0])

    def finish(self, stream: int, timeout: float = PATIENCE) -> Reply:
        """Return the reply on ``stream`` once it has ended or was reset."""
        reply = self.stream(stream)
        self.wait(lambda: reply.finished, timeout)
        return reply

    def wait(self, until: Callable[[], bool], timeout: float = PATIENCE) -> None:
        """Read until the condition holds; fail if it does not in time or before the close."""
        deadline = time.monotonic() + timeout
        while not until():
            assert not self.closed, f"closed by the server; {self.goaways} {self.frames[-3:]}"
            assert self._read(deadline), f"no sign in {timeout} s; {self.frames[-5:]}"

    def wait_closed(self, timeout: float = PATIENCE) -> Goaway | None:
        """Read to the end of the connection and return its last GOAWAY, if it had any."""
        deadline = time.monotonic() + timeout
        while not self.closed:
            assert self._read(deadline), f"still open after {timeout} s; {self.frames[-5:]}"
        return self.goaways[-1] if self.goaways else None

    def granted(self, stream: int) -> int:
        """Return how many bytes of DATA the server has allowed so far; stream 0 means all."""
        start = 65535
        if stream:
            pairs = struct.iter_unpack(">HL", self.frames[0].payload)
            start = dict(pairs).get(INITIAL_WINDOW_SIZE, start)
        return start + sum(
            int.from_bytes(f.payload, "big")
            for f in self.frames
            if f.type == WINDOW_UPDATE and f.stream == stream
        )

    def pour(self, stream: int, chunks: Iterable[bytes], padding: int | None = None) -> None:
        """Send each chunk in a DATA frame as soon as the windows allow, like a good client."""
        self.wait(lambda: bool(self.frames))
        room = 0
        for chunk in chunks:
            flags, payload = 0, chunk
            if padding is not None:
                flags, payload = PADDED, bytes((padding,)) + chunk + bytes(padding)
            while room < len(payload):
                room = min(self.granted(s) - self.poured.get(s, 0) for s in (0, stream))
                if room < len(payload):
                    seen = len(self.frames)
                    self.wait(lambda seen=seen: len(self.frames) > seen)  # type: ignore[misc]
            self.send(frame(DATA, flags, stream, payload))
            room -= len(payload)
            for counted in (0, stream):
                self.poured[counted] = self.poured.get(counted, 0) + len(payload)

    def settle(self) -> None:
        """Return when the server has handled all that was sent before this."""
        token = struct.pack(">Q", time.monotonic_ns())
        self.send(frame(PING, payload=token))
        self.wait(lambda: any(f.type == PING and f.payload == token for f in self.frames[-50:]))

    def drain(self, seconds: float) -> None:
        """Read whatever comes in the given time."""
        deadline = time.monotonic() + seconds
        while not self.closed and self._read(deadline):
            pass

    def _read(self, deadline: float) -> bool:
        """Read once and note all frames in it; False when the deadline came first."""
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not self._is_readable(remaining):
            return False
        try:
            received = self.socket.recv(1 << 18)
        except ConnectionResetError:
            received = b""
        self.closed = not received
        self._buffer += received
        while len(self._buffer) >= 9:
            length = int.from_bytes(self._buffer[:3], "big")
            if len(self._buffer) < 9 + length:
                break
            kind, flags, stream = struct.unpack_from(">BBL", self._buffer, 3)
            payload = bytes(self._buffer[9 : 9 + length])
            del self._buffer[: 9 + length]
            self._note(Frame(kind, flags, stream, payload))
        return True

    def _is_readable(self, seconds: float) -> bool:
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return True
        # Not select(2), which knows a thousand descriptors only.
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))

    def _note(self, got: Frame) -> None:
        self.frames.append(got)
        if got.type in (HEADERS, CONTINUATION):
            self._block += got.payload
            if got.flags & END_HEADERS:
                fields = [(n, v) for n, v in self.decoder.decode(self._block, raw=True)]
                self.stream(got.stream).blocks.append(fields)
                self._block = b""
        elif got.type == DATA:
            self.stream(got.stream).body += got.payload
            if got.payload and not self.quiet:
                self.send(*(window_update(s, len(got.payload)) for s in (0, got.stream)))
        elif got.type == RST_STREAM:
            self.stream(got.stream).reset = int.from_bytes(got.payload, "big")
        elif got.type == GOAWAY:
            self.goaways.append(Goaway.parse(got.payload))
        elif got.type == SETTINGS and not got.flags & ACK and not self.quiet:
            self.send(frame(SETTINGS, ACK))
        if got.stream:
            self.stream(got.stream).frames.append(got)
            if got.type in (HEADERS, DATA) and got.flags & END_STREAM:
                self.stream(got.stream).ended = True
