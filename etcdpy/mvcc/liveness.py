"""
The log of births and deaths: which keys have come and gone of late.

The keys alive at revision r are the keys alive now, less those born after r, and those that
died after it. Reads run a little behind the newest revision, and pages of a long walk further
behind, so that is asked all the time, also while one transaction of 100,000 deletions is on its
way to the disk.

Entries gather in ``tail``; when there are enough they become a block, whose keys are sorted
as well, so that those of a range are counted by bisection::

    blocks                                     tail
    [2..9]  born: a c f   died: b              (12, d, +1) (14, a, -1)
    [9..12] born: g       died: c f k m ...

Below ``floor`` the log is forgotten.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from heapq import merge
from itertools import groupby, islice, repeat

#: Entries remembered beyond the durable revision: the price is 100 bytes each, the gain that
#: a walk pinned to a revision stays cheap while this many keys come and go.
LOG_LENGTH = 8192
#: Entries of a block: what one answer may have to look at one by one.
BLOCK = 256
#: Blocks forgotten in one go, for freeing the traces of 100,000 deletions takes time.
BLOCKS_FORGOTTEN = 16

_Entry = tuple[int, bytes, int]


class _Block:
    """
    Entries that are complete, oldest first; read only.

    Args:
        first: The revision of the first entry.
        last: That of the last.
        entries: All of them; none if they are of one revision: nobody asks for a part of that.
        born: The keys that were born, in order.
        died: Those that died, in order.

    """

    __slots__ = ("born", "died", "entries", "first", "last")

    def __init__(
        self,
        first: int,
        last: int,
        entries: list[_Entry],
        born: list[bytes],
        died: list[bytes],
    ) -> None:
        self.first = first
        self.last = last
        self.entries = entries
        self.born = born
        self.died = died

    @classmethod
    def of(cls, entries: list[_Entry]) -> _Block:
        """Return the block of entries."""
        born = sorted([key for _, key, change in entries if change > 0])
        died = sorted([key for _, key, change in entries if change < 0])
        return cls(entries[0][0], entries[-1][0], entries, born, died)

    def __len__(self) -> int:
        return len(self.born) + len(self.died)


class LivenessLog:
    """
    Births and deaths of keys, newest last.

    Attributes:
        newest: The revision of the last entry: a reader at it or above need not ask.
        floor: The lowest revision that can be asked about.

    """

    __slots__ = ("_blocks", "_length", "_tail", "floor", "newest")

    def __init__(self, floor: int = 0) -> None:
        self._blocks: deque[_Block] = deque()
        self._tail: list[_Entry] = []
        self._length = 0
        self.newest = floor
        self.floor = floor

    def add(self, main: int, key: bytes, change: int) -> None:
        """Note that ``key`` was born (1) or died (-1) at revision ``main``."""
        self.newest = main
        tail = self._tail
        tail.append((main, key, change))
        if len(tail) >= BLOCK:
            self._close_tail()

    def add_all(self, main: int, keys: list[bytes], change: int) -> None:
        """Note the same of many keys, in ascending order."""
        self.newest = main
        # The order of those of one revision makes no difference. An entry for each key would be
        # a fifth of what a deletion of many takes, and as much again for the collector.
        whole = len(keys) - len(keys) % BLOCK
        if whole and self._tail:
            self._close_tail()
        for first in range(0, whole, BLOCK):
            part = keys[first : first + BLOCK]
            born, died = (part, []) if change > 0 else ([], part)
            self._blocks.append(_Block(main, main, [], born, died))
        self._length += whole
        self._tail += zip(repeat(main), keys[whole:], repeat(change))
        if len(self._tail) >= BLOCK:
            self._close_tail()

    def _close_tail(self) -> None:
        self._blocks.append(_Block.of(self._tail))
        self._length += len(self._tail)
        self._tail = []

    def net(self, start: bytes, stop: bytes | None, revision: int) -> int:
        """Return births less deaths in [start, stop) after ``revision``."""
        total = 0
        for block in self._blocks_after(revision):
            total += _number(block.born, start, stop) - _number(block.died, start, stop)
        for _, key, change in self._singles_after(revision):
            if start <= key and (stop is None or key < stop):
                total += change
        return total

    def keys(self, start: bytes, stop: bytes | None, revision: int, most: int) -> list[bytes]:
        """
        Return the keys of [start, stop) that were born or died after ``revision``.

        Returns:
            The first ``most`` of them, in order.

        """
        runs = [_inside(block.born, start, stop) for block in self._blocks_after(revision)]
        runs += [_inside(block.died, start, stop) for block in self._blocks_after(revision)]
        runs = [run for run in runs if run]
        singles = {
            key
            for _, key, _ in self._singles_after(revision)
            if start <= key and (stop is None or key < stop)
        }
        if not runs:
            return sorted(singles)[:most]
        runs.append(sorted(singles))
        return list(islice((key for key, _ in groupby(merge(*runs))), most))

    def forget(self, durable: int) -> None:
        """Shorten the log, which nobody needs below ``durable`` but for speed."""
        blocks = self._blocks
        for _ in range(BLOCKS_FORGOTTEN):
            if self._length <= LOG_LENGTH or blocks[0].last > durable:
                return
            oldest = blocks.popleft()
            self._length -= len(oldest)
            self.floor = oldest.last

    def compact(self, revision: int) -> bool:
        """
        Forget what was up to ``revision``, below which nobody reads any more.

        A single trace of what once was many keeps memory from being given back.

        Returns:
            Whether there is more of it, to be forgotten a little later.

        """
        blocks = self._blocks
        for _ in range(BLOCKS_FORGOTTEN):
            if not blocks or blocks[0].last > revision:
                self._tail = [entry for entry in self._tail if entry[0] > revision]
                self.floor = max(self.floor, revision)
                return False
            oldest = blocks.popleft()
            self._length -= len(oldest)
            self.floor = max(self.floor, oldest.last)
        return True

    def _blocks_after(self, revision: int) -> list[_Block]:
        """Return the blocks that are after ``revision`` as a whole."""
        found: list[_Block] = []
        for block in reversed(self._blocks):
            if block.first <= revision:
                break
            found.append(block)
        return found

    def _singles_after(self, revision: int) -> list[_Entry]:
        """Return the entries after ``revision`` of the tail, and of the block it lies in."""
        found: list[_Entry] = []
        for entry in reversed(self._tail):
            if entry[0] <= revision:
                return found
            found.append(entry)
        for block in reversed(self._blocks):
            if block.first <= revision:
                found += [entry for entry in block.entries if entry[0] > revision]
                break
        return found


def _inside(keys: list[bytes], start: bytes, stop: bytes | None) -> list[bytes]:
    first = bisect_left(keys, start)
    last = len(keys) if stop is None else bisect_left(keys, stop, first)
    return keys if last - first == len(keys) else keys[first:last]


def _number(keys: list[bytes], start: bytes, stop: bytes | None) -> int:
    first = bisect_left(keys, start)
    return (len(keys) if stop is None else bisect_left(keys, stop, first)) - first
