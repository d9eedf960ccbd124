"""
Giving memory back to the system after much of it was held.

The C library keeps what was freed, scattered among what is still in use: after an hour with large
replies a process would be as large as at its worst moment, and in a container that counts. To have
it given back takes some hundred milliseconds, so it is done on a thread, once it has become quiet.

Calls that were cancelled may have left garbage that refers to itself, and with it to megabytes. The
collector comes by when there are many objects, however large, and of a server that is quiet never;
so what is young is collected before, on the loop's thread, as that may run what is left of calls.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Final

from etcdpy.memory import Budget

__all__ = ["give_back", "trim_after_peaks"]

#: malloc_trim(3): bytes to keep at the top.
_KEPT: Final = 0

#: The generations that are collected. The oldest has all that lives as long as the server.
_YOUNG: Final = 1


def trim_after_peaks(memory: Budget, trim: Callable[[], object] | None = None) -> None:
    """
    Give memory back each time when much less is held than before.

    Args:
        memory: What is held.
        trim: Does it, on a thread of its own; None for ``give_back``.

    """

    def fallen() -> None:
        gc.collect(_YOUNG)
        threading.Thread(target=trim or give_back, name="trim", daemon=True).start()

    memory.on_fallen = fallen


def give_back() -> bool:
    """Give back what was freed; return whether the C library knows how to (glibc does)."""
    # Few servers ever need it.
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(_KEPT)
    return trim is not None
