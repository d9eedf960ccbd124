"""
Group commit: while one group of batches is being written, the next gathers.

No timers: the disk itself sets the pace. Only the loop thread touches the
fields of ``GroupCommit``; the committer thread sees batches that were handed
over, and answers through ``call_soon_threadsafe``, once per group.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue

from etcdpy.storage.backend import Backend
from etcdpy.storage.batch import Batch
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.errors import StorageError


class GroupCommit:
    """
    Makes batches durable in order, and answers reads at the newest state.

    Args:
        backend: Where batches go. Its ``close`` stays with the caller.
        loop: The loop whose thread calls everything here.
        on_durable: Called on the loop for each batch on disk, in order, before
            its future is resolved.
        on_failure: Called once, on the loop, when writing fails. From then on
            nothing becomes durable: the server has to stop (etcd panics).
        on_seal: Called on the loop with each batch about to be handed over, to add what
            is only known then.

    """

    def __init__(
        self,
        backend: Backend,
        loop: asyncio.AbstractEventLoop,
        on_durable: Callable[[Batch], None],
        on_failure: Callable[[StorageError], None] | None = None,
        on_seal: Callable[[Batch], None] | None = None,
    ) -> None:
        self._backend = backend
        self._loop = loop
        self._on_durable = on_durable
        self._on_seal = on_seal
        self._on_failure = on_failure
        self._flushing = False
        #: Handed over, not yet durable, oldest first.
        self._waiting: deque[Batch] = deque()
        #: Their rows: in memory until the backend shows them.
        self._rows: dict[bytes, bytes] = {}
        self._dropped: set[bytes] = set()
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        #: Why writing stopped, once it did.
        self.failed: StorageError | None = None
        #: The batch now gathering. Fill it, then call ``flush_soon``.
        self.batch = self._new_batch()
        self._ended = loop.create_future()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    # Writing.

    def flush_soon(self) -> None:
        """
        Hand the batch over at the end of this loop turn. Call after every change.

        The change has to be complete: a batch is handed over as it stands.
        """
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    async def close(self) -> None:
        """Make everything handed in durable, then end the thread. Safe to call twice."""
        if self._thread.is_alive():
            self._flush()
            self._queue.put(None)
            await asyncio.shield(self._ended)
            self._thread.join()

    def _new_batch(self) -> Batch:
        return Batch(self._loop.create_future())

    def _flush(self) -> None:
        self._flushing = False
        batch = self.batch
        if not batch:
            return
        if self._on_seal is not None:
            self._on_seal(batch)
        self.batch = self._new_batch()
        self.batch.revision = batch.revision
        if self.failed is not None:
            _fail(batch, self.failed)
            return
        self._rows.update(batch.rows)
        self._dropped.update(batch.drops)
        self._waiting.append(batch)
        self._queue.put(batch)

    def _run(self) -> None:
        """Write groups until told to stop, or until one fails (committer thread)."""
        stop = False
        while not stop:
            group, stop = self._take_group()
            try:
                self._backend.write(group)
            except StorageError as error:
                self._tell(self._fail, error)
                break
            except Exception as error:  # noqa: BLE001 - whatever it was, nothing is durable
                self._tell(self._fail, StorageError(f"cannot write: {error!r}"))
                break
            self._tell(self._finish, len(group))
        self._tell(self._ended.set_result, None)

    def _take_group(self) -> tuple[list[Batch], bool]:
        """Wait for a batch, then take all that are ready; True when no more will come."""
        group: list[Batch] = []
        batch = self._queue.get()
        while batch is not None:
            group.append(batch)
            if self._queue.empty():
                return group, False
            batch = self._queue.get()
        return group, True

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            # The loop is closed: nobody is left to be told.
            return

    def _finish(self, count: int) -> None:
        self._backend.refresh()
        for _ in range(count):
            batch = self._waiting.popleft()
            for row_key in batch.rows:
                del self._rows[row_key]
            self._dropped.difference_update(batch.drops)
            self._on_durable(batch)
            if not batch.durable.done():
                batch.durable.set_result(None)

    def _fail(self, error: StorageError) -> None:
        self.failed = error
        while self._waiting:
            _fail(self._waiting.popleft(), error)
        if self._on_failure is not None:
            self._on_failure(error)

    def unsettled(self) -> asyncio.Future[None] | None:
        """Return what resolves when all changes made so far are durable; None if they are."""
        if self.batch:
            return self.batch.durable
        return self._waiting[-1].durable if self._waiting else None

    # Reading the newest state, durable or not.

    def row(self, row_key: bytes) -> bytes | None:
        """Return a row, or ``None``."""
        value = self._rows.get(row_key)
        if value is None:
            value = self.batch.rows.get(row_key)
            if value is None:
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
        if not recent and not gathering:
            return self._backend.rows(row_keys)
        older = [key for key in row_keys if key not in recent and key not in gathering]
        if len(older) == len(row_keys):
            return self._backend.rows(row_keys)
        stored = iter(self._backend.rows(older))
        result = []
        for key in row_keys:
            value = recent.get(key)
            if value is None:
                value = gathering.get(key)
            result.append(next(stored) if value is None else value)
        return result

    def scan_rows(self, start: bytes, stop: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """
        Yield rows from ``start`` up to, not including, ``stop``, dropped ones left out.

        The caller may pause: rows written meanwhile are given too, in order.
        """
        position = start
        for row_key, value in self._backend.scan_rows(start, stop):
            position = row_key + b"\0"
            if row_key not in self._dropped:
                yield row_key, value
        while recent := self._recent_rows(position, stop):
            for row_key, value in recent:
                position = row_key + b"\0"
                yield row_key, value

    def _recent_rows(self, start: bytes, stop: bytes | None) -> list[tuple[bytes, bytes]]:
        return [
            (key, value)
            for rows in (self._rows, self.batch.rows)
            for key, value in rows.items()
            if key >= start and (stop is None or key < stop) and key not in self._dropped
        ]

    def get(self, bucket: Bucket, key: bytes) -> bytes | None:
        """Return a value of one of the small buckets, or ``None``."""
        for batch in (self.batch, *reversed(self._waiting)):
            if (bucket, key) in batch.puts:
                return batch.puts[bucket, key]
        return self._backend.get(bucket, key)

    def items(self, bucket: Bucket) -> Iterator[tuple[bytes, bytes]]:
        """Return all pairs of one of the small buckets, in key order."""
        pairs: dict[bytes, bytes | None] = dict(self._backend.items(bucket))
        for batch in (*self._waiting, self.batch):
            pairs.update((key, value) for (b, key), value in batch.puts.items() if b is bucket)
        return iter([(key, value) for key, value in sorted(pairs.items()) if value is not None])


def _fail(batch: Batch, error: StorageError) -> None:
    if not batch.durable.done():
        batch.durable.set_exception(error)
        # Mark it seen: a batch nobody waits for is no bug to report.
        batch.durable.exception()
