"""
The key index: which keys exist, in order, at any revision still kept.

It lives in memory and is rebuilt from the rows at start-up. Lookups are by dictionary;
order comes from two sorted lists, of the keys alive at the newest revision and of those
deleted but not yet compacted away.

Reads run a little behind the newest revision (at the newest *durable* one), and pages of
a long walk further behind, while writers add and remove keys. Which came and went since is in
``LivenessLog``, which makes a page, and the count of its whole range, cost what the page costs,
however many keys the range holds. Where that does not reach, every key is looked at: those
alive, those dead, and what each was at the revision asked for.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice, repeat
from sys import getsizeof

from sortedcontainers import SortedList

from etcdpy.mvcc.history import (
    STRIDE,
    SUB_BITS,
    SUB_MASK,
    Version,
    at,
    born,
    created_at,
    expanded,
    is_dead,
    last_at,
    newest,
    numbers_at,
    pack_version,
    row_key_at,
    row_keys_at,
    shrunk,
)
from etcdpy.mvcc.liveness import LivenessLog
from etcdpy.mvcc.revision import RowKey, row_key, tombstone_key
from etcdpy.mvcc.rows import BORN, DELETED
from etcdpy.mvcc.sorted_keys import add_all, remove_all

#: Keys looked at in one scan, dead or alive, where there is no quicker way.
MOST_LOOKED_AT = 1024
#: Keys that came or went that are looked at for the smallest page.
FEW = 64
#: The bytes of a dict that has had more than 10,000 keys; and how many of those that are left are
#: put into a table of their size, which takes a tenth of a millisecond.
HOLLOW = 500_000
FEW_LEFT = 1000

_ARRAYS = {array}


#: A key and its version: key, main, sub, create revision, version number.
Found = tuple[bytes, int, int, int, int]


def _alive(version: Version | None) -> Version:
    assert version is not None
    return version


class Index:
    """Maps keys to their histories, in key order."""

    __slots__ = ("_born", "_dead", "_died", "_histories", "_live", "_liveness", "_reborn")

    def __init__(self) -> None:
        self._histories: dict[bytes, int | array[int]] = {}
        self._live: SortedList[bytes] = SortedList()
        self._dead: SortedList[bytes] = SortedList()
        self._liveness = LivenessLog()
        # What ``put_all`` and ``change_all`` have brought about and ``settle`` has not seen to:
        # keys that are new, that are there again, and that are deleted.
        self._born: list[bytes] = []
        self._reborn: list[bytes] = []
        self._died: list[bytes] = []

    def __len__(self) -> int:
        """Return the number of keys alive at the newest revision."""
        return len(self._live)

    # ------------------------------------------------------------------ reading

    def newest(self, key: bytes) -> Version | None:
        """Return the live version of ``key``, or None."""
        history = self._histories.get(key)
        return None if history is None else newest(history)

    def is_alive(self, key: bytes) -> bool:
        """Tell whether ``key`` is there at the newest revision."""
        history = self._histories.get(key)
        return history is not None and not is_dead(history)

    def at(self, key: bytes, revision: int) -> Version | None:
        """Return the version of ``key`` that was live at ``revision``, or None."""
        history = self._histories.get(key)
        return None if history is None else at(history, revision)

    def row_key_at(self, key: bytes, revision: int) -> bytes | None:
        """Return the key of the row that ``key`` had at ``revision``, or None."""
        history = self._histories.get(key)
        return None if history is None else row_key_at(history, revision)

    def row_keys_at(self, keys: Iterable[bytes], revision: int) -> list[bytes]:
        """Return the keys of the rows of ``keys``, all of which were alive at ``revision``."""
        return row_keys_at(self._histories, keys, revision)

    def created_at(self, keys: Iterable[bytes], revision: int) -> list[int]:
        """Return the create revisions that ``keys``, all of them alive, had at ``revision``."""
        return created_at(self._histories, keys, revision)

    def numbers_at(self, keys: Iterable[bytes], revision: int, place: int) -> list[int]:
        """Return one number of each version that ``keys``, all alive, had at ``revision``."""
        return numbers_at(self._histories, keys, revision, place)

    def number_at(self, key: bytes, revision: int, place: int) -> int:
        """Return one number of the version that ``key`` had at ``revision``, 0 if it had none."""
        history = self._histories.get(key)
        # Fast path (bench: txn/100x1): the newest version, without a ``Version`` of it.
        if isinstance(history, array) and history[-STRIDE] <= revision:
            return history[place - STRIDE] if history[-1] else 0
        version = None if history is None else at(history, revision)
        return 0 if version is None else version[place]

    def versions_at(self, keys: Iterable[bytes], revision: int) -> list[Found]:
        """Return the versions that ``keys``, all of them alive, had at ``revision``."""
        histories = self._histories
        return [(key, *_alive(at(histories[key], revision))) for key in keys]

    def count(self, start: bytes, stop: bytes | None, revision: int) -> int | None:
        """
        Return how many keys of [start, stop) were alive at ``revision``.

        Returns:
            None for a revision so old that only a walk can tell.

        """
        if stop is not None and stop <= start:
            return 0
        liveness = self._liveness
        if revision < liveness.floor:
            return None
        live = self._live
        first = live.bisect_left(start)
        count: int = (len(live) if stop is None else live.bisect_left(stop)) - first
        return count if revision >= liveness.newest else count - liveness.net(start, stop, revision)

    def scan(
        self, start: bytes, stop: bytes | None, revision: int, limit: int
    ) -> tuple[list[bytes], bytes | None]:
        """
        Look for keys of [start, stop), in order.

        Returns:
            Up to ``limit`` keys that were alive at ``revision``, maybe none, and where the
            next scan starts: None if this one reached the end.

        """
        if stop is not None and stop <= start:
            return [], None
        liveness = self._liveness
        if revision < liveness.floor:
            return self._walk(start, stop, revision, limit)
        page = list(islice(self._live.irange(start, stop, (True, False)), limit))
        following = page[-1] + b"\0" if len(page) == limit else None
        if revision >= liveness.newest:
            return page, following
        most = max(limit, FEW)
        changed = liveness.keys(start, following or stop, revision, most)
        if not changed:
            return page, following
        if len(changed) == most:  # there may be more, and then the page ends here
            following = changed[-1] + b"\0"
            del page[bisect_left(page, following) :]
        page = self._corrected(page, changed, revision)
        if len(page) > limit:
            del page[limit:]
            following = page[-1] + b"\0"
        return page, following

    def _corrected(self, page: list[bytes], changed: list[bytes], revision: int) -> list[bytes]:
        """Return the keys alive at ``revision``: of ``page``, alive now, or ``changed`` since."""
        ignored = set(changed)
        found = [key for key in page if key not in ignored]
        found += [key for key in changed if self.at(key, revision) is not None]
        found.sort()
        return found

    def _walk(
        self, start: bytes, stop: bytes | None, revision: int, limit: int
    ) -> tuple[list[bytes], bytes | None]:
        """Do as ``scan`` does where the log does not reach: look at every key."""
        histories = self._histories
        found: list[bytes] = []
        for number, key in enumerate(self.every_key(start, stop), 1):
            if at(histories[key], revision) is not None:
                found.append(key)
            if len(found) == limit or number == MOST_LOOKED_AT:
                return found, key + b"\0"
        return found, None

    def changes(
        self, start: bytes, stop: bytes | None, since: int, most_keys: int, most: int
    ) -> tuple[list[RowKey], int | None] | None:
        """
        Return what happened to the keys of [start, stop) from revision ``since`` on.

        Args:
            most_keys: How many keys are worth looking at one by one.
            most: How many changes of one key to take, at least.

        Returns:
            The changes in the order they happened, and the revision that they are
            complete up to (None: the newest); or None if there are too many keys.

        """
        keys = list(islice(self.every_key(start, stop), most_keys + 1))
        if len(keys) > most_keys:
            return None
        found: list[RowKey] = []
        reached: int | None = None
        for key in keys:
            history = expanded(self._histories[key])
            offset = last_at(history, since - 1) + STRIDE
            end = min(offset + most * STRIDE, len(history))
            while 0 < end < len(history) and history[end] == history[end - STRIDE]:
                end += STRIDE  # a revision is not taken in parts
            if end < len(history):
                reached = min(reached or history[end - STRIDE], history[end - STRIDE])
            found += [
                RowKey(history[i], history[i + 1], history[i + 3] == 0)
                for i in range(offset, end, STRIDE)
            ]
        found.sort()
        if reached is not None:
            found = [change for change in found if change.main <= reached]
        return found, reached

    def every_key(self, start: bytes = b"", stop: bytes | None = None) -> Iterator[bytes]:
        """Iterate over the keys of [start, stop) in order, deleted ones included."""
        return merge(
            self._live.irange(start, stop, (True, False)),
            self._dead.irange(start, stop, (True, False)),
        )

    # ------------------------------------------------------------------ writing

    def put(self, key: bytes, main: int, sub: int) -> tuple[int, int]:
        """
        Note that ``key`` is put at ``(main, sub)``, the newest revision (etcd: key_index.go, put).

        Returns:
            The create revision and the version number of the new version.

        """
        histories = self._histories
        history = histories.get(key)
        # Fast path (bench: put/100x1): both forms in line.
        if history is None:
            histories[key] = born(main, sub)
        elif type(history) is int:
            create = history >> SUB_BITS
            histories[key] = array(
                "q", (create, history & SUB_MASK, create, 1, main, sub, create, 2)
            )
            return create, 2
        else:
            assert isinstance(history, array)
            version = history[-1]
            if version:
                create = history[-2]
                history.frombytes(pack_version(main, sub, create, version + 1))
                return create, version + 1
            history.frombytes(pack_version(main, sub, main, 1))
            self._dead.remove(key)
        self._live.add(key)
        self._liveness.add(main, key, 1)
        return main, 1

    def expand(self, keys: Iterable[bytes]) -> None:
        """
        Have a further version of each of these keys cost less, as there will soon be one.

        It shows nobody anything: so it is done before a write for which others have to wait.
        """
        histories = self._histories
        for key in keys:
            history = histories.get(key)
            if history is None:
                continue
            entries = expanded(history)
            if entries is not history:
                histories[key] = entries
            # Then it has room for one: an array grows by several numbers at a time.
            entries.append(0)
            del entries[-1]

    def has_same_keys(self, start: bytes, stop: bytes | None, since: int) -> bool:
        """Tell whether surely no key of [start, stop) has come or gone since a revision."""
        liveness = self._liveness
        return since >= liveness.newest or (
            since >= liveness.floor and not liveness.keys(start, stop, since, 1)
        )

    def put_all(self, keys: list[bytes], main: int, sub: int) -> list[tuple[int, int] | None]:
        """
        Note the same of many keys, no two of which are the same: the first at ``sub``, and so on.

        What has become alive by that is found by nobody before ``settle``.

        Returns:
            What ``put`` does; None for keys that are new.

        """
        histories = self._histories
        known = [*map(histories.get, keys)]
        number = len(keys)
        # A history is never empty, nor 0.
        if number > 1 and known[0] is None and not any(known) and sub + number <= SUB_MASK:
            start = main << SUB_BITS | sub
            histories.update(zip(keys, range(start, start + number), strict=True))
            self._born += keys
            return [None] * number
        found: list[tuple[int, int] | None] = []
        for key, history, place in zip(keys, known, range(sub, sub + number), strict=True):
            # Fast path (bench: txn/100x1): what is put again and again, in line.
            if isinstance(history, array) and history[-1]:
                create, version = history[-2], history[-1] + 1
                history.frombytes(pack_version(main, place, create, version))
                found.append((create, version))
            else:
                found.append(self._put(key, history, main, place))
        return found

    def _put(
        self, key: bytes, history: int | array[int] | None, main: int, sub: int
    ) -> tuple[int, int] | None:
        """Do as ``put_all`` does for one key."""
        if history is None:
            self._histories[key] = born(main, sub)
            self._born.append(key)
            return None
        entries = expanded(history)
        if type(history) is int:
            self._histories[key] = entries
        if version := entries[-1]:
            create = entries[-2]
            entries.frombytes(pack_version(main, sub, create, version + 1))
            return create, version + 1
        entries.frombytes(pack_version(main, sub, main, 1))
        self._reborn.append(key)
        return main, 1

    def change_all(
        self, keys: list[bytes], are_put: list[bool], main: int, sub: int
    ) -> list[tuple[int, int] | None]:
        """
        Do what ``put_all`` does where some of the keys, which are alive, are deleted.

        Returns:
            Likewise; for a key that is deleted what is of no use.

        """
        histories = self._histories
        found: list[tuple[int, int] | None] = []
        for key, is_put, place in zip(keys, are_put, range(sub, sub + len(keys)), strict=True):
            history = histories.get(key)
            if is_put:
                found.append(self._put(key, history, main, place))
                continue
            assert history is not None, "only what is alive is deleted"
            entries = expanded(history)
            if type(history) is int:
                histories[key] = entries
            entries.frombytes(pack_version(main, place, 0, 0))
            self._died.append(key)
            found.append(None)
        return found

    def last_numbers(self, keys: Iterable[bytes]) -> list[tuple[int, int]]:
        """Return the create revisions and numbers of the newest versions; 0, 0 of who is not."""
        found: list[tuple[int, int]] = []
        for history in map(self._histories.get, keys):
            if history is None:
                found.append((0, 0))
            elif isinstance(history, array):
                found.append((history[-2], history[-1]))
            else:
                found.append((history >> SUB_BITS, 1))
        return found

    def change_made(
        self,
        keys: list[bytes],
        kinds: bytes,
        creates: list[int],
        versions: list[int],
        main: int,
        sub: int,
    ) -> None:
        """
        Do as ``change_all`` does where it is known what becomes of each key.

        Args:
            keys: Which, no two of them the same.
            kinds: ``rows.DELETED``, ``CHANGED`` or ``BORN``.
            creates: What the new versions have for it; of no account for a key that is born.
            versions: The same.
            main: The revision.
            sub: Of the first.

        """
        histories, number = self._histories, len(keys)
        known = [*map(histories.get, keys)]
        born_here = kinds.count(BORN)
        if born_here == number and not any(known) and sub + number <= SUB_MASK:
            start = main << SUB_BITS | sub
            histories.update(zip(keys, range(start, start + number), strict=True))
            self._born += keys
            return
        places = range(sub, sub + number)
        if not born_here and set(map(type, known)) == _ARRAYS:
            entries = map(pack_version, repeat(main), places, creates, versions)
            for history, entry in zip(known, entries, strict=True):
                history.frombytes(entry)  # type: ignore[union-attr]
        else:
            self._change_each(keys, known, kinds, creates, versions, main, sub)
        if DELETED in kinds:
            self._died += [key for key, kind in zip(keys, kinds, strict=True) if kind == DELETED]

    def _change_each(
        self,
        keys: list[bytes],
        known: list[int | array[int] | None],
        kinds: bytes,
        creates: list[int],
        versions: list[int],
        main: int,
        sub: int,
    ) -> None:
        changes = zip(keys, known, kinds, creates, versions, strict=True)
        for place, (key, history, kind, create, version) in enumerate(changes, sub):
            if kind == BORN:
                self._put(key, history, main, place)
                continue
            # A compaction may have made it shorter since it was looked at.
            assert history is not None, "only what is alive is changed"
            entries = expanded(history)
            if entries is not history:
                self._histories[key] = entries
            entries.frombytes(pack_version(main, place, create, version))

    @property
    def unsettled(self) -> int:
        """How many keys ``settle`` has to see to."""
        return len(self._born) + len(self._reborn) + len(self._died)

    def take_unsettled(self) -> list[tuple[list[bytes], bool, bool]]:
        """
        Hand over what there is to settle, for ``settle_some``.

        Returns:
            Lists of keys in any order, with whether they were there before, and whether they are
            alive now.

        """
        taken = [
            (keys, was_there, is_alive)
            for keys, was_there, is_alive in (
                (self._born, False, True),
                (self._reborn, True, True),
                (self._died, True, False),
            )
            if keys
        ]
        self._born, self._reborn, self._died = [], [], []
        return taken

    def settle(self, main: int) -> None:
        """Have what was put or deleted at revision ``main`` found where it belongs."""
        if self._born:
            # Fast path (bench: txn-put/100x1): mostly there is nothing, or nothing else.
            born_keys, self._born = self._born, []
            self.settle_some(sorted(born_keys), False, True, main)
        if self._reborn or self._died:
            for keys, was_there, is_alive in self.take_unsettled():
                self.settle_some(sorted(keys), was_there, is_alive, main)

    def settle_some(self, keys: list[bytes], was_there: bool, is_alive: bool, main: int) -> None:
        """Do the same for some keys, in ascending order."""
        old, new = (self._dead, self._live) if is_alive else (self._live, self._dead)
        if was_there:
            remove_all(old, keys)
        add_all(new, keys)
        self._liveness.add_all(main, keys, 1 if is_alive else -1)

    def delete(self, key: bytes, main: int, sub: int) -> None:
        """
        Note that ``key``, which is alive, is deleted at ``(main, sub)``.

        (etcd: key_index.go, tombstone)
        """
        entries = self._histories[key] = expanded(self._histories[key])
        entries.extend((main, sub, 0, 0))
        self._live.remove(key)
        self._dead.add(key)
        self._liveness.add(main, key, -1)

    def delete_all(self, keys: list[bytes], main: int, sub: int) -> None:
        """Note the same of many keys, in ascending order: the first at ``sub``, and so on."""
        histories = self._histories
        known = map(histories.__getitem__, keys)
        for key, history, place in zip(keys, known, range(sub, sub + len(keys)), strict=True):
            # Expanded before, as a rule.
            if isinstance(history, array):
                history.frombytes(pack_version(main, place, 0, 0))
            else:
                born = history >> SUB_BITS
                histories[key] = array("q", (born, history & SUB_MASK, born, 1, main, place, 0, 0))
        self.settle_some(keys, True, False, main)

    def made_durable(self, revision: int) -> None:
        """Note that plain reads run at ``revision`` from now on."""
        self._liveness.forget(revision)

    # --------------------------------------------------------------- compaction

    def compact(self, key: bytes, revision: int, most: int) -> list[bytes]:
        """
        Forget up to ``most`` versions of ``key`` that no read from ``revision`` on can see.

        What stays: everything after ``revision``, and the newest entry at or before it
        unless that is a tombstone older than ``revision`` itself (etcd: key_index.go,
        compact; the tombstone of the compacted revision is for watchers that start there).

        Returns:
            The keys of the rows forgotten, oldest first: a store that stops half way
            must never be left with an old put whose tombstone is gone.

        """
        history = self._histories[key]
        if type(history) is int:
            return []
        assert isinstance(history, array)
        kept_from = last_at(history, revision)
        if kept_from < 0:
            return []
        if history[kept_from + 3] == 0 and history[kept_from] < revision:
            kept_from += STRIDE
        kept_from = min(kept_from, most * STRIDE)
        if kept_from == 0:
            return []
        dropped = [
            (row_key if history[i + 3] else tombstone_key)(history[i], history[i + 1])
            for i in range(0, kept_from, STRIDE)
        ]
        if kept_from == len(history):
            del self._histories[key]
            self._dead.remove(key)
        else:
            self._histories[key] = shrunk(history[kept_from:])
        return dropped

    def compacted(self, revision: int) -> bool:
        """
        Note that all keys were compacted at ``revision``, below which nobody reads any more.

        Returns:
            Whether it is to be called again: this takes a little time.

        """
        if self._liveness.compact(revision):
            return True
        histories = self._histories
        if len(histories) <= FEW_LEFT and getsizeof(histories) > HOLLOW:
            # A dict never gives its table back, and walks go on with this one.
            left = list(histories.items())
            histories.clear()
            histories.update(left)
        return False

    # ------------------------------------------------------------------ restart

    def restore(self, key: bytes, main: int, sub: int, create: int, version: int) -> None:
        """Note a row found at start-up (version 0: a tombstone); rows come oldest first."""
        histories = self._histories
        history = histories.get(key)
        if history is None:
            if create == main and version == 1:
                histories[key] = born(main, sub)
            else:
                histories[key] = array("q", (main, sub, create, version))
            return
        entries = histories[key] = expanded(history)
        entries.extend((main, sub, create, version))

    def restored(self, revision: int) -> None:
        """Sort the keys once every row has been restored; ``revision`` is the newest."""
        dead = [
            key
            for key, history in self._histories.items()
            if type(history) is not int and is_dead(history)
        ]
        gone = set(dead)
        live = [key for key in self._histories if key not in gone] if gone else self._histories
        self._live = SortedList(live)
        self._dead = SortedList(dead)
        self._liveness = LivenessLog(revision)
