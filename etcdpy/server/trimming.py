"""
Giving memory back to the system after much of it was held.

The C library keeps what was freed, scattered among what is still in use: after an hour with large
replies a process would be as large as at its worst moment, and in a container that counts. To have
it given back takes some hundred milliseconds, so it is done on a thread, once it has become quiet.

Whether there may be something to give back is seen from outside: the process has become larger, and
goes on being as large, whatever it was that took the memory. If it turns out that it is still in
use, that is from then on what the process takes.

Calls that were cancelled may have left garbage that refers to itself, and with it to megabytes. The
collector comes by when there are many objects, however large, and of a server that is quiet never;
so what is young is collected before, on the loop's thread, as that may run what is left of calls.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from typing import Final

from etcdpy.memory import Budget

__all__ = ["LEAST", "QUIET_LOOKS", "Trimmer", "give_back", "private_bytes"]

LEAST: Final = 16 << 20
"""Bytes by which the process has to have grown, or an eighth if that is more."""

QUIET_LOOKS: Final = 3
"""Looks, a second apart, in which it has to have grown no more."""

_GROWTH: Final = 1 << 20
"""Bytes between two looks that are no growth."""

#: malloc_trim(3): bytes to keep at the top.
_KEPT: Final = 0

#: The generations that are collected. The oldest has all that lives as long as the server.
_YOUNG: Final = 1


class Trimmer:
    """
    Gives memory back each time when the process has grown and then grows no more.

    Args:
        memory: Is looked at about once a second, and so is this.
        size: Returns the bytes that the process has for itself; 0 if that cannot be told.
        trim: Gives back what is free, on a thread of its own.

    """

    __slots__ = ("_before", "_last", "_quiet", "_size", "_trim")

    def __init__(
        self,
        memory: Budget,
        size: Callable[[], int] | None = None,
        trim: Callable[[], object] | None = None,
    ) -> None:
        self._size = size or private_bytes
        self._trim = trim or give_back
        # What it had when nothing was left to give back, if it is known; and at the last look.
        self._before = 0
        self._last = 0
        self._quiet = 0
        memory.on_look = self._look

    def _look(self) -> None:
        size, last = self._size(), self._last
        self._last = size
        self._quiet = self._quiet + 1 if size <= last + _GROWTH else 0
        before = self._before = min(self._before or size, size)
        if self._quiet >= QUIET_LOOKS and size - before >= max(LEAST, before // 8):
            # What it has at the next look is what is in use.
            self._before = self._quiet = 0
            gc.collect(_YOUNG)
            threading.Thread(target=self._trim, name="trim", daemon=True).start()


def private_bytes() -> int:
    """Return the bytes that this process has for itself, 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as figures:
            _, resident, shared, *_ = figures.read().split()
    except (OSError, ValueError):
        return 0
    # proc(5): in pages; what is shared are those of files, such as the database.
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def give_back() -> bool:
    """Give back what was freed; return whether the C library knows how to (glibc does)."""
    # Few servers ever need it.
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(_KEPT)
    return trim is not None
