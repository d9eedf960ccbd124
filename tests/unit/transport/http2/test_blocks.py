"""Header blocks from frames."""

import pytest

from etcdpy.transport.http2 import frames
from etcdpy.transport.http2.blocks import Block, BlockReader
from etcdpy.transport.http2.faults import ConnectionFault
from etcdpy.transport.http2.frames import END_HEADERS, END_STREAM, HAS_PRIORITY, PADDED
from etcdpy.transport.limits import MAX_CONTINUATIONS, MAX_HEADER_BLOCK


def test_one_frame() -> None:
    reader = BlockReader()
    block = reader.start(END_HEADERS | END_STREAM, 1, b"abc")
    assert block == Block(1, b"abc", is_ended=True, is_own_parent=False)
    assert not reader.is_open


def test_several_frames() -> None:
    reader = BlockReader()
    assert reader.start(0, 3, b"ab") is None
    assert reader.is_open
    assert reader.go_on(0, 3, b"") is None
    assert reader.go_on(END_HEADERS, 3, b"c") == Block(3, b"abc", False, False)
    assert not reader.is_open


def test_empty_first_frame_still_opens_a_block() -> None:
    reader = BlockReader()
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
    assert BlockReader().start(END_HEADERS | flags, 1, payload) == Block(1, b"abc", False, False)


@pytest.mark.parametrize("start", [b"\0\0\0\5\x10", b"\x80\0\0\5\x10"])
def test_own_parent(start: bytes) -> None:
    block = BlockReader().start(END_HEADERS | HAS_PRIORITY, 5, start)
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
        BlockReader().start(END_HEADERS | flags, 1, payload)
    assert caught.value.code == code


def test_frames_and_bytes_of_a_block_are_bounded() -> None:
    reader = BlockReader()
    reader.start(0, 1, bytes(MAX_HEADER_BLOCK))
    for _ in range(MAX_CONTINUATIONS):
        reader.go_on(0, 1, b"")
    with pytest.raises(ConnectionFault):
        reader.go_on(0, 1, b"")
    with pytest.raises(ConnectionFault):
        BlockReader().start(0, 1, bytes(MAX_HEADER_BLOCK + 1))
