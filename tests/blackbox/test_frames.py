"""RFC 9113 frame by frame: what is tolerated, and which error answers the rest."""

import struct

import pytest

from .conftest import EchoServer
from .h2client import (
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    NO_ERROR,
    PADDED,
    PING,
    PRIORITIZED,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    Client,
    Goaway,
    data,
    frame,
    message,
    request_fields,
    reset,
    settings,
    window_update,
)

UNARY = "/echo.Echo/Unary"
CHAT = "/echo.Echo/Chat"
WATCH = "/echo.Echo/Watch"


def assert_connection_error(client: Client, code: int) -> Goaway:
    goaway = client.wait_closed()
    assert goaway is not None, "closed without GOAWAY"
    assert goaway.code == code
    return goaway


def assert_stream_error(client: Client, stream: int, code: int) -> None:
    """The stream is reset with ``code``, and the connection still serves."""
    assert client.finish(stream).reset == code
    client.next_stream = max(client.next_stream, stream + 2)
    assert client.call(UNARY, b"still here").messages == [b"still here"]


@pytest.mark.parametrize(
    ("name", "wrong", "code"),
    [
        ("longer than 16384", frame(DATA, 0, 1, bytes(16385)), FRAME_SIZE_ERROR),
        ("DATA on stream 0", frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
        ("HEADERS on stream 0", frame(HEADERS, END_HEADERS, 0, b"\x83"), PROTOCOL_ERROR),
        ("PRIORITY on stream 0", frame(PRIORITY, 0, 0, bytes(5)), PROTOCOL_ERROR),
        ("RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, bytes(4)), PROTOCOL_ERROR),
        ("CONTINUATION on stream 0", frame(CONTINUATION, END_HEADERS, 0), PROTOCOL_ERROR),
        ("SETTINGS on a stream", frame(SETTINGS, 0, 1), PROTOCOL_ERROR),
        ("PING on a stream", frame(PING, 0, 1, bytes(8)), PROTOCOL_ERROR),
        ("GOAWAY on a stream", frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL_ERROR),
        ("PING of 7 bytes", frame(PING, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
        ("PING of 9 bytes", frame(PING, 0, 0, bytes(9)), FRAME_SIZE_ERROR),
        ("RST_STREAM of 3 bytes", frame(RST_STREAM, 0, 1, bytes(3)), FRAME_SIZE_ERROR),
        ("WINDOW_UPDATE of 3 bytes", frame(WINDOW_UPDATE, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
        ("GOAWAY of 7 bytes", frame(GOAWAY, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
        ("padding as long as DATA", frame(DATA, PADDED, 1, b"\x04abc"), PROTOCOL_ERROR),
        (
            "padding as long as HEADERS",
            frame(HEADERS, END_HEADERS | PADDED, 3, b"\x02\x83"),
            PROTOCOL_ERROR,
        ),
        ("stray CONTINUATION", frame(CONTINUATION, END_HEADERS, 1, b"\x83"), PROTOCOL_ERROR),
        ("DATA on an idle stream", frame(DATA, 0, 99, b"x"), PROTOCOL_ERROR),
        ("RST_STREAM on an idle stream", reset(99), PROTOCOL_ERROR),
        ("WINDOW_UPDATE on an idle stream", window_update(99, 1), PROTOCOL_ERROR),
        ("WINDOW_UPDATE of 0 on the connection", window_update(0, 0), PROTOCOL_ERROR),
        (
            "window of the connection over 2^31-1",
            window_update(0, (1 << 31) - 1),
            FLOW_CONTROL_ERROR,
        ),
        (
            "PUSH_PROMISE",
            frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02\x83"),
            PROTOCOL_ERROR,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_connection_errors(client: Client, name: str, wrong: bytes, code: int) -> None:
    client.open(CHAT)  # stream 1 is open
    client.send(wrong)
    assert assert_connection_error(client, code).last == 1


@pytest.mark.parametrize(
    "between",
    [
        settings(),
        frame(PING, payload=bytes(8)),
        frame(DATA, 0, 1, b"x"),
        frame(CONTINUATION, END_HEADERS, 3),
        frame(HEADERS, END_HEADERS, 3, b"\x83"),
        frame(0xBE, payload=b"unknown"),
    ],
    ids=["SETTINGS", "PING", "DATA", "another stream", "HEADERS", "unknown type"],
)
def test_only_continuation_may_follow_an_open_header_block(client: Client, between: bytes) -> None:
    client.send(frame(HEADERS, 0, 1, b"\x83"), between)
    assert_connection_error(client, PROTOCOL_ERROR)


@pytest.mark.parametrize(
    ("first", "second"), [(1, 2), (5, 3), (1, 1)], ids=["even", "lower", "the same"]
)
def test_illegal_stream_ids(client: Client, first: int, second: int) -> None:
    client.send(client.headers(first, request_fields(UNARY)))
    client.send(data(first, message(b""), end=True))
    client.finish(first)
    client.send(client.headers(second, request_fields(UNARY), end=True))
    goaway = client.wait_closed()
    assert goaway is not None
    assert goaway.code in (PROTOCOL_ERROR, STREAM_CLOSED)
    if second != first:
        assert goaway.code == PROTOCOL_ERROR
        assert goaway.debug.startswith(b"received an illegal stream id: %d" % second)


def test_ids_may_have_gaps_and_close_those_they_skip(client: Client) -> None:
    for stream in (1, 7):
        client.send(client.headers(stream, request_fields(UNARY)))
        client.send(data(stream, message(b"x"), end=True))
        assert client.finish(stream).messages == [b"x"]
    client.send(client.headers(3, request_fields(UNARY)))
    assert_connection_error(client, PROTOCOL_ERROR)


def test_client_trailers_end_its_side(client: Client) -> None:
    stream = client.open(CHAT)
    client.send(data(stream, message(b"x")), client.headers(stream, [(b"x-t", b"1")], end=True))
    reply = client.finish(stream)
    assert (reply.messages, reply.status) == ([b"x"], (0, ""))


@pytest.mark.parametrize(
    ("fields", "end"),
    [([(b"x-t", b"1")], False), (request_fields(UNARY), True)],
    ids=["without END_STREAM", "with pseudo-fields"],
)
def test_second_headers_that_are_no_trailers(
    client: Client, fields: list[tuple[bytes, bytes]], end: bool
) -> None:
    stream = client.open(CHAT)
    client.send(client.headers(stream, fields, end=end))
    client.wait(lambda: client.closed or client.stream(stream).finished)
    if not client.closed and not client.goaways:
        assert client.stream(stream).reset == PROTOCOL_ERROR
    else:
        assert_connection_error(client, PROTOCOL_ERROR)


def test_headers_may_carry_priority_and_padding(client: Client) -> None:
    block = client.encoder.encode(request_fields(UNARY))
    flags = END_HEADERS | PADDED | PRIORITIZED
    client.send(frame(HEADERS, flags, 1, b"\x06" + b"\0\0\0\0\x0f" + block + bytes(6)))
    client.send(data(1, message(b"x"), end=True))
    assert client.finish(1).messages == [b"x"]


def test_a_header_block_may_come_in_pieces(client: Client) -> None:
    block = client.encoder.encode(request_fields(UNARY))
    cut = len(block) // 4
    client.send(frame(HEADERS, 0, 1, block[:cut]))
    client.send(frame(CONTINUATION, 0, 1, block[cut : 2 * cut]))
    client.send(frame(CONTINUATION, 0, 1, b""))
    client.send(frame(CONTINUATION, END_HEADERS, 1, block[2 * cut :]))
    client.send(data(1, message(b"x"), end=True))
    assert client.finish(1).messages == [b"x"]


def test_data_may_be_padded(client: Client) -> None:
    client.open(UNARY)
    client.send(frame(DATA, PADDED | END_STREAM, 1, b"\xff" + message(b"x") + bytes(255)))
    assert client.finish(1).messages == [b"x"]


def test_unknown_types_flags_and_reserved_bits_are_ignored(client: Client) -> None:
    client.open(UNARY)
    client.send(
        frame(0xFA, 0xFF, 0, b"what"),
        frame(0xFA, 0xFF, 1, b"what"),
        frame(0xFA, 0xFF, 77, b"what"),
        frame(PING, 0xFE, 1 << 31, bytes(8)),
        frame(DATA, END_STREAM | 0xF6, 1 | 1 << 31, message(b"x")),
    )
    assert client.finish(1).messages == [b"x"]
    client.wait(lambda: any(f.type == PING for f in client.frames))


@pytest.mark.parametrize(
    ("name", "wrong", "code"),
    [
        ("WINDOW_UPDATE 0", window_update(1, 0), PROTOCOL_ERROR),
        ("window over 2^31-1", window_update(1, (1 << 31) - 1), FLOW_CONTROL_ERROR),
        ("PRIORITY of 4 bytes", frame(PRIORITY, 0, 1, bytes(4)), FRAME_SIZE_ERROR),
        ("PRIORITY on itself", frame(PRIORITY, 0, 1, b"\0\0\0\x01\x0f"), PROTOCOL_ERROR),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_stream_errors(client: Client, name: str, wrong: bytes, code: int) -> None:
    stream = client.open(WATCH)
    client.send(wrong)
    assert_stream_error(client, stream, code)


def test_headers_that_depend_on_themselves(client: Client) -> None:
    block = client.encoder.encode(request_fields(UNARY))
    client.send(frame(HEADERS, END_HEADERS | PRIORITIZED, 1, b"\0\0\0\x01\x0f" + block))
    assert_stream_error(client, 1, PROTOCOL_ERROR)


def test_priority_never_opens_a_stream(client: Client) -> None:
    client.send(*(frame(PRIORITY, 0, stream, bytes(5)) for stream in (1, 3, 99, 1001)))
    assert client.call(UNARY, b"x").messages == [b"x"]


def test_data_after_end_stream(client: Client) -> None:
    stream = client.start(WATCH, b"x")
    client.send(data(stream, message(b"y")))
    client.wait(lambda: client.stream(stream).reset is not None or client.closed)
    if client.stream(stream).reset is None:
        assert_connection_error(client, STREAM_CLOSED)
    else:
        assert_stream_error(client, stream, STREAM_CLOSED)


def test_data_after_our_reset_is_answered_and_credited(client: Client) -> None:
    stream = client.open(WATCH)
    client.send(reset(stream))
    # More than the connection's whole window, were it not credited again.
    for _ in range(20):
        client.send(data(stream, bytes(1 << 20)))
        client.drain(0.005)
    client.wait(lambda: client.stream(stream).reset == STREAM_CLOSED)
    sent = 20 << 20
    granted = 65535 + sum(
        struct.unpack(">L", f.payload)[0]
        for f in client.frames
        if f.type == WINDOW_UPDATE and f.stream == 0
    )
    assert granted > sent
    client.call(UNARY, b"x")


def test_late_frames_on_a_stream_the_server_ended_are_ignored(client: Client) -> None:
    stream = client.start(UNARY, b"x")
    client.finish(stream)
    client.send(window_update(stream, 5), reset(stream, NO_ERROR), window_update(stream, 5))
    assert client.call(UNARY, b"y").messages == [b"y"]
    assert client.stream(stream).reset is None


def test_data_on_a_stream_the_server_ended_early_is_ignored(client: Client) -> None:
    stream = client.open("/echo.Echo/Nope")
    client.finish(stream)
    client.send(data(stream, message(bytes(50_000)), end=True))
    assert client.call(UNARY, b"y").messages == [b"y"]


def test_stream_window_is_enforced(client: Client) -> None:
    stream = client.open("/echo.Echo/Deaf")
    client.wait(lambda: client.stream(stream).messages == [b"ready"])
    body = message(bytes(200_000))
    for _ in range(20):  # 4 MB into a window of 1 MiB which nobody reads from
        client.send(data(stream, body))
    assert_stream_error(client, stream, FLOW_CONTROL_ERROR)


def test_settings_may_not_overflow_a_stream_window(client: Client) -> None:
    client.open(WATCH)
    client.send(window_update(1, (1 << 31) - 1 - 65535))
    client.send(settings((INITIAL_WINDOW_SIZE, 65536)))
    client.wait(lambda: client.closed or client.stream(1).reset is not None)
    if client.closed:
        assert_connection_error(client, FLOW_CONTROL_ERROR)
    else:
        assert client.stream(1).reset == FLOW_CONTROL_ERROR


def test_goaway_from_the_client_is_noted_and_service_goes_on(client: Client) -> None:
    stream = client.open(WATCH)
    client.send(frame(GOAWAY, payload=bytes(8)))
    assert client.call(UNARY, b"new").messages == [b"new"]
    client.send(data(stream, message(b"old")))
    client.wait(lambda: client.stream(stream).messages == [b"old"])


def test_reset_frees_the_handler_at_once(server: EchoServer, client: Client) -> None:
    before = server.wait_idle().get("cancelled", 0)
    for code in (CANCEL, NO_ERROR, 0xDEAD):
        stream = client.start("/echo.Echo/Sleep", b"60")
        client.settle()
        client.send(reset(stream, code))
    assert server.wait_idle()["cancelled"] == before + 3
    assert all(reply.frames == [] for reply in client.streams.values())


def test_disconnect_cancels_all_calls(server: EchoServer) -> None:
    before = server.wait_idle().get("cancelled", 0)
    with server.connect() as client:
        for _ in range(5):
            client.start("/echo.Echo/Sleep", b"60")
            client.open(WATCH)
        client.settle()
    assert server.wait_idle()["cancelled"] == before + 10
