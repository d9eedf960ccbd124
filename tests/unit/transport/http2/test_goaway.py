"""The two goodbyes."""

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.goaway import ACK_SECONDS, PING_PAYLOAD, GracefulShutdown, Stage

from ..peer import parse


def test_first_goodbye_names_the_highest_stream_and_asks_for_an_answer() -> None:
    goodbye = GracefulShutdown()
    goaway, ping = parse(goodbye.announce(now=0))
    assert frames.parse_u32(goaway.payload) == 2**31 - 1
    assert goaway.payload[4:] == bytes(4) + b"graceful_stop"
    assert (ping.kind, ping.flags, ping.payload) == (frames.PING, 0, PING_PAYLOAD)


def test_it_is_said_once() -> None:
    goodbye = GracefulShutdown()
    goodbye.announce(now=0)
    assert goodbye.announce(now=1) == b""


def test_second_goodbye_names_the_last_stream() -> None:
    goodbye = GracefulShutdown()
    goodbye.announce(now=0)
    (goaway,) = parse(goodbye.drain(last_stream_id=5))
    assert frames.parse_u32(goaway.payload) == 5
    assert goodbye.stage is Stage.DRAINING


def test_only_the_answer_to_our_ping_counts() -> None:
    goodbye = GracefulShutdown()
    assert not goodbye.is_acknowledged_by(PING_PAYLOAD)
    goodbye.announce(now=0)
    assert not goodbye.is_acknowledged_by(b"otherone")
    assert goodbye.is_acknowledged_by(PING_PAYLOAD)


def test_it_goes_on_without_an_answer() -> None:
    goodbye = GracefulShutdown()
    goodbye.announce(now=10)
    assert not goodbye.is_overdue(10 + ACK_SECONDS - 0.1)
    assert goodbye.is_overdue(10 + ACK_SECONDS)
    goodbye.drain(1)
    assert not goodbye.is_overdue(100)
