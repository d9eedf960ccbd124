"""
JSON to messages, as etcd's gateway reads it.

Most requests are read by Python's own parser, and what it makes of them is turned into messages by
their descriptors. Whatever is not plain in that (an error, an escape, a number with a fraction) is
read again by ``json_reader``, which knows Go's rules to the letter, and its words for what breaks
them.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from functools import partial
from json import JSONDecoder
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from etcdpy.cooperative import Steps
from etcdpy.http.json_fields import ABSENT, RANGES, fields_by_name, message_type_of
from etcdpy.http.json_reader import read_message

__all__ = ["MOST_AT_ONCE", "decode", "decode_plain"]

#: Bytes of a body that may be read without a pause: at worst about as many milliseconds as it has
#: kilobytes.
MOST_AT_ONCE: Final = 64 * 1024
#: Values and containers of a larger body that Python's parser may make at once, in some
#: milliseconds: it cannot be interrupted. Those of one with more are read a few at a time.
MOST_PARTS: Final = 10_000
#: Elements of a list between two pauses, of a body that is larger.
SLICE: Final = 500

M = TypeVar("M", bound=Message)


class _NotPlain(Exception):  # noqa: N818
    """To be read again, by the one who knows all the rules."""


def decode(data: bytes, kind: type[M], *, as_text: bool = False) -> Steps[M]:
    """
    Return the message in a body: that of its first JSON value, an empty one if there is none.

    Fields that do not exist are passed over, as are names of enum values that do not; what follows
    the value is not looked at.

    Args:
        data: The body.
        kind: The type of the message.
        as_text: Whether bytes are written as the text that they are, and those that are none as
            ``{"base64": "/w=="}``; as base64 otherwise.

    Raises:
        JsonError: It is no JSON, or none of such a message; the words are Go's.

    """
    message: M | None
    if len(data) <= MOST_AT_ONCE:
        message = decode_plain(data, kind, as_text=as_text)
    elif _parts_of(data) > MOST_PARTS:
        message = None
    else:
        message = yield from _plain_in_slices(data, kind, as_text)
    if message is None:
        message = yield from read_message(data, kind, as_text=as_text)
    return message


def decode_plain(data: bytes, kind: type[M], *, as_text: bool = False) -> M | None:
    """Return what ``decode`` does, None if it takes ``read_message`` to read it."""
    try:
        message: M = (_TEXT if as_text else _BASE64).decode(data, kind)
        return message
    except (ValueError, RecursionError, _NotPlain):
        return None


def _plain_in_slices(data: bytes, kind: type[M], as_text: bool) -> Steps[M | None]:
    try:
        message: M = yield from (_TEXT if as_text else _BASE64).decode_in_slices(data, kind)
        return message
    except (ValueError, RecursionError, _NotPlain):
        return None


def _parts_of(data: bytes) -> int:
    """Return how many values and containers there are at most."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def _not_plain(_: object) -> NoReturn:
    raise _NotPlain


_SPACE: Final = re.compile(r"[ \t\r\n]*").match
_decoder: Final = JSONDecoder(
    object_pairs_hook=tuple, parse_float=_not_plain, parse_constant=_not_plain
)


#: Makes the value of a field of what was read.
Read = Callable[[Any], Any]


class _Field(NamedTuple):
    """
    One field.

    Attributes:
        name: That of the protocol, which the message knows it by.
        oneof: The name of the choice that it belongs to, if it does.
        read: Makes its value.

    """

    name: str
    oneof: str | None
    read: Read


class _PlainReader:
    """
    Makes messages of what Python's parser has read, if nothing about it is odd.

    Args:
        read_bytes: Makes bytes of it.

    """

    def __init__(self, read_bytes: Read) -> None:
        self._readers = _READERS | {FieldDescriptor.TYPE_BYTES: read_bytes}
        self._plans: dict[type[Message], dict[str, _Field]] = {}

    def decode(self, data: bytes, kind: type[Message]) -> Any:
        """
        Return the message in a body.

        Raises:
            ValueError, RecursionError, _NotPlain: To be read by others.

        """
        return self._message(kind, _first_value(data))

    def decode_in_slices(self, data: bytes, kind: type[Message]) -> Steps[Any]:
        """Do as ``decode`` does, with a pause behind so many elements of the message's lists."""
        pairs = _first_value(data)
        yield
        if type(pairs) is not tuple:
            raise _NotPlain
        plan = self._plan(kind)
        read: list[tuple[str, Any]] = []
        for key, value in pairs:
            field = plan.get(key)
            if field is None or type(value) is not list or len(value) <= SLICE:
                read.append((key, value))
                continue
            made = _Made()
            for at in range(0, len(value), SLICE):
                made += field.read(value[at : at + SLICE])
                yield
            read.append((key, made))
        return self._message(kind, tuple(read))

    def _message(self, kind: type[Message], pairs: Any) -> Any:
        if type(pairs) is not tuple:
            raise _NotPlain
        plan = self._plan(kind)
        values: dict[str, Any] = {}
        seen: set[str] = set()
        chosen: set[str] = set()
        for key, value in pairs:
            field = plan.get(key)
            if field is None:
                continue
            name, oneof, read = field
            # Twice, or two of one choice: an error, but which one is for others to say.
            if name in seen or (value is not None and oneof in chosen):
                raise _NotPlain
            seen.add(name)
            if value is None:
                continue
            if oneof is not None:
                chosen.add(oneof)
            made = read(value)
            if made is not ABSENT:
                values[name] = made
        return kind(**values)

    def _plan(self, kind: type[Message]) -> dict[str, _Field]:
        plan = self._plans.get(kind)
        if plan is None:
            fields = fields_by_name(kind)
            plan = self._plans[kind] = {name: self._field(field) for name, field in fields.items()}
        return plan

    def _field(self, field: FieldDescriptor) -> _Field:
        oneof = field.containing_oneof.name if field.containing_oneof else None
        read = self._reader_of(field)
        return _Field(field.name, oneof, partial(_list, read) if field.is_repeated else read)

    def _reader_of(self, field: FieldDescriptor) -> Read:
        if (kind := message_type_of(field)) is not None:
            return partial(self._message, kind)
        if field.enum_type is not None:
            return partial(_enum, {value.name: value.number for value in field.enum_type.values})
        if field.type in RANGES:
            return partial(_integer, *RANGES[field.type])
        return self._readers[field.type]


def _first_value(data: bytes) -> Any:
    # An escape may stand for half a character, which Python takes and Go does not.
    if b"\\u" in data:
        raise _NotPlain
    text = data.decode("utf-8")
    start = _SPACE(text)
    assert start is not None
    if start.end() == len(text):
        return ()
    return _decoder.raw_decode(text, start.end())[0]


class _Made(list[Any]):
    """The elements of a list, read already."""


def _list(read: Read, values: Any) -> list[Any]:
    if type(values) is not list:
        return values if type(values) is _Made else _not_plain(values)
    made = []
    for value in values:
        if value is None:
            raise _NotPlain
        item = read(value)
        if item is not ABSENT:
            made.append(item)
    return made


def _enum(numbers: dict[str, int], value: Any) -> Any:
    if type(value) is str:
        return numbers.get(value, ABSENT)
    return _integer(-(2**31), 2**31 - 1, value) if type(value) is int else _not_plain(value)


#: A whole number in quotes.
_IS_WHOLE: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,30})", re.ASCII).fullmatch


def _integer(least: int, most: int, value: Any) -> int:
    if type(value) is str and _IS_WHOLE(value):
        value = int(value)
    if type(value) is not int or not least <= value <= most:
        raise _NotPlain
    return value


def _string(value: Any) -> str:
    return value if type(value) is str else _not_plain(value)


def _bool(value: Any) -> bool:
    return value if type(value) is bool else _not_plain(value)


def _base64(value: Any) -> bytes:
    if type(value) is not str or len(value) % 4:
        raise _NotPlain
    try:
        return b64decode(value, validate=True)
    except Base64Error:
        raise _NotPlain from None


_READERS: Final[dict[int, Read]] = {
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_STRING: _string,
}

_BASE64: Final = _PlainReader(_base64)
_TEXT: Final = _PlainReader(lambda value: _string(value).encode())
