"""Stores over the fake log, for tests of one part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from etcdpy.cooperative import finish
from etcdpy.mvcc.store import Store
from tests.support.consistency import check_rows
from tests.unit.mvcc.fake_log import FakeLog, turns


@asynccontextmanager
async def new_store() -> AsyncIterator[tuple[Store, FakeLog]]:
    """Return an empty store and its log; check what a crash at the end of the block leaves."""
    log = FakeLog()
    store = Store(log)
    log.serve(store)
    try:
        yield store, log
    finally:
        log.lose()
    check_rows(log.disk)


def counted(store: Store) -> dict[str, int]:
    """Return what the store has counted, by its names."""
    operations = store.operations
    counts = {name: getattr(operations, name) for name in dir(operations)}
    return {name: count for name, count in counts.items() if isinstance(count, int)}


def put(store: Store, *pairs: tuple[bytes, bytes], lease: int = 0) -> int:
    """Put in one transaction; return its revision."""
    changes = store.begin()
    for key, value in pairs:
        changes.put(key, value, lease)
    changes.commit()
    return changes.revision


def delete(store: Store, *keys: bytes) -> int:
    """Delete in one transaction; return its revision."""
    changes = store.begin()
    finish(changes.delete_all(list(keys)))
    changes.commit()
    return changes.revision


async def settle(log: FakeLog) -> None:
    """Let everything written become durable."""
    await turns()
    log.settle()
    await turns()


async def worked_example(store: Store, log: FakeLog) -> None:
    """a=1, b=2, c=3, a=9 at revisions 2 to 5, all of it durable."""
    for key, value in ((b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"a", b"9")):
        put(store, (key, value))
    await settle(log)
