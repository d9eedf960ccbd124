"""gRPC messages in DATA frames: where they may be cut, how long they may be, gzip."""

import gzip
import os
import zlib

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from .conftest import EchoServer
from .h2client import (
    DATA,
    END_STREAM,
    PADDED,
    Client,
    Reply,
    data,
    frame,
    message,
    request_fields,
)

UNARY = "/echo.Echo/Unary"
CHAT = "/echo.Echo/Chat"
LIMIT = 2097152
GZIP = ("grpc-encoding", "gzip")


def exchange(client: Client, body: bytes, *metadata: tuple[str, str], path: str = UNARY) -> Reply:
    """Send ``body``, already framed or deliberately not, half-closed; return the reply."""
    stream = client.open(path, *metadata)
    client.send(data(stream, body, end=True))
    return client.finish(stream)


def test_message_in_frames_of_one_byte(client: Client) -> None:
    stream = client.open(UNARY)
    for byte in message(b"drop by drop"):
        client.send(data(stream, bytes((byte,))))
    client.send(data(stream, b"", end=True))
    assert client.finish(stream).messages == [b"drop by drop"]


def test_padding_and_empty_frames_change_nothing(client: Client) -> None:
    stream = client.open(UNARY)
    whole = message(b"padded")
    client.send(frame(DATA, PADDED, stream, b"\x03" + whole[:4] + bytes(3)))
    client.send(data(stream, b""), frame(DATA, PADDED, stream, b"\x00"))
    client.send(frame(DATA, PADDED, stream, b"\x01" + whole[4:] + b"\0"), data(stream, b"", True))
    assert client.finish(stream).messages == [b"padded"]


def test_several_messages_in_one_frame_are_answered_one_by_one(client: Client) -> None:
    reply = exchange(client, message(b"1") + message(b"22") + message(b""), path=CHAT)
    assert reply.messages == [b"1", b"22", b""]
    assert reply.status == (0, "")
    # EtcdEx decodes at most one message in each DATA frame it gets.
    assert [size for size in reply.data_sizes if size] == [6, 7, 5]


def test_many_messages_never_share_a_frame(client: Client) -> None:
    bodies = [bytes(i % 300) for i in range(200)]
    reply = exchange(client, b"".join(map(message, bodies)), path=CHAT)
    assert reply.messages == bodies
    assert reply.data_sizes == [len(body) + 5 for body in bodies]


def test_unary_takes_the_first_message_and_ignores_the_rest(client: Client) -> None:
    assert exchange(client, message(b"1") + message(b"2")).messages == [b"1"]
    assert exchange(client, message(b"1") + b"\0\0").messages == [b"1"]


def test_unary_starts_before_the_half_close(client: Client) -> None:
    stream = client.open(UNARY)
    client.send(data(stream, message(b"early")))
    reply = client.stream(stream)
    client.wait(lambda: reply.ended and reply.reset is not None)
    assert reply.messages == [b"early"]
    assert (reply.status, reply.reset) == ((0, ""), 0)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "EOF"),
        (b"\0", "EOF"),
        (b"\0\0\0\0", "EOF"),
        (b"\0\0\0\0\x05", "unexpected EOF"),
        (b"\0\0\0\0\x05ab", "unexpected EOF"),
    ],
)
def test_message_cut_short_by_the_half_close(client: Client, body: bytes, text: str) -> None:
    reply = exchange(client, body)
    assert reply.trailers_only
    assert reply.status[0] == 2
    if body in (b"", b"\0\0\0\0\x05ab"):
        assert reply.status[1] == text


def test_half_close_in_the_headers(client: Client) -> None:
    stream = client.next_stream
    client.send(client.headers(stream, request_fields(UNARY), end=True))
    assert client.finish(stream).status == (2, "EOF")


def test_message_of_exactly_the_limit(client: Client) -> None:
    body = os.urandom(LIMIT)
    reply = exchange(client, message(body))
    assert reply.status == (0, "")
    assert reply.messages == [body]


@pytest.mark.parametrize("length", [LIMIT + 1, 0xFFFFFFFF])
def test_length_over_the_limit_is_refused_at_the_prefix(client: Client, length: int) -> None:
    stream = client.open(UNARY)
    client.send(data(stream, b"\0" + length.to_bytes(4, "big")))
    reply = client.finish(stream)
    text = f"grpc: received message larger than max ({length} vs. {LIMIT})"
    assert reply.trailers_only
    assert reply.status == (8, text)


def test_length_over_the_limit_on_a_stream(client: Client) -> None:
    reply = exchange(client, message(b"1") + b"\0\xff\xff\xff\xff", path=CHAT)
    assert reply.status == (8, f"grpc: received message larger than max (4294967295 vs. {LIMIT})")


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (message(b"x", flag=1), 13, "grpc: compressed flag set with identity or empty encoding"),
        (message(b"x", flag=2), 13, "grpc: received unexpected payload format 2"),
        (message(b"x", flag=255), 13, "grpc: received unexpected payload format 255"),
    ],
)
def test_flags(client: Client, body: bytes, code: int, text: str) -> None:
    assert exchange(client, body).status == (code, text)
    assert exchange(client, body, ("grpc-encoding", "identity")).status == (code, text)


def test_message_that_is_no_protobuf(client: Client) -> None:
    reply = exchange(client, message(b"\xff\xff\xff"), path="/echo.Echo/Parsed")
    code, text = reply.status
    assert code == 13
    assert text.startswith("grpc: error unmarshalling request: ")


def test_protobuf_is_read_and_written(client: Client) -> None:
    sent = StringValue(value="π")
    reply = exchange(client, message(sent.SerializeToString()), path="/echo.Echo/Parsed")
    assert StringValue.FromString(reply.messages[0]) == sent


class TestGzip:
    def test_request_and_reply_are_compressed(self, client: Client) -> None:
        body = b"squeeze me " * 1000
        reply = exchange(client, message(gzip.compress(body), flag=1), GZIP)
        assert reply.headers[b"grpc-encoding"] == b"gzip"
        assert reply.body[0] == 1
        assert gzip.decompress(reply.messages[0]) == body
        assert reply.status == (0, "")

    def test_plain_message_under_gzip(self, client: Client) -> None:
        reply = exchange(client, message(b"plain"), GZIP)
        assert reply.headers[b"grpc-encoding"] == b"gzip"
        assert gzip.decompress(reply.messages[0]) == b"plain"

    def test_empty_reply_is_not_compressed(self, client: Client) -> None:
        reply = exchange(client, message(b""), GZIP)
        assert reply.body == message(b"")

    def test_accept_encoding_alone_changes_nothing(self, client: Client) -> None:
        reply = exchange(client, message(b"x"), ("grpc-accept-encoding", "identity, gzip"))
        assert b"grpc-encoding" not in reply.headers
        assert reply.body == message(b"x")

    @pytest.mark.parametrize(
        "body",
        [b"", b"not gzip", gzip.compress(b"x" * 100)[:-9], zlib.compress(b"x")],
        ids=["nothing", "text", "cut short", "zlib"],
    )
    def test_broken_gzip(self, client: Client, body: bytes) -> None:
        code, text = exchange(client, message(body, flag=1), GZIP).status
        assert code == 13
        assert text.startswith("grpc: failed to decompress the message: ")

    def test_bomb_costs_no_memory(self, server: EchoServer, client: Client) -> None:
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        parts = [packer.compress(bytes(1 << 20)) for _ in range(100)]
        bomb = b"".join([*parts, packer.flush()])  # 100 MiB in 100 KiB
        before = server.rss()
        for _ in range(3):
            code, text = exchange(client, message(bomb, flag=1), GZIP).status
            assert code == 8
            assert text.startswith("grpc: message after decompression larger than max (")
            assert text.endswith(f" vs. {LIMIT})")
        assert server.rss() < before + (32 << 20)

    def test_inflated_to_exactly_the_limit(self, client: Client) -> None:
        reply = exchange(client, message(gzip.compress(bytes(LIMIT)), flag=1), GZIP)
        assert reply.status == (0, "")
        reply = exchange(client, message(gzip.compress(bytes(LIMIT + 1)), flag=1), GZIP)
        assert reply.status[0] == 8


def test_last_data_frame_may_carry_the_end(client: Client) -> None:
    stream = client.open(UNARY)
    client.send(frame(DATA, END_STREAM, stream, message(b"x")))
    assert client.finish(stream).messages == [b"x"]
