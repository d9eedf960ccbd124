"""
What a transaction that is done has read: the state within it, between two of its changes.

A transaction of a megabyte can read eighty thousand ranges, which others should not wait for. So
it writes first, and what it reads is made out when others go on: there is history. A read behind
all of its changes is one at its revision. Any other is the same without the changes that come
later::

    put a (sub 0)   read   delete c (sub 1)   put b (sub 2)
                     `- there were a and c: as at the revision, less b, and with c

It is asked for in the order of the operations, so the changes that come later grow fewer.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

from sortedcontainers import SortedList

from etcdpy.cooperative import Steps
from etcdpy.mvcc.history import STRIDE, SUB_BITS, SUB_MASK, Version, at, last_at
from etcdpy.mvcc.index import FEW, Found, Index
from etcdpy.mvcc.ranges import RangeResult, select
from etcdpy.mvcc.revision import row_key
from etcdpy.mvcc.slices import Work, in_order
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.walks import rows_at
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import RangeRequest

__all__ = ["Deleted", "IndexWithin", "Later", "OpResult", "StoreWithin", "TxnResult", "Unread"]


class Unread(NamedTuple):
    """
    Rows that a deletion removed, which are still to be read.

    Attributes:
        keys: Theirs.
        changes: How many changes the transaction had made before.

    """

    keys: list[bytes]
    changes: int


class Deleted(NamedTuple):
    """
    What a deletion removed.

    Attributes:
        number: How many keys.
        rows: Theirs, if they were asked for.
        unread: Whose rows those are, if they are read later.

    """

    number: int
    rows: list[bytes]
    unread: Unread | None = None


#: What an operation came to: its kind, the revision that was shown then, and for RANGE a
#: ``RangeResult``, or the request and how many changes it sees if that is read later; for PUT the
#: previous row if it was asked for, for DELETE a ``Deleted``, for TXN a ``TxnResult``.
OpResult = tuple[str | None, int, Any]


class TxnResult(NamedTuple):
    """
    What a transaction came to.

    Attributes:
        revision: The one that its reply names.
        succeeded: Whether its compares held.
        results: Of the operations of the branch it took.

    """

    revision: int
    succeeded: bool
    results: list[OpResult]


class Later:
    """
    Reads what a transaction leaves to be read until it is done.

    Args:
        store: Which it is a transaction of.

    Attributes:
        oldest: The oldest revision that it reads, which has to be pinned from when it is done on;
            0 if nothing is left to be read.

    """

    __slots__ = ("_base", "_changes", "_revision", "_store", "_within", "oldest")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._revision = 0
        self._changes = 0
        self._within: StoreWithin | None = None
        self._base = -1
        self.oldest = 0

    def note(self, revision: int, asked: int = 0) -> None:
        """
        Note that something is left to be read.

        Args:
            revision: The transaction's.
            asked: An older one that is asked for, 0 for none.

        """
        self._revision = revision
        # Before its first change it is as at the revision before.
        seen = asked if 0 < asked < revision else revision - 1
        if not self.oldest or seen < self.oldest:
            self.oldest = seen

    def count_from(self, revision: int) -> None:
        """Note that results have numbers of changes for what is shown after ``revision``."""
        self._base = revision

    def shown(self, number: int) -> int:
        """Return the revision that is shown where a result has a number for it."""
        return number if self._base < 0 else self._base + (number > 0)

    def done(self, changes: int) -> None:
        """Note that the transaction is done, with so many changes."""
        self._changes = changes

    def range(self, request: RangeRequest, sub: int) -> Steps[RangeResult]:
        """Return what a range was when so many changes were made."""
        if 0 < request.revision < self._revision:
            return (yield from select(self._store, request, request.revision))
        store, revision = yield from self._state(sub)
        return (yield from select(store, request, revision))

    def rows(self, keys: list[bytes], sub: int) -> Steps[list[bytes]]:
        """Return the rows that keys had, all of them alive, at that point; the list is emptied."""
        store, revision = yield from self._state(sub)
        return (yield from rows_at(store, keys, revision))

    def _state(self, sub: int) -> Steps[tuple[Store, int]]:
        if sub == self._changes:
            # The revision is another's if it has changed nothing.
            return self._store, self._revision if sub else self._revision - 1
        within = self._within
        if within is None:
            within = self._within = StoreWithin(self._store, self._revision)
            yield from within.within.look_through(self._changes)
        yield from within.within.go_to(sub)
        return within, self._revision


class StoreWithin(Store):
    """
    A store as it was within a transaction, for what is only read.

    Args:
        store: It.
        revision: The transaction's.

    Attributes:
        within: Its index, as it was then.

    """

    def __init__(self, store: Store, revision: int) -> None:
        super().__init__(store.log)
        self.index = self.within = IndexWithin(store.index, store, revision)


class IndexWithin(Index):
    """
    What ``Index`` tells of the transaction's revision, without the changes that come later.

    Args:
        index: Of how it is now.
        store: Has the rows of the changes.
        revision: The transaction's, at which alone it may be asked.

    """

    __slots__ = (
        "_changed",
        "_left",
        "_revision",
        "_store",
        "_sub",
        "_will_be_born",
        "_will_be_dead",
        "_work",
    )

    def __init__(self, index: Index, store: Store, revision: int) -> None:
        super().__init__()
        self._histories = index._histories
        self._live, self._dead, self._liveness = index._live, index._dead, index._liveness
        self._store = store
        self._revision = revision
        self._sub = 0
        # The key of each change, and how many changes of each are still to come.
        self._changed: list[bytes] = []
        self._left: dict[bytes, int] = {}
        # Of those, who is alive at the end and is not yet, and the other way round.
        self._will_be_born: SortedList[bytes] = SortedList()
        self._will_be_dead: SortedList[bytes] = SortedList()
        self._work = Work()

    def look_through(self, changes: int) -> Steps[None]:
        """Find out what the transaction has changed."""
        main, left, histories = self._revision, self._left, self._histories
        for _, row in self._store.log.scan_rows(row_key(main, 0), row_key(main, changes)):
            key = KeyValue.FromString(row).key
            self._changed.append(key)
            left[key] = left.get(key, 0) + 1
            yield from self._work.add(1)
        born: list[bytes] = []
        dead: list[bytes] = []
        for key in left:
            history = histories[key]
            was_there = at(history, main - 1) is not None
            if was_there != (at(history, main) is not None):
                (dead if was_there else born).append(key)
            yield from self._work.add(1)
        self._will_be_born = SortedList((yield from in_order(born)))
        self._will_be_dead = SortedList((yield from in_order(dead)))

    def go_to(self, sub: int) -> Steps[None]:
        """Have so many changes be made: no fewer than there are."""
        left = self._left
        for key in self._changed[self._sub : sub]:
            self._sub += 1
            self._will_be_born.discard(key)
            self._will_be_dead.discard(key)
            left[key] -= 1
            if left[key]:
                self._look_again(key)
            yield from self._work.add(4)

    def _look_again(self, key: bytes) -> None:
        history = self._histories[key]
        is_there, will_be = self._seen(history) is not None, at(history, self._revision) is not None
        if is_there != will_be:
            (self._will_be_dead if is_there else self._will_be_born).add(key)

    # ------------------------------------------------------------------ of one key

    def _seen(self, history: int | array[int] | None) -> Version | None:
        main, sub = self._revision, self._sub
        if history is None:
            return None
        if type(history) is int:
            written = history >> SUB_BITS
            place = history & SUB_MASK
            if written > main or (written == main and place >= sub):
                return None
            return Version(written, place, written, 1)
        assert isinstance(history, array)
        offset = last_at(history, main)
        while offset >= 0 and history[offset] == main and history[offset + 1] >= sub:
            offset -= STRIDE
        if offset < 0 or history[offset + 3] == 0:
            return None
        return Version(*history[offset : offset + STRIDE])

    def _alive(self, key: bytes) -> Version:
        version = self._seen(self._histories[key])
        assert version is not None
        return version

    def row_key_at(self, key: bytes, revision: int) -> bytes | None:
        version = self._seen(self._histories.get(key))
        return None if version is None else row_key(version.main, version.sub)

    def row_keys_at(self, keys: Iterable[bytes], revision: int) -> list[bytes]:
        found = map(self._alive, keys)
        return [row_key(version.main, version.sub) for version in found]

    def created_at(self, keys: Iterable[bytes], revision: int) -> list[int]:
        return [self._alive(key).create for key in keys]

    def numbers_at(self, keys: Iterable[bytes], revision: int, place: int) -> list[int]:
        return [self._alive(key)[place] for key in keys]

    def versions_at(self, keys: Iterable[bytes], revision: int) -> list[Found]:
        return [(key, *self._alive(key)) for key in keys]

    # ------------------------------------------------------------------ of a range

    def count(self, start: bytes, stop: bytes | None, revision: int) -> int | None:
        known = super().count(start, stop, revision)
        if known is None or (stop is not None and stop <= start):
            return known
        born, dead = self._will_be_born, self._will_be_dead
        return known - _number(born, start, stop) + _number(dead, start, stop)

    def scan(
        self, start: bytes, stop: bytes | None, revision: int, limit: int
    ) -> tuple[list[bytes], bytes | None]:
        page, following = super().scan(start, stop, revision, max(limit, FEW))
        if stop is not None and stop <= start:
            return page, following
        born = self._will_be_born
        if born and page:
            hidden = set(born.irange(page[0], page[-1]))
            if hidden:
                page = [key for key in page if key not in hidden]
        end = stop if following is None else following
        back = list(islice(self._will_be_dead.irange(start, end, (True, False)), limit))
        if back:
            page += back
            page.sort()
        if len(page) > limit or len(back) == limit:
            del page[limit:]
            return page, page[-1] + b"\0"
        if not page and following is not None:
            following = self._first_that_is_there(following)
        return page, following

    def _first_that_is_there(self, start: bytes) -> bytes:
        """
        Return where to go on from ``start``: past those that come next and are not there yet.

        There may be tens of thousands of them, and as many reads to which they are in the way.
        """
        live, born = self._live, self._will_be_born
        first, place = live.bisect_left(start), born.bisect_left(start)
        # Both are in order: if each has its n-th key in common, it has all that come before.
        low, high = 0, min(len(live) - first, len(born) - place)
        while low < high:
            middle = (low + high + 1) // 2
            if live[first + middle - 1] == born[place + middle - 1]:
                low = middle
            else:
                high = middle - 1
        if not low:
            return start
        following: bytes = born[place + low - 1] + b"\0"
        # That is so while nobody else has changed any of them.
        if self._liveness.newest > self._revision and self._liveness.keys(
            start, following, self._revision, 1
        ):
            return start
        return next(self._will_be_dead.irange(start, following, (True, False)), following)


def _number(keys: SortedList[bytes], start: bytes, stop: bytes | None) -> int:
    number: int = (len(keys) if stop is None else keys.bisect_left(stop)) - keys.bisect_left(start)
    return number
