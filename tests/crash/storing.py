"""
A process that stores numbered rows until it is killed, and says what became durable.

Started by ``test_kill_storage``: ``python -m tests.crash.storing DATA_DIR FIRST FSYNC``.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from etcdpy.clock import SystemClock
from etcdpy.storage import Backend, Batch, GroupCommit, checkpoint

#: Small, so that a fraction of a second sees the journal come round and many checkpoints.
SEGMENT_BYTES = 64 << 10
CHECKPOINT_BYTES = 32 << 10

#: Writes going on at a time.
WRITERS = 20


def value_of(revision: int) -> bytes:
    """Return what a row has to hold: of any length, and the same each time."""
    chance = random.Random(revision)
    return chance.randbytes(chance.choice((0, 10, 300, 5000)))


def row_key(revision: int) -> bytes:
    return revision.to_bytes(8, "big") + b"_" + bytes(8)


async def store(data_dir: Path, revision: int, *, fsync: bool) -> None:
    """Write one row after another for ever, printing each revision that is durable."""

    def report(batch: Batch) -> None:
        sys.stdout.write(f"{batch.revision}\n")
        sys.stdout.flush()

    backend = Backend.open(data_dir, fsync=fsync, segment_bytes=SEGMENT_BYTES)
    log = GroupCommit(backend, asyncio.get_running_loop(), SystemClock())
    log.on_durable.append(report)
    going_on: set[asyncio.Future[None]] = set()
    while True:
        log.batch.rows[row_key(revision)] = value_of(revision)
        log.batch.revision = revision
        going_on.add(log.batch.durable)
        log.flush_soon()
        revision += 1
        if len(going_on) >= WRITERS:
            _, going_on = await asyncio.wait(going_on, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(0)


if __name__ == "__main__":
    checkpoint.CHECKPOINT_BYTES = CHECKPOINT_BYTES
    checkpoint.LARGEST_CHECKPOINT = 2 * CHECKPOINT_BYTES
    asyncio.run(store(Path(sys.argv[1]), int(sys.argv[2]), fsync=sys.argv[3] == "fsync"))
