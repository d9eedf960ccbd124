"""
The few pieces of protobuf encoding that replies are assembled from, and what reads numbers.

A reply to a Range is made of stored ``KeyValue`` bytes that are never decoded; these
helpers put them into the fields around them, in the order protobuf writes them.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.message import DecodeError, Message

_SMALL = tuple(bytes((n,)) for n in range(128))


def varint(number: int) -> bytes:
    """Encode an unsigned number, or an int64 by its two's complement."""
    if 0 <= number < 128:
        return _SMALL[number]
    if 0 < number < 1 << 14:
        return bytes((number & 0x7F | 0x80, number >> 7))
    if 0 < number < 1 << 21:
        return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))
    if 0 < number < 1 << 28:
        return bytes(
            (
                number & 0x7F | 0x80,
                number >> 7 & 0x7F | 0x80,
                number >> 14 & 0x7F | 0x80,
                number >> 21,
            )
        )
    if number < 0:
        number += 1 << 64
    out = bytearray()
    while number > 127:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """
    Return the unsigned number that is at a position, and where it ends.

    Raises:
        DecodeError: It has no end, or none within ten bytes.

    """
    number = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
    raise DecodeError("not a number")


#: Lengths whose prefixes are remembered: those of most rows. The others are encoded each time.
REMEMBERED: Final = 4096


class Prefixes(dict[int, bytes]):
    """
    What precedes a message or bytes field of a length: its tag and the length.

    Args:
        field: The number of the field, below 16.

    """

    def __init__(self, field: int) -> None:
        self._tag = _SMALL[field << 3 | 2]

    def __missing__(self, length: int) -> bytes:
        prefix = self._tag + varint(length)
        if length < REMEMBERED:
            self[length] = prefix
        return prefix


def delimited(field: int, payload: bytes | bytearray) -> bytes:
    """Encode a bytes or message field, present even if empty; ``field`` is below 16."""
    size = len(payload)
    if size < 128:
        return _SMALL[field << 3 | 2] + _SMALL[size] + payload
    return _SMALL[field << 3 | 2] + varint(size) + payload


def number(field: int, value: int) -> bytes:
    """Encode an integer field, left out if 0; ``field`` is below 16."""
    return _SMALL[field << 3] + varint(value) if value else b""


def encoded(reply: Any) -> Any:
    """Return a reply's bytes; what is no message is encoded already, and returned as it is."""
    # The first test is for speed alone.
    if type(reply) is bytes:
        return reply
    return reply.SerializeToString() if isinstance(reply, Message) else reply
