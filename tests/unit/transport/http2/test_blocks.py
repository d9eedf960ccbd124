"""Header blocks from frames."""

import pytest

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.blocks import Block, BlockReader
from etcdpy.transport.http2.faults import ConnectionFault
from etcdpy.transport.http2.frames import END_HEADERS, END_STREAM, HAS_PRIORITY, PADDED
from etcdpy.transport.http2.header_room import HeaderRoom
from etcdpy.transport.http2.hpack import Decoder, encode_int, encode_literal
from etcdpy.transport.http2.hpack_pieces import PiecewiseDecoder
from etcdpy.transport.limits import MAX_CONTINUATIONS, MAX_HEADER_BLOCK, MIN_CONTINUATION


def new_reader() -> BlockReader:
    return BlockReader(lambda: PiecewiseDecoder(Decoder(), HeaderRoom()))


def test_one_frame() -> None:
    reader = new_reader()
    block = reader.start(END_HEADERS | END_STREAM, 1, b"abc")
    assert block == Block(1, b"abc", is_ended=True, is_own_parent=False)
    assert not reader.is_open


def test_several_frames() -> None:
    reader = new_reader()
    block = encode_literal(b"a", b"b") * 2
    assert reader.start(END_STREAM, 3, block[:3]) is None
    assert reader.is_open
    assert reader.go_on(0, 3, b"") is None
    whole = reader.go_on(END_HEADERS, 3, block[3:])
    assert whole is not None
    assert (whole.stream_id, whole.data, whole.is_ended) == (3, b"", True)
    assert whole.pieces is not None
    assert whole.pieces.finish()[0] == [(b"a", b"b")] * 2
    assert not reader.is_open


def test_block_that_cannot_be_decoded_is_not_read_to_its_end() -> None:
    reader = new_reader()
    with pytest.raises(ConnectionFault) as caught:
        reader.start(0, 1, b"\x80")
    assert caught.value.code == frames.COMPRESSION_ERROR


def test_empty_first_frame_still_opens_a_block() -> None:
    reader = new_reader()
    reader.start(0, 1, b"")
    assert reader.is_open


@pytest.mark.parametrize(
    ("flags", "payload"),
    [
        (PADDED, b"\x02abc\0\0"),
        (HAS_PRIORITY, b"\0\0\0\3\x10abc"),
        (PADDED | HAS_PRIORITY, b"\x01\x80\0\0\3\x10abc\0"),
    ],
)
def test_padding_and_priority_are_left_out(flags: int, payload: bytes) -> None:
    assert new_reader().start(END_HEADERS | flags, 1, payload) == Block(1, b"abc", False, False)


@pytest.mark.parametrize("start", [b"\0\0\0\5\x10", b"\x80\0\0\5\x10"])
def test_own_parent(start: bytes) -> None:
    block = new_reader().start(END_HEADERS | HAS_PRIORITY, 5, start)
    assert block is not None
    assert block.is_own_parent


@pytest.mark.parametrize(
    ("flags", "payload", "code"),
    [
        (PADDED, b"", frames.FRAME_SIZE_ERROR),
        (PADDED, b"\x01", frames.PROTOCOL_ERROR),
        (HAS_PRIORITY, b"\0\0\0\3", frames.FRAME_SIZE_ERROR),
        (PADDED | HAS_PRIORITY, b"\x01\0\0\0\3\x10", frames.PROTOCOL_ERROR),
    ],
)
def test_frame_too_short_for_what_it_says(flags: int, payload: bytes, code: int) -> None:
    with pytest.raises(ConnectionFault) as caught:
        new_reader().start(END_HEADERS | flags, 1, payload)
    assert caught.value.code == code


def test_bytes_of_a_block_are_bounded() -> None:
    reader = new_reader()
    head = b"\0\x01a" + encode_int(1 << 27, 7)
    reader.start(0, 1, head + bytes(MAX_HEADER_BLOCK - len(head)))
    with pytest.raises(ConnectionFault) as caught:
        reader.go_on(0, 1, b"1")
    assert caught.value.code == frames.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("size", [0, 10 * MIN_CONTINUATION])
def test_frames_of_a_block_are_bounded_by_its_bytes(size: int) -> None:
    reader = new_reader()
    reader.start(0, 1, (b"\0\x01a" + encode_int(1 << 20, 7)).ljust(size))
    for _ in range(MAX_CONTINUATIONS + size // MIN_CONTINUATION):
        reader.go_on(0, 1, b"")
    with pytest.raises(ConnectionFault) as caught:
        reader.go_on(0, 1, b"")
    assert caught.value.code == frames.ENHANCE_YOUR_CALM


def test_abandoned_block_gives_its_room_back() -> None:
    room = HeaderRoom()
    reader = BlockReader(lambda: PiecewiseDecoder(Decoder(), room))
    reader.start(0, 1, literal_of(1000) + bytes(500))
    assert room.used > 500
    reader.abandon()
    assert room.used == 0
    assert not reader.is_open


def literal_of(length: int) -> bytes:
    """Return the head of a literal whose value has so many bytes."""
    return b"\0\x01a" + encode_int(length, 7)
