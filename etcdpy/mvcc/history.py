"""
The history of one key: where each of its versions is stored.

Most keys are written once, so the index holds one of two shapes for a key:

* an ``int``, ``main << 24 | sub``, for a key put once and never changed (create revision
  ``main``, version 1);
* an ``array('q')`` of four numbers a version, oldest first, for every other key:

      put at 5, put at 7, deleted at 9, put at 12

      main sub create version
      [5,   0,   5,   1,
       7,   0,   5,   2,
       9,   0,   0,   0,          version 0: a tombstone
       12,  0,  12,   1]

Neither shape is tracked by the garbage collector, which would otherwise stop the event
loop to walk a million of them; an ``int`` costs 32 bytes, a version in an array 32.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from struct import Struct
from typing import NamedTuple

from etcdpy.mvcc.revision import SEPARATOR, pack_row_key, row_key

#: Bits of a sub revision in the short form.
SUB_BITS = 24
SUB_MASK = (1 << SUB_BITS) - 1
#: Numbers a version takes in the array form.
STRIDE = 4
#: What is added to an array for a version: half the cost of its ``extend``.
pack_version = Struct("=4q").pack


class Version(NamedTuple):
    """One version of a key: the revision that wrote it, its create revision, its number."""

    main: int
    sub: int
    create: int
    version: int


def born(main: int, sub: int) -> int | array[int]:
    """Return the history of a key whose first put is at ``(main, sub)``."""
    if sub <= SUB_MASK:
        return main << SUB_BITS | sub
    return array("q", (main, sub, main, 1))


def expanded(history: int | array[int]) -> array[int]:
    """Return ``history`` in the array form (the same object if it is one already)."""
    if type(history) is int:
        main = history >> SUB_BITS
        return array("q", (main, history & SUB_MASK, main, 1))
    assert isinstance(history, array)
    return history


def shrunk(history: array[int]) -> int | array[int]:
    """Return ``history`` in its smallest form."""
    if len(history) == STRIDE:
        main, sub, create, version = history
        if version == 1 and create == main:
            return born(main, sub)
    return history


def newest(history: int | array[int]) -> Version | None:
    """Return the live version of a key, or None if it is deleted."""
    if type(history) is int:
        main = history >> SUB_BITS
        return Version(main, history & SUB_MASK, main, 1)
    main, sub, create, version = history[-STRIDE:]  # type: ignore[index]
    return Version(main, sub, create, version) if version else None


def at(history: int | array[int], revision: int) -> Version | None:
    """Return the version that was live at ``revision``, or None if there was none."""
    if type(history) is int:
        main = history >> SUB_BITS
        return Version(main, history & SUB_MASK, main, 1) if main <= revision else None
    assert isinstance(history, array)
    position = last_at(history, revision)
    if position < 0 or history[position + 3] == 0:
        return None
    return Version(*history[position : position + STRIDE])


def row_key_at(history: int | array[int], revision: int) -> bytes | None:
    """Return the row key of the version live at ``revision``, None if there was none."""
    # Fast path (bench: range/100x1): what ``at`` finds, without a ``Version``.
    if type(history) is int:
        main = history >> SUB_BITS
        return row_key(main, history & SUB_MASK) if main <= revision else None
    assert isinstance(history, array)
    if history[-STRIDE] <= revision:  # nearly always
        return row_key(history[-STRIDE], history[1 - STRIDE]) if history[-1] else None
    position = last_at(history, revision)
    if position < 0 or history[position + 3] == 0:
        return None
    return row_key(history[position], history[position + 1])


def row_keys_at(
    histories: Mapping[bytes, int | array[int]], keys: Iterable[bytes], revision: int
) -> list[bytes]:
    """Return the row keys of keys that all were alive at ``revision``."""
    # Fast path (bench: large/10x1): the usual form in line, at half of the cost.
    return [
        pack_row_key(history >> SUB_BITS, SEPARATOR, history & SUB_MASK)
        if type(history) is int
        else _live_row_key(history, revision)
        for history in map(histories.__getitem__, keys)
    ]


def _live_row_key(history: int | array[int], revision: int) -> bytes:
    live = row_key_at(history, revision)
    assert live is not None
    return live


def created_at(
    histories: Mapping[bytes, int | array[int]], keys: Iterable[bytes], revision: int
) -> list[int]:
    """Return the create revisions of keys that all were alive at ``revision``."""
    found: list[int] = []
    add = found.append
    for key in keys:
        history = histories[key]
        # Fast path (bench: handover/50): both forms in line, as above.
        if type(history) is int:
            add(history >> SUB_BITS)
            continue
        assert isinstance(history, array)
        offset = -STRIDE if history[-STRIDE] <= revision else last_at(history, revision)
        add(history[offset + 2])
    return found


def numbers_at(
    histories: Mapping[bytes, int | array[int]], keys: Iterable[bytes], revision: int, place: int
) -> list[int]:
    """
    Return one number each of the versions that keys, all of them alive, had at ``revision``.

    Args:
        place: Which of a ``Version``.

    """
    found: list[int] = []
    add = found.append
    is_version = place == 3
    for key in keys:
        history = histories[key]
        # Both forms in line, as above: a transaction may compare all keys thousands of times.
        if type(history) is int:
            add(1 if is_version else history >> SUB_BITS)
            continue
        assert isinstance(history, array)
        offset = -STRIDE if history[-STRIDE] <= revision else last_at(history, revision)
        add(history[offset + place])
    return found


def last_at(history: array[int], revision: int) -> int:
    """
    Return the offset of the newest entry, tombstones included, with main <= ``revision``.

    Returns:
        An offset into the array, a multiple of ``STRIDE``; negative if there is none.

    """
    offset = len(history) - STRIDE
    # Reads look at the newest revision or a few behind it: step first, search after.
    for _ in range(4):
        if offset < 0 or history[offset] <= revision:
            return offset
        offset -= STRIDE
    low, high = 0, offset // STRIDE + 1
    while low < high:
        middle = (low + high) // 2
        if history[middle * STRIDE] <= revision:
            low = middle + 1
        else:
            high = middle
    return (low - 1) * STRIDE


def is_dead(history: int | array[int]) -> bool:
    """Tell whether the key is deleted at the newest revision."""
    return type(history) is not int and history[-1] == 0  # type: ignore[index]
