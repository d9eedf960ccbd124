"""A store over the real log, in a directory of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from etcdpy.mvcc.restore import restore
from etcdpy.mvcc.store import Store
from etcdpy.storage import Backend, Batch, GroupCommit
from etcdpy.testing import MovableClock
from tests.support.consistency import check_data_dir


@asynccontextmanager
async def opened_store(
    path: Path, on_durable: Callable[[Batch], None] | None = None, *, is_damaged: bool = False
) -> AsyncIterator[tuple[Store, GroupCommit]]:
    """
    Open the store in ``path`` and its log; close them as the server does, and check the store.

    Args:
        on_durable: Called with each batch on disk, after the store.
        is_damaged: Whether the block leaves a store that is not consistent.

    """

    backend = Backend.open(path, fsync=False)
    log = GroupCommit(backend, asyncio.get_running_loop(), MovableClock())
    store = Store(log)
    restore(store, log)
    log.serve(store)
    if on_durable is not None:
        log.on_durable.append(on_durable)
    try:
        yield store, log
    finally:
        assert not store.is_busy
        await log.close()
        backend.close()
    if not is_damaged:
        check_data_dir(path)


async def fill(store: Store, keys: int, value: bytes = b"v" * 100) -> None:
    """Put keys ``k00000000`` on, a thousand in each transaction."""
    written = 0
    for start in range(0, keys, 1000):
        changes = store.begin()
        for number in range(start, min(start + 1000, keys)):
            changes.put(b"k%08d" % number, value, 0)
        written = changes.commit()
        await asyncio.sleep(0)
    if durable := store.log.until(written):
        await durable
