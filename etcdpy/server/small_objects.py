"""
Where Python's small objects come from, while much is held and while not.

Python takes objects of up to 512 bytes from arenas of a mebibyte, which is fast. An arena is given
back when nothing at all is left in it; and of ten thousand clients that have waited and gone, in
every arena something is left: the time of the last request, the headers of the next, a line of the
log. So a process would stay as large as at its worst moment. The C library gives back every page in
which nothing is left, and takes a tenth more of the time of a transaction.

So small objects come from the C library only while the process has just become larger, or while
clients have it hold much more than usual, and that is no time at which a tenth counts. Both kinds
can be told apart when they are freed, as objects of more than 512 bytes always come from there
(CPython, ``Objects/obmalloc.c``: what lies in no arena is handed on).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from etcdpy.memory import UNLIMITED, Budget
from etcdpy.server.trimming import private_bytes

__all__ = ["GLANCES", "GROWN", "GROWS", "HELD", "USUAL_LOOKS", "Allocators", "Source"]

HELD: Final = 2 << 20
"""Bytes held for clients, more than usual, that are much."""

GROWN: Final = 3 << 20
"""Bytes by which the process has grown within ``GLANCES`` that are much, or a 64th if more."""

GROWS: Final = 1 << 20
"""The same while they come from the C library already."""

GLANCES: Final = 4
"""So many of those at regular times are remembered: half a second, of a busy server."""

USUAL_LOOKS: Final = 64
"""In about so many looks, seconds, what is held all the time becomes what is usual."""


class Allocators(Protocol):
    """Both places from which small objects can come."""

    def use_library(self) -> bool:
        """Have them come from the C library; return False if somebody else has a hand in it."""

    def use_arenas(self) -> None:
        """Have them come from Python's arenas, unless somebody else has a hand in it."""


class Source:
    """
    Chooses where small objects come from.

    Args:
        memory: Is looked at about once a second, and so is this.
        allocators: Returns what to choose from, the first time that there is a choice to make;
            None if this Python or this C library has only one.
        size: Returns the bytes that the process has for itself; 0 if that cannot be told.

    Attributes:
        is_library: Whether they come from the C library now.

    """

    __slots__ = ("_allocators", "_find", "_memory", "_size", "_sizes", "_usual", "is_library")

    def __init__(
        self,
        memory: Budget,
        allocators: Callable[[], Allocators | None] | None = None,
        size: Callable[[], int] = private_bytes,
    ) -> None:
        self._memory = memory
        self._find = allocators or _python_allocators
        self._allocators: Allocators | None = None
        self._size = size
        self._sizes: deque[int] = deque(maxlen=GLANCES)
        self._usual = 0
        self.is_library = False
        memory.mark = HELD
        memory.on_mark = self._take_from_library
        memory.on_glance = self._glance
        memory.on_look.append(self._look)

    def _look(self) -> None:
        used = self._memory.used
        self._usual = min(used, self._usual + (used - self._usual) // USUAL_LOOKS + 1)
        self._glance(True)

    def _glance(self, is_timed: bool) -> None:
        size = self._size()
        if self._has_grown(size) or self._memory.used > self._usual + HELD:
            self._take_from_library()
        elif is_timed:
            self._take_from_arenas()
        if is_timed:
            self._sizes.append(size)

    def _has_grown(self, size: int) -> bool:
        least = min(self._sizes, default=size)
        # Once it has, for as long as it goes on growing.
        most = GROWS if self.is_library else GROWN
        return size - least >= max(most, least // 64)

    def _take_from_library(self) -> None:
        self._memory.mark = UNLIMITED
        if not self.is_library:
            if self._allocators is None:
                self._allocators = self._find()
                self._find = lambda: None
            self.is_library = self._allocators is not None and self._allocators.use_library()

    def _take_from_arenas(self) -> None:
        self._memory.mark = self._usual + HELD
        if self.is_library and self._allocators is not None:
            self._allocators.use_arenas()
            self.is_library = False


def _python_allocators() -> Allocators | None:
    # Few servers ever need it.
    from etcdpy.server.allocators import python_allocators

    return python_allocators()
