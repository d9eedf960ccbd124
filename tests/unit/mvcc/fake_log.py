"""
A log in memory whose disk writes when the test says so.

Batches are handed over at the end of a loop turn, as by ``storage.GroupCommit``; then they
stay on their way until ``settle``. What a crash would leave is ``disk``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from etcdpy.mvcc.store import Store
from etcdpy.storage import Batch, Bucket, RowMissingError, StorageError


@dataclass
class Disk:
    """What a crash cannot take back."""

    key_rows: dict[bytes, bytes] = field(default_factory=dict)
    values: dict[tuple[Bucket, bytes], bytes] = field(default_factory=dict)

    def apply(self, batch: Batch) -> None:
        """Write a batch; like LMDB in append mode, take rows in ascending order only."""
        last = max(self.key_rows, default=b"")
        assert [*batch.rows] == sorted(batch.rows)
        assert all(row_key > last for row_key in batch.rows)
        self.key_rows.update(batch.rows)
        for row_key in batch.drops:
            del self.key_rows[row_key]
        for place, value in batch.puts.items():
            if value is None:
                self.values.pop(place, None)
            else:
                self.values[place] = value

    def get(self, bucket: Bucket, key: bytes) -> bytes | None:
        return self.values.get((bucket, key))

    def items(self, bucket: Bucket) -> Iterator[tuple[bytes, bytes]]:
        return iter(
            sorted((key, value) for (of, key), value in self.values.items() if of is bucket)
        )

    def row(self, row_key: bytes) -> bytes | None:
        return self.key_rows.get(row_key)

    def rows(self, row_keys: Sequence[bytes]) -> list[bytes]:
        return [self.key_rows[row_key] for row_key in row_keys]

    def scan_rows(self, start: bytes, stop: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        for row_key in sorted(self.key_rows):
            if start <= row_key and (stop is None or row_key < stop):
                yield row_key, self.key_rows[row_key]


class FakeLog:
    """Satisfies ``storage.commit_log.CommitLog``; used on a running loop."""

    def __init__(self, disk: Disk | None = None) -> None:
        self.disk = disk or Disk()
        self._loop = asyncio.get_running_loop()
        self.batch = Batch(self._loop, 1)
        #: Handed over and not yet on the disk, oldest first.
        self.on_their_way: deque[Batch] = deque()
        self._flushing = False
        self._held = False
        self._lost = False
        self.failed: StorageError | None = None
        self._store: Store | None = None
        # A dropped row is gone at once: whoever reads one afterwards is found out.
        self._dropped: set[bytes] = set()

    def serve(self, store: Store) -> None:
        """Seal the batches of ``store`` and tell it what is durable."""
        self._store = store

    def flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self.flush)

    def hold(self) -> None:
        self._held = True

    def prepare(self) -> None:
        assert self._held

    def release(self) -> None:
        self._held = False
        self.flush_soon()

    def fail(self, error: StorageError) -> None:
        self.failed = error
        self.lose()

    def flush(self) -> None:
        """Hand the gathering batch over, unless it is held."""
        self._flushing = False
        batch = self.batch
        if self._held or not batch:
            return
        if self._lost:
            _fail(batch)
        if self._store is not None:
            self._store.seal(batch)
        self._dropped.update(batch.drops)
        self.on_their_way.append(batch)
        self.batch = Batch(self._loop, batch.sequence + 1)

    def written(self) -> int:
        return self.batch.sequence if self.batch else self.batch.sequence - 1

    def until(self, sequence: int) -> asyncio.Future[None] | None:
        assert sequence <= self.batch.sequence, "no such batch yet"
        for batch in (*self.on_their_way, self.batch):
            if batch.sequence == sequence:
                return batch.durable
        return None

    def unsettled(self) -> asyncio.Future[None] | None:
        return self.until(self.written())

    def settle(self, batches: int | None = None) -> None:
        """Let the oldest ``batches`` that were handed over reach the disk; all by default."""
        for _ in range(len(self.on_their_way) if batches is None else batches):
            batch = self.on_their_way.popleft()
            self.disk.apply(batch)
            if self._store is not None:
                self._store.made_durable(batch)
            batch.durable.set_result(None)

    def lose(self) -> None:
        """Crash: nothing more reaches the disk."""
        self.flush()
        self._lost = True
        for batch in self.on_their_way:
            _fail(batch)

    def row(self, row_key: bytes) -> bytes | None:
        if row_key in self._dropped or row_key in self.batch.drops:
            return None
        for batch in (self.batch, *self.on_their_way):
            if row_key in batch.rows:
                return batch.rows[row_key]
        return self.disk.row(row_key)

    def rows(self, row_keys: Sequence[bytes]) -> list[bytes]:
        rows = [self.row(row_key) for row_key in row_keys]
        if None in rows:
            raise RowMissingError("rows missing")
        return [row for row in rows if row is not None]

    def get(self, bucket: Bucket, key: bytes) -> bytes | None:
        for batch in (self.batch, *reversed(self.on_their_way)):
            if (bucket, key) in batch.puts:
                return batch.puts[bucket, key]
        return self.disk.get(bucket, key)

    def items(self, bucket: Bucket) -> Iterator[tuple[bytes, bytes]]:
        assert not self.batch.puts
        assert not self.on_their_way
        return self.disk.items(bucket)

    def scan_rows(self, start: bytes, stop: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        yield from self.disk.scan_rows(start, stop)
        for batch in (*self.on_their_way, self.batch):
            for row_key, row in batch.rows.items():
                if start <= row_key and (stop is None or row_key < stop):
                    yield row_key, row


def _fail(batch: Batch) -> None:
    if batch.durable.done():
        return
    batch.durable.set_exception(StorageError("crashed"))
    batch.durable.exception()


async def turns(number: int = 1) -> None:
    """Let the loop turn."""
    for _ in range(number):
        await asyncio.sleep(0)
