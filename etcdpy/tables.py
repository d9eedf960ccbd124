"""
Making tables small again that were large once.

CPython never makes the table of a dict or a set smaller when something is taken out of it. So after
ten thousand calls at a time every dict that had one entry for each is as large as it was then, and
empty, for ever. Nobody who takes an entry out should pay for looking after that. Instead, whenever
a server has become quiet, all of its tables are looked at, and those that are far larger than what
is in them are filled anew, in place: whoever knows one has the same one afterwards.

Where tables are nobody has to say. They are the attributes of objects that live as long as the
server, and these refer to each other by attributes, bound methods and small collections::

    Node -> Parts -> LeaseKeeper -> Lessor -> _leases      {}     2.5 MB, made small
                  -> Store -> ...
    Server -> connections                                  {...}  of two: gone through as well
           -> Dispatcher -> _parked                        {}     0.3 MB, made small

An object that keeps something else that was for many, such as numbers that all of them share, has a
method ``shed``, which is called.

A large collection is not gone through, so it costs about a millisecond, whatever there is.

It is done on the loop's thread, between its turns, where none of these is being changed or iterated
over. What is looked at by other threads too, the rows on their way to the disk and the lines on
their way to a log, is left alone.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from types import MethodType
from typing import Any, Final
from weakref import WeakSet

__all__ = ["LARGE", "MOST_MOVED", "MOST_VISITED", "SPARSE", "shrink", "shrink_tables"]

LARGE: Final = 16 << 10
"""Bytes that a table has at least, to be worth the while."""

SPARSE: Final = 256
"""Bytes for each entry, from which on a table is filled anew: it takes 128 at most then."""

MOST_MOVED: Final = 100_000
"""Entries that are put into new tables at a time: ten milliseconds. The rest has its turn later."""

MOST_VISITED: Final = 4_000
"""Objects that are gone through at a time: some milliseconds."""

SMALL: Final = 64
"""Entries of a collection that is gone through for objects that have tables."""

_COLLECTIONS: Final = (dict, set, list, tuple)
_OURS: Final = "etcdpy."
_OTHER_THREADS: Final = ("etcdpy.storage.", "etcdpy.logs.")


def shrink(table: dict[Any, Any] | set[Any], limit: int = MOST_MOVED) -> int:
    """
    Make a dict or a set as small as what is in it allows, if it is far larger than that.

    Its entries and their order stay as they are. It must not be iterated over meanwhile.

    Args:
        table: What is looked at.
        limit: The most entries that may be moved.

    Returns:
        How many were moved.

    """
    size = sys.getsizeof(table)
    number = len(table)
    if size < LARGE or size < SPARSE * number or number > limit:
        return 0
    if not number:
        # As it is empty already, that only lets the table go.
        table.clear()
    elif isinstance(table, set):
        kept = set(table)
        table.clear()
        table.update(kept)
    elif not isinstance(table, OrderedDict):
        # A dict's own methods: a Counter would count.
        entries = dict(table)
        table.clear()
        dict.update(table, entries)
    return number


def shrink_tables(*roots: object) -> None:
    """
    Shrink the tables of some objects and of those that they refer to, and asyncio's of its tasks.

    Args:
        roots: Where to begin: they are gone through whatever they are.

    """
    left = MOST_MOVED
    seen = {id(root) for root in roots}
    todo = list(roots)
    for table in _tables_of_tasks():
        left -= shrink(table, left)
    while todo and len(seen) < MOST_VISITED:
        for held in gc.get_referents(todo.pop()):
            kind = type(held)
            if issubclass(kind, (dict, set)):
                left -= shrink(held, left)
            elif kind is WeakSet:
                left -= sum(shrink(table, left) for table in _table_of(held))
            if id(held) not in seen and _may_have_tables(held, kind):
                seen.add(id(held))
                todo.append(held)
                if kind.__module__.startswith(_OURS) and hasattr(kind, "shed"):
                    held.shed()


def _may_have_tables(held: Any, kind: type) -> bool:
    if kind in _COLLECTIONS:
        return 0 < len(held) <= SMALL
    if kind is MethodType or kind is partial:
        return True
    module = kind.__module__
    return module.startswith(_OURS) and not module.startswith(_OTHER_THREADS)


def _tables_of_tasks() -> Iterator[set[Any]]:
    """
    Yield the tables of the tasks that there are.

    asyncio keeps those in weak sets of its own, from Python 3.14 on only the tasks of others.
    """
    for name in ("_all_tasks", "_scheduled_tasks"):
        yield from _table_of(getattr(asyncio.tasks, name, None))


def _table_of(weak: object) -> Iterator[set[Any]]:
    """Yield the table of a weak set, if that is made as it always has been."""
    table = getattr(weak, "data", None)
    if type(table) is set:
        yield table
