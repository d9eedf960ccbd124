"""
Texts and times in JSON, as Go's ``encoding/json`` has them.

(Go: ``encoding/json/encode.go``, ``encodeState.string``)
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

__all__ = ["quote", "timestamp"]

#: What does not stand for itself: besides what JSON escapes also what HTML could misread, what ends
#: lines in JavaScript, and bytes that are no UTF-8 (those are lone surrogates here).
_SPECIAL: Final = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')

_SURROGATES: Final = re.compile("[\ud800-\udfff]")

_SHORT: Final = {'"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: What stands for what, the backslash first, as it is in all others.
_ESCAPES: Final = [
    ("\\", "\\\\"),
    *_SHORT.items(),
    *(
        (char, f"\\u{ord(char):04x}")
        for char in ("<", ">", "&", "\u2028", "\u2029", *map(chr, range(32)))
        if char not in _SHORT
    ),
]

_EPOCH: Final = datetime(1970, 1, 1)


def quote(text: str) -> str:
    """
    Return a text in quotes.

    Args:
        text: What was decoded with ``surrogateescape``.

    """
    # Nearly all texts are done here.
    if _SPECIAL.search(text) is None:
        return f'"{text}"'
    # Not one by one: there may be millions of them.
    for char, escape in _ESCAPES:
        if char in text:
            text = text.replace(char, escape)
    if not text.isascii():
        text = _SURROGATES.sub(r"\\ufffd", text)
    return f'"{text}"'


def timestamp(nanoseconds: int) -> str:
    """
    Return a time in UTC as RFC 3339 has it, with as many digits as there are. (Go: RFC3339Nano)

    Args:
        nanoseconds: Since 1970.

    """
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).isoformat()
    return f"{text}.{f'{fraction:09}'.rstrip('0')}Z" if fraction else f"{text}Z"
