"""A client joined to a server's connection in memory, on a clock that tests turn by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import grpc
import hpack

from etcdpy.clock import Clock
from etcdpy.cooperative import Turnstile
from etcdpy.memory import Account, Budget
from etcdpy.testing.clock import MovableClock
from etcdpy.transport import ServerOptions, endless
from etcdpy.transport.grpc.connection import Connection
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.request_head_cache import RequestHeadCache
from etcdpy.transport.grpc.routes import RouteTable
from etcdpy.transport.grpc.states import HandlerInput, move_handler
from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.frames import END_HEADERS, END_STREAM, frame

from .checked import CALL_TYPE

Fields = list[tuple[str, str]]


async def _never_called(request: bytes, context: Context) -> bytes:
    raise AssertionError("the connection hands calls to its call handler")


async def _waits_for_ever(requests: AsyncIterator[bytes], context: Context) -> None:
    raise AssertionError("the connection hands calls to its call handler")


def routes() -> RouteTable:
    """Return a service with a method of each kind of request, and one that does not end."""
    table = RouteTable()
    table.add_methods(
        "test.Echo",
        {
            "Unary": grpc.unary_unary_rpc_method_handler(_never_called),
            "Stream": grpc.stream_stream_rpc_method_handler(_never_called),
            "Endless": grpc.stream_stream_rpc_method_handler(endless(_waits_for_ever)),
        },
    )
    return table


class CallHandler:
    """Notes what is asked of it; tests answer in its place."""

    call_type: type[Context] = CALL_TYPE

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.turnstile = Turnstile()
        self.unary: list[tuple[Context, bytes]] = []
        self.streams: list[Context] = []
        self.http: list[tuple[Context, bytes | None]] = []
        self.cancelled: list[Context] = []
        self.watched: list[Context] = []
        self.echoes = False

    def start_unary(self, call: Context, message: bytes) -> None:
        self.unary.append((call, message))
        if self.echoes:
            call.channel.sender.reply(call, message)

    def start_stream(self, call: Context) -> None:
        call.handler_state = move_handler(call.handler_state, HandlerInput.WAIT)
        self.streams.append(call)

    def answer_one(self, call: Context, message: bytes) -> None:
        raise AssertionError("no method here answers each request")

    def answer_arrived(self, call: Context) -> None:
        raise AssertionError("no method here answers each request")

    def start_http(self, call: Context, body: bytes | None) -> None:
        self.http.append((call, body))

    def cancel(self, call: Context) -> None:
        assert call.is_answered
        self.cancelled.append(call)

    def watch(self, call: Context) -> None:
        self.watched.append(call)

    def unwatch(self, call: Context) -> None:
        self.watched.remove(call)


class PeerClock(MovableClock):
    """A clock that tests without a loop set, and others advance."""

    def set(self, now: float) -> None:
        self._now = now


class Frame(NamedTuple):
    kind: int
    flags: int
    stream_id: int
    payload: bytes


def parse(data: bytes) -> Iterator[Frame]:
    """Cut bytes into frames; there must be no rest."""
    while data:
        word, flags, stream_id = frames.FRAME_HEAD.unpack_from(data)
        end = frames.HEADER_SIZE + (word >> 8)
        assert len(data) >= end
        yield Frame(word & 0xFF, flags, stream_id, data[frames.HEADER_SIZE : end])
        data = data[end:]


def parse_u32(payload: bytes) -> int:
    """Return the first four bytes as a number."""
    return int.from_bytes(payload[:4], "big")


def message(body: bytes, flag: int = 0) -> bytes:
    """Return a message with its prefix."""
    return bytes((flag,)) + len(body).to_bytes(4, "big") + body


@dataclass
class Reply:
    """What came on one stream."""

    blocks: list[dict[str, str]] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    is_ended: bool = False
    reset: int | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.data)

    @property
    def status(self) -> tuple[int, str]:
        """The code and message of the last block."""
        return int(self.blocks[-1]["grpc-status"]), self.blocks[-1]["grpc-message"]


class Peer:
    """
    A client and, in :attr:`connection`, the server's end.

    Attributes:
        clock: The time, which stands still.
        call_handler: Who got the calls.
        frames: All that came, in order.
        replies: The same by stream.
        waits_for_room: Whether it waits when its connection holds too much, and is not refused.

    """

    def __init__(
        self,
        options: ServerOptions | None = None,
        *,
        settings: Iterable[tuple[int, int]] = (),
        hello: bool = True,
        is_secure: bool = False,
    ) -> None:
        self.clock = PeerClock(1000.0)
        self.call_handler = CallHandler(self.clock)
        self.connection = Connection(
            self.call_handler,
            RequestHeadCache(routes()),
            options or ServerOptions(),
            self.now,
            is_secure=is_secure,
        )
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.frames: list[Frame] = []
        self.replies: dict[int, Reply] = {}
        self.waits_for_room = False
        self._next_id = 1
        if hello:
            self.send(frames.PREFACE + frames.settings(settings))
            assert self.take(frames.SETTINGS)

    @property
    def now(self) -> float:
        """The time of the connection; turn it by setting it."""
        return self.clock.monotonic()

    @now.setter
    def now(self, now: float) -> None:
        self.clock.set(now)

    def send(self, data: bytes) -> None:
        """Let bytes arrive and read what is answered."""
        self.connection.receive(data, self.now)
        self.read()

    def go_on(self) -> None:
        """Have what is complete started at once: nobody else has a turn."""
        self.connection.start_complete()

    def join(self, memory: Budget) -> None:
        """Have the connection put what it holds to a budget."""
        self.connection._driver = self
        self.connection.join(memory)

    def read_later(self, account: Account) -> bool:
        """Tell whether it waits for room, as a test has it."""
        return self.waits_for_room

    def read(self) -> None:
        """Read what the server has to say."""
        while output := self.connection.sender.take():
            for arrived in parse(output):
                self.frames.append(arrived)
                self._note(arrived)

    schedule = flush = read

    def tick(self, seconds: float) -> None:
        """Let time pass and the server look at the clock."""
        self.now += seconds
        self.connection.tick(self.now)
        self.read()

    def take(self, kind: int) -> list[Frame]:
        """Return the frames of one type that came, and forget all that came so far."""
        found = [arrived for arrived in self.frames if arrived.kind == kind]
        self.frames.clear()
        return found

    def goaway(self) -> tuple[int, int, bytes]:
        """Return the last GOAWAY: last stream, code, debug data."""
        payload = [arrived.payload for arrived in self.frames if arrived.kind == frames.GOAWAY][-1]
        return parse_u32(payload), parse_u32(payload[4:]), payload[8:]

    def next_id(self) -> int:
        self._next_id += 2
        return self._next_id - 2

    def headers(
        self,
        path: str = "/test.Echo/Unary",
        *extra: tuple[str, str],
        stream_id: int | None = None,
        fields: Fields | None = None,
        end: bool = False,
    ) -> tuple[int, bytes]:
        """Return a stream and the HEADERS frame that opens it."""
        if stream_id is None:
            stream_id = self.next_id()
        if fields is None:
            fields = request_fields(path) + list(extra)
        block = self.encoder.encode(fields)
        return stream_id, frame(
            frames.HEADERS, END_HEADERS | (END_STREAM if end else 0), stream_id, block
        )

    def open(
        self, path: str = "/test.Echo/Stream", *extra: tuple[str, str], end: bool = False
    ) -> int:
        """Send HEADERS and return the stream."""
        stream_id, opening = self.headers(path, *extra, end=end)
        self.send(opening)
        return stream_id

    def call(self, body: bytes, *extra: tuple[str, str]) -> int:
        """Send a whole unary request and return its stream."""
        stream_id, opening = self.headers("/test.Echo/Unary", *extra)
        self.send(opening + frame(frames.DATA, END_STREAM, stream_id, message(body)))
        return stream_id

    def data(self, stream_id: int, payload: bytes, *, end: bool = False) -> None:
        """Send DATA."""
        self.send(frame(frames.DATA, END_STREAM if end else 0, stream_id, payload))

    def reply(self, stream_id: int) -> Reply:
        return self.replies.setdefault(stream_id, Reply())

    def _note(self, arrived: Frame) -> None:
        reply = self.reply(arrived.stream_id)
        if arrived.kind == frames.HEADERS:
            fields = self.decoder.decode(arrived.payload)
            reply.blocks.append({str(field[0]): str(field[1]) for field in fields})
        elif arrived.kind == frames.DATA:
            reply.data.append(arrived.payload)
        elif arrived.kind == frames.RST_STREAM:
            reply.reset = parse_u32(arrived.payload)
        if arrived.kind in (frames.HEADERS, frames.DATA) and arrived.flags & END_STREAM:
            reply.is_ended = True


def echoing(options: ServerOptions | None = None) -> Peer:
    """Return one whose calls are answered with what they ask."""
    peer = Peer(options)
    peer.call_handler.echoes = True
    return peer


def request_fields(path: str) -> Fields:
    """Return the headers that every gRPC client sends."""
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "127.0.0.1:2379"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
