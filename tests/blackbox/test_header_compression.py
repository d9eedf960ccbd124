"""HPACK as a peer sees it; the decoder has its own tests."""

import json

import hpack
import pytest

from .conftest import EchoServer
from .h2client import (
    COMPRESSION_ERROR,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PROTOCOL_ERROR,
    Client,
    Reply,
    data,
    frame,
    message,
    request_fields,
)

UNARY = "/echo.Echo/Unary"
METADATA = "/echo.Echo/Metadata"


def plain(name: bytes, value: bytes) -> bytes:
    """Return a literal that no table keeps, with lengths in HPACK's 7-bit prefix."""
    assert len(name) < 127
    assert len(value) < 127
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


def call(client: Client, stream: int, block: bytes) -> Reply:
    client.send(frame(HEADERS, END_HEADERS, stream, block), data(stream, message(b"x"), True))
    return client.finish(stream)


def fixed(*extra: bytes) -> bytes:
    return b"".join(plain(*pair) for pair in request_fields(UNARY)) + b"".join(extra)


def test_huffman_and_plain_strings_mix(client: Client) -> None:
    first, second = request_fields(UNARY)[:3], request_fields(UNARY)[3:]
    block = client.encoder.encode(first, huffman=True) + client.encoder.encode(
        second, huffman=False
    )
    assert call(client, 1, block).messages == [b"x"]
    assert call(client, 3, client.encoder.encode(first + second)).messages == [b"x"]


def test_table_may_shrink_to_0_and_grow_again(client: Client) -> None:
    client.call(UNARY, b"fill the table")
    block = b"\x20\x3f\xe1\x1f" + fixed()
    assert call(client, 3, block).messages == [b"x"]


def test_entry_over_the_table_size_empties_the_table(client: Client) -> None:
    client.call(UNARY, b"fill the table")
    big = b"\x40\x03big\x7f\x89\x1f" + b"x" * 4104  # 127 + 9 + 31 * 128
    assert call(client, 3, fixed(big)).messages == [b"x"]
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 5, fixed(b"\xbe")))
    goaway = client.wait_closed()
    assert goaway is not None
    assert goaway.code == COMPRESSION_ERROR


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x3f\xe2\x1f",
        b"\x80",
        b"\xbe",
        b"\xff\xff\xff\xff\xff\x7f",
        b"\x82\x20",
        b"\x00\x01a\x81\x18",
        b"\x00\x01a\x84\xff\xff\xff\xff",
        b"\x00\x01a\x7fabc",
    ],
    ids=[
        "size 4097",
        "index 0",
        "index past the end",
        "absurd index",
        "late size update",
        "bad padding",
        "EOS",
        "string cut short",
    ],
)
def test_blocks_that_cannot_be_decoded(client: Client, wrong: bytes) -> None:
    client.send(frame(HEADERS, END_HEADERS, 1, wrong))
    goaway = client.wait_closed()
    assert goaway is not None
    assert goaway.code == COMPRESSION_ERROR


def test_blocks_of_refused_requests_still_count(client: Client) -> None:
    """The table moves on with a refused block, so the next may refer to it."""
    stream = client.start(UNARY + "Nope", b"", metadata=[("x-kept", "1")])
    client.finish(stream)
    bad = [*request_fields(UNARY), (b"x-kept", b"2"), (b"connection", b"close")]
    client.send(client.headers(3, bad, end=True))
    assert client.finish(3).reset == PROTOCOL_ERROR
    client.next_stream = 5
    found = client.call(METADATA, b"null", metadata=[("x-kept", "1"), ("x-kept", "2")])
    assert ["x-kept", "2"] in json.loads(found.messages[0])


def test_replies_obey_a_smaller_table(server: EchoServer) -> None:
    with server.connect((1, 0)) as client:
        client.decoder = hpack.Decoder()
        client.decoder.max_allowed_table_size = 0
        client.decoder.header_table_size = 0
        for _ in range(3):
            assert client.call(UNARY, b"x").messages == [b"x"]
