"""
Header blocks that come in several frames, decoded frame by frame.

A block of a mebibyte takes some tenths of a second to decode, so it is not left until its end has
come: what a frame brings is decoded with it, and calls of others are served in between. A value
may go over many frames; what else is cut by the end of a frame waits for the next.

    HEADERS        40 03 "big" ff 80 20 [16384 - 8 bytes of the value]
    CONTINUATION   [16384 bytes]
    CONTINUATION   [the last 4 bytes] 84 c1
"""

from __future__ import annotations

from typing import Final

from etcdpy.transport.http2.header_room import HeaderRoom, Reservation
from etcdpy.transport.http2.hpack import (
    ENTRY_OVERHEAD,
    Decoder,
    Field,
    HeaderListBomb,
    HeaderListTooLarge,
    HpackError,
    read_int,
)
from etcdpy.transport.http2.huffman import HuffmanError, HuffmanStream
from etcdpy.transport.limits import (
    MAX_HEADER_FIELDS,
    MAX_HEADER_LIST,
    MAX_HEADER_STRING,
    MAX_LARGE_HEADER_LIST,
    MAX_LIST_PER_BYTE,
)

_MAX_REST: Final = 65536
"""Bytes that may wait for the next frame: all of a field but its value, so its name."""


class PiecewiseDecoder:
    """
    Decodes one block; :meth:`feed` its pieces in order, then :meth:`finish`.

    Args:
        decoder: The connection's. No other block may be decoded meanwhile.
        room: What the fields take their place from.

    """

    __slots__ = (
        "_count",
        "_decoder",
        "_fields",
        "_is_refused",
        "_prefix",
        "_received",
        "_reservation",
        "_rest",
        "_total",
        "_value",
    )

    def __init__(self, decoder: Decoder, room: HeaderRoom) -> None:
        self._decoder = decoder
        self._reservation = Reservation(room)
        self._fields: list[Field] = []
        self._received = self._total = self._count = 0
        self._is_refused = False
        self._rest = b""
        self._value: _Value | None = None
        self._prefix = (0, b"")

    def feed(self, piece: bytes) -> None:
        """
        Decode what a frame brings.

        Raises:
            HpackError: The block is malformed or a bomb; the connection must end.

        """
        self._received += len(piece)
        if not self._is_refused and not self._reservation.grow(len(piece)):
            self._refuse()
        try:
            if self._value is not None:
                piece = self._value.feed(piece)
                if self._value.missing:
                    return
                self._end_value()
            data = self._rest + piece
            end = self._decode_whole(data)
            self._rest = data[end:]
            if self._rest:
                self._begin_value()
        except HuffmanError as error:
            raise HpackError(str(error)) from None

    def finish(self) -> tuple[list[Field], Reservation]:
        """
        Return the fields, and what keeps their place for as long as it lives.

        Raises:
            HpackError: The block ends within a field.
            HeaderListTooLarge: There is more of them than may be; the decoder goes on.

        """
        if self._rest or self._value is not None:
            raise HpackError("block cut short, or index past the end of the table")
        if self._is_refused:
            raise HeaderListTooLarge(f"header list of {self._total} bytes")
        self._reservation.set(self._total)
        return self._fields, self._reservation

    def _decode_whole(self, data: bytes) -> int:
        """Decode all fields that are whole and return where they end."""
        end = 0
        is_begun = self._total > 0
        try:
            while end < len(data):
                is_resize = 0x20 <= data[end] < 0x40
                # RFC 7541 4.2: at the beginning of a block alone.
                if is_resize and is_begun:
                    raise HpackError("table size update after the first field")
                following = _end_of_field(data, end)
                if following > len(data):
                    break
                end = following
                is_begun = is_begun or not is_resize
        except IndexError:
            pass  # an integer is cut
        if end:
            self._add(data[:end])
        return end

    def _add(self, whole: bytes) -> None:
        try:
            fields = self._decoder.decode(whole)
        except HeaderListTooLarge:
            self._refuse()
            self._count_size(MAX_HEADER_LIST)
            return
        size = sum(len(name) + len(value) + ENTRY_OVERHEAD for name, value in fields)
        self._take(fields, size)

    def _take(self, fields: list[Field], size: int) -> None:
        self._count += len(fields)
        self._count_size(size)
        if self._count > MAX_HEADER_FIELDS:
            self._refuse()
        if not self._is_refused:
            self._fields += fields

    def _count_size(self, size: int) -> None:
        self._total += size
        # One byte can stand for an entry of 4 KiB: a list may be large only if its block is.
        limit = MAX_HEADER_LIST + MAX_LIST_PER_BYTE * self._received
        if self._total > min(limit, MAX_LARGE_HEADER_LIST):
            self._refuse()
        if self._total > 2 * limit:
            raise HeaderListBomb(f"header list of more than {2 * limit} bytes")

    def _refuse(self) -> None:
        """Go on for the sake of the table alone."""
        self._is_refused = True
        self._fields.clear()
        self._reservation.set(0)
        if self._value is not None and self._value.length > MAX_HEADER_STRING:
            self._value.drop()

    def _begin_value(self) -> None:
        """Have a value that is cut decoded as it comes, if its length is here."""
        rest = self._rest
        byte = rest[0]
        if byte >= 0x80 or 0x20 <= byte < 0x40:
            return  # no literal
        try:
            index, pos = read_int(rest, 1, byte, 0x3F if byte >= 0x40 else 0x0F)
            if index:
                name = self._decoder.look_up(index)[0]
            else:
                name, pos = self._decoder.read_string(rest, pos)
            first = rest[pos]
            length, pos = read_int(rest, pos + 1, first, 0x7F)
        except IndexError:
            # Its name, or the length of its value, is cut.
            if len(rest) > _MAX_REST:
                raise HeaderListBomb("header name too long") from None
            return
        # What is too long even when coded is too long for the table, too: it need not be decoded.
        is_kept = length <= (MAX_HEADER_STRING if self._is_refused else MAX_LARGE_HEADER_LIST)
        self._prefix = (byte, name)
        self._value = _Value(length, is_coded=first >= 0x80, is_kept=is_kept)
        self._rest = b""
        self._value.feed(rest[pos:])

    def _end_value(self) -> None:
        assert self._value is not None
        byte, name = self._prefix
        value = self._value.end()
        size = len(name) + (len(value) or self._value.length) + ENTRY_OVERHEAD
        if not self._value.is_kept or len(name) > MAX_HEADER_STRING:
            self._refuse()
        self._value = None
        if byte >= 0x40:
            # RFC 7541 6.2.1. Even if the list is refused, or the tables would part.
            self._decoder.insert((name, value), size)
        self._take([(name, value)], size)


class _Value:
    """A string of which only a part has come."""

    __slots__ = ("_coded", "_parts", "is_kept", "length", "missing")

    def __init__(self, length: int, *, is_coded: bool, is_kept: bool) -> None:
        self.length = self.missing = length
        self.is_kept = is_kept
        self._coded = HuffmanStream() if is_coded else None
        self._parts: list[bytes] = []

    def drop(self) -> None:
        """Keep nothing of it."""
        self.is_kept = False
        self._parts.clear()

    def feed(self, piece: bytes) -> bytes:
        """Take what belongs to it and return the rest."""
        mine = piece[: self.missing]
        self.missing -= len(mine)
        if self.is_kept:
            self._parts.append(mine if self._coded is None else self._coded.feed(mine))
        return piece[len(mine) :]

    def end(self) -> bytes:
        """Return it; nothing if it was not kept."""
        if self._coded is not None and self.is_kept:
            self._coded.finish()
        return b"".join(self._parts)


def _end_of_field(block: bytes, pos: int) -> int:
    """
    Return where the representation that begins at ``pos`` ends, perhaps past the block.

    Raises:
        IndexError: It is cut before that can be told.

    """
    byte = block[pos]
    pos += 1
    if byte >= 0x80:
        return read_int(block, pos, byte, 0x7F)[1]
    if 0x20 <= byte < 0x40:
        return read_int(block, pos, byte, 0x1F)[1]
    index, pos = read_int(block, pos, byte, 0x3F if byte >= 0x40 else 0x0F)
    if not index:
        length, pos = read_int(block, pos + 1, block[pos], 0x7F)
        pos += length
    length, pos = read_int(block, pos + 1, block[pos], 0x7F)
    return pos + length
