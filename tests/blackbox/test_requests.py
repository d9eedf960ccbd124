"""Request headers: what is served, what is refused, and with which exact words."""

import base64
import json
import struct
from collections.abc import Callable

import pytest

from .conftest import EchoServer
from .h2client import (
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    HEADERS,
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    Client,
    Fields,
    Reply,
    data,
    message,
    request_fields,
    reset,
)

UNARY = "/echo.Echo/Unary"
METADATA = "/echo.Echo/Metadata"
Start = Callable[..., EchoServer]
GRPC = ("content-type", "application/grpc")


def send(client: Client, fields: Fields, body: bytes | None = None) -> Reply:
    """Send one request on a new stream; without a body its HEADERS end the stream."""
    stream = client.next_stream
    client.next_stream += 2
    client.send(client.headers(stream, fields, end=body is None))
    if body is not None:
        client.send(data(stream, body, end=True))
    return client.finish(stream)


@pytest.mark.parametrize(
    "fields",
    [
        [*request_fields(UNARY), (b"X-Upper", b"1")],
        [*request_fields(UNARY), (b"sp ace", b"1")],
        [*request_fields(UNARY), (b"", b"1")],
        [*request_fields(UNARY), (b"x-nul", b"a\0b")],
        [*request_fields(UNARY), (b"x-newline", b"a\nb")],
        [*request_fields(UNARY), (b"x-return", b"a\rb")],
        [*request_fields(UNARY), (b":path", b"/late")],
        [(b":unknown", b"1"), *request_fields(UNARY)],
        [(b":status", b"200"), *request_fields(UNARY)],
        [(b":method", b"POST"), *request_fields(UNARY)],
        [(b":authority", b"other"), *request_fields(UNARY)],
        [*request_fields(UNARY), (b"connection", b"close")],
        [*request_fields(UNARY), (b"keep-alive", b"1")],
        [*request_fields(UNARY), (b"transfer-encoding", b"chunked")],
        [*request_fields(UNARY), (b"upgrade", b"h2c")],
        [*request_fields(UNARY), (b"proxy-connection", b"close")],
        request_fields(UNARY, ("te", "gzip")),
        request_fields(UNARY, method=None),
        request_fields(UNARY, scheme=None),
        request_fields(None),
        request_fields(""),
    ],
    ids=[
        "upper case name",
        "blank in a name",
        "empty name",
        "NUL in a value",
        "newline in a value",
        "return in a value",
        "pseudo-field after a regular one",
        "unknown pseudo-field",
        "pseudo-field of a response",
        "two :method",
        "two :authority",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "proxy-connection",
        "te other than trailers",
        "no :method",
        "no :scheme",
        "no :path",
        "empty :path",
    ],
)
def test_malformed_requests_are_reset(client: Client, fields: Fields) -> None:
    stream = client.next_stream
    client.next_stream += 2
    client.send(client.headers(stream, fields))
    assert client.finish(stream).reset == PROTOCOL_ERROR
    assert client.call(UNARY, b"x").messages == [b"x"]


@pytest.mark.parametrize(
    ("http", "code", "text", "fields"),
    [
        (
            400,
            13,
            "num values of :authority: 1, num values of host: 2, both must only have 1 value as"
            " per HTTP/2 spec",
            request_fields(UNARY, ("host", "a"), ("host", "b")),
        ),
        (
            415,
            3,
            'invalid gRPC request content-type "application/grpc-web"',
            request_fields(UNARY, ("content-type", "application/grpc-web")),
        ),
        (
            400,
            13,
            "malformed grpc-timeout: transport: timeout unit is not recognized: %221x%22",
            request_fields(UNARY, ("grpc-timeout", "1x")),
        ),
        (
            400,
            13,
            'malformed grpc-timeout: transport: timeout string is too short: "1"',
            request_fields(UNARY, ("grpc-timeout", "1")),
        ),
        (
            400,
            13,
            'malformed grpc-timeout: transport: timeout string is too long: "123456789S"',
            request_fields(UNARY, ("grpc-timeout", "123456789S")),
        ),
        (
            400,
            13,
            'malformed grpc-timeout: strconv.ParseUint: parsing "-1": invalid syntax',
            request_fields(UNARY, ("grpc-timeout", "-1S")),
        ),
        (
            400,
            13,
            'malformed grpc-timeout: strconv.ParseUint: parsing "1.5": invalid syntax',
            request_fields(UNARY, ("grpc-timeout", "1.5S")),
        ),
        (
            400,
            13,
            'malformed binary metadata "!!!" in header "foo-bin": illegal base64 data at input'
            " byte 0",
            request_fields(UNARY, ("foo-bin", "!!!")),
        ),
        (
            405,
            13,
            'Received a HEADERS frame with :method "GET" which should be POST',
            request_fields(UNARY, method="GET"),
        ),
        (400, 13, "no host or :authority header present", request_fields(UNARY, authority=None)),
        (200, 4, "context deadline exceeded", request_fields(UNARY, ("grpc-timeout", "0n"))),
        (200, 12, 'malformed method name: "/Range"', request_fields("/Range")),
        (200, 12, 'malformed method name: "echo.Echo/Unary"', request_fields("echo.Echo/Unary")),
        (200, 12, "unknown service foo.Bar", request_fields("/foo.Bar/Baz")),
        (200, 12, "unknown method Nope for service echo.Echo", request_fields("/echo.Echo/Nope")),
        (200, 12, "unknown service a/b", request_fields("/a/b/c")),
        (200, 12, "unknown service ", request_fields("//x")),
        (
            200,
            12,
            "unknown method Unary?x=1 for service echo.Echo",
            request_fields(UNARY + "?x=1"),
        ),
        (
            200,
            12,
            'grpc: Decompressor is not installed for grpc-encoding "snappy"',
            request_fields(UNARY, ("grpc-encoding", "snappy")),
        ),
    ],
)
def test_refusals(client: Client, http: int, code: int, text: str, fields: Fields) -> None:
    """Each is one HEADERS frame, then RST_STREAM(NO_ERROR) while the request is still open."""
    text = text.replace("%22", '"')
    stream = client.next_stream
    client.send(client.headers(stream, fields))
    reply = client.stream(stream)
    client.wait(lambda: reply.ended and reply.reset is not None)
    assert reply.trailers_only
    assert (reply.http_status, reply.status) == (http, (code, text))
    assert reply.headers[b"content-type"] == b"application/grpc"
    assert reply.reset == NO_ERROR
    assert [f.type for f in reply.frames].count(HEADERS) == 1


def test_refusal_of_a_half_closed_request_is_not_reset(client: Client) -> None:
    reply = send(client, request_fields("/foo.Bar/Baz"))
    assert reply.status == (12, "unknown service foo.Bar")
    assert client.call(UNARY, b"x").messages == [b"x"]
    assert reply.reset is None


@pytest.mark.parametrize(
    "content_type",
    ["application/grpc-web", "application/json", "text/plain", "Application/GRPC", ""],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_another_content_type_is_refused_at_once(
    client: Client, method: str, content_type: str
) -> None:
    fields = request_fields(UNARY, ("content-type", content_type), method=method)
    stream = client.next_stream
    client.next_stream += 2
    client.send(client.headers(stream, fields))
    reply = client.stream(stream)
    client.wait(lambda: reply.ended and reply.reset is not None)
    assert (reply.http_status, reply.trailers_only, reply.reset) == (415, True, NO_ERROR)
    assert reply.status == (3, f'invalid gRPC request content-type "{content_type}"')
    assert client.call(UNARY, b"x").messages == [b"x"]


@pytest.mark.parametrize("body", [message(b"x"), None])
def test_no_content_type_is_refused_as_well(client: Client, body: bytes | None) -> None:
    fields = [f for f in request_fields(UNARY) if f[0] != b"content-type"]
    reply = send(client, fields, body)
    assert (reply.http_status, reply.trailers_only) == (415, True)
    assert reply.status == (3, 'invalid gRPC request content-type ""')


@pytest.mark.parametrize("content_type", ["application/json", None])
def test_what_is_got_is_asked_of_http(client: Client, content_type: str | None) -> None:
    fields = request_fields("/health", ("content-type", content_type or ""), method="GET")
    if content_type is None:
        fields = [f for f in fields if f[0] != b"content-type"]
    reply = send(client, fields)
    assert (reply.http_status, bytes(reply.body)) == (200, b'{"health":"true"}')


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc+proto"),
        ("application/grpc+json", "application/grpc+json"),
        ("application/grpc; charset=utf-8", "application/grpc"),
    ],
)
def test_content_subtype_is_echoed(client: Client, sent: str, answered: str) -> None:
    reply = send(client, request_fields(UNARY, ("content-type", sent)), message(b"x"))
    assert reply.headers[b"content-type"] == answered.encode()
    assert reply.status == (0, "")


@pytest.mark.parametrize(
    "fields",
    [
        [f for f in request_fields(UNARY) if f[0] != b"te"],
        request_fields(UNARY, ("host", "h"), authority=None),
        request_fields(UNARY, ("host", "h")),
        request_fields(UNARY, ("grpc-timeout", "99999999H")),
        request_fields(UNARY, ("grpc-timeout", "5000m")),
        request_fields(UNARY, ("grpc-timeout", "4999056u")),
        request_fields(UNARY, ("grpc-encoding", "identity")),
        request_fields(UNARY, ("grpc-encoding", "identity"), GRPC),
        request_fields(UNARY, ("user-agent", "grpc-go/1.82.1"), ("grpc-x-unknown", "1")),
        request_fields(UNARY, ("token", "t" * 4096)),
        request_fields(UNARY, ("x-tab", "a\tb"), ("x-obs", "a\xffb")),
        request_fields(UNARY, scheme="https"),
    ],
    ids=[
        "no te",
        "host only",
        "host and :authority",
        "timeout beyond all clocks",
        "timeout in ms",
        "timeout in us",
        "identity",
        "Mint",
        "unknown grpc- field",
        "token of 4 KiB",
        "tab and obs-text",
        "scheme https",
    ],
)
def test_unusual_requests_are_served(client: Client, fields: Fields) -> None:
    reply = send(client, fields, message(b"x"))
    assert (reply.messages, reply.status) == ([b"x"], (0, ""))


class TestMetadata:
    def received(self, client: Client, *extra: tuple[str, str]) -> list[list[str]]:
        found = client.call(METADATA, b"null", metadata=extra)
        assert found.status == (0, "")
        pairs: list[list[str]] = json.loads(found.messages[0])
        return pairs

    def test_keys_keep_their_order_and_their_repeats(self, client: Client) -> None:
        found = self.received(client, ("x-y", "1"), ("token", "secret"), ("x-y", "2"))
        assert [pair for pair in found if pair[0] in ("x-y", "token")] == [
            ["x-y", "1"],
            ["token", "secret"],
            ["x-y", "2"],
        ]

    def test_reserved_fields_are_not_metadata(self, client: Client) -> None:
        keys = {key for key, _ in self.received(client, ("grpc-timeout", "5S"))}
        assert not {k for k in keys if k.startswith(":")}
        assert not keys & {"te", "grpc-timeout", "grpc-encoding"}

    @pytest.mark.parametrize("coded", ["AQI", "AQI="])
    def test_binary_values_padded_or_not(self, client: Client, coded: str) -> None:
        assert ["foo-bin", "0102"] in self.received(client, ("foo-bin", coded))

    def test_values_that_are_not_printable_are_left_out(self, client: Client) -> None:
        found = self.received(client, ("x-tab", "a\tb"), ("x-obs", "a\xffb"), ("x-ok", "a b~"))
        assert [pair for pair in found if pair[0].startswith("x-")] == [["x-ok", "a b~"]]

    def test_binary_values_travel_back(self, client: Client) -> None:
        pairs = [["a", "1"], ["a", "2"]]
        asked = json.dumps({"initial": pairs, "trailing": [["b", "3"]]}).encode()
        reply = client.call(METADATA, asked)
        assert [v for k, v in reply.blocks[0] if k == b"a"] == [b"1", b"2"]
        assert reply.trailers[b"b"] == b"3"
        assert reply.status == (0, "")

    def test_all_bytes_survive_in_binary_metadata(self, client: Client) -> None:
        value = bytes(range(256))
        coded = base64.b64encode(value).decode().rstrip("=")
        assert ["all-bin", value.hex()] in self.received(client, ("all-bin", coded))


@pytest.mark.parametrize("size", [60_000, 200_000, 1_000_000])
def test_large_metadata_is_taken(client: Client, size: int) -> None:
    for metadata in ([("big", "~" * size)], [(f"x-{n}", "v" * (size // 200)) for n in range(200)]):
        found = client.call(METADATA, b"null", metadata=metadata)
        assert found.status == (0, "")
        received = dict(json.loads(found.messages[0]))
        assert all(received[key] == value for key, value in metadata)


def test_list_over_our_limit_is_refused(client: Client) -> None:
    assert client.call(UNARY, b"x", metadata=[("big", "~" * 1_100_000)]).reset == FRAME_SIZE_ERROR
    assert client.call(UNARY, b"x").messages == [b"x"]


def test_block_of_several_mebibytes_ends_the_connection(client: Client) -> None:
    client.open(UNARY, ("big", "~" * 5_000_000))
    goaway = client.wait_closed()
    assert goaway is not None
    assert goaway.code == ENHANCE_YOUR_CALM


def test_calls_beyond_the_stream_limit_are_refused(start_server: Start) -> None:
    server = start_server(max_concurrent_streams=3)
    with server.connect() as client:
        streams = [client.open("/echo.Echo/Watch") for _ in range(5)]
        assert streams == [1, 3, 5, 7, 9]
        assert client.finish(7).reset == REFUSED_STREAM
        assert client.finish(9).reset == REFUSED_STREAM
        assert dict(struct.iter_unpack(">HL", client.frames[0].payload))[3] == 3
        for stream in (1, 3, 5):
            client.send(data(stream, message(b"x")))
            client.wait(lambda s=stream: client.stream(s).messages == [b"x"])  # type: ignore[misc]
        client.send(reset(1))
        assert client.call(UNARY, b"room again").messages == [b"room again"]
