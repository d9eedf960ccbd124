"""What is in memory: the figures that Python has of it, and how many objects there are of what."""

from __future__ import annotations

import asyncio
import gc
import resource
import tracemalloc
from collections import Counter
from typing import Final

from etcdpy.cooperative import paced

__all__ = ["heap"]

#: What is done between two turns of the loop.
SLICE_SECONDS: Final = 0.0005

MOST_ROWS: Final = 40


async def heap() -> str:
    """
    Return what is in memory, as text.

    Asking for all objects takes one step of the loop, of some ten milliseconds for a million.
    """
    objects = gc.get_objects()
    total = len(objects)
    kinds: Counter[type] = Counter()
    async for one in paced(objects, SLICE_SECONDS):
        kinds[type(one)] += 1
    del objects
    lines = [
        *_figures(),
        f"objects: {total}, of which the most frequent are",
        *(f"{number:10} {_name(kind)}" for kind, number in kinds.most_common(MOST_ROWS)),
        *await _allocated(),
    ]
    return "\n".join([*lines, ""])


def _figures() -> list[str]:
    collections = [generation["collections"] for generation in gc.get_stats()]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return [
        f"resident at most: {most} KiB",
        f"collections, by generation: {collections}",
        f"objects of the start, which are never looked at: {gc.get_freeze_count()}",
    ]


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


async def _allocated() -> list[str]:
    """Return the lines of code that have allocated most, if that is traced (PYTHONTRACEMALLOC)."""
    if not tracemalloc.is_tracing():
        return []
    loop = asyncio.get_running_loop()
    rows = await loop.run_in_executor(None, _traced)
    return ["", "allocated, as traced by tracemalloc", *rows]


def _traced() -> list[str]:
    snapshot = tracemalloc.take_snapshot()
    return [str(row) for row in snapshot.statistics("lineno")[:MOST_ROWS]]
