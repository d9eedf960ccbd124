"""PING, and the keepalive policy in both directions."""

import time
from collections.abc import Callable

from .conftest import EchoServer
from .h2client import ACK, ENHANCE_YOUR_CALM, PING, Client, data, frame, message

WATCH = "/echo.Echo/Watch"
REPEAT = "/echo.Echo/Repeat"

Start = Callable[..., EchoServer]


def ping(number: int) -> bytes:
    return frame(PING, payload=number.to_bytes(8, "big"))


def acks(client: Client) -> list[int]:
    return [
        int.from_bytes(f.payload, "big") for f in client.frames if f.type == PING and f.flags & ACK
    ]


def assert_too_many_pings(client: Client) -> None:
    goaway = client.wait_closed()
    assert goaway is not None
    assert (goaway.code, goaway.debug) == (ENHANCE_YOUR_CALM, b"too_many_pings")


def test_ping_is_answered_with_its_bytes(client: Client) -> None:
    client.send(ping(0x0102030405060708))
    client.wait(lambda: acks(client) == [0x0102030405060708])


def test_unknown_acks_are_ignored(client: Client) -> None:
    client.send(*(frame(PING, ACK, 0, bytes(8)) for _ in range(50)))
    assert client.call("/echo.Echo/Unary", b"x").messages == [b"x"]


def test_fourth_quick_ping_without_calls_ends_the_connection(client: Client) -> None:
    client.send(*map(ping, range(3)))
    client.wait(lambda: acks(client) == [0, 1, 2])
    client.send(ping(3))
    assert_too_many_pings(client)


def test_fourth_quick_ping_during_a_quiet_watch_ends_the_connection(client: Client) -> None:
    stream = client.open(WATCH)
    client.send(data(stream, message(b"x")))
    client.wait(lambda: bool(client.stream(stream).messages))
    for number in range(4):
        assert not client.goaways
        client.send(ping(number))
        client.drain(0.05)
    assert_too_many_pings(client)


def test_pings_after_our_data_are_free(client: Client) -> None:
    """grpc-go sends one for each burst of DATA to measure the bandwidth."""
    for number in range(30):
        client.call("/echo.Echo/Unary", b"x")
        client.send(ping(number))
    client.wait(lambda: acks(client) == list(range(30)))


def test_pings_between_messages_of_a_stream_are_free(client: Client) -> None:
    stream = client.open(WATCH)
    for number in range(30):
        client.send(ping(number), data(stream, message(b"%d" % number)))
        client.wait(lambda n=number: len(client.stream(stream).messages) == n + 1)  # type: ignore[misc]
    assert acks(client) == list(range(30))


def test_pings_are_answered_ahead_of_a_long_reply(client: Client) -> None:
    stream = client.start("/echo.Echo/Large", b"20000000")
    client.send(ping(7))
    client.wait(lambda: acks(client) == [7])
    assert not client.stream(stream).ended
    client.finish(stream)


def test_slow_enough_pings_during_a_call_are_fine(start_server: Start) -> None:
    server = start_server(keepalive_min_time=0.1)
    with server.connect() as client:
        client.open(WATCH)
        for number in range(8):
            client.send(ping(number))
            # So that none is late, and close to the next, where the server counts.
            client.wait(lambda n=number: acks(client) == list(range(n + 1)))  # type: ignore[misc]
            client.drain(0.13)


def test_silent_client_is_pinged_and_dropped(start_server: Start) -> None:
    server = start_server(keepalive_interval=0.3, keepalive_timeout=0.4)
    started = time.monotonic()
    with server.connect() as client:
        client.wait(lambda: PING in [f.type for f in client.frames])
        assert time.monotonic() - started > 0.2
        client.wait_closed()
        assert time.monotonic() - started > 0.5


def test_client_that_answers_pings_stays(start_server: Start) -> None:
    server = start_server(keepalive_interval=0.2, keepalive_timeout=20)
    with server.connect() as client:
        for count in range(1, 4):
            client.wait(lambda n=count: [f.type for f in client.frames].count(PING) == n)  # type: ignore[misc]
            client.send(frame(PING, ACK, 0, client.frames[-1].payload))
        assert client.call("/echo.Echo/Unary", b"x").messages == [b"x"]


def test_keepalive_of_0_never_pings(start_server: Start) -> None:
    server = start_server(keepalive_interval=0)
    with server.connect() as client:
        client.drain(0.5)
        assert PING not in [f.type for f in client.frames]
