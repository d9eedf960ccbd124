"""
Messages that come as pieces of protobuf, to pieces of JSON.

A reply of two hundred megabytes is never there as a message: that would be two more copies of it,
and a tenth of a second in which nobody else is served. What it is made of are fields, and each that
has come whole is written, with the others of its piece::

    protobuf   | header | kv | kv | k      v | kv | kv | more | count |
    JSON       {"header":{..},"kvs":[{..},{..}      ,{..},{..},{..}],"more":true,"count":"5"}

"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from etcdpy.http.json_encode import Writer
from etcdpy.pb.wire import read_varint

__all__ = ["JsonPieces"]

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
#: Bytes of fields of a fixed size, by how they are written.
_FIXED: Final = {_FIXED64: 8, _FIXED32: 4}


class JsonPieces:
    """
    Writes one message.

    Its fields come in the order in which JSON has them, those of a list behind each other.

    Args:
        kind: Its type.
        writer: Says how fields are written.

    """

    def __init__(self, kind: type[Message], writer: Writer) -> None:
        self._kind = kind
        self._plan = writer.plan(kind)
        self._rest = b""
        # The number of the list that is open.
        self._list = 0
        self._before = "{"

    def feed(self, piece: bytes) -> bytes:
        """Return what is to be written of one more piece, which may be nothing yet."""
        data = self._rest + piece if self._rest else piece
        end = _end_of_fields(data)
        self._rest = data[end:]
        out: list[str] = []
        message: Any = self._kind.FromString(data[:end])
        for field, value in message.ListFields():
            key, write = self._plan[field.number]
            if not field.is_repeated:
                self._open(out, key, 0)
                out.append(write(value))
                continue
            if self._list == field.number:
                out.append(",")
            else:
                self._open(out, key, field.number)
                out.append("[")
            out.append(",".join(map(write, value)))
        return "".join(out).encode()

    def end(self) -> bytes:
        """Return what is to be written behind the last piece."""
        assert not self._rest, "a field has no end"
        return ("]" if self._list else "").encode() + (b"{}" if self._before == "{" else b"}")

    def _open(self, out: list[str], key: str, number: int) -> None:
        """Write the name of a field, behind what comes before it."""
        if self._list:
            out.append("]")
        out.append(self._before)
        out.append(key)
        self._before, self._list = ",", number


def _end_of_fields(data: bytes) -> int:
    """Return where the last field ends that is whole."""
    end = at = 0
    size = len(data)
    while at < size:
        try:
            tag, at = read_varint(data, at)
            kind = tag & 7
            if kind == _VARINT:
                _, at = read_varint(data, at)
            elif kind == _DELIMITED:
                length, at = read_varint(data, at)
                at += length
            else:
                at += _FIXED[kind]
        except DecodeError:
            break
        if at <= size:
            end = at
    return end
