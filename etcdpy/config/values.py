"""
The kinds of value a flag can have, parsed as Go's ``strconv``, ``time`` and etcd's own do.

A kind turns the text after a flag, or in an environment variable, into the value that
``Config`` holds. A text it refuses raises ``BadValueError`` with Go's words for why.

"""

from __future__ import annotations

import re
from typing import Protocol

from etcdpy.config.urls import Url, UrlError, parse_urls
from etcdpy.gostd.durations import DurationError, parse_go_duration
from etcdpy.gostd.quoting import go_quote

__all__ = [
    "KEEP",
    "BadValueError",
    "Bool",
    "Choice",
    "Duration",
    "Ignored",
    "Int",
    "Int64",
    "Kind",
    "Origins",
    "Text",
    "Texts",
    "Uint",
    "Uint32",
    "UrlList",
    "parse_boolean",
]

#: A parsed value that leaves the setting as it was, though it now counts as given.
KEEP = object()


class BadValueError(ValueError):
    """The text is no value of this kind; the message is Go's."""


class Kind(Protocol):
    """How one flag's text is read."""

    @property
    def is_boolean(self) -> bool:
        """Whether the flag stands alone, meaning true."""

    def parse(self, text: str) -> object:
        """Return the value of ``text``, or ``KEEP``; raise ``BadValueError``."""


class Text:
    """Any text, the empty one included."""

    is_boolean = False

    def parse(self, text: str) -> str:
        return text


class Texts:
    """A comma list of texts, in order."""

    is_boolean = False

    def parse(self, text: str) -> tuple[str, ...]:
        return tuple(text.split(","))


_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


def parse_boolean(text: str) -> bool:
    """
    Return what Go's ``strconv.ParseBool`` makes of a text.

    Raises:
        BadValueError: It is none of Go's words for true and false.

    """
    try:
        return _BOOLEANS[text]
    except KeyError:
        raise BadValueError("parse error") from None


class Bool:
    """A flag that is on or off."""

    is_boolean = True

    def parse(self, text: str) -> bool:
        return parse_boolean(text)


class Ignored:
    """A flag of etcd 2 that is still accepted, with any value or none, and does nothing."""

    is_boolean = True

    def parse(self, text: str) -> object:
        return KEEP


class Choice:
    """
    One of a few words.

    Args:
        words: The words.
        is_quoted: Whether a refusal names the word once more, as etcd's do in one case.

    """

    is_boolean = False

    def __init__(self, *words: str, is_quoted: bool = False) -> None:
        self.words = words
        self._is_quoted = is_quoted

    def parse(self, text: str) -> str:
        if text not in self.words:
            raise BadValueError(
                f"invalid value {go_quote(text)}" if self._is_quoted else "invalid value"
            )
        return text


# Go integer literals: a base prefix, and underscores between digits. A leading 0 means octal.
_INTEGER = re.compile(
    r"(?:0[xX](?P<hex>(?:_?[0-9a-fA-F])+)|0[bB](?P<binary>(?:_?[01])+)"
    r"|0[oO]?(?P<octal>(?:_?[0-7])+)|(?P<decimal>0|[1-9](?:_?[0-9])*))"
)
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}
#: Those of 64 bits in base 2; Python refuses to read a few thousand, with an error of its own.
_MOST_DIGITS = 64


def _parse_integer(text: str, low: int, high: int) -> int:
    """Read ``text`` as Go's ``ParseInt(s, 0, bits)``; an unsigned kind takes no sign."""
    sign, digits = 1, text
    if low < 0 and text[:1] in ("+", "-"):
        sign, digits = (-1 if text[0] == "-" else 1), text[1:]
    match = _INTEGER.fullmatch(digits)
    if match is None or match.lastgroup is None:
        raise BadValueError("parse error")
    # Zeros in front make no number large, and must not count as digits below.
    digits = match[match.lastgroup].replace("_", "").lstrip("0") or "0"
    if len(digits) > _MOST_DIGITS:
        raise BadValueError("value out of range")
    value = sign * int(digits, _BASES[match.lastgroup])
    if not low <= value <= high:
        raise BadValueError("value out of range")
    return value


class Uint:
    """
    Go's ``uint``, 64 bits here.

    Attributes:
        go_type: What the number is in etcd, which a refusal of a file names.

    """

    is_boolean = False

    def __init__(self, go_type: str = "uint") -> None:
        self.go_type = go_type

    def parse(self, text: str) -> int:
        return _parse_integer(text, 0, 2**64 - 1)


class Int64:
    """Go's ``int64``."""

    is_boolean = False

    def parse(self, text: str) -> int:
        return _parse_integer(text, -(2**63), 2**63 - 1)


class Int(Int64):
    """An ``int``, which is as wide as ``int64`` where etcd runs."""


class Uint32:
    """etcd's own ``uint32`` flag, whose refusals carry the name of the Go function."""

    is_boolean = False

    def parse(self, text: str) -> int:
        try:
            return _parse_integer(text, 0, 2**32 - 1)
        except BadValueError as refusal:
            # Go's own flag types say "parse error" instead (``flag.numError``); this one is etcd's,
            # and passes on what ``strconv`` says.
            why = "invalid syntax" if str(refusal) == "parse error" else str(refusal)
            raise BadValueError(f"strconv.ParseUint: parsing {go_quote(text)}: {why}") from None


class Duration:
    """Go's ``time.ParseDuration``, in seconds: ``1h30m``, ``.5s``, ``-1m``; 0 needs no unit."""

    is_boolean = False

    def parse(self, text: str) -> float:
        try:
            return parse_go_duration(text) / 1e9
        except DurationError:
            raise BadValueError("parse error") from None


class UrlList:
    """
    A comma list of URLs: sorted, each once.

    The empty text leaves the default in place, yet counts as given.
    (etcd: ``NewUniqueURLsWithExceptions(default, "")``)

    """

    is_boolean = False

    def parse(self, text: str) -> tuple[Url, ...] | object:
        if not text:
            return KEEP
        try:
            return parse_urls(text)
        except UrlError as refusal:
            raise BadValueError(str(refusal)) from None


class Origins:
    """Where a browser's script may come from: ``*``, or a comma list of URLs with their ports."""

    is_boolean = False

    def parse(self, text: str) -> str:
        # "*" is no URL, but etcd excepts it. (etcd: ``flags.NewUniqueURLsWithExceptions``)
        if text != "*":
            try:
                parse_urls(text)
            except UrlError as refusal:
                raise BadValueError(str(refusal)) from None
        return text
