"""
Large writes: a transaction over 100,000 keys, without stopping the loop for a second.

A write goes in slices like a read does. Plain reads go on in between: they run at the
durable revision, and to them nothing of it is visible, in the index or in the rows. Other
writes wait for their turn, and what is gathered is not handed to the disk half done.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from dataclasses import dataclass
from typing import Generic

from etcdpy.cooperative import Steps, T, rest
from etcdpy.errors import EtcdError
from etcdpy.mvcc.store import Store
from etcdpy.storage import StorageError
from etcdpy.storage.batch import Durable


@dataclass(frozen=True)
class Unfinished(Generic[T]):
    """
    A write that goes on in slices, to its end even if who waits for it is cancelled.

    Attributes:
        result: What it will return.

    """

    result: Future[T]


class Writer:
    """
    Runs the writes of a store, one at a time.

    Attributes:
        busy: While a large write goes on in slices, what is resolved at its end; None otherwise.

    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.busy: Future[None] | None = None

    async def idle(self) -> None:
        """Wait until a write may begin, which the caller then does at once. Safe to cancel."""
        while self.busy is not None:
            await asyncio.shield(self.busy)

    async def write(self, steps: Steps[T]) -> T:
        """Do as ``start`` does, and wait for the result; the write ends even if cancelled."""
        started = self.start(steps)
        return await started.result if isinstance(started, Unfinished) else started

    def start(self, steps: Steps[T]) -> T | Unfinished[T]:
        """
        Run a write transaction, from ``store.begin()`` to ``commit()``.

        To be called while the store is not busy. The steps may raise an ``EtcdError`` as long
        as they have changed nothing; any other failure leaves memory and disk apart, and so is
        the end of the store.

        Returns:
            Its result, unless it takes more than a slice.

        Raises:
            StorageError: If it failed in the first slice; then the log has failed.

        """
        # Fast path (bench: txn-put/100x1): nearly every write ends with its first slice.
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        except EtcdError:
            raise
        except Exception as error:
            raise self.fail(error) from error
        store = self._store
        store.is_busy = True
        self.busy = Durable(loop=asyncio.get_running_loop())
        store.log.hold()
        # The task keeps itself alive by what it waits for: the next turn of the loop.
        return Unfinished(asyncio.shield(asyncio.ensure_future(self._rest(steps))))

    async def _rest(self, steps: Steps[T]) -> T:
        store = self._store
        try:
            return await rest(steps, between=store.log.prepare)
        except EtcdError:
            raise
        except Exception as error:
            raise self.fail(error) from error
        finally:
            busy, self.busy = self.busy, None
            store.is_busy = False
            store.log.release()
            assert busy is not None
            busy.set_result(None)

    def fail(self, error: Exception) -> StorageError:
        """Give the store up after a write that failed half way; return what to raise."""
        failure = StorageError(f"a write failed half way: {error}")
        self._store.log.fail(failure)
        return failure
