"""
Giving memory back to the system after much of it was held.

The C library keeps what was freed, scattered among what is still in use: after an hour with large
replies a process would be as large as at its worst moment, and in a container that counts. To have
it given back takes milliseconds, and in a process of gigabytes some hundred, in which whoever asks
for memory waits. So it is done on a thread, once it has become quiet, and not again and again.

That there may be something to give back is seen from outside, whatever it was that took the memory:
the process has become larger, and goes on being as large. If it turns out that it is still in use,
that is from then on what the process takes, until much of it is held no more: a crowd that stays
for minutes and then leaves makes no process larger by that.

Python gives an arena back, a mebibyte, when nothing at all is left in it. What is left of a peak is
mostly what was written then and waits for the next checkpoint; so one is made before. And calls
that were cancelled may have left garbage that refers to itself, and with it to megabytes. The
collector comes by when there are many objects, however large, and of a server that is quiet never;
so what is young is collected before, on the loop's thread, as that may run what is left of calls.
All is, with what Python keeps for the next tuples and lists, where there is little: it stops the
loop for a third of a microsecond an object, and keys are objects.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable
from typing import Final

from etcdpy.clock import stopwatch
from etcdpy.memory import Budget

__all__ = [
    "LEAST",
    "MOST_REST",
    "QUIET_LOOKS",
    "Trimmer",
    "forget_names",
    "give_back",
    "private_bytes",
]

LEAST: Final = 2 << 20
"""Bytes by which the process has to have grown, or a sixteenth if that is more."""

QUIET_LOOKS: Final = 3
"""Looks, a second apart, since which the process has not grown any more."""

MOST_REST: Final = 64
"""
The most looks between giving back twice: so many there are if the process grows again each time.

Otherwise what comes and goes with the load would be given back and taken again all the time.
"""

HELD_LOOKS: Final = 4
"""In every so many quiet looks it is counted how much is held."""

FEW_OBJECTS: Final = 40_000
"""So many objects more than at the start are collected in ten milliseconds or so."""

_GROWTH: Final = 1 << 20
"""Bytes between two looks that are no growth."""

_SHARE: Final = 64
"""Giving back takes a part of the time, one of so many, at most; it is not done again before."""

_OBJECT: Final = 64
"""Bytes of a small object."""

#: malloc_trim(3): bytes to keep at the top.
_KEPT: Final = 0

#: The generations that are collected. The oldest has all that lives as long as the server.
_YOUNG: Final = 1
_ALL: Final = 2


class Trimmer:
    """
    Gives memory back each time when the process has grown and then grows no more.

    Args:
        memory: Is looked at about once a second, and so is this. It is told a look before.
        size: Returns the bytes that the process has for itself; 0 if that cannot be told.
        trim: Gives back what is free, on a thread of its own.
        objects: Returns how many small objects there are.
        tracked: Returns how many of the oldest the collector knows.
        watch: Measures in seconds how long it takes to give back.

    """

    __slots__ = (
        "_before",
        "_first",
        "_held",
        "_is_told",
        "_last",
        "_memory",
        "_objects",
        "_quiet",
        "_rest",
        "_since",
        "_size",
        "_slow",
        "_tracked",
        "_trim",
        "_watch",
    )

    def __init__(
        self,
        memory: Budget,
        size: Callable[[], int] | None = None,
        trim: Callable[[], object] | None = None,
        objects: Callable[[], int] | None = None,
        tracked: Callable[[], int] | None = None,
        watch: Callable[[], float] = stopwatch,
    ) -> None:
        self._memory = memory
        self._size = size or private_bytes
        self._trim = trim or give_back
        self._objects = objects or sys.getallocatedblocks
        self._tracked = tracked or _tracked
        self._watch = watch
        self._first = self._objects()
        # What it had when nothing was left to give back, if it is known; and at the last look.
        self._before = 0
        self._last = 0
        self._quiet = 0
        self._is_told = False
        # The most that was held, roughly, whenever that was counted since memory was given back.
        self._held = 0
        # Looks since then, and before the next time: so that it is not done too often, and because
        # it took so long.
        self._since = 2 * MOST_REST
        self._rest = 0
        self._slow = 0
        memory.on_look.append(self._look)

    def _look(self) -> None:
        size, last = self._size(), self._last
        self._last = size
        self._since += 1
        self._quiet = self._quiet + 1 if size <= last + _GROWTH else 0
        before = self._before = min(self._before or size, size)
        if self._is_told:
            if self._quiet:
                self._is_told = False
                self._begin()
        elif (
            self._quiet >= QUIET_LOOKS - 1
            and self._since >= max(self._rest, self._slow)
            and (size - before >= max(LEAST, before // 16) or self._holds_less())
        ):
            self._is_told = True
            if self._memory.on_quiet is not None:
                self._memory.on_quiet()

    def _holds_less(self) -> bool:
        """Tell now and then whether much less is held than there was."""
        if self._quiet % HELD_LOOKS:
            return False
        held = self._objects() * _OBJECT + self._memory.used
        most = self._held = max(self._held, held)
        return most - held >= max(LEAST, most // 16)

    def _has_few_objects(self) -> bool:
        # Python counts none that came from the C library (``small_objects``), but that they went.
        # So if there seem to be few, those are counted that the collector would look at.
        return self._objects() - self._first < FEW_OBJECTS and self._tracked() < FEW_OBJECTS

    def _begin(self) -> None:
        is_soon = self._since < 2 * MOST_REST
        self._rest = min(max(2 * self._rest, QUIET_LOOKS), MOST_REST) if is_soon else 0
        # What it has at the next look is what is in use.
        self._before = self._quiet = self._since = 0
        gc.collect(_ALL if self._has_few_objects() else _YOUNG)
        forget_names()
        if self._memory.on_trim is not None:
            self._memory.on_trim()
        self._held = self._objects() * _OBJECT + self._memory.used
        threading.Thread(target=self._give_back, name="trim", daemon=True).start()

    def _give_back(self) -> None:
        began = self._watch()
        self._trim()
        self._slow = int((self._watch() - began) * _SHARE)


def _tracked() -> int:
    return len(gc.get_objects(_ALL))


def forget_names() -> None:
    """
    Have Python forget which attributes it has found where.

    It remembers up to four thousand, with the name that was asked for. A name that was made for
    that alone, as C's modules do, is a small object, and keeps a page.
    """
    # Since 3.13 the one has the other in it, which warns that it will go.
    clear = getattr(sys, "_clear_internal_caches", None) or getattr(sys, "_clear_type_cache", None)
    if clear is not None:
        clear()


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
