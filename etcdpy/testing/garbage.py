"""Importing a server into a process that is full already."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["garbage_kept"]


@contextmanager
def garbage_kept() -> Iterator[None]:
    """
    Collect no garbage in the block, which imports: what modules are made of stays for good.

    Looking through it for garbage, and through all that the tests' process has besides, takes an
    eighth of what the first test waits for.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            # Into the oldest generation with all that there is, which takes no look at it.
            gc.freeze()
            gc.unfreeze()
        if was_enabled:
            gc.enable()
