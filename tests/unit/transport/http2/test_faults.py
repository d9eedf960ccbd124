"""Checks that more than one frame needs, and the faults they find."""

from __future__ import annotations

import pytest

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.faults import (
    ConnectionFault,
    compression_fault,
    illegal_stream,
    require_connection,
    require_size,
    require_stream,
    stream_in,
    strip_padding,
)
from etcdpy.transport.http2.hpack import HeaderListBomb, HpackError


class TestPadding:
    @pytest.mark.parametrize(
        ("payload", "skip", "rest"),
        [
            (b"\0abc", 0, b"abc"),
            (b"\x02abc\0\0", 0, b"abc"),
            (b"\x02\0\0", 0, b""),
            (b"\x01-----abc\0", 5, b"abc"),
        ],
    )
    def test_is_stripped(self, payload: bytes, skip: int, rest: bytes) -> None:
        assert strip_padding(payload, skip) == rest

    @pytest.mark.parametrize(
        ("payload", "skip", "code"),
        [
            (b"", 0, frames.FRAME_SIZE_ERROR),
            (b"\x01", 0, frames.PROTOCOL_ERROR),
            (b"\x04abc", 0, frames.PROTOCOL_ERROR),
            (b"\x01-----", 5, frames.PROTOCOL_ERROR),
        ],
    )
    def test_longer_than_the_payload_is_a_fault(self, payload: bytes, skip: int, code: int) -> None:
        with pytest.raises(ConnectionFault) as caught:
            strip_padding(payload, skip)
        assert caught.value.code == code


def test_reserved_bit_is_no_part_of_a_stream() -> None:
    assert stream_in(b"\x80\0\0\x05rest") == 5


@pytest.mark.parametrize(
    ("check", "argument", "code"),
    [
        (require_stream, 0, frames.PROTOCOL_ERROR),
        (require_connection, 1, frames.PROTOCOL_ERROR),
        (lambda size: require_size(b"12345", size), 4, frames.FRAME_SIZE_ERROR),
    ],
)
def test_frame_in_the_wrong_place_or_of_the_wrong_size_is_a_fault(
    check: object, argument: int, code: int
) -> None:
    assert callable(check)
    with pytest.raises(ConnectionFault) as caught:
        check(argument)
    assert caught.value.code == code


def test_frame_in_its_place_is_none() -> None:
    require_stream(1)
    require_connection(0)
    require_size(b"1234", 4)


def test_block_that_cannot_be_decoded_ends_the_connection() -> None:
    assert compression_fault(HpackError("x")).code == frames.COMPRESSION_ERROR
    assert compression_fault(HeaderListBomb("x")).code == frames.ENHANCE_YOUR_CALM


def test_illegal_stream_is_told_in_the_words_of_grpc_go() -> None:
    fault = illegal_stream(4)
    assert fault.code == frames.PROTOCOL_ERROR
    assert fault.debug == "received an illegal stream id: 4. headers frame: "
