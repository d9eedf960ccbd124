"""
Hostile peers. Each is cut off with the error that names its fault, a bystander is served all
the while, and the server's memory stays where it was.
"""

import gzip
import time

import hpack
import pytest

from .conftest import EchoServer
from .h2client import (
    ACK,
    CANCEL,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    Client,
    data,
    frame,
    message,
    request_fields,
    reset,
    settings,
    window_update,
)
from .hostile import flood, steady_block

UNARY = "/echo.Echo/Unary"
SLEEP = "/echo.Echo/Sleep"
WATCH = "/echo.Echo/Watch"


class TestRapidReset:
    """CVE-2023-44487: open a call, cancel it, and again."""

    def test_offender_is_told_to_calm_down(self, server: EchoServer) -> None:
        with server.unharmed(), server.connect() as client:
            block = steady_block(client, SLEEP)
            started = time.monotonic()
            for i in range(20_000):
                stream = 3 + 2 * i
                client.send(frame(HEADERS, END_HEADERS, stream, block))
                client.send(data(stream, message(b"60"), end=True), reset(stream))
                if i % 500 == 499:
                    client.drain(0.01)
                if client.closed:
                    break
            goaway = client.wait_closed()
            assert goaway is not None
            assert goaway.code == ENHANCE_YOUR_CALM
            allowed = 1000 + 200 * (time.monotonic() - started)
            assert goaway.last <= 2 * allowed + 1
        server.wait_idle()

    def test_two_thousand_resets_at_once_are_bounded(self, server: EchoServer) -> None:
        with server.unharmed(), server.connect() as client:
            block = steady_block(client, SLEEP)
            client.send(
                *(frame(HEADERS, END_HEADERS, s, block) + reset(s) for s in range(3, 4003, 2))
            )
            goaway = client.wait_closed()
            assert goaway is not None
            assert goaway.code == ENHANCE_YOUR_CALM
        server.wait_idle()

    def test_honest_burst_of_cancellations_is_fine(self, client: Client) -> None:
        streams = [client.start(SLEEP, b"60") for _ in range(500)]
        client.send(*map(reset, streams))
        assert client.call(UNARY, b"x").messages == [b"x"]

    def test_resets_of_answered_calls_are_not_counted(self, client: Client) -> None:
        for _ in range(1500):
            stream = client.start(UNARY, b"x")
            client.finish(stream)
            client.send(reset(stream, 0))
        assert client.call(UNARY, b"x").messages == [b"x"]

    def test_resets_provoked_from_the_server_are_counted(self, server: EchoServer) -> None:
        """CVE-2025-8671: the server is made to send the RST_STREAM itself."""
        with server.unharmed(), server.connect() as client:
            block = steady_block(client, SLEEP)
            for stream in range(3, 10_003, 2):
                client.send(frame(HEADERS, END_HEADERS, stream, block), window_update(stream, 0))
                if stream % 1000 == 1:
                    client.drain(0.01)
                if client.closed:
                    break
            goaway = client.wait_closed()
            assert goaway is not None
            assert goaway.code == ENHANCE_YOUR_CALM
        server.wait_idle()


class TestHeaderBlocks:
    def test_flood_of_continuations(self, server: EchoServer) -> None:
        """CVE-2024-27316: a block that never ends."""
        with server.unharmed(), server.connect() as client:
            client.send(frame(HEADERS, 0, 1, b"\x83"))
            piece = b"\x00\x01a\x7f\xa1\x7e" + b"x" * 16288
            for _ in range(1000):
                client.send(frame(CONTINUATION, 0, 1, piece))
            goaway = client.wait_closed()
            assert goaway is not None
            assert goaway.code == ENHANCE_YOUR_CALM

    def test_flood_of_empty_continuations(self, server: EchoServer) -> None:
        with server.unharmed(), server.connect() as client:
            client.send(frame(HEADERS, 0, 1, b"\x83"))
            flood(client, frame(CONTINUATION, 0, 1), 20_000)
            goaway = client.wait_closed()
            assert goaway is not None
            assert goaway.code == ENHANCE_YOUR_CALM

    def test_large_values_in_huffman_code_hold_nobody_up(self, server: EchoServer) -> None:
        block = hpack.Encoder().encode(request_fields(UNARY))
        # A literal whose value has 750,000 bytes, the code of "9999" again and again.
        block += b"\x00\x01x\xff\xb1\xe2\x2d" + bytes.fromhex("7df7df") * 250_000
        pieces = [block[start : start + 16384] for start in range(0, len(block), 16384)]
        with server.unharmed(), server.connect() as client:
            for stream in range(1, 11, 2):
                client.send(frame(HEADERS, 0, stream, pieces[0]))
                client.send(*(frame(CONTINUATION, 0, stream, piece) for piece in pieces[1:-1]))
                client.send(frame(CONTINUATION, END_HEADERS, stream, pieces[-1]))
                client.send(data(stream, message(b"x"), True))
                assert client.finish(stream, 20).messages == [b"x"]

    def test_sixteen_continuations_are_fine(self, client: Client) -> None:
        block = client.encoder.encode(request_fields(UNARY))
        client.send(frame(HEADERS, 0, 1, block[:1]))
        client.send(*(frame(CONTINUATION, 0, 1, block[i : i + 1]) for i in range(1, 16)))
        client.send(frame(CONTINUATION, END_HEADERS, 1, block[16:]), data(1, message(b"x"), True))
        assert client.finish(1).messages == [b"x"]

    def test_bomb_of_references(self, server: EchoServer) -> None:
        """One entry of 4,000 bytes, then tens of thousands of references to it."""
        with server.unharmed(), server.connect() as client:
            block = hpack.Encoder().encode(request_fields(UNARY))
            entry = b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4000
            client.send(frame(HEADERS, END_HEADERS, 1, block + entry))
            client.send(frame(HEADERS, END_HEADERS, 3, b"\xbe" * 16000))
            goaway = client.wait_closed()
            assert goaway is not None
            assert goaway.code in (COMPRESSION_ERROR, ENHANCE_YOUR_CALM)

    def test_absurd_string_lengths(self, client: Client) -> None:
        client.send(frame(HEADERS, END_HEADERS, 1, b"\x00\x7f\xff\xff\xff\xff\x7fabc"))
        goaway = client.wait_closed()
        assert goaway is not None
        assert goaway.code == COMPRESSION_ERROR

    def test_absurd_frame_length(self, client: Client) -> None:
        client.send(b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", bytes(100))
        assert client.wait_closed() is not None


class TestFloods:
    @pytest.mark.parametrize(
        ("name", "chunk"),
        [
            ("PING", frame(PING, payload=bytes(8))),
            ("SETTINGS", settings((INITIAL_WINDOW_SIZE, 65535))),
            ("empty SETTINGS", settings()),
            ("PRIORITY", frame(PRIORITY, 0, 9, bytes(5))),
            ("WINDOW_UPDATE", window_update(0, 1)),
            ("WINDOW_UPDATE of a stream", window_update(1, 1)),
            ("empty DATA", frame(DATA, 0, 1)),
            ("padding only", frame(DATA, 8, 1, b"\x01\x00")),
            ("unknown type", frame(0xBB, 0, 0)),
            ("PING ACK", frame(PING, ACK, 0, bytes(8))),
            ("SETTINGS ACK", frame(SETTINGS, ACK)),
            ("GOAWAY", frame(GOAWAY, payload=bytes(8))),
            ("RST_STREAM of ended streams", reset(1, CANCEL)),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_useless_frames(self, server: EchoServer, name: str, chunk: bytes) -> None:
        with server.unharmed(), server.connect(quiet=True) as client:
            client.open(WATCH)
            flood(client, chunk, 100_000)
            goaway = client.wait_closed()
            assert goaway is None or goaway.code == ENHANCE_YOUR_CALM

    def test_empty_data_on_an_ended_stream(self, server: EchoServer) -> None:
        with server.unharmed(), server.connect(quiet=True) as client:
            stream = client.open("/echo.Echo/Nope")
            client.finish(stream)
            flood(client, frame(DATA, 0, stream), 100_000)
            goaway = client.wait_closed()
            assert goaway is None or goaway.code == ENHANCE_YOUR_CALM

    def test_trailers_on_an_ended_stream(self, server: EchoServer) -> None:
        with server.unharmed(), server.connect(quiet=True) as client:
            stream = client.open("/echo.Echo/Nope")
            client.finish(stream)
            flood(client, frame(HEADERS, END_HEADERS | END_STREAM, stream), 100_000)
            goaway = client.wait_closed()
            assert goaway is None or goaway.code == ENHANCE_YOUR_CALM

    def test_pings_by_a_peer_that_reads_nothing(self, server: EchoServer) -> None:
        """Acknowledgements must not pile up in memory (CVE-2019-9512)."""
        with server.unharmed(), server.connect(quiet=True) as client:
            client.open(WATCH)
            flood(client, frame(SETTINGS), 200_000)
            client.wait_closed()

    def test_honest_window_updates_are_fine(self, server: EchoServer) -> None:
        """Old Mint sends a pair of them for each DATA frame it gets."""
        with server.connect() as client:
            reply = client.call("/echo.Echo/Repeat", b'{"count": 4000, "size": 20}')
            assert reply.status == (0, "")
            assert len(reply.messages) == 4000

    def test_message_in_many_small_frames_is_fine(self, client: Client) -> None:
        stream = client.open(UNARY)
        body = message(bytes(5000))
        client.pour(stream, (body[i : i + 1] for i in range(len(body))))
        client.send(data(stream, b"", end=True))
        assert len(client.finish(stream).messages[0]) == 5000


class TestAmplification:
    """Few bytes that could make the server do much."""

    def test_many_windows_in_one_settings_frame(self, server: EchoServer) -> None:
        """Each of 2,700 settings moves the window of each of 5,000 streams."""
        with server.unharmed(memory=160 << 20), server.connect() as client:
            block = steady_block(client, WATCH)
            for stream in range(3, 10_003, 2):
                client.send(frame(HEADERS, END_HEADERS, stream, block))
            client.settle()
            pairs = [(INITIAL_WINDOW_SIZE, 60_000 + i) for i in range(2700)]
            for _ in range(5):
                client.send(settings(*pairs))
            client.drain(0.5)
        server.wait_idle()

    def test_skipped_ids_earn_no_useless_frames(self, server: EchoServer) -> None:
        with server.unharmed(), server.connect(quiet=True) as client:
            client.send(client.headers(0x7FFFFFF1, request_fields(WATCH)))
            flood(client, window_update(0, 1), 100_000)
            goaway = client.wait_closed()
            assert goaway is None or goaway.code == ENHANCE_YOUR_CALM

    def test_binary_metadata_of_many_parts(self, server: EchoServer) -> None:
        """An indexed value of 4,000 commas, referred to 15 times by each of 300 requests."""
        with server.unharmed(), server.connect() as client:
            client.call(UNARY, b"x")
            value = b"," * 3500
            entry = b"\x40\x05a-bin\x7f" + bytes((len(value) - 127 & 127 | 128,))
            entry += bytes((len(value) - 127 >> 7,)) + value
            steady = client.encoder.encode(request_fields(UNARY))
            client.send(frame(HEADERS, END_HEADERS, 3, steady + entry))
            # The entry pushed out all that was in the table: from here on, literals only.
            fields = request_fields(UNARY)
            plain = b"".join(b"\0" + bytes((len(k),)) + k + bytes((len(v),)) + v for k, v in fields)
            for number in range(300):
                stream = 5 + 2 * number
                unique = b"\0\x03x-n\x04%04d" % number
                block = plain + b"\xbe" * 15 + unique
                client.send(frame(HEADERS, END_HEADERS, stream, block))
                client.send(data(stream, message(b"x"), end=True))
                client.drain(0.001)
                if client.closed:
                    break
            client.drain(0.2)

    def test_gzip_of_many_empty_members(self, server: EchoServer) -> None:
        with server.unharmed(), server.connect() as client:
            body = gzip.compress(b"") * 100_000  # 2 MB
            stream = client.open(UNARY, ("grpc-encoding", "gzip"))
            client.send(data(stream, message(body, flag=1), end=True))
            assert client.finish(stream).status[0] == 13


def test_call_storm_on_one_connection_leaves_others_alone(server: EchoServer) -> None:
    with server.unharmed(), server.connect() as client:
        for _ in range(20):
            streams = [client.start(UNARY, b"x" * 1000) for _ in range(200)]
            for stream in streams:
                client.finish(stream)


def test_early_end_of_headers_only_calls(client: Client) -> None:
    """HEADERS with END_STREAM on a unary method: answered, not left hanging until a deadline."""
    client.send(client.headers(1, request_fields(UNARY), end=True))
    assert client.headers(3, request_fields(UNARY))[4] & END_STREAM == 0
    assert client.finish(1).status == (2, "EOF")
    assert RST_STREAM not in [f.type for f in client.stream(1).frames]
