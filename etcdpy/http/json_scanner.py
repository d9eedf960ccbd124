"""
Finding the first JSON value in a body, by the rules of Go's ``encoding/json`` and in its words.

What it finds is well formed; what a message may make of it is another matter (``json_reader``).
"""

from __future__ import annotations

import re
from typing import Final

from etcdpy.cooperative import Steps
from etcdpy.gostd.quoting import go_quote

__all__ = ["JsonError", "first_value", "only_value"]

#: Containers within containers. (Go: ``encoding/json``, maxNestingDepth)
MAX_DEPTH: Final = 10_000
#: Tokens between two turns of the loop: about half a millisecond.
TOKENS_PER_STEP: Final = 500

_SPACE: Final = re.compile(rb"[ \t\r\n]*").match
# A string but for its end, or what of it is good. A run of plain characters is one step, as a
# choice for each of them would take sixty times as long; so many escapes at a time, because each
# one of them costs memory until the match ends.
_STRING: Final = re.compile(rb'"[^"\\\x00-\x1f]*').match
_ESCAPES: Final = re.compile(
    rb'(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*){1,1000}', re.DOTALL
).match
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").match
_LITERALS: Final = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_HEX: Final = b"0123456789abcdefABCDEF"


class JsonError(Exception):
    """A body cannot be read; the text is Go's."""


def first_value(data: bytes) -> Steps[bytes | None]:
    """
    Return the first JSON value in ``data``, without what is around it; None if there is none.

    Raises:
        JsonError: It is not well formed.

    """
    start = _skip(data, 0)
    if start == len(data):
        return None
    end = yield from _Scanner(data).scan(start)
    return data[start:end]


def only_value(data: bytes) -> Steps[bytes]:
    """
    Return the JSON value that ``data`` is, without what is around it.

    (Go: ``encoding/json``, Unmarshal)

    Raises:
        JsonError: It is not well formed, or not the only one.

    """
    start = _skip(data, 0)
    scanner = _Scanner(data, end="unexpected end of JSON input")
    end = yield from scanner.scan(start)
    if (rest := _skip(data, end)) < len(data):
        raise scanner.unexpected(rest, "after top-level value")
    return data[start:end]


def _skip(data: bytes, at: int) -> int:
    found = _SPACE(data, at)
    assert found is not None
    return found.end()


class _Scanner:
    """
    Walks over a value, and raises at its first fault.

    Args:
        data: Holds it.
        end: What is said if it ends too early.

    """

    def __init__(self, data: bytes, end: str = "unexpected EOF") -> None:
        self._data = data
        self._end = end

    def scan(self, at: int) -> Steps[int]:
        """Return where the value ends that begins at ``at``."""
        open_: list[int] = []
        tokens = 0
        while True:
            tokens += 1
            if tokens % TOKENS_PER_STEP == 0:
                yield
            at, is_past = self._value(at, open_)
            if not is_past:
                continue
            # Behind a value: it may be the last of what it is in, and that of what that is in.
            while open_:
                tokens += 1
                if tokens % TOKENS_PER_STEP == 0:
                    yield
                at = _skip(self._data, at)
                char = self._char(at)
                if open_[-1] == ord("{"):
                    if char == ord(","):
                        at = self._key(_skip(self._data, at + 1))
                        break
                    if char != ord("}"):
                        raise self.unexpected(at, "after object key:value pair")
                else:
                    if char == ord(","):
                        at = _skip(self._data, at + 1)
                        break
                    if char != ord("]"):
                        raise self.unexpected(at, "after array element")
                open_.pop()
                at += 1
            else:
                # Whatever follows: it is not read. (Go: ``encoding/json``, Decoder)
                return at

    def _value(self, at: int, open_: list[int]) -> tuple[int, bool]:
        """Go past a value, or to the first that is in it; tell where that is, and which it was."""
        char = self._char(at)
        if char == ord("{"):
            self._open(char, open_)
            at = _skip(self._data, at + 1)
            if self._char(at) != ord("}"):
                return self._key(at), False
            open_.pop()
            return at + 1, True
        if char == ord("["):
            self._open(char, open_)
            at = _skip(self._data, at + 1)
            if self._char(at) != ord("]"):
                return at, False
            open_.pop()
            return at + 1, True
        if char == ord('"'):
            return self._string(at), True
        if char in _LITERALS:
            return self._literal(at, _LITERALS[char]), True
        if char == ord("-") or ord("0") <= char <= ord("9"):
            return self._number(at), True
        raise self.unexpected(at, "looking for beginning of value")

    def _open(self, char: int, open_: list[int]) -> None:
        if len(open_) >= MAX_DEPTH:
            raise JsonError(f"invalid character {_shown(char)} exceeded max depth")
        open_.append(char)

    def _key(self, at: int) -> int:
        """Go past a key and its colon, to its value."""
        if self._char(at) != ord('"'):
            raise self.unexpected(at, "looking for beginning of object key string")
        at = _skip(self._data, self._string(at))
        if self._char(at) != ord(":"):
            raise self.unexpected(at, "after object key")
        return _skip(self._data, at + 1)

    def _string(self, at: int) -> int:
        good = _STRING(self._data, at)
        while good is not None:
            at = good.end()
            good = _ESCAPES(self._data, at)
        char = self._char(at)
        if char == ord('"'):
            return at + 1
        if char != ord("\\"):
            raise self.unexpected(at, "in string literal")
        if self._char(at + 1) != ord("u"):
            raise self.unexpected(at + 1, "in string escape code")
        at += 2
        while self._char(at) in _HEX:
            at += 1
        raise self.unexpected(at, r"in \u hexadecimal character escape")

    def _literal(self, at: int, word: bytes) -> int:
        for offset in range(1, len(word)):
            if self._char(at + offset) != word[offset]:
                text = word.decode()
                where = f"in literal {text} (expecting {_shown(word[offset])})"
                raise self.unexpected(at + offset, where)
        return at + len(word)

    def _number(self, at: int) -> int:
        found = _NUMBER(self._data, at)
        if found is None:
            # A minus, and no digit behind it.
            raise self.unexpected(at + 1, "in numeric literal")
        at = found.end()
        if at < len(self._data):
            char = self._data[at]
            has_point = b"." in found[0]
            has_exponent = b"e" in found[0].lower()
            if char == ord(".") and not (has_point or has_exponent):
                raise self.unexpected(at + 1, "after decimal point in numeric literal")
            if char in b"eE" and not has_exponent:
                at += 1
                if self._char(at) in b"+-":
                    at += 1
                raise self.unexpected(at, "in exponent of numeric literal")
        return at

    def _char(self, at: int) -> int:
        try:
            return self._data[at]
        except IndexError:
            raise JsonError(self._end) from None

    def unexpected(self, at: int, where: str) -> JsonError:
        """Return the fault that a character is where it stands."""
        return JsonError(f"invalid character {_shown(self._char(at))} {where}")


def _shown(char: int) -> str:
    """Return a byte as Go's scanner shows it: as the character of that number, in quotes."""
    if char == ord("'"):
        return r"'\''"
    if char == ord('"'):
        return "'\"'"
    return f"'{go_quote(chr(char))[1:-1]}'"
