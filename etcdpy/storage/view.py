"""
The newest state: what is in memory over what is in LMDB.

A row is looked for where it may be, newest first::

    batch.rows   gathering on the loop
    _rows        handed over: on its way to the journal, or there and not yet in LMDB
    _large       the same, of batches that have very many
    backend      in LMDB

Each layer is complete before the one above forgets, so a row is never missed;
one that two layers hold for a moment is the same in both.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice

from etcdpy.cooperative import Steps
from etcdpy.storage.backend import Backend
from etcdpy.storage.batch import Batch
from etcdpy.storage.buckets import Bucket
from etcdpy.tables import shrink

#: Rows forgotten between two turns of the loop: about half a millisecond's work.
FORGOTTEN_AT_ONCE = 2048

#: Rows of a batch that are not copied to those of others, for which the next batch would wait.
#: They are a megabyte at least, so there are a dozen of them at most before a full journal is.
LARGE_BATCH = 1 << 14


class NewestView:
    """Reads everything written so far, durable or not. Loop thread only."""

    def __init__(self, backend: Backend, batch: Batch) -> None:
        self._backend = backend
        #: The batch now gathering.
        self.batch = batch
        self._rows: dict[bytes, bytes] = {}
        self._large: list[dict[bytes, bytes]] = []
        self._dropped: set[bytes] = set()
        # Which batch has the newest value of a key in the small buckets.
        self._puts: dict[tuple[Bucket, bytes], Batch] = {}

    def row(self, row_key: bytes) -> bytes | None:
        """Return a row, or ``None``."""
        value = self._rows.get(row_key)
        if value is None:
            value = self.batch.rows.get(row_key)
            if value is None:
                for rows in self._large:
                    value = rows.get(row_key)
                    if value is not None:
                        return value
                return self._backend.row(row_key)
        return value

    def rows(self, row_keys: Sequence[bytes]) -> list[bytes]:
        """
        Return rows in the order of ``row_keys``.

        Raises:
            RowMissingError: If one of them is not there.

        """
        recent = self._rows
        gathering = self.batch.rows
        # Fast path (bench: large/10x1): what most ranges come down to; all checks run in C.
        if (
            (not recent or recent.keys().isdisjoint(row_keys))
            and (not gathering or gathering.keys().isdisjoint(row_keys))
            and (not self._large or all(r.keys().isdisjoint(row_keys) for r in self._large))
        ):
            return self._backend.rows(row_keys)
        known: dict[bytes, bytes] = {}
        for layer in (recent, gathering, *self._large):
            if layer:
                known.update([(key, layer[key]) for key in row_keys if key in layer])
        stored = iter(self._backend.rows([key for key in row_keys if key not in known]))
        return [known[key] if key in known else next(stored) for key in row_keys]

    def scan_rows(self, start: bytes, stop: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """
        Yield rows from ``start`` up to, not including, ``stop``, dropped ones left out.

        The caller may pause: rows written meanwhile are given too, in order. A drop
        counts from when its batch was handed over.
        """
        position = start
        found = True
        while found:
            found = False
            # A pause may last until a checkpoint has moved rows from memory to LMDB, hence
            # both are asked again until neither has more. Rows are appended: what is in
            # memory comes behind all that is in LMDB.
            for source in (self._backend.scan_rows, self._recent):
                row_key = None
                for item in source(position, stop):
                    row_key = item[0]
                    if row_key not in self._dropped:
                        yield item
                if row_key is not None:
                    found = True
                    position = row_key + b"\0"

    def get(self, bucket: Bucket, key: bytes) -> bytes | None:
        """Return a value of one of the small buckets, or ``None``."""
        place = (bucket, key)
        if place in self.batch.puts:
            return self.batch.puts[place]
        batch = self._puts.get(place)
        return self._backend.get(bucket, key) if batch is None else batch.puts[place]

    def items(self, bucket: Bucket) -> Iterator[tuple[bytes, bytes]]:
        """Return all pairs of one of the small buckets, in key order."""
        pairs: dict[bytes, bytes | None] = dict(self._backend.items(bucket))
        for place, batch in self._puts.items():
            if place[0] is bucket:
                pairs[place[1]] = batch.puts[place]
        for (of, key), value in self.batch.puts.items():
            if of is bucket:
                pairs[key] = value
        return iter([(key, value) for key, value in sorted(pairs.items()) if value is not None])

    def _recent(self, start: bytes, stop: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """Yield rows in memory, as of when the first is asked for."""
        older, *large, newer = (
            _tail(rows, start, stop) for rows in (self._rows, *self._large, self.batch.rows)
        )
        yield from merge(older, *large) if large else older
        yield from newer

    def _keep(self, batch: Batch) -> None:
        """Show a batch that no longer gathers until ``_forget``."""
        if len(batch.rows) < LARGE_BATCH:
            self._rows.update(batch.rows)
        else:
            self._large.append(batch.rows)
        self._dropped.update(batch.drops)
        for place in batch.puts:
            self._puts[place] = batch

    def _forget(self, batches: Iterable[Batch]) -> Steps[None]:
        """Leave these batches to the backend, which shows them now, in slices."""
        rows = self._rows
        for batch in batches:
            if len(batch.rows) < LARGE_BATCH:
                for number, row_key in enumerate(batch.rows, 1):
                    del rows[row_key]
                    if number % FORGOTTEN_AT_ONCE == 0:
                        yield
            else:
                self._large = [large for large in self._large if large is not batch.rows]
            self._dropped.difference_update(batch.drops)
            for place in batch.puts:
                # Unless a later batch has put the same key: that one is not in LMDB yet.
                if self._puts.get(place) is batch:
                    del self._puts[place]
        # A dict or a set never gives its table back by itself: after a burst these have megabytes.
        for table in (rows, self._dropped, self._puts):
            shrink(table, FORGOTTEN_AT_ONCE)


def _tail(rows: dict[bytes, bytes], start: bytes, stop: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return those in [start, stop) of ascending rows; most often they are the last few."""
    backwards = reversed(rows.items())
    found: list[tuple[bytes, bytes]] = []
    number = 64
    while more := list(islice(backwards, number)):
        found += more
        if more[-1][0] < start:
            break
        number = len(found)
    found.reverse()
    # A tuple of the key alone is before one with a value.
    end = None if stop is None else bisect_left(found, (stop,))
    return found[bisect_left(found, (start,)) : end]
