"""The asyncio shell, on a transport that does as it is told."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from itertools import pairwise
from typing import Any

import hpack
import pytest

from etcdpy.memory import Budget
from etcdpy.testing.clock import MovableClock
from etcdpy.transport import Server, ServerOptions
from etcdpy.transport.aio import protocol as protocol_module
from etcdpy.transport.aio import turns as turns_module
from etcdpy.transport.aio.patience import PATIENCE_SECONDS
from etcdpy.transport.aio.protocol import Http2Protocol, peer_name
from etcdpy.transport.aio.turns import FEW_FRAMES, FIRST_PIECE, PIECE, SMALLEST_PIECE
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.http2 import frames
from etcdpy.transport.limits import STALLED_WRITE_SECONDS, UNHURRIED_SECONDS, UNWRITTEN

from ..conftest import OPTIONS
from ..peer import message, parse, request_fields
from ..service import Service
from ..serving import turns
from .pipe import Pipe


@pytest.fixture
async def made() -> tuple[Http2Protocol, Pipe]:
    """A connection that has been greeted."""
    server = Server(ServerOptions(keepalive_interval=0, max_receive_message=OPTIONS.max_http_body))
    Service().register(server)
    return greeted(server)


def greeted(server: Server) -> tuple[Http2Protocol, Pipe]:
    server._start()
    protocol, pipe = Http2Protocol(server), Pipe(peername=("10.0.0.1", 5000))
    protocol.connection_made(pipe)
    protocol.data_received(frames.PREFACE + frames.settings([]))
    pipe.written.clear()
    return protocol, pipe


async def test_all_answers_to_what_came_together_are_one_write(
    made: tuple[Http2Protocol, Pipe],
) -> None:
    protocol, pipe = made
    protocol.data_received(frames.settings([]) + frames.ping(b"12345678"))
    assert pipe.written == [frames.SETTINGS_ACK + frames.ping(b"12345678", ack=True)]


async def test_the_answer_to_a_ping_waits_a_little_for_something_to_be_written_with(
    made: tuple[Http2Protocol, Pipe],
) -> None:
    protocol, pipe = made
    protocol.data_received(frames.ping(b"12345678"))
    assert pipe.written == []
    protocol.data_received(frames.settings([]))
    assert pipe.written == [frames.SETTINGS_ACK + frames.ping(b"12345678", ack=True)]


async def test_the_answer_to_a_ping_is_written_alone_if_nothing_else_is() -> None:
    clock = MovableClock()
    protocol, pipe = greeted(Server(clock=clock))
    protocol.data_received(frames.ping(b"12345678"))
    protocol.data_received(frames.ping(b"87654321"))
    await clock.advance(UNHURRIED_SECONDS)
    answers = frames.ping(b"12345678", ack=True) + frames.ping(b"87654321", ack=True)
    assert pipe.written == [answers]


async def test_reading_stops_while_tcp_is_full(made: tuple[Http2Protocol, Pipe]) -> None:
    protocol, pipe = made
    protocol.pause_writing()
    protocol.resume_writing()
    assert pipe.log == ["pause_reading", "resume_reading"]


async def test_tcp_that_takes_nothing_is_given_up(made: tuple[Http2Protocol, Pipe]) -> None:
    protocol, pipe = made
    now = time.monotonic()
    protocol.pause_writing()
    pipe.waiting = 1000
    protocol.tick(now)
    protocol.tick(now + STALLED_WRITE_SECONDS - 1)
    assert "abort" not in pipe.log
    protocol.tick(now + STALLED_WRITE_SECONDS)
    assert "abort" in pipe.log


async def test_tcp_that_is_slow_is_not(made: tuple[Http2Protocol, Pipe]) -> None:
    protocol, pipe = made
    now = time.monotonic()
    protocol.pause_writing()
    for second in range(100):
        pipe.waiting = 1000 - second
        protocol.tick(now + second)
    assert "abort" not in pipe.log


async def test_after_the_last_words_input_is_read_and_dropped(
    made: tuple[Http2Protocol, Pipe],
) -> None:
    protocol, pipe = made
    protocol.data_received(frames.frame(frames.DATA, 0, 0, b"x"))
    assert pipe.log == ["write_eof"]
    pipe.written.clear()
    protocol.data_received(frames.ping(bytes(8)))
    assert pipe.written == []


async def test_peer_that_is_gone_at_the_end_is_no_error(
    made: tuple[Http2Protocol, Pipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError("not connected")

    protocol, pipe = made
    monkeypatch.setattr(pipe, "write_eof", refuse)
    protocol.stop()
    assert pipe.log == ["abort"]


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ({"peername": ("10.0.0.1", 5000)}, "ipv4:10.0.0.1:5000"),
        ({"peername": ("::1", 5000, 0, 0)}, "ipv6:[::1]:5000"),
        ({"peername": "", "sockname": "/run/x"}, "unix:/run/x"),
        ({}, "unix:"),
    ],
)
def test_peer_is_named_as_grpc_does(info: dict[str, Any], name: str) -> None:
    assert peer_name(Pipe(**info)) == name


# ------------------------------------------------------------- long beside short

WIDE = frames.settings([(frames.INITIAL_WINDOW_SIZE, 1 << 30)]) + frames.window_update(0, 1 << 30)
FIELDS = request_fields("/test.Service/Read")


def request(stream_id: int, body: bytes) -> bytes:
    """Return the beginning of a call whose handler answers each message with the same."""
    block = hpack.Encoder().encode(FIELDS)
    return frames.frame(frames.HEADERS, frames.END_HEADERS, stream_id, block) + frames.frame(
        frames.DATA, 0, stream_id, message(body)
    )


async def test_a_long_reply_is_written_a_little_in_each_turn(
    made: tuple[Http2Protocol, Pipe],
) -> None:
    protocol, pipe = made
    (call,) = await opened(protocol, 1)
    pipe.written.clear()
    call.channel.sender.message(call, *call.encode(bytes(2 << 20)))
    for writes in range(1, 100):
        protocol.flush() if writes == 1 else await asyncio.sleep(0)
        assert len(pipe.written) <= writes
    assert sum(map(len, pipe.written)) > 2 << 20
    assert max(map(len, pipe.written)) < UNWRITTEN + 20_000


async def test_an_event_is_in_the_next_write_whatever_waits_before_it(
    made: tuple[Http2Protocol, Pipe],
) -> None:
    protocol, pipe = made
    *greedy, watching = await opened(protocol, 11)
    pipe.written.clear()
    for call in greedy:
        call.channel.sender.message(call, *call.encode(bytes(5 << 20)))
    protocol.flush()
    for _ in range(7):
        await asyncio.sleep(0)
    before = len(pipe.written)
    watching.channel.sender.message(watching, *watching.encode(b"event"))
    protocol.flush()
    assert len(pipe.written) == before + 1
    first = next(iter(parse(pipe.written[-1])))
    assert (first.stream_id, first.payload) == (watching.stream_id, message(b"event"))


async def test_while_tcp_is_full_nothing_is_made_for_it(made: tuple[Http2Protocol, Pipe]) -> None:
    protocol, pipe = made
    (call,) = await opened(protocol, 1)
    pipe.written.clear()
    protocol.pause_writing()
    call.channel.sender.message(call, *call.encode(bytes(2 << 20)))
    protocol.flush()
    for _ in range(5):
        await asyncio.sleep(0)
    assert pipe.written == call.channel.sender.out == []
    protocol.resume_writing()
    for _ in range(100):
        await asyncio.sleep(0)
    assert sum(map(len, pipe.written)) > 2 << 20


async def opened(protocol: Http2Protocol, count: int) -> list[Context]:
    """Open calls with wide windows, and have a first small message answered on each."""
    protocol.data_received(WIDE)
    numbers = range(1, 2 * count, 2)
    protocol.data_received(b"".join(request(number, b"first") for number in numbers))
    for _ in range(10):
        await asyncio.sleep(0)
    return [protocol._connection.streams[number] for number in numbers]


# -------------------------------------------------------------- acknowledgements


class TcpSocket:
    """A socket that notes its options."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self.family = family
        self.acknowledged = 0

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if option == getattr(socket, "TCP_QUICKACK", None):
            assert (level, value) == (socket.IPPROTO_TCP, 1)
            self.acknowledged += 1


needs_option = pytest.mark.skipif(
    not hasattr(socket, "TCP_QUICKACK"), reason="the platform has no such option"
)


async def on_tcp(peer: TcpSocket) -> Http2Protocol:
    server = Server(ServerOptions(keepalive_interval=0))
    Service().register(server)
    server._start()
    protocol, pipe = Http2Protocol(server), Pipe(peername=("10.0.0.1", 5000), socket=peer)
    protocol.connection_made(pipe)
    protocol.data_received(frames.PREFACE + frames.settings([]))
    return protocol


@needs_option
async def test_the_beginning_of_a_request_is_acknowledged_at_once() -> None:
    protocol = await on_tcp(peer := TcpSocket())
    whole = request(1, b"x")
    rest = len(message(b"x")) + frames.HEADER_SIZE
    protocol.data_received(whole[:-rest])
    assert peer.acknowledged == 1
    protocol.data_received(whole[-rest:-1])
    assert peer.acknowledged == 2
    protocol.data_received(whole[-1:])
    assert peer.acknowledged == 2


@needs_option
async def test_for_whole_requests_tcp_is_told_nothing() -> None:
    protocol = await on_tcp(peer := TcpSocket())
    for number in range(1, 41, 2):
        protocol.data_received(request(number, b"x") + frames.window_update(0, 10))
        protocol.data_received(frames.frame(frames.DATA, 0, number, message(b"another")))
    assert peer.acknowledged == 0


async def test_a_socket_that_is_not_of_tcp_is_told_nothing() -> None:
    protocol = await on_tcp(peer := TcpSocket(socket.AF_UNIX))
    protocol.data_received(request(1, b"x")[:-1])
    assert peer.acknowledged == 0


async def test_platforms_without_the_option_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "TCP_QUICKACK", raising=False)
    protocol = await on_tcp(peer := TcpSocket())
    protocol.data_received(request(1, b"x")[:-1])
    assert peer.acknowledged == 0


@needs_option
async def test_a_peer_that_is_gone_is_no_error_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError("not connected")

    protocol = await on_tcp(peer := TcpSocket())
    monkeypatch.setattr(peer, "setsockopt", refuse)
    protocol.data_received(request(1, b"x")[:-1])
    protocol.data_received(request(1, b"x")[-1:])
    assert 1 in protocol._connection.streams


def settings_answered(pipe: Pipe) -> int:
    """Return how many SETTINGS were acknowledged by what was written."""
    return b"".join(pipe.written).count(frames.SETTINGS_ACK)


@pytest.fixture
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn ends after one piece, and all pieces are alike."""
    monkeypatch.setattr(turns_module, "EACH", 0.0)
    monkeypatch.setattr(turns_module, "SHORTEST", 0.0)
    monkeypatch.setattr(turns_module, "AHEAD", 1000.0)
    monkeypatch.setattr(protocol_module, "SMALLEST_PIECE", PIECE)
    monkeypatch.setattr(turns_module, "TOGETHER", 0.0)


async def test_much_that_arrives_at_once_is_worked_through_in_pieces(
    made: tuple[Http2Protocol, Pipe], short_turns: None
) -> None:
    protocol, pipe = made
    number = 2 * PIECE // len(frames.settings([]))
    protocol.data_received(frames.settings([]) * number)
    assert pipe.log == ["pause_reading"]
    seen = [settings_answered(pipe)]
    for _ in range(4):
        await asyncio.sleep(0)
        seen.append(settings_answered(pipe))
    assert seen[0] == 0
    assert seen[-1] == number
    assert max(after - before for before, after in pairwise(seen)) <= number // 2 + 1
    await asyncio.sleep(0)
    assert pipe.log == ["pause_reading", "resume_reading"]


async def test_long_frame_is_read_in_one_piece_and_many_short_ones_behind_it_are_not(
    made: tuple[Http2Protocol, Pipe],
) -> None:
    protocol, pipe = made
    unknown = frames.frame(0x20, 0, 0, bytes(2 * PIECE))  # of a type that means nothing
    protocol.data_received(unknown + frames.settings([]))
    assert settings_answered(pipe) == 1
    assert pipe.log == []
    protocol.data_received(unknown + frames.settings([]) * FEW_FRAMES)
    assert pipe.log == ["pause_reading"]


async def test_preface_is_taken_for_no_frame_and_what_follows_is_read_in_pieces() -> None:
    server = Server()
    server._start()
    protocol, pipe = Http2Protocol(server), Pipe()
    protocol.connection_made(pipe)
    protocol.data_received(frames.PREFACE + frames.settings([]) * PIECE)
    assert pipe.log == ["pause_reading"]


async def test_two_connections_with_much_to_do_have_turns_of_a_piece_each(
    made: tuple[Http2Protocol, Pipe], short_turns: None
) -> None:
    protocol, pipe = made
    other, other_pipe = greeted(protocol._host)  # type: ignore[arg-type]
    number = 2 * PIECE // len(frames.settings([]))
    for one in (protocol, other):
        one.data_received(frames.settings([]) * number)
    for _ in range(2):
        await asyncio.sleep(0)
    assert 0 < settings_answered(pipe) < number
    assert 0 < settings_answered(other_pipe) < number


async def test_less_is_read_at_once_of_what_takes_long(
    made: tuple[Http2Protocol, Pipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns_module, "EACH", 0.0)
    monkeypatch.setattr(turns_module, "SHORTEST", 0.0)
    monkeypatch.setattr(turns_module, "TOGETHER", 0.0)
    protocol, pipe = made
    size = len(frames.settings([]))
    number = 2 * PIECE // size
    protocol.data_received(frames.settings([]) * number)
    seen = [0]
    for _ in range(100):
        await asyncio.sleep(0)
        seen.append(settings_answered(pipe))
    at_once = [after - before for before, after in pairwise(seen) if after > before]
    assert sum(at_once) == number
    assert at_once[0] == FIRST_PIECE // size
    assert at_once[-2] <= SMALLEST_PIECE // size + 1


def opening_of(sent: bytes) -> bytes:
    """Return the first frame of a request."""
    return sent[: frames.HEADER_SIZE + int.from_bytes(sent[:3], "big")]


async def test_calls_of_many_connections_that_are_gone_end_in_turns(
    made: tuple[Http2Protocol, Pipe], short_turns: None
) -> None:
    protocol, _ = made
    other, _ = greeted(protocol._host)  # type: ignore[arg-type]
    for one in (protocol, other):
        for number in range(1, 9, 2):
            one.data_received(opening_of(request(number, b"x")))
    for _ in range(20):
        await asyncio.sleep(0)
    for one in (protocol, other):
        one.connection_lost(None)
    left = []
    for _ in range(9):
        left.append(len(protocol._connection.streams) + len(other._connection.streams))
        await asyncio.sleep(0)
    assert left == [8, 7, 6, 5, 4, 3, 2, 1, 0]


async def test_nothing_is_written_behind_the_last_words_when_calls_end_later(
    made: tuple[Http2Protocol, Pipe], short_turns: None
) -> None:
    protocol, pipe = made
    for number in (1, 3):
        protocol.data_received(opening_of(request(number, b"x")))
        await asyncio.sleep(0)
    protocol.data_received(frames.frame(frames.DATA, 0, 0, b"x"))
    for _ in range(5):
        await asyncio.sleep(0)
    written = len(pipe.written)
    assert "write_eof" in pipe.log
    protocol.flush()
    protocol.write_more()
    assert len(pipe.written) == written
    assert not protocol._connection.streams


async def test_a_long_frame_is_not_put_together_from_pieces(
    made: tuple[Http2Protocol, Pipe], short_turns: None
) -> None:
    protocol, pipe = made
    unknown = frames.frame(0xBB, 0, 0, bytes(frames.MAX_FRAME_SIZE))
    protocol.data_received(unknown + frames.settings([]))
    for _ in range(3):
        await asyncio.sleep(0)
    assert settings_answered(pipe) == 1


async def test_what_waits_for_a_turn_is_dropped_with_the_connection(
    made: tuple[Http2Protocol, Pipe], short_turns: None
) -> None:
    protocol, pipe = made
    protocol.data_received(frames.settings([]) * 1000)
    protocol.connection_lost(None)
    for _ in range(3):
        await asyncio.sleep(0)
    assert settings_answered(pipe) == 0


async def test_what_waits_for_a_turn_waits_while_tcp_is_full(
    made: tuple[Http2Protocol, Pipe], short_turns: None
) -> None:
    protocol, pipe = made
    protocol.data_received(frames.settings([]) * 1000)
    protocol.pause_writing()
    for _ in range(3):
        await asyncio.sleep(0)
    assert settings_answered(pipe) == 0
    protocol.resume_writing()
    assert "resume_reading" not in pipe.log
    for _ in range(10):
        await asyncio.sleep(0)
    assert settings_answered(pipe) == 1000
    assert pipe.log[-1] == "resume_reading"


async def test_the_last_words_do_not_leave_reading_stopped(
    made: tuple[Http2Protocol, Pipe], short_turns: None
) -> None:
    protocol, pipe = made
    protocol.data_received(frames.frame(frames.DATA, 0, 0, b"x") * 1000)
    for _ in range(3):
        await asyncio.sleep(0)
    assert pipe.log == ["pause_reading", "resume_reading", "write_eof"]


async def test_whoever_sends_more_than_there_is_room_for_is_read_more_slowly() -> None:
    clock, memory = MovableClock(), Budget(1 << 20)
    server = Server(ServerOptions(keepalive_interval=0), clock=clock, memory=memory)
    Service().register(server)
    protocol, pipe = greeted(server)
    encoder = hpack.Encoder()
    block = encoder.encode(request_fields("/test.Service/Task"))
    # Of a request of 400,000 bytes all but the last.
    piece = message(bytes(400_000))[:16_000]
    sent = frames.frame(frames.HEADERS, frames.END_HEADERS, 1, block)
    protocol.data_received(sent + 17 * frames.frame(frames.DATA, 0, 1, piece))
    await turns(200)
    assert "pause_reading" in pipe.log
    assert "resume_reading" not in pipe.log
    # It is incomplete, so nobody but its client could make room.
    await clock.advance(PATIENCE_SECONDS)
    await turns(200)
    assert pipe.log[-1] == "resume_reading"
    protocol.connection_lost(None)
    await asyncio.sleep(0)
    assert memory.used == 0


@pytest.mark.usefixtures("_no_garbage_is_collected")
@pytest.mark.parametrize("is_closed_by_us", [False, True])
async def test_nothing_of_a_connection_that_is_lost_waits_for_the_collector(
    *, is_closed_by_us: bool
) -> None:
    server = Server(ServerOptions(keepalive_interval=0), memory=Budget(4 << 20))
    Service().register(server)
    protocol, pipe = greeted(server)
    await opened(protocol, 3)
    # And one whose answer nobody takes.
    protocol.data_received(frames.settings([(frames.INITIAL_WINDOW_SIZE, 0)]))
    block = hpack.Encoder().encode(request_fields("/test.Service/Inline"))
    protocol.data_received(
        frames.frame(frames.HEADERS, frames.END_HEADERS, 7, block)
        + frames.frame(frames.DATA, frames.END_STREAM, 7, message(b"x"))
    )
    await turns()
    protocol.tick(0.0)
    stalled = protocol._connection.streams[7]
    protocol.pause_writing()
    if is_closed_by_us:
        protocol.stop()
        await turns()
    protocol.connection_lost(None)
    await turns()
    del protocol
    # The clock has the pipe a little longer, where we have closed.
    assert not [one for one in gc.get_referrers(pipe) if isinstance(one, Http2Protocol)]
    assert not [one for one in gc.get_referrers(stalled) if isinstance(one, dict)]
