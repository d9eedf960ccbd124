"""
The compactor: when compactions run, one after the other, in the background.

Each waits until its decision is durable and until reads at older revisions have ended, has
what it finds hashed, and then drops the rows, at a pace that can be set.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from etcdpy.clock import Clock, stopwatch
from etcdpy.cooperative import run, turn
from etcdpy.mvcc import compaction
from etcdpy.mvcc.hashing import Hasher, KeyHash
from etcdpy.mvcc.store import Store
from etcdpy.node.measures import Measures

#: Rows dropped in one batch (etcd: kvstore.go, defaultCompactBatchLimit).
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
    done: Future[None]


class Compactor:
    """
    Runs one compaction after the other.

    Args:
        store: What is compacted.
        hasher: Remembers the hash of what each compaction finds; None: nobody asks for it.
        clock: Measures the sleep.
        batch_limit: Rows dropped in one batch at most; 0 or less is the default.
        sleep: Seconds between two batches.
        began: Called with the revision as each compaction sets to work; returns what is called
            at its end.
        measures: Where it is noted how long compactions took.

    """

    def __init__(
        self,
        store: Store,
        hasher: Hasher | None,
        clock: Clock,
        *,
        batch_limit: int = 0,
        sleep: float = 0,
        began: Callable[[int], Ended] = _unheard,
        measures: Measures | None = None,
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock
        limit = batch_limit if batch_limit > 0 else ROWS_PER_BATCH
        self._batch_limit = min(limit, MOST_ROWS_PER_BATCH)
        self._sleep = max(sleep, 0)
        self._began = began
        self._measures = measures or Measures()
        self._running: asyncio.Task[None] | None = None
        self._scheduled: list[_Scheduled] = []

    def schedule(self, revision: int) -> tuple[int, Future[None]]:
        """
        Begin to compact the store at ``revision``.

        Returns:
            The sequence of the batch with the decision, and what resolves when the rows are
            gone from the disk.

        Raises:
            CompactedError: If the store was compacted there, or later, already.
            FutureRevisionError: If the revision is not there yet.

        """
        # A hash over what a compaction still at work leaves would be of no use.
        # (etcd: kvstore.go, compact: prevCompactionCompleted)
        previous = None if self._running else self._store.compact_revision
        decided = compaction.begin(self._store, revision)
        return decided, self._start(revision, previous)

    def resume(self, revision: int) -> Future[None]:
        """Go on with a compaction begun before; return what resolves when it is done."""
        return self._start(revision, None)

    async def idle(self) -> None:
        """Wait until no compaction is at work. Safe to cancel."""
        while self._running is not None:
            await asyncio.wait({self._running})

    async def close(self) -> None:
        """Stop; what is left over is resumed at the next start."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _start(self, revision: int, previous: int | None) -> Future[None]:
        done: Future[None] = asyncio.get_running_loop().create_future()
        # Nobody need wait for it, and a failing disk is reported by the log itself.
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._scheduled.append(_Scheduled(revision, previous, done))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return done

    async def _run(self) -> None:
        current: Future[None] | None = None
        try:
            while self._scheduled:
                revision, previous, current = self._scheduled.pop(0)
                await self._compact(revision, previous)
                _resolve(current)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            for waiting in (current, *(scheduled.done for scheduled in self._scheduled)):
                if waiting is not None and not waiting.done():
                    waiting.set_exception(error)
            self._scheduled.clear()
        finally:
            self._running = None

    async def _compact(self, revision: int, previous: int | None) -> None:
        # Reads run at the durable revision: only once that has reached the compaction's
        # can nobody look for what is about to go.
        await self._durable(self._store.log.written())
        await self._older_reads_end(revision)
        ended, started = self._began(revision), self._clock.monotonic()
        found = None
        if self._hasher is not None and previous is not None:
            found = await run(self._hasher.before_compaction(revision, previous))
        dropped = await self._drop_rows(revision)
        measures = self._measures
        measures.compaction.observe(1000 * (self._clock.monotonic() - started))
        measures.compacted_rows += dropped
        measures.compacted_at = self._clock.wall()
        ended(dropped, found)
        if self._hasher is not None and found is not None:
            self._hasher.remember(found)

    async def _older_reads_end(self, revision: int) -> None:
        store = self._store
        while store.is_pinned_below(revision):
            unpinned: Future[None] = asyncio.get_running_loop().create_future()
            store.when_unpinned(partial(_resolve, unpinned))
            await unpinned

    async def _drop_rows(self, revision: int) -> int:
        steps = compaction.drop_rows(self._store, revision, self._batch_limit)
        while True:
            began = stopwatch()
            try:
                to_wait_for = next(steps)
                self._measures.note_compaction_slice(stopwatch() - began)
            except StopIteration as end:
                self._measures.note_compaction_slice(stopwatch() - began)
                dropped, last = end.value
                await self._durable(last)
                return int(dropped)
            if to_wait_for is None:
                await turn()
                continue
            await self._durable(to_wait_for)
            if self._sleep:
                await self._clock.sleep(self._sleep)

    async def _durable(self, sequence: int) -> None:
        if pending := self._store.log.until(sequence):
            await pending


def _resolve(future: Future[None]) -> None:
    if not future.done():  # whoever waited may have gone
        future.set_result(None)
