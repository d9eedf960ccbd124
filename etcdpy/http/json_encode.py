"""
Messages to JSON, as Go's protojson writes them for etcd's gateway.

Fields have the names of the protocol and come in its order; those that are zero are left out. What
has 64 bits is a string, an enum its name, and bytes are base64. How the fields of a message are
written is found out from its descriptor when the first of its type comes.
(Go: ``google.golang.org/protobuf/encoding/protojson``)
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring
from typing import Any, Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from etcdpy.http.json_fields import fields_of

__all__ = ["encode", "pieces"]

#: Characters of text after which a piece ends.
PIECE: Final = 64 * 1024

#: Returns the text of a value.
Format = Callable[[Any], str]
#: The fields of a type by their numbers: name with quotes and colon, and how a value is written.
Plan = dict[int, tuple[str, Format]]

_plans: dict[type[Message], Plan] = {}


def encode(message: Message) -> bytes:
    """Return a message as compact JSON."""
    return _object(message).encode()


def pieces(message: Message) -> Iterator[bytes]:
    """
    Yield what ``encode`` returns in pieces of about 64 KiB, of which each is made when it is due.

    Lists of the message itself are split; only these grow without bound in etcd's replies.
    """
    plan = _plan(type(message))
    out, size = ["{"], 0
    for index, (field, value) in enumerate(message.ListFields()):
        key, write = plan[field.number]
        before = f",{key}" if index else key
        texts = _items(field, value, before) if field.is_repeated else iter([before + write(value)])
        for text in texts:
            out.append(text)
            size += len(text)
            if size >= PIECE:
                yield "".join(out).encode()
                out, size = [], 0
    out.append("}")
    yield "".join(out).encode()


def _items(field: FieldDescriptor, values: Any, before: str) -> Iterator[str]:
    write = _format_of(field)
    yield f"{before}["
    separator = ""
    for value in values:
        yield separator + write(value)
        separator = ","
    yield "]"


def _object(message: Message) -> str:
    plan = _plans.get(type(message)) or _plan(type(message))
    texts = []
    for field, value in message.ListFields():
        key, write = plan[field.number]
        texts.append(key + write(value))
    return f"{{{','.join(texts)}}}"


def _plan(kind: type[Message]) -> Plan:
    plan = _plans.get(kind)
    if plan is None:
        plan = _plans[kind] = {
            field.number: (f'"{field.name}":', _format(field)) for field in fields_of(kind)
        }
    return plan


def _format(field: FieldDescriptor) -> Format:
    return _list_of(field) if field.is_repeated else _format_of(field)


def _list_of(field: FieldDescriptor) -> Format:
    write = _format_of(field)
    return lambda values: f"[{','.join(map(write, values))}]"


def _format_of(field: FieldDescriptor) -> Format:
    if field.message_type is not None:
        return _object
    if field.enum_type is not None:
        return _enum_of(field.enum_type)
    return _FORMATS[field.type]


def _enum_of(enum: EnumDescriptor) -> Format:
    names = {value.number: f'"{value.name}"' for value in reversed(enum.values)}
    # A number that has no name is written as it is.
    return lambda number: names.get(number) or str(number)


def _bytes(value: bytes) -> str:
    return f'"{b2a_base64(value, newline=False).decode("ascii")}"'


def _quoted(value: int) -> str:
    return f'"{value}"'


def _bool(value: bool) -> str:
    return "true" if value else "false"


_FORMATS: Final[dict[int, Format]] = {
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_INT32: str,
    FieldDescriptor.TYPE_INT64: _quoted,
    FieldDescriptor.TYPE_STRING: encode_basestring,
    FieldDescriptor.TYPE_UINT32: str,
    FieldDescriptor.TYPE_UINT64: _quoted,
}
