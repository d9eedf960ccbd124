"""The JSON values of a body that comes in pieces, each as soon as all of it is there."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["Values"]

#: What opens and closes a value, as far as its end goes.
_MARK: Final = re.compile(rb'["{}\[\]]').search
#: What a string goes on with: so many escapes at a time, as each costs memory until the match ends.
_INSIDE: Final = re.compile(rb'[^"\\]*(?:\\.[^"\\]*){0,1000}', re.DOTALL).match
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
        self._in_string = False
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
        while (at := self._end_of_string()) >= 0 and (mark := _MARK(self._buffer, at)) is not None:
            char = mark[0]
            self._at = mark.end()
            self._in_string = char == b'"'
            self._depth += (char in (b"{", b"[")) - (char in (b"}", b"]"))
            if not self._depth:
                return self._take(self._at)
        if not self._in_string:
            self._at = len(self._buffer)
        return None

    def _end_of_string(self) -> int:
        """Return where to look on, behind the string that it is in; -1 if that is not all there."""
        while self._in_string:
            found = _INSIDE(self._buffer, self._at)
            assert found is not None
            self._at = found.end()
            rest = bytes(self._buffer[self._at : self._at + 2])
            if rest in (b"", b"\\"):
                return -1
            if rest.startswith(b'"'):
                self._at += 1
                self._in_string = False
        return self._at

    def _take(self, end: int) -> bytes:
        value = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._at = self._depth = 0
        self.size = len(self._buffer)
        return value
