"""
Go's ways of putting a string in quotes, which clients' tests and operators' eyes know.

There are three, which differ in what they escape and how::

    bytes            go_quote (%q)       go_quote_octal     go_quote_hex
    a"\\n             "a\\"\\n"             "a\\"\\n"            "a\\"\\n"
    é                "é"                 "\\303\\251"         "é"
    00 07            "\\x00\\a"            "\\000\\007"         "\\x00\\x07"
    ff               "\\xff"              "\\377"             "\\xff"
    U+200B           "\\u200b"            "\\342\\200\\213"     as it is
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["go_quote", "go_quote_all", "go_quote_hex", "go_quote_octal", "go_text"]

#: What has an escape of its own everywhere, and what has one in Go's own literals only.
_COMMON = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
_ESCAPES = _COMMON | {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\v": r"\v"}

#: Python's stand-ins for bytes that are no UTF-8.
_FIRST_STRAY, _LAST_STRAY = 0xDC80, 0xDCFF


def go_quote(value: bytes | str) -> str:
    """
    Return ``value`` as Go's verb ``%q`` prints it: a literal of printable characters.

    A text may hold bytes that are no UTF-8 the way Python's file system encoding does.
    """
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
    return f'"{re.sub(_UNUSUAL, _escape, text)}"'


#: All but what surely stays as it is: a long value is looked at once, not character by character.
_UNUSUAL = r"[^ !#-\[\]-~]"


def _escape(match: re.Match[str]) -> str:
    char, code = match[0], ord(match[0])
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    if _FIRST_STRAY <= code <= _LAST_STRAY or code < 0x80:
        return f"\\x{code & 0xFF:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def go_quote_all(values: Iterable[bytes | str]) -> str:
    """Return ``values`` as Go's verb ``%q`` prints a slice of them: ``["a" "b"]``."""
    return f"[{' '.join(map(go_quote, values))}]"


def go_quote_octal(value: bytes) -> str:
    """
    Return ``value`` as Go's old protobuf library prints bytes: in ASCII, the rest in octal.

    (github.com/golang/protobuf v1.3 ``proto/text.go``, ``writeString``)
    """
    return f'"{"".join(map(_octal, value.decode("latin-1")))}"'


def _octal(char: str) -> str:
    if char in _COMMON:
        return _COMMON[char]
    return char if " " <= char <= "~" else f"\\{ord(char):03o}"


#: What ``go_quote_hex`` escapes: quotes, controls, and bytes that are no UTF-8.
_UNSEEN = r'["\\\x00-\x1f\x7f-\x9f\udc80-\udcff]'


def go_quote_hex(value: bytes) -> str:
    """
    Return ``value`` as Go's new protobuf library prints bytes: as UTF-8, the rest in hexadecimal.

    (google.golang.org/protobuf ``internal/encoding/text/encode.go``, ``appendString``)
    """
    return f'"{re.sub(_UNSEEN, _hex, value.decode("utf-8", "surrogateescape"))}"'


def _hex(match: re.Match[str]) -> str:
    char, code = match[0], ord(match[0])
    if char in _COMMON:
        return _COMMON[char]
    return f"\\u{code:04x}" if 0x80 <= code < 0x100 else f"\\x{code & 0xFF:02x}"


def go_text(value: bytes) -> str:
    """Return ``value`` as Go's verb ``%v`` prints it, with a stand-in for what is no UTF-8."""
    return value.decode("utf-8", "replace")
