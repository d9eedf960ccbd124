"""Header blocks in several frames: the same fields, the same table, and their bounds."""

from __future__ import annotations

from collections.abc import Iterable

import hpack
import pytest

from etcdpy.transport.http2.header_room import HeaderRoom
from etcdpy.transport.http2.hpack import (
    Decoder,
    Field,
    HeaderListBomb,
    HeaderListTooLarge,
    HpackError,
    encode_int,
    encode_literal,
)
from etcdpy.transport.http2.hpack_pieces import PiecewiseDecoder
from etcdpy.transport.limits import (
    MAX_HEADER_FIELDS,
    MAX_HEADER_LIST,
    MAX_HEADER_STRING,
    MAX_LARGE_HEADER_LIST,
    MAX_LIST_PER_BYTE,
)

FRAME = 16384

FIELDS = [
    (b":method", b"POST"),
    (b":path", b"/etcdserverpb.KV/Range"),
    (b"x-short", b"v"),
    (b"x-long", b"value " * 30),
    (b"x-short", b"v"),
    (b"x-empty", b""),
]


def frames_of(block: bytes, size: int = FRAME) -> list[bytes]:
    return [block[start : start + size] for start in range(0, len(block), size)]


def decode(
    pieces: Iterable[bytes], decoder: Decoder | None = None, room: HeaderRoom | None = None
) -> list[Field]:
    reader = PiecewiseDecoder(decoder or Decoder(), room or HeaderRoom())
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()[0]


def literal(name: bytes, length: int, *, is_indexed: bool = False) -> bytes:
    """Return the head of a literal whose value has so many bytes, which are to follow."""
    head = encode_int(len(name), 7) + name + encode_int(length, 7)
    return (b"\x40" if is_indexed else b"\0") + head


@pytest.mark.parametrize("huffman", [True, False])
def test_cut_anywhere_a_block_means_the_same(huffman: bool) -> None:
    encoder = hpack.Encoder()
    # The second refers to what the first has put into the table, and begins by resizing it.
    first = encoder.encode(FIELDS, huffman=huffman)
    encoder.header_table_size = 2048
    second = encoder.encode([*FIELDS, (b"x-new", b"w" * 200)], huffman=huffman)
    for cut in range(len(second) + 1):
        whole, cut_up = Decoder(), Decoder()
        whole.decode(first)
        assert decode([first[:cut], first[cut:]], cut_up) == FIELDS
        expected = whole.decode(second)
        assert decode([second[:cut], b"", second[cut:]], cut_up) == expected
        assert cut_up.table_size == whole.table_size
    assert decode(frames_of(first, 1)) == FIELDS


@pytest.mark.parametrize("huffman", [True, False])
def test_value_may_go_over_many_frames(huffman: bool) -> None:
    value = bytes(range(0x20, 0x7F)) * 1000
    fields = [(b"before", b"1"), (b"large", value), (b"after", b"2")]
    block = hpack.Encoder().encode(fields, huffman=huffman)
    assert len(block) > 5 * FRAME
    assert decode(frames_of(block)) == fields


def test_value_larger_than_the_table_empties_it() -> None:
    decoder = Decoder()
    decode([b"\x40\x01a\x01b"], decoder)
    assert decoder.table_size > 0
    value = bytes(5000)
    decode([literal(b"large", 5000, is_indexed=True), value[:100], value[100:]], decoder)
    assert decoder.table_size == 0


class TestLimits:
    def test_list_of_the_limit_is_taken_and_one_byte_more_is_not(self) -> None:
        size = MAX_LARGE_HEADER_LIST - 32 - len(b"x")
        assert decode(frames_of(literal(b"x", size) + bytes(size))) == [(b"x", bytes(size))]
        with pytest.raises(HeaderListTooLarge):
            decode(frames_of(literal(b"x", size + 1) + bytes(size + 1)))

    def test_table_is_in_step_after_a_list_that_was_too_large(self) -> None:
        decoder = Decoder()
        size = MAX_LARGE_HEADER_LIST + 1
        block = literal(b"x", size) + bytes(size) + b"\x40\x04kept\x01v"
        with pytest.raises(HeaderListTooLarge):
            decode(frames_of(block), decoder)
        assert decoder.decode(b"\xbe") == [(b"kept", b"v")]

    def test_number_of_fields(self) -> None:
        field = b"\0\x01a" + encode_int(200, 7) + bytes(200)
        frames = frames_of(field * MAX_HEADER_FIELDS, len(field) * 70)
        assert len(decode(frames)) == MAX_HEADER_FIELDS
        with pytest.raises(HeaderListTooLarge):
            decode([*frames, field])

    def test_list_is_large_only_if_its_block_is(self) -> None:
        decoder = Decoder()
        decoder.decode(b"\x40\x01a" + encode_int(4000, 7) + bytes(4000))
        # Each byte stands for 4033 bytes of the list.
        most = MAX_HEADER_LIST // 4033
        assert len(decode([b"\xbe" * most, b""], decoder)) == most
        with pytest.raises(HeaderListTooLarge):
            decode([b"\xbe" * most, b"\xbe" * 2], decoder)
        with pytest.raises(HeaderListBomb):
            decode([b"\xbe" * most] * 4, decoder)
        assert MAX_LIST_PER_BYTE < 4033

    def test_name(self) -> None:
        name = b"n" * (MAX_HEADER_STRING + 1)
        with pytest.raises(HeaderListTooLarge):
            decode(frames_of(literal(name, FRAME) + bytes(FRAME)))
        with pytest.raises(HeaderListBomb):
            decode(frames_of(literal(b"n" * 100_000, 1) + b"v"))

    def test_room(self) -> None:
        room = HeaderRoom(40_000)
        block = literal(b"x", 30_000) + bytes(30_000)
        reader = PiecewiseDecoder(Decoder(), room)
        for piece in frames_of(block):
            reader.feed(piece)
        fields, reservation = reader.finish()
        assert fields
        assert room.used == reservation.size == 30_033
        with pytest.raises(HeaderListTooLarge):
            decode(frames_of(block), room=room)
        del reader, reservation
        assert room.used == 0
        assert decode(frames_of(block), room=room) == fields


@pytest.mark.parametrize(
    "pieces",
    [
        [b"\x82", b"\x20"],
        [b"\x82\x20", b"\x82"],
        [b"\x82", b"\x80"],
        [b"\x82", b"\xbe"],
        [b"\xff", b"\xff\xff\xff\xff\x7f"],
        [b"\0\x01a\x81", b"\x18"],
        [b"\0\x01a\x84\xff", b"\xff\xff\xff"],
        [b"\0\x01a\x7f", b"abc"],
        [b"\0\x01a", b""],
        [b"\x7e", b""],
    ],
    ids=[
        "late size update",
        "late size update in the middle",
        "index 0",
        "index past the end",
        "absurd index",
        "bad padding",
        "EOS",
        "value cut short",
        "cut before the value",
        "name of no entry",
    ],
)
def test_malformed_blocks(pieces: list[bytes]) -> None:
    with pytest.raises(HpackError):
        decode(pieces)


def test_a_literal_in_pieces_is_what_the_encoder_made() -> None:
    block = encode_literal(b"name", b"value")
    assert decode(frames_of(block, 3)) == [(b"name", b"value")]
