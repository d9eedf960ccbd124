"""What the storage tests are made of: row keys, batches, and copies of a directory."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import shutil
import struct
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

from etcdpy.clock import Clock
from etcdpy.storage import Backend, Batch, GroupCommit
from etcdpy.testing import MovableClock

T = TypeVar("T")

#: Small, so that tests come round the ring.
SEGMENT_BYTES = 8 << 10


# For batches whose future nobody waits for.
_CLOSED_LOOP = asyncio.new_event_loop()
_CLOSED_LOOP.close()


def row_key(revision: int, sub: int = 0) -> bytes:
    return struct.pack(">QcQ", revision, b"_", sub)


def batch_of(*revisions: int, value: bytes = b"value") -> Batch:
    """Return a batch with one row for each revision, outside of any loop."""
    batch = Batch(_CLOSED_LOOP, 1)
    for revision in revisions:
        batch.rows[row_key(revision)] = value
        batch.revision = revision
    return batch


def open_log(backend: Backend, clock: Clock | None = None) -> GroupCommit:
    """Return a log over an open backend; without a clock its time stands still."""
    return GroupCommit(backend, asyncio.get_running_loop(), clock or MovableClock())


def put(log: GroupCommit, revision: int, value: bytes = b"value") -> asyncio.Future[None]:
    """Write a row as the store does and return when it is durable."""
    log.batch.rows[row_key(revision)] = value
    log.batch.revision = revision
    durable = log.batch.durable
    log.flush_soon()
    return durable


def revisions_in(backend: Backend) -> list[int]:
    """Return the main revisions of all rows, in order."""
    return [int.from_bytes(key[:8], "big") for key, _ in backend.scan_rows(b"")]


def as_after_a_crash(data_dir: Path, to: Path) -> Path:
    """Copy what a process killed right now would leave behind."""
    # LMDB's lock file only describes live processes.
    return Path(shutil.copytree(data_dir, to, ignore=shutil.ignore_patterns("lock.mdb")))


@contextlib.contextmanager
def disk_refusing_writes() -> Iterator[None]:
    """Make every write to a file of this process fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def soon(awaitable: Awaitable[T]) -> T:
    """Wait for what must happen; a test that would hang fails instead."""
    return await asyncio.wait_for(awaitable, 60)


async def as_time_passes(clock: MovableClock, awaitable: Awaitable[T]) -> T:
    """Wait for what needs some time of a clock, a second of which passes again and again."""
    waiting = asyncio.ensure_future(awaitable)

    async def is_done() -> None:
        while not waiting.done():
            await clock.advance(1)
            await asyncio.sleep(0.001)  # The disk takes time that is not the clock's.

    await soon(is_done())
    return await waiting


async def until(seen: Callable[[], bool]) -> None:
    """Give the loop and its threads turns until it is so."""

    async def poll() -> None:
        while not seen():  # noqa: ASYNC110 - what is looked at has no event to wait for
            await asyncio.sleep(0.001)

    await soon(poll())
