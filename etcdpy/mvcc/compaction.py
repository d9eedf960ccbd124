"""
Compaction: forgetting history, in the background and in slices.

From the moment a compaction is accepted, reads below its revision are refused; that it was
begun is on the disk before anyone is told so. The rows then go key by key, a thousand in
each batch, the oldest of a key first, so that the store a crash leaves behind is one from
which the same compaction can simply be run again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import NamedTuple

from etcdpy.errors import CompactedError, FutureRevisionError
from etcdpy.mvcc.hashing import Hasher, KeyHash
from etcdpy.mvcc.restore import FINISHED_COMPACTION, SCHEDULED_COMPACTION
from etcdpy.mvcc.revision import row_key
from etcdpy.mvcc.store import Store
from etcdpy.storage.buckets import Bucket

#: Keys looked at between two turns of the loop, and rows dropped in one batch (etcd:
#: defaultCompactionBatchLimit).
KEYS_PER_SLICE = 512
ROWS_PER_BATCH = 1000
#: What a batch may be set to hold: small beside the journal, whatever somebody asks for.
MOST_ROWS_PER_BATCH = 10_000


#: Called at the end of a compaction with the rows dropped, and their hash if it was taken.
Ended = Callable[[int, "KeyHash | None"], None]


def _unheard(revision: int) -> Ended:
    return lambda dropped, found: None


class _Scheduled(NamedTuple):
    """A compaction to come; ``previous`` is None where its hash is not to be remembered."""

    revision: int
    previous: int | None
    done: asyncio.Future[None]


class Compactor:
    """
    Runs one compaction after the other.

    Args:
        hasher: Remembers the hash of what each compaction finds.
        batch_limit: Rows dropped in one batch at most; 0 is the default.
        sleep: Seconds between two batches.
        began: Told the revision as each compaction sets to work; returns whom to tell at its end.

    """

    def __init__(
        self,
        store: Store,
        hasher: Hasher | None = None,
        *,
        batch_limit: int = 0,
        sleep: float = 0,
        began: Callable[[int], Ended] = _unheard,
    ) -> None:
        self._store = store
        self._hasher = hasher
        limit = batch_limit if batch_limit > 0 else ROWS_PER_BATCH
        self._batch_limit = min(limit, MOST_ROWS_PER_BATCH)
        self._sleep = max(sleep, 0)
        self._began = began
        self._running: asyncio.Task[None] | None = None
        self._scheduled: list[_Scheduled] = []

    def schedule(self, revision: int) -> tuple[asyncio.Future[None], asyncio.Future[None]]:
        """
        Begin to compact the store at ``revision``.

        Returns:
            What resolves when the decision is durable, and what resolves when the rows
            are gone from the disk.

        Raises:
            CompactedError: If the store was compacted there, or later, already.
            FutureRevisionError: If the revision is not there yet.

        """
        store = self._store
        if revision <= store.compact_revision:
            raise CompactedError
        if revision > store.revision:
            raise FutureRevisionError
        # etcd: a hash over what a compaction still at work leaves would be of no use.
        previous = None if self._running else store.compact_revision
        store.compact_revision = revision
        store.applied_index += 1
        batch = store.log.batch
        batch.puts[Bucket.META, SCHEDULED_COMPACTION] = row_key(revision, 0)
        store.log.flush_soon()
        return batch.durable, self._start(revision, previous)

    def resume(self, revision: int) -> asyncio.Future[None]:
        """Go on with a compaction begun before; return what resolves when it is done."""
        return self._start(revision, None)

    def _start(self, revision: int, previous: int | None) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Nobody need wait for it, and a failing disk is reported by the log itself.
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._scheduled.append(_Scheduled(revision, previous, done))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return done

    async def idle(self) -> None:
        """Wait until no compaction is at work. Safe to cancel."""
        while self._running is not None:
            await asyncio.wait({self._running})

    async def close(self) -> None:
        """Stop; what is left over is resumed at the next start."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        current: asyncio.Future[None] | None = None
        try:
            while self._scheduled:
                revision, previous, current = self._scheduled.pop(0)
                await self._compact(revision, previous)
                if not current.done():  # its caller may have gone
                    current.set_result(None)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            for waiting in (current, *(scheduled.done for scheduled in self._scheduled)):
                if waiting is not None and not waiting.done():
                    waiting.set_exception(error)
            self._scheduled.clear()
        finally:
            self._running = None

    async def _compact(self, revision: int, previous: int | None) -> None:
        store = self._store
        # Reads run at the durable revision: only once that has reached the compaction's
        # can nobody look for what is about to go.
        if pending := store.log.unsettled():
            await pending
        await self._older_reads_end(revision)
        ended, dropped = self._began(revision), 0
        found = None
        if self._hasher is not None and previous is not None:
            found = await self._hasher.before_compaction(revision, previous)
        cursor: bytes | None = b""
        while cursor is not None:
            cursor = self._compact_slice(cursor, revision)
            batch = store.log.batch
            if batch.drops and (cursor is None or len(batch.drops) >= self._batch_limit):
                dropped += len(batch.drops)
                store.log.flush_soon()
                await batch.durable
                if cursor is not None and self._sleep:
                    await asyncio.sleep(self._sleep)
            else:
                await asyncio.sleep(0)
        batch = store.log.batch
        batch.puts[Bucket.META, FINISHED_COMPACTION] = row_key(revision, 0)
        store.log.flush_soon()
        await batch.durable
        ended(dropped, found)
        if self._hasher is not None and found is not None:
            self._hasher.remember(found)

    def _compact_slice(self, cursor: bytes, revision: int) -> bytes | None:
        """Look at some keys, and return where the next slice begins."""
        index, drops = self._store.index, self._store.log.batch.drops
        keys = list(islice(index.every_key(cursor), KEYS_PER_SLICE))
        for key in keys:
            drops += index.compact(key, revision, self._batch_limit - len(drops))
            if len(drops) >= self._batch_limit:
                return key  # of which there may be more
        return keys[-1] + b"\0" if len(keys) == KEYS_PER_SLICE else None

    async def _older_reads_end(self, revision: int) -> None:
        store = self._store
        while store.is_pinned_below(revision):
            unpinned: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            store.when_unpinned(partial(_resolve, unpinned))
            await unpinned


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
