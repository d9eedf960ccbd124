"""
Group commit: while one group of batches is being written, the next gathers.

No timers: the disk itself sets the pace. The way of a batch::

    gathering --flush--> handed over --journal--> durable --checkpoint--> in LMDB
        loop      loop        committer     loop        loop and checkpoint thread

Only the loop thread touches the fields of ``GroupCommit``; the committer thread
sees encoded batches, and answers through ``call_soon_threadsafe``, once a group.

Waking a thread and being woken by it take as long as a quick disk's write. So the
loop itself writes a small batch when no other is on its way, while the disk is quick.
Requests that come meanwhile share the next write.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple, Protocol

from etcdpy.clock import Clock
from etcdpy.cooperative import Steps
from etcdpy.counters import Histogram
from etcdpy.storage.backend import SMALL, Backend
from etcdpy.storage.batch import Batch
from etcdpy.storage.checkpoint import DROP_BYTES, Checkpointer, Group
from etcdpy.storage.durable import Durable
from etcdpy.storage.errors import DiskFullError, StorageError
from etcdpy.storage.journal import Journal, Payload
from etcdpy.storage.record import RowColumns, encode
from etcdpy.storage.starvation import Starvation
from etcdpy.storage.transaction import LARGEST_KEY
from etcdpy.storage.view import NewestView

#: Bytes handed over and not yet durable beyond which writes should wait before they begin: what a
#: disk of 100 MB/s takes in 20 ms. Whoever comes then has no more before it than that, and what
#: was let in before.
BEHIND_BYTES = 2 << 20
#: A batch of this many bytes at most may be written by the loop,
AT_ONCE_BYTES = 2 << 10
#: while such writes lately took less than this, in seconds.
AT_ONCE_PACE = 0.001


class _Waiting(NamedTuple):
    """A batch handed over and not yet durable, with what it weighs for a checkpoint."""

    batch: Batch
    size: int


class DiskWrites:
    """
    How long it took to write.

    Args:
        journal: What batches become durable in.
        checkpoints: Seconds that those took.
        commits: Seconds of the last step of each, which is the disk's.

    """

    def __init__(self, journal: Journal, checkpoints: Histogram, commits: Histogram) -> None:
        self._journal = journal
        self.checkpoints = checkpoints
        self.commits = commits

    @property
    def frames(self) -> Histogram:
        """Seconds of each write to the journal, which is durable then."""
        return self._journal.writes

    @property
    def frame_bytes(self) -> int:
        """The bytes of them."""
        return self._journal.written


class Served(Protocol):
    """Whose changes are gathered: the store."""

    def seal(self, batch: Batch) -> None:
        """Add to a batch, about to be handed over, what is only known now."""

    def made_durable(self, batch: Batch) -> None:
        """Note that a batch is on the disk."""


class GroupCommit(NewestView):
    """
    Makes batches durable in order, and answers reads at the newest state: the ``CommitLog``.

    Args:
        backend: Where batches go. Its ``close`` stays with the caller.
        loop: The loop whose thread calls everything here.
        clock: Says when a full disk is looked at again, and whether the committer is kept waiting.

    Attributes:
        on_durable: Called on the loop for each batch on disk, in order, before its future is
            resolved.
        on_failure: Called once, on the loop, when writing fails. From then on nothing becomes
            durable: the server has to stop (etcd panics).
        on_full: Called on the loop each time the disk is found full, while what was handed over
            waits for room; set by who can do something about it.
        on_behind: Called on the loop when more than ``BEHIND_BYTES`` have been handed over, and
            the disk is not found full.
        on_checkpoint: Called on the loop when a checkpoint is made, each mebibyte or so.
        on_caught_up: Called on the loop when half of that is durable, or never will be.
        failed: Why writing stopped, once it did.
        before_write: Called on the committer thread before each group is written, for what has to
            be on the disk when its batches are; set before the first. What it raises is a
            failure to write. The loop then writes none by itself: it would wait for that.
        writes: How long they took.

    """

    def __init__(self, backend: Backend, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        super().__init__(backend, Batch(loop, 1))
        self._journal = backend.journal
        self._loop = loop
        self.on_durable: list[Callable[[Batch], None]] = []
        self.on_failure: Callable[[StorageError], None] | None = None
        self.on_full: Callable[[], None] | None = None
        self.on_behind: Callable[[], None] = _do_nothing
        self.on_checkpoint: Callable[[], None] = _do_nothing
        self.on_caught_up: Callable[[], None] = _do_nothing
        self.before_write: Callable[[], None] | None = None
        self._seal: Callable[[Batch], None] | None = None
        self._flushing = False
        self._held = False
        self._prepared: RowColumns | None = None
        self._closed = False
        self.failed: StorageError | None = None
        self._last_row = backend.last_row()
        # Handed over, not yet durable, oldest first.
        self._waiting: deque[_Waiting] = deque()
        # What the batches handed over and not yet in LMDB will add to it.
        self._pending = 0
        # The bytes of them, and whether those who write wait for that.
        self._behind = 0
        self._is_behind = False
        # Whether the disk was found full since something was last written.
        self._is_full = False
        # The sequence of the newest durable batch; those that wait follow it without a gap.
        self._durable = 0
        self._journal.on_full = lambda: self._call_on_loop(self._full)
        self._checkpointer = Checkpointer(
            backend, loop, clock, self._note_applied, self._fail, self._full
        )
        self.writes = DiskWrites(
            self._journal, self._checkpointer.checkpoints, self._checkpointer.commits
        )
        self._starvation = Starvation(clock, self._oldest)
        self._queue: SimpleQueue[Payload | None] = SimpleQueue()
        self._ended: asyncio.Future[None] = loop.create_future()
        # Whoever has it may write to the journal.
        self._writing = threading.Lock()
        self._committer = threading.Thread(target=self._run, name="committer", daemon=True)
        self._committer.start()

    # The loop's side.

    def serve(self, served: Served) -> None:
        """Let a store seal each batch, and be the first to know that it is durable."""
        self._seal = served.seal
        self.on_durable.insert(0, served.made_durable)

    @property
    def is_flushing(self) -> bool:
        """Whether the gathering batch is handed over at the end of this loop turn."""
        return self._flushing

    def flush_soon(self) -> None:
        """
        Hand the batch over at the end of this loop turn. Call after every change.

        The change has to be complete, unless batches are held: a batch is handed over as
        it stands.
        """
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def hold(self) -> None:
        """Keep the gathering batch until ``release``: changes in it are not complete."""
        self._held = True

    def prepare(self) -> None:
        """Encode what is in the gathering batch, which is held and may become large."""
        if self._prepared is None:
            self._prepared = RowColumns()
        self._prepared.add(self.batch.rows)

    def release(self) -> None:
        """Hand batches over again."""
        self._held = False
        self.flush_soon()

    def fail(self, error: StorageError) -> None:
        """Stop as if the disk had failed: what the store made is not to be kept."""
        self._fail(error)

    def written(self) -> int:
        """Return the sequence of the newest batch with a change in it, 0 if there is none."""
        batch = self.batch
        return batch.sequence if batch else batch.sequence - 1

    def until(self, sequence: int) -> asyncio.Future[None] | None:
        """
        Return what resolves when a batch, and so all before it, is durable; None if it is.

        Once writing has failed, that is a future which fails, for every batch that is not.

        Args:
            sequence: Of the gathering batch, or of one before it.

        """
        batch = self.batch
        # Fast path (bench: put/100x1): a write asks in the turn in which it was made.
        if sequence == batch.sequence:
            return batch.durable
        place = sequence - self._durable - 1
        if place < 0:
            return None
        if self.failed is not None:
            return _failed(self.failed, self._loop)
        return self._waiting[place].batch.durable

    def unsettled(self) -> asyncio.Future[None] | None:
        """Return what resolves when all changes made so far are durable; None if they are."""
        return self.until(self.written())

    def size(self) -> int:
        """
        Return the bytes of the database, with what is on its way to it (etcd: backend.go, Size).

        What is on its way goes into pages that wait for reuse first. A small database is what
        its entries are, and not the pages that LMDB takes for a few of them: where there is room
        for little, that is not used up by these.
        """
        size = self._backend.size()
        in_use = self._backend.size_in_use() + self._pending + self.batch.put_bytes
        return in_use if size <= SMALL or in_use > size else size

    async def checkpoint(self) -> None:
        """
        Wait until all changes made so far are durable and in LMDB. Safe to cancel.

        Raises:
            StorageError: If writing has failed.

        """
        if pending := self.unsettled():
            await pending
        if self.failed is not None:
            raise self.failed
        await self._checkpointer.catch_up()

    def checkpoint_soon(self) -> None:
        """Have what is durable moved into LMDB, so that it is in memory no longer, nor LMDB's."""
        self._checkpointer.ease()

    def checkpoints_held(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Keep what is in LMDB as it is inside the block: see ``Checkpointer.held``."""
        return self._checkpointer.held()

    def end_waiting(self) -> None:
        """Let what finds the disk full fail from now on: the server ends, and waits no more."""
        self._journal.end_waiting()
        self._checkpointer.end_waiting()

    async def close(self) -> None:
        """
        Make everything handed in durable, move it into LMDB, end the threads.

        Nothing may be written afterwards. Where a full disk stands in the way, what is
        durable stays in the journal for the next start. Safe to call again.
        """
        if self._closed:
            return
        self._closed = True
        self._flush()
        self.end_waiting()
        self._queue.put(None)
        # Shielded: who is cancelled here must not cancel it for the committer.
        await asyncio.shield(self._ended)
        self._committer.join()
        self._starvation.close()
        await self._checkpointer.close()
        # After a failure the journal is the only one to know what was acknowledged.
        if self.failed is None:
            self._journal.clear()

    def _flush(self) -> None:
        self._flushing = False
        batch = self.batch
        if self._held or not batch:
            return
        prepared, self._prepared = self._prepared, None
        # First of all, so that nothing goes into a batch while it is encoded.
        following = self.batch = Batch(self._loop, batch.sequence + 1)
        if self.failed is not None:
            _fail(batch, self.failed)
            return
        try:
            if self._seal is not None:
                self._seal(batch)
            following.revision = batch.revision
            self._refuse_unwritable(batch)
            payload = Payload.of(encode(batch, prepared))
        except Exception as error:  # noqa: BLE001 - else who waits would wait for ever
            self._fail(StorageError(f"cannot write what the store made: {error}"))
            _fail(batch, error)
            return
        # Before it is written: reads must find it without a gap.
        self._keep(batch)
        size = len(payload.data) + DROP_BYTES * len(batch.drops)
        self._waiting.append(_Waiting(batch, size))
        batch.put_bytes = len(payload.data) - sum(map(len, batch.drops))
        self._pending += batch.put_bytes
        self._behind += size
        if not self._write_at_once(payload):
            self._queue.put(payload)
            if not self._starvation.is_watching:
                self._starvation.watch()
            if self._behind > BEHIND_BYTES and not self._is_behind and not self._is_full:
                self._is_behind = True
                self.on_behind()

    def _write_at_once(self, payload: Payload) -> bool:
        """Write the batch just handed over on this thread, if that is the quicker way."""
        # Fast path (bench: put/1x1): waking the committer and being woken take longer than a
        # quick disk.
        if (
            self.before_write is not None
            or len(self._waiting) > 1  # one before it is with the committer, and order counts
            or len(payload.data) > AT_ONCE_BYTES
            or self._journal.pace > AT_ONCE_PACE  # the loop would stand still for as long
            or not self._writing.acquire(blocking=False)  # it prepares a segment
        ):
            return False
        try:
            sequence = self._journal.append_at_once(payload)
        except DiskFullError:
            return False  # the committer can wait for room
        except StorageError as error:
            self._fail(error)
            return True
        finally:
            self._writing.release()
        if sequence is None:
            return False
        self._finish(sequence, 1)
        return True

    def _refuse_unwritable(self, batch: Batch) -> None:
        """
        Keep out of the journal what LMDB would refuse: no start could get past it.

        Raises:
            StorageError: If the store made a mistake; nothing after it can be right.

        """
        if batch.rows:
            if next(iter(batch.rows)) <= self._last_row:
                raise StorageError("rows are not in ascending order")
            self._last_row = next(reversed(batch.rows))
        if any(len(key) > LARGEST_KEY for _, key in batch.puts):
            raise StorageError(f"a key is longer than {LARGEST_KEY} bytes")

    def _finish(self, sequence: int, count: int) -> None:
        """Note that the oldest ``count`` batches are durable."""
        # A group may have been under way when ``_fail`` took all that waited.
        if self.failed is not None:
            return
        if self._starvation.is_found:
            self._starvation.relieve()
        done = [self._waiting.popleft() for _ in range(count)]
        self._durable = done[-1].batch.sequence
        written = sum([size for _, size in done])
        self._behind -= written
        self._is_full = False
        if self._is_behind and self._behind <= BEHIND_BYTES // 2:
            self._catch_up()
        for batch, _ in done:
            for listener in self.on_durable:
                listener(batch)
            if not batch.durable.done():
                batch.durable.set_result(None)
        batches = [batch for batch, _ in done]
        self._checkpointer.add(Group(sequence, batches, written))

    def _oldest(self) -> int:
        """Return the sequence of the oldest batch that is not written, 0 if all are."""
        return self._waiting[0].batch.sequence if self._waiting else 0

    def _note_applied(self, batches: list[Batch]) -> Steps[None]:
        self.on_checkpoint()
        yield from self._forget(batches)
        self._pending -= sum(batch.put_bytes for batch in batches)

    def _full(self) -> None:
        # Nobody waits for what may take an operator: writes are refused from now on.
        self._is_full = True
        self._catch_up()
        if self.on_full is not None:
            self.on_full()

    def _catch_up(self) -> None:
        if self._is_behind:
            self._is_behind = False
            self.on_caught_up()

    def _fail(self, error: StorageError) -> None:
        """Let nothing more become durable, and say so, once."""
        if self.failed is not None:
            return
        self.failed = error
        # The committer may be waiting for a segment that is never released.
        self._journal.give_up()
        self._starvation.relieve()
        while self._waiting:
            _fail(self._waiting.popleft().batch, error)
        self._catch_up()
        if self.on_failure is not None:
            self.on_failure(error)

    # The committer thread's side.

    def _run(self) -> None:
        """Write groups until told to stop, or until one fails."""
        stop = False
        try:
            while not stop:
                group, stop = self._take_group()
                with self._writing:
                    self._write(group)
        except StorageError as error:
            self._call_on_loop(self._fail, error)
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing is durable
            self._call_on_loop(self._fail, StorageError(f"cannot write the journal: {error!r}"))
        self._call_on_loop(self._ended.set_result, None)

    def _write(self, group: list[Payload]) -> None:
        if group:
            if self.before_write is not None:
                self.before_write()
            if self._journal.full:
                self._call_on_loop(self._checkpointer.hurry)
            self._call_on_loop(self._finish, self._journal.append(group), len(group))
        # Filling a segment takes the disk for a while, so never while a batch waits.
        while self._queue.empty() and self._journal.prepare_ahead():
            pass

    def _take_group(self) -> tuple[list[Payload], bool]:
        """Wait for a batch, then take all that are ready; True when no more will come."""
        group: list[Payload] = []
        payload = self._queue.get()
        while payload is not None:
            group.append(payload)
            if self._queue.empty():
                return group, False
            payload = self._queue.get()
        return group, True

    def _call_on_loop(self, callback: Callable[..., None], *args: object) -> None:
        # The loop may be closed: then nobody is left to hear of it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)


def _do_nothing() -> None:
    """Serve as a callback while there is no other."""


def _failed(error: StorageError, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    failed: asyncio.Future[None] = Durable(loop=loop)
    failed.set_exception(error)
    failed.exception()  # Seen, as below.
    return failed


def _fail(batch: Batch, error: Exception) -> None:
    if not batch.durable.done():
        batch.durable.set_exception(error)
        # Mark it seen: a batch nobody waits for is no bug to report.
        batch.durable.exception()
