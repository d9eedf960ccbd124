"""
Reading messages from JSON by the rules of Go's protojson, and in its words where they are broken.

It knows where in the text each thing stands, which the words tell, and is slower for that: for
what ``json_decode`` cannot read. (Go: ``google.golang.org/protobuf/encoding/protojson``)
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from decimal import Decimal, InvalidOperation
from json import decoder
from typing import Any, Final, NamedTuple, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from etcdpy.cooperative import Steps
from etcdpy.gostd.quoting import go_quote
from etcdpy.http.json_fields import ABSENT, RANGES, fields_by_name, message_type_of
from etcdpy.http.json_scanner import TOKENS_PER_STEP, JsonError, first_value

__all__ = ["read_message"]

M = TypeVar("M", bound=Message)


def read_message(data: bytes, kind: type[M], *, as_text: bool = False) -> Steps[M]:
    """
    Return the message in a body; see ``json_decode.decode``.

    Args:
        as_text: Whether bytes are written as the text that they are.

    Raises:
        JsonError: As there.

    """
    value = yield from first_value(data)
    if value is None:
        return kind()
    message = kind()
    yield from _Reader(value, as_text).fill(message)
    return message


class _Token(NamedTuple):
    """
    A token.

    Attributes:
        kind: Its first character; that of a number is ``0``, that of the end is empty.
        start: Where it begins.
        last: Where it ends.
        end: Where what follows begins.

    """

    kind: str
    start: int
    last: int
    end: int


#: A token, of a string its first run, and what may be between two: values are well formed by now.
_TOKEN: Final = re.compile(rb'"[^"\\]*|[{}\[\]]|true|false|null|[-+.0-9eE]+').match
_ESCAPES: Final = re.compile(rb'(?:\\.[^"\\]*){1,1000}', re.DOTALL).match
_BETWEEN: Final = re.compile(rb"[ \t\r\n]*[,:]?[ \t\r\n]*").match
#: Finds the end of a string, and what it stands for. The types do not know that it has a name.
_SCAN: Final = vars(decoder)["scanstring"]
_SURROGATE: Final = re.compile("[\ud800-\udfff]").search


class _Reader:
    """
    Makes messages of one well-formed value.

    Args:
        data: The value, nothing before it.
        as_text: As ``read_message`` has it.

    """

    def __init__(self, data: bytes, as_text: bool) -> None:
        self._data = data
        self._as_text = as_text
        self._at = 0
        self._peeked = _Token("", -1, -1, -1)
        self._tokens = 0
        self._pause_at = TOKENS_PER_STEP

    def _is_due(self) -> bool:
        """Whether so much was read since the last pause that there should be another."""
        if self._tokens < self._pause_at:
            return False
        self._pause_at = self._tokens + TOKENS_PER_STEP
        return True

    # -------------------------------------------------------------------- tokens

    def _peek(self) -> _Token:
        start = self._at
        if self._peeked.start == start:
            return self._peeked
        data = self._data
        found = _TOKEN(data, start)
        assert found is not None, "the value is well formed"
        first = chr(data[start])
        end = found.end()
        if first == '"':
            while (more := _ESCAPES(data, end)) is not None:
                end = more.end()
            end += 1
        behind = _BETWEEN(data, end)
        assert behind is not None
        kind = first if first in '{}[]"tfn' else "0"
        self._peeked = _Token(kind, start, end, behind.end())
        return self._peeked

    def _read(self) -> _Token:
        token = self._peek()
        if token.kind == '"':
            self._text(token)  # it has to be good, whatever becomes of it
        self._at = token.end
        self._tokens += 1
        return token

    def _raw(self, token: _Token) -> str:
        return self._data[token.start : token.last].decode("utf-8", "replace")

    def _text(self, token: _Token) -> str:
        """Return what a string stands for."""
        inner = self._data[token.start + 1 : token.last - 1]
        try:
            text = inner.decode("utf-8")
        except UnicodeDecodeError as error:
            # What is wrong before that is told first.
            self._unescaped(token, inner[: error.start])
            raise self._syntax_error(token, "invalid UTF-8 in string") from None
        if "\\" not in text:
            return text
        # Python's parser is a hundred times as fast, and takes halves of characters, too.
        unescaped, _ = _SCAN(text + '"', 0)
        has_halves = _SURROGATE(unescaped) is not None
        return self._unescaped(token, inner) if has_halves else unescaped

    def _unescaped(self, token: _Token, inner: bytes) -> str:
        parts: list[str] = []
        at = 0
        while (slash := inner.find(b"\\", at)) >= 0:
            parts.append(inner[at:slash].decode())
            if inner[slash + 1] != ord("u"):
                parts.append(_ESCAPED[inner[slash + 1]])
                at = slash + 2
                continue
            code = int(inner[slash + 2 : slash + 6], 16)
            at = slash + 6
            if 0xD800 <= code < 0xE000:
                code = self._surrogates(token, inner, code, at)
                at += 6
            parts.append(chr(code))
        parts.append(inner[at:].decode())
        return "".join(parts)

    def _surrogates(self, token: _Token, inner: bytes, high: int, at: int) -> int:
        """Return the character of a pair of escapes, of which one was read."""
        # Go looks for the second in all that follows, not in this string alone.
        behind = token.start + 1 + at
        rest = self._data[behind : behind + 6]
        if len(rest) < 6:
            raise JsonError("proto: unexpected EOF")
        low = re.fullmatch(rb"\\u([0-9a-fA-F]{4})", rest)
        if low is None or high >= 0xDC00 or not 0xDC00 <= int(low[1], 16) < 0xE000:
            raise self._syntax_error(token, f"invalid escape code {go_quote(rest)} in string")
        return 0x10000 + ((high - 0xD800) << 10) + int(low[1], 16) - 0xDC00

    # -------------------------------------------------------------------- errors

    def _place(self, token: _Token) -> str:
        before = self._data[: token.start]
        line = before.rpartition(b"\n")[2].decode("utf-8", "replace")
        return f"(line {before.count(10) + 1}:{len(line) + 1})"

    def _error(self, token: _Token, text: str) -> JsonError:
        return JsonError(f"proto: {self._place(token)}: {text}")

    def _syntax_error(self, token: _Token, text: str) -> JsonError:
        return JsonError(f"proto: syntax error {self._place(token)}: {text}")

    def _unexpected(self, token: _Token) -> JsonError:
        return self._syntax_error(token, f"unexpected token {self._raw(token)}")

    # -------------------------------------------------------------------- values

    def fill(self, message: Any) -> Steps[None]:
        """
        Read a message into one that is empty.

        Where it belongs, from the start: to copy one that is large would take long, once a level.
        """
        token = self._read()
        if token.kind != "{":
            raise self._unexpected(token)
        fields = fields_by_name(type(message))
        seen: set[int] = set()
        chosen: set[str] = set()
        while (name := self._read()).kind != "}":
            if self._is_due():
                yield
            field = fields.get(self._text(name))
            if field is None:
                yield from self._skip()
                continue
            if field.number in seen:
                raise self._error(name, f"duplicate field {self._raw(name)}")
            seen.add(field.number)
            if self._peek().kind == "n":
                self._read()
                continue
            if (oneof := field.containing_oneof) is not None:
                if oneof.name in chosen:
                    text = f"error parsing {self._raw(name)}, oneof {oneof.full_name}"
                    raise self._error(name, f"{text} is already set")
                chosen.add(oneof.name)
            yield from self._field(message, field)

    def _field(self, message: Any, field: FieldDescriptor) -> Steps[None]:
        if field.is_repeated:
            yield from self._list(getattr(message, field.name), field)
        elif message_type_of(field) is not None:
            inner = getattr(message, field.name)
            inner.SetInParent()
            yield from self.fill(inner)
        elif (value := self._scalar(field)) is not ABSENT:
            setattr(message, field.name, value)

    def _list(self, values: Any, field: FieldDescriptor) -> Steps[None]:
        token = self._read()
        if token.kind != "[":
            raise self._unexpected(token)
        kind = message_type_of(field)
        while self._peek().kind != "]":
            if self._is_due():
                yield
            if kind is not None:
                yield from self.fill(values.add())
            elif (value := self._scalar(field)) is not ABSENT:
                values.append(value)
        self._read()

    def _skip(self) -> Steps[None]:
        """Go past a value of which nobody wants to know."""
        depth = 0
        while True:
            token = self._read()
            if self._is_due():
                yield
            depth += (token.kind in "{[") - (token.kind in "}]")
            # The names within it are tokens as well.
            if depth == 0:
                return

    def _scalar(self, field: FieldDescriptor) -> Any:
        token = self._read()
        value = self._value(token, field)
        if value is None:
            kind = _KINDS[field.type]
            text = f"invalid value for {kind} field {field.json_name}: {self._raw(token)}"
            raise self._error(token, text)
        return value

    def _value(self, token: _Token, field: FieldDescriptor) -> Any:
        """Return the value of a token, None if it is none of this field."""
        kind = field.type
        if kind == FieldDescriptor.TYPE_BOOL:
            return {"t": True, "f": False}.get(token.kind)
        if kind == FieldDescriptor.TYPE_STRING:
            return self._text(token) if token.kind == '"' else None
        if kind == FieldDescriptor.TYPE_BYTES:
            return self._bytes_of(token)
        if field.enum_type is not None:
            if token.kind == '"':
                found = field.enum_type.values_by_name.get(self._text(token))
                return ABSENT if found is None else found.number
            return _integer(self._raw(token), *RANGES[FieldDescriptor.TYPE_INT32])
        text = self._raw(token)
        if token.kind == '"':
            # Of a text the first token is read, and no space before or behind it. (Go:
            # ``protojson/decode.go``, unmarshalInt)
            text = self._text(token)
            number = _FIRST_NUMBER(text)
            if number is None or text != text.strip():
                return None
            text = number[1] + (number[2] or "")
        return _integer(text, *RANGES[kind])

    def _bytes_of(self, token: _Token) -> bytes | None:
        if token.kind == '"':
            text = self._text(token)
            return text.encode() if self._as_text else _bytes(text)
        if token.kind != "{" or not self._as_text:
            return None
        # What is no text: an object with one field.
        name = self._read()
        if name.kind != '"' or self._text(name) != "base64":
            return None
        inner = self._read()
        value = _bytes(self._text(inner)) if inner.kind == '"' else None
        return value if self._read().kind == "}" else None


_ESCAPED: Final = {ord(a): b for a, b in zip('"\\/bfnrt', '"\\/\b\f\n\r\t', strict=True)}

_IS_NUMBER: Final = re.compile(
    r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII
).fullmatch
#: The same, up to what ends a number, which an ``e`` may stand before that means nothing.
#: (Go: ``internal/encoding/json``, parseNumber and isNotDelim)
_FIRST_NUMBER: Final = re.compile(
    r"(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?)"
    r"(?:((?:[eE][+-]?[0-9]+)?)(?![-+._a-zA-Z0-9])|[eE](?=[^-+._a-zA-Z0-9]))",
    re.ASCII,
).match
#: Digits of the largest number that has any effect, with room.
_MOST_DIGITS: Final = 400


def _integer(text: str, least: int, most: int) -> int | None:
    """Return a whole number in a range, however it is written, None if it is none."""
    if _IS_NUMBER(text) is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        # Its exponent is beyond all bounds, which only nothing is still something with.
        return None if text.lower().partition("e")[0].strip("-0.") else 0
    # An exponent of a billion is written in ten characters, and no int is to be made of it.
    if number and number.adjusted() > _MOST_DIGITS:
        return None
    if number != number.to_integral_value():
        return None
    return int(number) if least <= number <= most else None


def _bytes(text: str) -> bytes | None:
    """Return what base64 stands for, None if it is none. (Go: ``encoding/base64``)"""
    if "-" in text or "_" in text:
        if "+" in text or "/" in text:
            return None
        text = text.replace("-", "+").replace("_", "/")
    is_padded = len(text) % 4 == 0
    # Go's decoder passes over these, wherever they stand.
    text = text.replace("\r", "").replace("\n", "")
    if not is_padded:
        if "=" in text:
            return None
        text += "=" * (-len(text) % 4)
    try:
        return b64decode(text, validate=True) if len(text) % 4 == 0 else None
    except (Base64Error, ValueError):
        return None


_KINDS: Final = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_UINT64: "uint64",
}
