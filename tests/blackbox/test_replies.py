"""What a call's reply looks like on the wire, and how calls end."""

import json
import time
from collections.abc import Callable

import pytest

from .conftest import EchoServer
from .h2client import (
    CANCEL,
    DATA,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    INTERNAL_ERROR,
    MAX_HEADER_LIST_SIZE,
    RST_STREAM,
    Client,
    data,
    message,
    reset,
    window_update,
)

UNARY = "/echo.Echo/Unary"
WATCH = "/echo.Echo/Watch"
CHAT = "/echo.Echo/Chat"
Start = Callable[..., EchoServer]
REPEAT = "/echo.Echo/Repeat"


def kinds(client: Client, stream: int) -> list[tuple[int, bool]]:
    """Return the frames of a stream as (type, ends the stream)."""
    return [(f.type, bool(f.flags & END_STREAM)) for f in client.stream(stream).frames]


def test_success_is_headers_data_trailers(client: Client) -> None:
    stream = client.start(UNARY, b"x")
    reply = client.finish(stream)
    assert kinds(client, stream) == [(HEADERS, False), (DATA, False), (HEADERS, True)]
    assert reply.blocks[0] == [(b":status", b"200"), (b"content-type", b"application/grpc")]
    assert reply.blocks[1] == [(b"grpc-status", b"0"), (b"grpc-message", b"")]
    assert reply.messages == [b"x"]


def test_prefix_and_body_share_a_frame(client: Client) -> None:
    stream = client.start("/echo.Echo/Large", b"50000")
    assert client.finish(stream).messages == [b"x" * 50000]
    sizes = client.stream(stream).data_sizes
    assert sizes[0] == 16384
    assert all(size <= 16384 for size in sizes)
    assert 0 not in sizes


def test_error_before_any_message_is_one_headers_frame(client: Client) -> None:
    stream = client.start("/echo.Echo/Fail", b'["NOT_FOUND", "no such thing"]')
    reply = client.finish(stream)
    assert kinds(client, stream) == [(HEADERS, True)]
    assert reply.http_status == 200
    assert reply.status == (5, "no such thing")


def test_abort_is_the_same_error(client: Client) -> None:
    stream = client.start("/echo.Echo/Abort", b'["ABORTED", "enough"]')
    assert client.finish(stream).status == (10, "enough")
    assert kinds(client, stream) == [(HEADERS, True)]


def test_error_after_messages_is_in_the_trailers(client: Client) -> None:
    stream = client.start(REPEAT, b'{"count": 2, "fail": "OUT_OF_RANGE"}')
    reply = client.finish(stream)
    assert b"grpc-status" not in reply.headers
    assert reply.messages == [b"x", b"x"]
    assert reply.status == (11, "after messages")


def test_error_after_sent_metadata_is_in_the_trailers(client: Client) -> None:
    reply = client.call("/echo.Echo/Metadata", b'{"initial": [["a", "1"]], "fail": "ABORTED"}')
    assert reply.headers[b"a"] == b"1"
    assert b"grpc-status" not in reply.headers
    assert reply.status == (10, "after metadata")


def test_crash_of_a_handler_is_unknown(start_server: Start) -> None:
    server = start_server(expect_errors=True)
    with server.connect() as client:
        reply = client.call("/echo.Echo/Crash", b"")
        assert reply.trailers_only
        assert reply.status[0] == 2
        assert client.call(UNARY, b"x").messages == [b"x"]


@pytest.mark.parametrize(
    ("details", "coded"),
    [
        ("50%", "50%25"),
        ("a\nb", "a%0Ab"),
        ("café", "caf%C3%A9"),
        ("~ !", "~ !"),
        ("\x7f", "%7F"),
        ("", ""),
        ("\ud800", "%EF%BF%BD"),
        ("数", "%E6%95%B0"),
    ],
)
def test_details_are_percent_encoded(client: Client, details: str, coded: str) -> None:
    reply = client.call("/echo.Echo/Fail", json.dumps(["INTERNAL", details]).encode())
    assert reply.status in [(13, coded), (13, coded * 3)]


class TestPeersHeaderLimit:
    def test_long_details_are_shortened(self, server: EchoServer) -> None:
        with server.connect((MAX_HEADER_LIST_SIZE, 500)) as client:
            reply = client.call("/echo.Echo/Fail", json.dumps(["INTERNAL", "d" * 5000]).encode())
            assert reply.status[0] == 13
            assert reply.status[1].startswith("ddd")
            assert sum(len(k) + len(v) + 32 for k, v in reply.blocks[0]) <= 500

    def test_metadata_that_cannot_be_shortened_resets(self, server: EchoServer) -> None:
        with server.connect((MAX_HEADER_LIST_SIZE, 500)) as client:
            asked = json.dumps({"trailing": [["big", "d" * 5000]]}).encode()
            assert client.call("/echo.Echo/Metadata", asked).reset == INTERNAL_ERROR


class TestDeadlines:
    def test_handler_is_cancelled_and_the_status_is_4(self, server: EchoServer) -> None:
        before = server.wait_idle().get("cancelled", 0)
        with server.connect() as client:
            started = time.monotonic()
            reply = client.call("/echo.Echo/Sleep", b"60", metadata=[("grpc-timeout", "200m")])
            assert 0.15 < time.monotonic() - started < 50
            assert reply.status == (4, "context deadline exceeded")
            assert server.wait_idle()["cancelled"] == before + 1

    def test_stream_in_progress_ends_with_trailers_or_reset(self, client: Client) -> None:
        stream = client.open(WATCH, ("grpc-timeout", "300m"))
        client.send(data(stream, message(b"x")))
        reply = client.finish(stream)
        # On a busy machine the time may be over before the message is read.
        assert reply.messages in ([b"x"], [])
        if reply.ended:
            assert reply.status == (4, "context deadline exceeded")
        else:
            assert reply.reset == CANCEL

    def test_deadline_runs_while_the_request_is_incomplete(self, client: Client) -> None:
        stream = client.open(UNARY, ("grpc-timeout", "200m"))
        client.send(data(stream, message(b"never whole")[:-1]))
        reply = client.finish(stream)
        assert reply.reset == CANCEL or reply.status == (4, "context deadline exceeded")

    def test_deadline_that_is_met_leaves_no_trace(self, client: Client) -> None:
        reply = client.call(UNARY, b"x", metadata=[("grpc-timeout", "150m")])
        frames = len(client.frames)
        client.drain(0.3)
        assert reply.status == (0, "")
        assert len(client.frames) == frames


class TestHalfClose:
    def test_chat_ends_well_after_all_replies(self, client: Client) -> None:
        stream = client.start(CHAT, b"1", b"2", b"3")
        reply = client.finish(stream)
        assert reply.messages == [b"1", b"2", b"3"]
        assert reply.status == (0, "")

    def test_watch_stays_and_goes_on_delivering(self, client: Client) -> None:
        stream = client.start(WATCH, b"1")
        client.wait(lambda: client.stream(stream).messages == [b"1", b"half-closed"])
        client.drain(0.2)
        assert not client.stream(stream).finished
        client.send(reset(stream))

    def test_stream_of_requests_has_one_answer(self, client: Client) -> None:
        reply = client.call("/echo.Echo/Collect", b"12", b"345", b"")
        assert json.loads(reply.messages[0]) == [3, 5]

    def test_empty_stream_of_requests(self, client: Client) -> None:
        assert json.loads(client.call("/echo.Echo/Collect").messages[0]) == [0, 0]
        assert client.call(CHAT).status == (0, "")

    def test_stream_cut_inside_a_message(self, client: Client) -> None:
        stream = client.open(CHAT)
        client.send(data(stream, message(b"whole") + b"\0\0\0\0\x05ab", end=True))
        reply = client.finish(stream)
        assert reply.messages == [b"whole"]
        assert reply.status[0] in (2, 13)

    def test_first_headers_of_a_stream_come_with_its_first_message(self, client: Client) -> None:
        stream = client.open(WATCH)
        client.settle()
        assert client.stream(stream).frames == []
        client.send(data(stream, message(b"go")))
        client.wait(lambda: bool(client.stream(stream).messages))
        assert kinds(client, stream) == [(HEADERS, False), (DATA, False)]


def test_reset_is_answered_by_silence(client: Client) -> None:
    stream = client.open(WATCH)
    client.send(data(stream, message(b"x")), reset(stream))
    client.settle()
    count = len(client.stream(stream).frames)
    client.drain(0.1)
    assert len(client.stream(stream).frames) == count
    assert RST_STREAM not in [kind for kind, _ in kinds(client, stream)]


def test_server_stream_arrives_whole_and_in_order(server: EchoServer) -> None:
    with server.connect((INITIAL_WINDOW_SIZE, 1 << 20)) as client:
        client.send(window_update(0, 1 << 20))
        reply = client.call(REPEAT, b'{"count": 300, "size": 1000}')
    assert len(reply.messages) == 300
    assert reply.data_sizes == [1005] * 300
    assert reply.status == (0, "")


def test_many_calls_at_once_all_get_their_own_answers(client: Client) -> None:
    paths = [UNARY, "/echo.Echo/Task", CHAT]
    streams = {client.start(paths[i % 3], b"%d" % i): b"%d" % i for i in range(600)}
    for stream, body in streams.items():
        assert client.finish(stream).messages == [body]
        assert client.stream(stream).status == (0, "")
