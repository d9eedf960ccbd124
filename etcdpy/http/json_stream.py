"""The JSON values of a body that comes in pieces, each as soon as all of it is there."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["Values"]

#: What a value is made of, as far as its end goes: strings, and what opens and closes.
_MARK: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]|"', re.DOTALL)
_SPACE: Final = re.compile(rb"[ \t\r\n]*").match


class Values:
    """
    Cuts a body into its values; whether one is well formed is for its reader to say.

    What is no object or list ends the body: nothing that is wanted begins like that.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0  # how far it was looked at
        self._depth = 0
        self.size = 0

    def feed(self, piece: bytes) -> None:
        """Add what has come."""
        self._buffer += piece
        self.size = len(self._buffer)

    def next(self) -> bytes | None:
        """Return the next value, None if it is not all there; the rest, if it cannot become one."""
        if not self._depth:
            start = _SPACE(self._buffer)
            assert start is not None
            del self._buffer[: start.end()]
            self._at = 0
            if not self._buffer:
                return None
            if self._buffer[0] not in b"{[":
                return self._take(len(self._buffer))
        while (mark := _MARK.search(self._buffer, self._at)) is not None:
            char = mark[0]
            if char == b'"':
                # A string that goes on: looked at again when there is more.
                self._at = mark.start()
                return None
            self._at = mark.end()
            self._depth += (char in (b"{", b"[")) - (char in (b"}", b"]"))
            if not self._depth:
                return self._take(self._at)
        self._at = len(self._buffer)
        return None

    def _take(self, end: int) -> bytes:
        value = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._at = self._depth = 0
        self.size = len(self._buffer)
        return value
