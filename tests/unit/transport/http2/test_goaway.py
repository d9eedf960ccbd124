"""The two GOAWAYs of a graceful end."""

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.goaway import (
    ACK_SECONDS,
    PING_PAYLOAD,
    READ_SECONDS,
    GracefulShutdown,
    Stage,
)

from ..peer import parse, parse_u32


def test_first_goaway_names_the_highest_stream_and_asks_for_an_answer() -> None:
    shutdown = GracefulShutdown()
    goaway, ping = parse(shutdown.announce(now=0))
    assert parse_u32(goaway.payload) == 2**31 - 1
    assert goaway.payload[4:] == bytes(4) + b"graceful_stop"
    assert (ping.kind, ping.flags, ping.payload) == (frames.PING, 0, PING_PAYLOAD)


def test_it_is_said_once() -> None:
    shutdown = GracefulShutdown()
    shutdown.announce(now=0)
    assert shutdown.announce(now=1) == b""


def test_second_goaway_names_the_last_stream() -> None:
    shutdown = GracefulShutdown()
    shutdown.announce(now=0)
    (goaway,) = parse(shutdown.drain(last_stream_id=5))
    assert parse_u32(goaway.payload) == 5
    assert shutdown.stage is Stage.DRAINING


def test_only_the_answer_to_our_ping_counts() -> None:
    shutdown = GracefulShutdown()
    assert not shutdown.is_acknowledged_by(PING_PAYLOAD)
    shutdown.announce(now=0)
    assert not shutdown.is_acknowledged_by(b"otherone")
    assert shutdown.is_acknowledged_by(PING_PAYLOAD)


def test_it_goes_on_without_an_answer() -> None:
    shutdown = GracefulShutdown()
    shutdown.announce(now=10)
    assert not shutdown.is_overdue(10 + ACK_SECONDS - 0.1)
    assert shutdown.is_overdue(10 + ACK_SECONDS)
    shutdown.drain(1)
    assert not shutdown.is_overdue(100)


def test_peers_have_time_to_read_the_end_of_endless_streams() -> None:
    shutdown = GracefulShutdown()
    assert not shutdown.is_unread(1000)
    shutdown.announce(now=10)
    assert not shutdown.is_unread(10 + READ_SECONDS - 0.1)
    assert shutdown.is_unread(10 + READ_SECONDS)
