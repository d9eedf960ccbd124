"""
Large writes: a transaction over 100,000 keys, without stopping the loop for a second.

A write goes in slices like a read does. Plain reads go on in between: they run at the
durable revision, and to them nothing of it is visible, in the index or in the rows. Other
writes wait for their turn, and what is gathered is not handed to the disk half done.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Generic

from etcdpy.cooperative import Steps, T
from etcdpy.errors import EtcdError
from etcdpy.mvcc.store import Store
from etcdpy.storage.batch import Durable
from etcdpy.storage.errors import StorageError


@dataclass(frozen=True)
class Unfinished(Generic[T]):
    """
    A write that goes on in slices, to its end even if who waits for it is cancelled.

    Attributes:
        result: What it will return.

    """

    result: asyncio.Future[T]


async def write(store: Store, steps: Steps[T]) -> T:
    """Do as ``start_write`` does, and wait for the result."""
    started = start_write(store, steps)
    return await started.result if isinstance(started, Unfinished) else started


def start_write(store: Store, steps: Steps[T]) -> T | Unfinished[T]:
    """
    Run a write transaction, from ``store.begin()`` to ``commit()``.

    To be called while ``store.busy`` is None. It may raise an ``EtcdError`` as long as it has
    changed nothing; any other failure leaves memory and disk apart, and so is the end of the
    store.

    Returns:
        Its result, unless it takes more than a slice.

    """
    try:
        next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    except EtcdError:
        raise
    except Exception as error:
        raise _fail(store, error) from error
    store.busy = Durable(loop=asyncio.get_running_loop())
    store.log.hold()
    # The task keeps itself alive by what it waits for: the next turn of the loop.
    return Unfinished(asyncio.shield(asyncio.ensure_future(_rest(store, steps))))


async def _rest(store: Store, steps: Steps[T]) -> T:
    try:
        while True:
            await asyncio.sleep(0)
            next(steps)
            store.log.prepare()
    except StopIteration as done:
        result: T = done.value
        return result
    except EtcdError:
        raise
    except Exception as error:
        raise _fail(store, error) from error
    finally:
        busy, store.busy = store.busy, None
        store.log.release()
        assert busy is not None
        busy.set_result(None)


def _fail(store: Store, error: Exception) -> StorageError:
    failure = StorageError(f"a write failed half way: {error}")
    store.log.fail(failure)
    return failure
