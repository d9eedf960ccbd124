"""
Defragmentation: the database moves into a new file without free pages, in use.

LMDB never gives a page back to the file system, and a page that lost some of its rows stays
half empty. So everything is copied into a new file, which takes the place of the old one::

    settle . checkpoint . copy ......... round ... round . [final round, rename, swap]
                                                            checkpoints are held

Who has compacted just before wants that space back: hence a compaction is waited for, and a
checkpoint made. Then a process of its own copies the newest commit and, in rounds that become
short, what came meanwhile. For the final one checkpoints are held: LMDB stands still, while
writes go on into the journal and are acknowledged. They wait only if they fill it. Reads do not
wait at all: the old file answers them until one step of the loop has them go on in the new one.
A small store has no rounds: with checkpoints held, the server copies it by itself.
A snapshot that is being sent keeps the old file, whose space comes back when the last of them
ends.

A crash before the rename leaves the old file, and the next start removes the copy; a crash
after it leaves the new one. They have the same content and the same place in the journal,
which goes on only when the rename is durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from etcdpy.clock import Clock, stopwatch
from etcdpy.cooperative import run
from etcdpy.errors import DefragmentError, StoppedError
from etcdpy.gostd.durations import go_duration
from etcdpy.gostd.sizes import human_size
from etcdpy.storage.backend import Backend
from etcdpy.storage.commit import GroupCommit
from etcdpy.storage.defrag_copy import ROOM_LEFT
from etcdpy.storage.errors import DiskFullError, NotDurableError, StorageError

if TYPE_CHECKING:  # imported by whoever defragments
    from etcdpy.storage.defrag_process import CopyProcess

logger = logging.getLogger(__name__)

#: After a round this short, in seconds, the next is the final one: what is written during it
#: fits into the journal.
SHORT_ROUND = 0.1
#: After so many rounds the next is the final one, however long it takes. Rows are copied faster
#: than they come; only compactions, after which a round looks at every row, can keep it long.
MOST_ROUNDS = 30
#: A final round that takes longer is given up, in seconds: writes could be waiting for it.
LONGEST_HOLD = 5.0

#: With so much in use the copy takes less time than a process takes to start (measured: 140 ms,
#: and a second on a busy machine), in bytes.
SMALL_STORE = 1 << 20

_T = TypeVar("_T")


class Defragmenter:
    """
    Moves the database into a new file, one time after the other. Loop thread only.

    Args:
        commits: What writes to the database.
        backend: The database.
        clock: Ends a final round that takes too long.

    Attributes:
        settle: Waits until nothing is at work that empties pages, such as a compaction. Safe to
            cancel; None if nothing ever is.

    """

    def __init__(self, commits: GroupCommit, backend: Backend, clock: Clock) -> None:
        self.settle: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._commits = commits
        self._backend = backend
        self._clock = clock
        self._running: asyncio.Task[None] | None = None
        self._process: CopyProcess | None = None
        # Why what goes on is not to go on, and what it waits for that a full disk may hold up.
        self._given_up = ""
        self._waiting: asyncio.Future[None] | None = None
        self._is_closed = False

    async def defragment(self) -> None:
        """
        Move the database into a new file; a call made meanwhile does so again afterwards.

        What has begun goes on when its caller is cancelled (etcd: so does ``Defragment``).

        Raises:
            DefragmentError: If it cannot be done.
            StoppedError: If the server ends.

        """
        while self._running is not None:
            await asyncio.wait({self._running})
        if self._is_closed:
            raise StoppedError
        self._given_up = ""
        self._running = asyncio.ensure_future(self._run())
        self._running.add_done_callback(self._end)
        await asyncio.shield(self._running)

    def give_up(self, why: str) -> bool:
        """End what is going on, unless it is all but done; return whether anything is."""
        if self._running is None:
            return False
        self._given_up = why
        if self._process is not None:
            self._process.kill()
        if self._waiting is not None:
            self._waiting.cancel()
        return True

    async def close(self) -> None:
        """Give up, and begin nothing more."""
        self._is_closed = True
        self.give_up("the server ends")
        if self._running is not None:
            # Not cancelled: between the rename and the swap there is no way back.
            await asyncio.wait({self._running})

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running = None
        error = task.exception()
        if error is not None and not isinstance(error, (DefragmentError, StoppedError)):
            # Whoever asked may be gone.
            logger.error("failed to defragment", exc_info=error)

    async def _run(self) -> None:
        logger.info("starting defragment")
        thread = ThreadPoolExecutor(1, "defragment")
        try:
            with _reported(self._backend) as fields:
                await self._move(_Worker(thread), fields)
        except (StorageError, OSError) as error:
            why = self._given_up or str(error)
            logger.warning("failed to defragment", {"error": why})
            raise (StoppedError() if self._is_closed else DefragmentError(why)) from error
        finally:
            # Not waited for: while the old file is unmapped no thread can end (measured: 80 ms).
            thread.shutdown(wait=False)
        logger.info("finished defragment")

    async def _move(self, worker: _Worker, fields: dict[str, object]) -> None:
        directory = self._backend.directory
        if self.settle is not None:
            await self._unless_given_up(self.settle())
        await self._unless_given_up(self._commits.checkpoint())
        # Behind the checkpoint, which may have taken some of it.
        _require_room(self._backend)
        place = await worker.run(directory.place_for_copy)
        try:
            if self._backend.size_in_use() <= SMALL_STORE:
                await self._move_small(worker, place, fields)
                return
            from etcdpy.storage.defrag_process import CopyProcess

            process = await worker.run(lambda: CopyProcess(directory.lmdb, place))
            try:
                self._process = process
                await self._copy(worker, process)
                async with AsyncExitStack() as held:
                    hold = held.enter_async_context(self._commits.checkpoints_held())
                    await self._unless_given_up(hold)
                    began = stopwatch()
                    await self._copy_rest(worker, process)
                    await self._swap(worker, place)
                    fields["checkpoints-held"] = go_duration(stopwatch() - began)
            finally:
                self._process = None
                process.kill()
                await worker.run(process.close)
                # A reader that died stays in LMDB's table, and no page that it could see is used
                # again.
                self._backend.forget_dead_readers()
        finally:
            await worker.run(lambda: directory.discard(place))

    async def _move_small(self, worker: _Worker, place: Path, fields: dict[str, object]) -> None:
        from etcdpy.storage.small_copy import SmallCopy

        async with AsyncExitStack() as held:
            hold = held.enter_async_context(self._commits.checkpoints_held())
            await self._unless_given_up(hold)
            began = stopwatch()
            self._check_wanted()
            copy = await worker.run(lambda: SmallCopy(place))
            try:
                await run(copy.fill(self._backend, self._backend.state()))
                await worker.run(copy.finish)
            finally:
                await worker.run(copy.close)
            self._check_wanted()
            await self._swap(worker, place)
            fields["checkpoints-held"] = go_duration(stopwatch() - began)

    async def _copy(self, worker: _Worker, process: CopyProcess) -> None:
        for _ in range(MOST_ROUNDS):
            self._check_wanted()
            began = stopwatch()
            await worker.run(process.catch_up)
            if stopwatch() - began <= SHORT_ROUND:
                return

    async def _copy_rest(self, worker: _Worker, process: CopyProcess) -> None:
        self._check_wanted()
        why = "the last round of copying takes too long"
        limit = self._clock.wake_after(LONGEST_HOLD, self.give_up, why)
        try:
            await worker.run(process.catch_up)
            await worker.run(process.close)
        finally:
            limit.cancel()
        self._check_wanted()

    async def _swap(self, worker: _Worker, place: Path) -> None:
        """Put the copy in place; the way back ends here."""
        new = await worker.run(lambda: self._backend.open_copy(place))
        try:
            await worker.run(lambda: self._backend.directory.put_in_place(place))
        except NotDurableError as error:
            # After a power failure the old file could be back: it has to stay as it is, and the
            # journal must not go on without it.
            self._commits.fail(error)
            new.close()
            raise
        except OSError:
            new.close()
            raise
        self._backend.replace(new)

    async def _unless_given_up(self, work: Coroutine[Any, Any, None]) -> None:
        if self._given_up:
            # Whoever gave up has found nothing to cancel yet, and will not come again.
            work.close()
            self._check_wanted()
        self._waiting = asyncio.ensure_future(work)
        try:
            await self._waiting
        except asyncio.CancelledError:
            self._check_wanted()
            raise
        finally:
            self._waiting = None

    def _check_wanted(self) -> None:
        if self._given_up:
            raise StorageError(self._given_up)


def defragment_at_start(
    backend: Backend,
    threshold: int,
    watched: Callable[[Path, int], AbstractContextManager[None]] = lambda place, size: (
        nullcontext()
    ),
) -> None:
    """
    Move the database into a new file if that frees ``threshold`` bytes; nobody uses it yet.

    A failure is logged and no more: the database is as it was (etcd does not start then).

    Args:
        backend: The database.
        threshold: In bytes.
        watched: Entered while it is copied, with the directory in which the copy grows and the
            bytes that it will have at most.

    Raises:
        NotDurableError: If it is not certain which file a power failure would leave.

    """
    # (etcd: ``bootstrap.go``, maybeDefragBackend)
    if backend.size() - backend.size_in_use() < threshold:
        fields = _sizes(backend)
        fields["bootstrap-defrag-threshold-bytes"] = threshold
        fields["bootstrap-defrag-threshold"] = human_size(threshold)
        logger.info("Skipping defragmentation", fields)
        return
    place = backend.directory.place_for_copy()
    try:
        with _reported(backend):
            _require_room(backend)
            with watched(place, backend.size_in_use()):
                backend.copy(place)
            new = backend.open_copy(place)
            backend.directory.put_in_place(place)
            backend.replace(new)
    except NotDurableError:
        raise
    except (StorageError, OSError) as error:
        logger.warning("failed to defragment", {"error": str(error)})
    finally:
        backend.directory.discard(place)


class _Worker:
    """Runs on a thread what waits for the disk or for a process."""

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread

    async def run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _require_room(backend: Backend) -> None:
    if backend.directory.room() < backend.size_in_use() + ROOM_LEFT:
        raise DiskFullError("no space left on device")


@contextmanager
def _reported(backend: Backend) -> Iterator[dict[str, object]]:
    """Log sizes before and after; the block may add fields (etcd: ``backend.defrag``)."""
    began = stopwatch()
    size, in_use = backend.size(), backend.size_in_use()
    path = str(backend.directory.lmdb)
    logger.info("defragmenting", {"path": path, **_sizes(backend)})
    more: dict[str, object] = {}
    yield more
    fields: dict[str, object] = {"path": path, **_sizes(backend)}
    fields["current-db-size-bytes-diff"] = backend.size() - size
    fields["current-db-size-in-use-bytes-diff"] = backend.size_in_use() - in_use
    fields["took"] = go_duration(stopwatch() - began)
    logger.info("finished defragmenting directory", fields | more)


def _sizes(backend: Backend) -> dict[str, object]:
    size, in_use = backend.size(), backend.size_in_use()
    return {
        "current-db-size-bytes": size,
        "current-db-size": human_size(size),
        "current-db-size-in-use-bytes": in_use,
        "current-db-size-in-use": human_size(in_use),
    }
