"""
Large writes: a transaction over 100,000 keys, without stopping the loop for a second.

A write goes in slices like a read does. Plain reads go on in between: they run at the
durable revision, and to them nothing of it is visible, in the index or in the rows. Other
writes wait for their turn, and what is gathered is not handed to the disk half done.
"""

from __future__ import annotations

import asyncio

from etcdpy.errors import EtcdError
from etcdpy.mvcc.slices import Steps, T
from etcdpy.mvcc.store import Store
from etcdpy.storage.batch import Durable
from etcdpy.storage.errors import StorageError


async def write(store: Store, steps: Steps[T]) -> T:
    """
    Run a write transaction, from ``store.begin()`` to ``commit()``, and return its result.

    To be called while ``store.busy`` is None. It is run to its end even if the caller is
    cancelled. It may raise an ``EtcdError`` as long as it has changed nothing; any other
    failure leaves memory and disk apart, and so is the end of the store.
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
    return await asyncio.shield(asyncio.ensure_future(_rest(store, steps)))


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
