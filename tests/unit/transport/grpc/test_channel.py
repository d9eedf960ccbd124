"""A handler's context on a channel that is no connection: it needs nothing else."""

from __future__ import annotations

from etcdpy.clock import Clock
from etcdpy.cooperative import Turnstile
from etcdpy.testing.clock import MovableClock
from etcdpy.transport.grpc.call import Call
from etcdpy.transport.grpc.channel import Channel
from etcdpy.transport.grpc.context import Context
from etcdpy.transport.grpc.request_head import RequestHead
from etcdpy.transport.grpc.routes import Route
from etcdpy.transport.grpc.sender import Sender
from etcdpy.transport.grpc.states import HandlerState, StreamState
from etcdpy.transport.http2.frames import DATA, HEADERS
from etcdpy.transport.http2.keepalive import PingPolicy

from ..peer import message, parse


class Wire:
    """The least that a channel can be."""

    def __init__(self) -> None:
        self.sender = Sender({}, PingPolicy(5.0))
        self.peer = "unix:"
        self.certificate_name: str | None = None
        self.is_secure = False
        self.now = 100.0
        self.turnstile = Turnstile()
        self.clock: Clock = MovableClock(103.0)
        self.asked: list[str] = []

    def touch(self) -> None:
        self.asked.append("touch")

    def flush(self) -> None:
        self.asked.append("flush")

    def expect(self, call: Call) -> None:
        self.asked.append("expect")

    def expect_no_more(self, call: Call) -> None:
        self.asked.append("expect_no_more")

    def orphaned(self) -> None:
        self.asked.append("orphaned")

    def orphan_ended(self) -> None:
        self.asked.append("orphan_ended")


def called() -> tuple[Wire, Context]:
    """Return a channel, and a call on it whose client sends a stream of requests."""
    wire, head = Wire(), RequestHead()
    head.route = Route(lambda *_: None, True, True, bytes, bytes, False)
    context = Context(1, head, 105.0, StreamState.OPEN)
    channel: Channel = wire
    context.channel = channel
    context.expect(1 << 20)
    context.handler_state = HandlerState.RUNNING
    return wire, context


def test_context_is_of_its_peer_and_on_its_clock() -> None:
    _, context = called()
    assert (context.peer(), context.time_remaining()) == ("unix:", 2.0)


async def test_what_is_written_goes_out_by_its_sender() -> None:
    wire, context = called()
    await context.write(b"a")
    assert context.try_write(b"b", b"c")
    context.flush()
    frames = list(parse(wire.sender.take()))
    assert [frame.kind for frame in frames] == [HEADERS, DATA, DATA]
    assert [frame.payload for frame in frames[1:]] == [message(b"a"), message(b"bc")]
    assert wire.asked == ["touch", "flush"]


async def test_lone_output_asks_to_be_written_and_more_of_it_does_not() -> None:
    wire, context = called()
    await context.write(b"a")
    wire.sender.take()
    wire.asked.clear()
    assert context.try_write(b"b", b"")
    assert context.try_write(b"c", b"")
    assert wire.asked == ["touch"]


async def test_what_is_read_is_what_has_arrived() -> None:
    _, context = called()
    context.receive(message(b"a"), 6)
    assert await context.read() == b"a"
