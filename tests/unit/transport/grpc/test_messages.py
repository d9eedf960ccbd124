"""Messages in a stream of bytes, fed in three ways, and their compression."""

import contextlib
import gzip
import random

import pytest

from etcdpy.cooperative import Pieces
from etcdpy.transport.grpc.messages import (
    DEFLATED_PER_STEP,
    PREFIX,
    JoinedMessages,
    MessageReader,
    compress,
    compress_steps,
    decompress,
    is_long,
    is_one_message,
)
from etcdpy.transport.grpc.status import ProtocolStatus
from etcdpy.transport.http2 import frames

from ..peer import Frame, message, parse


def reader(*, limit: int = 1000, is_gzip: bool = False) -> MessageReader:
    return MessageReader(limit, is_gzip=is_gzip)


def read_all(source: MessageReader) -> list[bytes]:
    return list(iter(source.next, None))


def failure(source: MessageReader) -> tuple[int, str]:
    with pytest.raises(ProtocolStatus) as caught:
        source.next()
    return caught.value.code.value, caught.value.details


class TestReading:
    def test_several_at_once(self) -> None:
        source = reader()
        source.feed(message(b"one") + message(b"") + message(b"three"))
        assert read_all(source) == [b"one", b"", b"three"]

    def test_byte_by_byte(self) -> None:
        source = reader()
        found = []
        for byte in message(b"one") + message(b"two"):
            source.feed(bytes((byte,)))
            found += read_all(source)
        assert found == [b"one", b"two"]

    def test_trailing_bytes_wait_for_the_rest(self) -> None:
        source = reader()
        source.feed(message(b"one") + message(b"two")[:6])
        assert read_all(source) == [b"one"]
        assert (source.buffered, source.missing) == (6, 2)

    def test_missing_is_unknown_before_the_length_is_here(self) -> None:
        source = reader()
        source.feed(message(b"one")[:4])
        assert source.missing == 0

    def test_noise_raises_nothing_but_statuses(self) -> None:
        for seed in range(200):
            source = reader(is_gzip=seed % 2 == 0)
            source.feed(random.Random(seed).randbytes(50))
            with contextlib.suppress(ProtocolStatus):
                read_all(source)


class TestRefusing:
    def test_too_long_as_soon_as_the_length_is_here(self) -> None:
        source = reader()
        source.feed(b"\0\xff\xff\xff\xff")
        text = "grpc: received message larger than max (4294967295 vs. 1000)"
        assert failure(source) == (8, text)

    def test_longest_that_fits_is_fine(self) -> None:
        source = reader()
        source.feed(message(bytes(1000)))
        assert read_all(source) == [bytes(1000)]

    def test_length_is_checked_before_the_flag(self) -> None:
        source = reader()
        source.feed(b"\7\xff\xff\xff\xff")
        assert failure(source)[0] == 8

    def test_compressed_without_an_encoding(self) -> None:
        source = reader()
        source.feed(message(b"x", flag=1))
        text = "grpc: compressed flag set with identity or empty encoding"
        assert failure(source) == (13, text)

    def test_unknown_flag(self) -> None:
        source = reader(is_gzip=True)
        source.feed(message(b"x", flag=2))
        assert failure(source) == (13, "grpc: received unexpected payload format 2")


class TestGzip:
    def test_compressed_and_plain_messages_mix(self) -> None:
        source = reader(is_gzip=True)
        source.feed(message(gzip.compress(b"one"), flag=1) + message(b"two"))
        assert read_all(source) == [b"one", b"two"]

    def test_what_we_compress_is_gzip(self) -> None:
        prefix, body = compress(b"hello" * 100)
        assert prefix == b"\1" + len(body).to_bytes(4, "big")
        assert gzip.decompress(body) == b"hello" * 100

    def test_empty_message_is_left_as_it_is(self) -> None:
        assert compress(b"") == (bytes(5), b"")

    def test_members_are_joined(self) -> None:
        assert decompress(gzip.compress(b"a") + gzip.compress(b"b"), 10) == b"ab"

    def test_exactly_the_limit_is_fine(self) -> None:
        assert decompress(gzip.compress(bytes(1000)), 1000) == bytes(1000)

    def test_bomb_is_inflated_only_past_the_limit(self) -> None:
        source = reader(is_gzip=True)
        source.feed(message(gzip.compress(bytes(500_000)), flag=1))
        text = "grpc: message after decompression larger than max (1001 vs. 1000)"
        assert failure(source) == (8, text)

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (gzip.compress(b"hello")[:-3], "unexpected EOF"),
            (b"", "unexpected EOF"),
            (b"plain text", "gzip: invalid header"),
            (gzip.compress(b"hello")[:-8] + bytes(8), "gzip: invalid checksum"),
            (gzip.compress(b"") * 17, "too many gzip members"),
        ],
        ids=["cut short", "nothing", "no gzip", "wrong checksum", "many members"],
    )
    def test_bad_gzip_is_described(self, body: bytes, reason: str) -> None:
        source = reader(is_gzip=True)
        source.feed(message(body, flag=1))
        code, text = failure(source)
        assert (code, text) == (13, f"grpc: failed to decompress the message: {reason}")


class TestJoinedMessages:
    def test_each_is_a_frame_of_its_own_on_whichever_stream(self) -> None:
        joined = JoinedMessages([(b"o", b"ne"), (b"", b"")])
        assert joined.size == len(message(b"one")) + len(message(b""))
        for stream_id in (1, 3):
            assert list(parse(joined.framed(stream_id))) == [
                Frame(frames.DATA, 0, stream_id, message(b"one")),
                Frame(frames.DATA, 0, stream_id, message(b"")),
            ]

    def test_frames_are_made_once_for_equal_streams(self) -> None:
        joined = JoinedMessages([(b"a", b"b")])
        assert joined.framed(7) is joined.framed(7)

    def test_streams_that_are_not_alike_cost_no_memory(self) -> None:
        joined = JoinedMessages([(b"a", b"b")])
        for stream_id in range(1, 100, 2):
            joined.framed(stream_id)
        assert joined.framed(99) is not joined.framed(99)


class TestCompression:
    def test_long_messages_are_compressed_in_slices(self) -> None:
        body = random.Random(1).randbytes(1 << 20)
        pieces = Pieces([body[:100_000], body[100_000:100_100], body[100_100:]])
        for form in (body, pieces):
            assert is_long(form)
            steps = compress_steps(form)
            taken = 1
            while True:
                try:
                    next(steps)
                    taken += 1
                except StopIteration as done:
                    prefix, compressed = done.value
                    break
            assert taken >= (1 << 20) // DEFLATED_PER_STEP
            assert PREFIX.unpack(prefix) == (1, len(compressed))
            assert gzip.decompress(compressed) == body

    @pytest.mark.parametrize("body", [b"", b"x", bytes(DEFLATED_PER_STEP)])
    def test_short_ones_at_once(self, body: bytes) -> None:
        assert not is_long(body)
        with pytest.raises(StopIteration) as done:
            next(compress_steps(body))
        assert done.value.value == compress(body)

    def test_message_may_be_had_as_it_was_sent(self) -> None:
        compressed = gzip.compress(bytes(900))
        source = reader(is_gzip=True)
        source.feed(message(compressed, 1) + message(b"plain"))
        assert source.next_as_sent() == (compressed, True)
        assert source.next_as_sent() == (b"plain", False)
        assert source.next_as_sent() == (None, False)

    def test_one_message_and_nothing_else_is_recognised(self) -> None:
        assert is_one_message(message(b"abc"), 3)
        for data in (b"", message(b"abc")[:-1], message(b"abc") + b"x", message(b"abc", 1)):
            assert not is_one_message(data, 1000)
        assert not is_one_message(message(b"abc"), 2)
