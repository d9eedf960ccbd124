"""
HPACK, the header compression of HTTP/2 (RFC 7541): a full decoder and the little encoder
that a server needs which never uses a dynamic table of its own.

A header block is a run of representations, told apart by the first bits:

    1xxxxxxx              indexed field: name and value from the tables
    01xxxxxx [name] value literal, inserted into the dynamic table
    001xxxxx              the dynamic table changes its size
    0001xxxx [name] value literal, never to be indexed
    0000xxxx [name] value literal, not inserted

where x… is a table index (or 0: a literal name follows). The steady state of grpc-go, eight
bytes for eight fields, and the same with a deadline, where one literal is inserted a call:

    83 86 c5 c4 c3 c2 c1 c0
    83 86 c6 c5 c4 c3 c2 c1 40 89 9a ca c8 b2 12 34 da 8f 59 … ("grpc-timeout", "4999056u")
"""

from collections.abc import Iterable

from etcdpy.transport.http2.hpack_static import STATIC_FIELDS
from etcdpy.transport.http2.huffman import HuffmanError, huffman_decode

Field = tuple[bytes, bytes]

ENTRY_OVERHEAD = 32
"""Counted with each field's name and value, in the table and in a list (RFC 7541 4.1)."""


class HpackError(Exception):
    """
    The block cannot be decoded, and nothing after it can: the connection must end.

    The wire code is COMPRESSION_ERROR (RFC 9113 4.3).
    """


class HeaderListBomb(HpackError):  # noqa: N818
    """The list passed twice the limit before its block ended; decoding was given up."""


class HeaderListTooLarge(Exception):  # noqa: N818
    """
    The list or one of its strings is over the limit, but its block was decoded to the end.

    Only the request is refused: the dynamic table is in step with the peer's.
    """


def _size(field: Field) -> int:
    return len(field[0]) + len(field[1]) + ENTRY_OVERHEAD


_STATIC_COUNT = len(STATIC_FIELDS)
_STATIC: tuple[Field, ...] = ((b"", b""), *STATIC_FIELDS)
_STATIC_SIZES = tuple(map(_size, _STATIC))
# RFC 7541 2.3.3: the dynamic table goes on where the static one ends, newest entry first.
_FIRST_DYNAMIC = 0x80 | (_STATIC_COUNT + 1)

# An integer has at most this many bytes after its prefix: 28 bits, more than any length or
# index that could be meant.
_MAX_CONTINUATION = 4


class Decoder:
    """
    Decodes the header blocks of one connection, in the order in which they came.

    Attributes:
        generation: Counts changes of the dynamic table. A block decoded with no change of
            ``generation`` yields the same list again, until the next change.

    """

    __slots__ = (
        "_capacity",
        "_entries",
        "_max_list_size",
        "_max_string_size",
        "_max_table_size",
        "_sizes",
        "_used",
        "generation",
    )

    def __init__(
        self,
        max_table_size: int = 4096,
        max_list_size: int = 65536,
        max_string_size: int = 32768,
    ) -> None:
        """
        Start with an empty dynamic table.

        Args:
            max_table_size: Our SETTINGS_HEADER_TABLE_SIZE, in bytes.
            max_list_size: Most bytes in one list, each field counted with 32 more.
            max_string_size: Most bytes in one name or value, encoded or decoded.

        """
        # The longest code of a symbol is 30 bits for the 8 it stands for.
        assert max_string_size * 8 >= max_table_size * 30
        self._max_table_size = max_table_size
        self._max_list_size = max_list_size
        self._max_string_size = max_string_size
        self._capacity = max_table_size
        # Oldest entry first, so that inserting appends: index 62 is _entries[-1].
        self._entries: list[Field] = []
        self._sizes: list[int] = []
        self._used = 0
        self.generation = 0

    @property
    def table_size(self) -> int:
        """The bytes in the dynamic table, as RFC 7541 4.1 counts them."""
        return self._used

    def decode(self, block: bytes) -> list[Field]:
        """
        Return the fields of one complete header block, in order.

        Memory stays in proportion to ``block``, whatever it refers to.

        Raises:
            HpackError: The block is malformed or a bomb; the decoder must not be used again.
            HeaderListTooLarge: The list is over the limit; the decoder goes on.

        """
        # Spelled out, and kept in locals: most representations are one byte, most of them dynamic.
        entries = self._entries
        sizes = self._sizes
        limit = self._max_list_size
        fields: list[Field] = []
        total = 0
        oversized = False
        pos = 0
        end = len(block)
        try:
            while pos < end:
                byte = block[pos]
                pos += 1
                if byte >= _FIRST_DYNAMIC and byte != 0xFF:
                    # RFC 7541 6.1. The newest entry is both the lowest index and the last item.
                    fields.append(entries[_FIRST_DYNAMIC - 1 - byte])
                    total += sizes[_FIRST_DYNAMIC - 1 - byte]
                elif 0x80 < byte < _FIRST_DYNAMIC:
                    fields.append(_STATIC[byte - 0x80])
                    total += _STATIC_SIZES[byte - 0x80]
                elif byte >= 0x80:
                    index, pos = read_int(block, pos, byte, 0x7F)
                    field = self.look_up(index)
                    fields.append(field)
                    total += _size(field)
                elif 0x20 <= byte < 0x40:
                    # RFC 7541 4.2: at the beginning of a block. Each field adds 32 at least.
                    if total:
                        raise HpackError("table size update after the first field")
                    size, pos = read_int(block, pos, byte, 0x1F)
                    self._resize(size)
                else:
                    field, pos = self._read_literal(block, pos, byte)
                    size = len(field[0]) + len(field[1]) + ENTRY_OVERHEAD
                    if byte >= 0x40:
                        # RFC 7541 6.2.1. Even if the list is refused, or the tables would part.
                        self.insert(field, size)
                    if size > self._max_string_size and self._is_oversized(field):
                        oversized = True
                    fields.append(field)
                    total += size
                if total > limit:
                    # RFC 9113 10.5.1: decoded to its end for the sake of the table, but not kept.
                    fields.clear()
                    # One byte can stand for an entry of 4 KiB, so this must end somewhere.
                    if total > 2 * limit:
                        raise HeaderListBomb(f"header list of more than {2 * limit} bytes")
        except IndexError:
            # Only reads of ``block`` and of ``entries`` can raise it here.
            raise HpackError("block cut short, or index past the end of the table") from None
        except HuffmanError as error:
            raise HpackError(str(error)) from None
        if oversized or total > limit:
            raise HeaderListTooLarge(f"header list of {total} bytes, limit {limit}")
        return fields

    # Also for blocks in pieces; see hpack_pieces.

    def look_up(self, index: int) -> Field:
        """
        Return the field of an index (RFC 7541 2.3.3).

        Raises:
            HpackError: If it is 0.
            IndexError: If there is no such field.

        """
        if index == 0:
            raise HpackError("index 0")  # RFC 7541 6.1
        if index <= _STATIC_COUNT:
            return _STATIC[index]
        return self._entries[_STATIC_COUNT - index]

    def _read_literal(self, block: bytes, pos: int, byte: int) -> tuple[Field, int]:
        # RFC 7541 6.2: the index of the name has six bits where the field is inserted, else four.
        index, pos = read_int(block, pos, byte, 0x3F if byte >= 0x40 else 0x0F)
        if index:
            name = self.look_up(index)[0]
        else:
            name, pos = self.read_string(block, pos)
        value, pos = self.read_string(block, pos)
        return (name, value), pos

    def read_string(self, block: bytes, pos: int) -> tuple[bytes, int]:
        """Return the string at ``pos`` and where it ends; IndexError if the block ends before."""
        byte = block[pos]
        # RFC 7541 5.2: the first bit is set for Huffman coding, the others are the length.
        length, start = read_int(block, pos + 1, byte, 0x7F)
        pos = start + length
        # A slice past the end would be short, and no error.
        if pos > len(block):
            raise IndexError
        string = block[start:pos]
        # One that is too long even when coded will be refused as it stands; __init__ sees to
        # it that such a string is too long for the table, too, whatever it would decode to.
        if byte >= 0x80 and length <= self._max_string_size:
            string = huffman_decode(string)
        return string, pos

    def _is_oversized(self, field: Field) -> bool:
        return max(map(len, field)) > self._max_string_size

    def insert(self, field: Field, size: int) -> None:
        """Put a field into the dynamic table (RFC 7541 4.4)."""
        self.generation += 1
        # An entry larger than the table empties it; that is no error (RFC 7541 4.4).
        self._evict(self._capacity - size)
        if size <= self._capacity:
            self._entries.append(field)
            self._sizes.append(size)
            self._used += size

    def _resize(self, capacity: int) -> None:
        # RFC 7541 6.3: never more than our SETTINGS_HEADER_TABLE_SIZE.
        if capacity > self._max_table_size:
            raise HpackError(f"table size {capacity}, limit {self._max_table_size}")
        # Even if nothing is evicted: a block that sets a size must be decoded each time.
        self.generation += 1
        self._capacity = capacity
        self._evict(capacity)

    def _evict(self, room: int) -> None:
        """Drop the oldest entries until no more than ``room`` bytes are used."""
        count = 0
        while self._used > room and count < len(self._sizes):
            self._used -= self._sizes[count]
            count += 1
        # RFC 7541 4.3. In one go, as each deletion moves all entries behind it.
        if count:
            del self._entries[:count]
            del self._sizes[:count]


def read_int(block: bytes, pos: int, byte: int, mask: int) -> tuple[int, int]:
    """
    Return the integer whose prefix is in ``byte`` under ``mask``, and where it ends.

    Raises:
        HpackError: If it has more bytes than any that fits.
        IndexError: If the block ends within it.

    """
    value = byte & mask
    if value < mask:
        return value, pos
    # RFC 7541 5.1: seven bits in each byte, the lowest first; the top bit says that more follow.
    for shift in range(0, 7 * _MAX_CONTINUATION, 7):
        byte = block[pos]
        pos += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, pos
    raise HpackError("integer overflow")  # RFC 7541 5.1: a decoding error, like any other


def encode_int(value: int, prefix_bits: int, pattern: int = 0) -> bytes:
    """Return ``value`` in a prefix of ``prefix_bits``, below the bits of ``pattern``."""
    mask = (1 << prefix_bits) - 1
    if value < mask:
        return bytes((pattern | value,))
    encoded = bytearray((pattern | mask,))
    value -= mask
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_literal(name: bytes, value: bytes) -> bytes:
    """Return a field as a literal that no table refers to or keeps, without Huffman coding."""
    # RFC 7541 6.2.2: no state on either side, so the same bytes can be sent again and again.
    return b"".join((b"\x00", encode_int(len(name), 7), name, encode_int(len(value), 7), value))


def encode_static_name(index: int, value: bytes) -> bytes:
    """Return a literal, not indexed, whose name is that of static field ``index``."""
    # RFC 7541 6.2.2
    return encode_int(index, 4) + encode_int(len(value), 7) + value


def encode_status(status: int) -> bytes:
    """Return the ``:status`` field of a response: one byte for the commonest."""
    value = b"%d" % status
    indexed = _STATIC_STATUSES.get(value)
    return encode_static_name(_STATUS_INDEX, value) if indexed is None else indexed


def encode_list(fields: Iterable[Field]) -> bytes:
    """Return the block of a whole list, each field as :func:`encode_literal` has it."""
    return b"".join(encode_literal(name, value) for name, value in fields)


EMPTY_TABLE = b"\x20"
"""
A table size update to 0: true of this encoder for ever. It must open the first block after a
change of the peer's SETTINGS_HEADER_TABLE_SIZE (RFC 7541 4.2).
"""

CONTENT_TYPE_INDEX = 31

_STATUS_INDEX = 8
_STATIC_STATUSES = {
    value: encode_int(index, 7, 0x80)
    for index, (name, value) in enumerate(_STATIC)
    if name == b":status"
}
