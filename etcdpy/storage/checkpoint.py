"""
Checkpoints: durable batches move from memory and journal into LMDB.

Nobody waits for it, save a full journal. The steps, and what a crash leaves
after each: the journal still has everything until the commit; the commit
brings the rows and the journal sequence they reach in one transaction; space in
the journal is given back last. Started again from anywhere, it ends the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from etcdpy.clock import Clock, stopwatch
from etcdpy.cooperative import Steps, run
from etcdpy.counters import Histogram, doubling
from etcdpy.storage.backend import Backend
from etcdpy.storage.batch import Batch
from etcdpy.storage.errors import DiskFullError, MapFullError, StorageError

#: Begin when this much waits: large enough that rows arrive in whole pages, small
#: beside the journal, so that it never is full before a checkpoint ends.
CHECKPOINT_BYTES = 1 << 20
#: Most for one transaction, whose dirty pages are held in memory until it ends.
LARGEST_CHECKPOINT = 2 * CHECKPOINT_BYTES
#: What deleting a row costs beside writing one: its page is rewritten.
DROP_BYTES = 256

#: How often a full disk is looked at again.
ROOM_CHECK_SECONDS = 1.0


class Group(NamedTuple):
    """Batches of one journal frame."""

    sequence: int
    batches: list[Batch]
    size: int


class Checkpointer:
    """
    Moves groups into LMDB, oldest first, while the loop serves.

    Args:
        backend: Where they go.
        loop: The loop that calls everything here.
        clock: Says when a full disk is looked at again.
        on_applied: Returns steps which are run on the loop once the backend shows these batches.
        on_failure: Called on the loop, once, when it cannot go on.
        on_full: Called on the loop each time there is no room; nothing is lost, the journal
            has it all, and the checkpoint is tried again until there is.

    """

    def __init__(
        self,
        backend: Backend,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        on_applied: Callable[[list[Batch]], Steps[None]],
        on_failure: Callable[[StorageError], None],
        on_full: Callable[[], None] = lambda: None,
    ) -> None:
        self._backend = backend
        self._loop = loop
        self._on_applied = on_applied
        self._on_failure = on_failure
        self._on_full = on_full
        self._clock = clock
        self._is_ending = False
        # Set when the time has come to look at a full disk again, or waiting is over.
        self._look_again = asyncio.Event()
        self._waiting: deque[Group] = deque()
        self._size = 0
        # The newest frame of the checkpoint under way, 0 if there is none.
        self._moving = 0
        self._wanted = False
        # The bytes of the largest since LMDB had little memory, and whether it is to have.
        self._largest = 0
        self._is_easing = False
        self._failed: StorageError | None = None
        self._task: asyncio.Task[None] | None = None
        # Who waits for a frame to be in LMDB: all up to it then are.
        self._awaited: list[tuple[int, asyncio.Future[None]]] = []
        self._one_at_a_time = asyncio.Lock()
        #: Seconds that checkpoints took, and their commits alone.
        self.checkpoints = Histogram(doubling(0.001, 14))
        self.commits = Histogram(doubling(0.001, 14))
        # One thread, always the same: LMDB wants begin and end of a transaction on one.
        self._thread = ThreadPoolExecutor(1, "checkpoint")

    def add(self, group: Group) -> None:
        """Take over a durable group; a checkpoint begins when enough of them wait."""
        self._waiting.append(group)
        self._size += group.size
        if self._size >= CHECKPOINT_BYTES:
            self._start()

    def hurry(self) -> None:
        """Checkpoint all that waits now: the journal runs out of space, or memory is wanted."""
        self._wanted = True
        self._start()

    def ease(self) -> None:
        """Checkpoint all that waits, and have LMDB let go of the memory that it took for more."""
        self._is_easing = True
        self.hurry()

    def end_waiting(self) -> None:
        """Wait for room on the disk no more: what finds none is left to the journal."""
        self._is_ending = True
        self._look_again.set()

    async def catch_up(self) -> None:
        """
        Wait until everything handed in so far is in LMDB. Safe to cancel.

        Raises:
            StorageError: If checkpoints have failed.

        """
        if self._failed is not None:
            raise self._failed
        if self._waiting:
            newest = self._waiting[-1].sequence
        elif self._moving:
            newest = self._moving
        else:
            return
        reached: asyncio.Future[None] = self._loop.create_future()
        self._awaited.append((newest, reached))
        self.hurry()
        await reached

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """
        Keep LMDB as it is inside the block; what becomes durable waits in the journal.

        The journal has room for a while; then writes wait.

        Raises:
            StorageError: If checkpoints have failed.

        """
        async with self._one_at_a_time:
            if self._failed is not None:
                raise self._failed
            yield

    async def close(self) -> None:
        """Move everything into LMDB, unless that failed, and end the thread."""
        self.hurry()
        while self._task is not None:
            await asyncio.shield(self._task)
        self._thread.shutdown()

    def _start(self) -> None:
        if self._task is None and self._failed is None:
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            while True:
                if self._waiting and (self._wanted or self._size >= CHECKPOINT_BYTES):
                    async with self._one_at_a_time:
                        await self._checkpoint(self._take())
                elif self._is_easing:
                    # In the loop: more may have come while this waits.
                    self._is_easing = False
                    async with self._one_at_a_time:
                        self._let_go()
                else:
                    break
        except StorageError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - whatever it was, the disk is behind for good
            self._fail(StorageError(f"cannot checkpoint: {error!r}"))
        finally:
            self._wanted = False
            self._task = None

    def _take(self) -> list[Group]:
        groups = [self._waiting.popleft()]
        size = groups[0].size
        # Beyond the first: one that is too large still has to go, and cannot be divided.
        while self._waiting and size + self._waiting[0].size <= LARGEST_CHECKPOINT:
            groups.append(self._waiting.popleft())
            size += groups[-1].size
        self._size -= size
        self._largest = max(self._largest, size)
        return groups

    def _let_go(self) -> None:
        if self._largest >= CHECKPOINT_BYTES and not self._is_ending and self._backend.renew():
            self._largest = 0

    async def _checkpoint(self, groups: list[Group]) -> None:
        batches = [batch for group in groups for batch in group.batches]
        sequence = self._moving = groups[-1].sequence
        await self._write_when_room(batches, sequence)
        # In this order: the backend shows the rows before memory forgets them, and the journal
        # gives up its space when nobody needs it any more.
        self._backend.refresh()
        await run(self._on_applied(batches))
        self._backend.journal.release(sequence)
        self._moving = 0
        self._resolve_up_to(sequence)

    def _resolve_up_to(self, sequence: int) -> None:
        for wanted, reached in self._awaited:
            if wanted <= sequence and not reached.done():
                reached.set_result(None)
        self._awaited = [item for item in self._awaited if not item[1].done()]

    async def _write_when_room(self, batches: list[Batch], sequence: int) -> None:
        while True:
            try:
                return await self._write(batches, sequence)
            except MapFullError:
                self._backend.enlarge()
            except StorageError as error:
                # LMDB calls a write that the end of the disk cut short an I/O error.
                full = isinstance(error, DiskFullError) or self._backend.disk_is_full()
                if not full or self._is_ending:
                    raise
                self._on_full()
                self._look_again.clear()
                await self._clock.wait(self._look_again, ROOM_CHECK_SECONDS)

    async def _write(self, batches: list[Batch], sequence: int) -> None:
        on_thread = self._loop.run_in_executor
        began = stopwatch()
        txn = await on_thread(self._thread, self._backend.begin)
        try:
            await run(txn.fill(batches, sequence))
            filled = stopwatch()
            await on_thread(self._thread, txn.commit)
        except BaseException:
            # Cancelled as well: LMDB has one writer at a time, and this one has to let go.
            await on_thread(self._thread, txn.abort)
            raise
        ended = stopwatch()
        self.commits.observe(ended - filled)
        self.checkpoints.observe(ended - began)

    def _fail(self, error: StorageError) -> None:
        self._failed = error
        self._waiting.clear()
        for _, reached in self._awaited:
            if not reached.done():
                reached.set_exception(error)
        self._on_failure(error)
