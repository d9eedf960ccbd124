"""
Large writes: a transaction over 100,000 keys, without stopping the loop for a second.

A write goes in slices like a read does. Plain reads go on in between: they run at the
durable revision, and to them nothing of it is visible, in the index or in the rows. Other
writes wait for their turn, and what is gathered is not handed to the disk half done.

So they do when the disk has megabytes to write: who comes then would wait behind all of them. In
the queue each client has its turn, however many writes another has there.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final, Generic, NamedTuple

from etcdpy.cooperative import Steps, T, rest
from etcdpy.errors import EtcdError
from etcdpy.mvcc.store import Store
from etcdpy.storage import StorageError
from etcdpy.storage.commit import BEHIND_BYTES
from etcdpy.storage.durable import Durable

WOKEN_AT_ONCE: Final = 64
"""Of those who wait, how many have their turn before it is looked whether all has come to a stop
again: enough to share a write to the disk, and few enough to look in vain."""

_REMEMBERED: Final = 100
"""How many may be remembered who wait for nothing any more, without looking whether they do."""


class _Ticket(NamedTuple):
    """
    A place in the queue.

    Attributes:
        round: Which of the rounds it is for, in each of which everybody has one place.
        number: In the order in which they came.

    """

    round: int
    number: int


class Unfinished(Generic[T]):
    """
    A write that goes on in slices, to its end even if who waits for it is cancelled.

    Attributes:
        result: What it will return.

    """

    __slots__ = ("result",)

    def __init__(self, result: Future[T]) -> None:
        self.result = result


class Writer:
    """
    Runs the writes of a store, one at a time.

    Attributes:
        busy: None if a write may begin at once. Otherwise a large write goes on in slices, the disk
            has much to write, or others wait; what the future is resolved for is the writer's own.

    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.busy: Future[None] | None = None
        # The same, if it is the disk.
        self._behind: Future[None] | None = None
        # The same, which nothing waits for, while those who have waited have their turns.
        self._draining: Future[None] | None = None
        self._waiting: list[tuple[_Ticket, Future[None]]] = []
        self._is_waking = False
        # The large write whose end wakes the first of them.
        self._followed: Future[None] | None = None
        self._tickets = 0
        # The round that is on, and the last one in which each of those who wait has a place.
        self._round = 0
        self._last: dict[str, int] = {}

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    async def idle(self, who: str = "") -> None:
        """
        Wait until a write may begin, which the caller then does at once. Safe to cancel.

        Args:
            who: Whose request waits: all of one name wait for each other.

        """
        if self.busy is None:
            return
        ticket = self._ticket(who)
        loop = asyncio.get_running_loop()
        while True:
            # Whoever was woken in vain goes back to where it was.
            called: Future[None] = loop.create_future()
            heappush(self._waiting, (ticket, called))
            self._follow()
            await called
            # Of those who were woken together, too, each looks at what is there before it.
            if self._is_open and self._store.log.batch.put_bytes <= BEHIND_BYTES:
                # Not when it was woken, which may have been in vain: who comes then is in this one.
                self._round = ticket.round
                return

    def in_turn(self, write: Callable[[], T]) -> T:
        """Let one begin a write that has waited for its turn; others go on waiting behind it."""
        if self.busy is self._draining:
            self.busy = None
        try:
            return write()
        finally:
            if self.busy is None and self._waiting:
                self._drain()

    @property
    def _is_open(self) -> bool:
        return self.busy is None or self.busy is self._draining

    def _drain(self) -> None:
        """Have everybody who comes now wait behind those who do."""
        self.busy = self._draining = Durable(loop=asyncio.get_running_loop())

    async def finished(self) -> None:
        """Wait until no large write goes on; none may begin meanwhile."""
        while self._store.is_busy:
            busy = self.busy
            assert busy is not None
            await asyncio.wait([busy])

    def hold_back(self) -> None:
        """Have writes wait before they begin: the disk has much to write."""
        if self._is_open:
            self.busy = self._behind = Durable(loop=asyncio.get_running_loop())

    def go_on(self) -> None:
        """Let writes begin that were held back."""
        behind, self._behind = self._behind, None
        if behind is not None:
            self._end(behind)

    def _end(self, busy: Future[None]) -> None:
        self.busy = None
        if self._waiting:
            self._drain()
        busy.set_result(None)

    def _ticket(self, who: str) -> _Ticket:
        self._tickets += 1
        place = max(self._round, self._last.get(who, -1) + 1)
        self._last[who] = place
        if len(self._last) > _REMEMBERED + 2 * len(self._waiting):
            self._last = {who: last for who, last in self._last.items() if last >= self._round}
        return _Ticket(place, self._tickets)

    def _wake_some(self) -> None:
        """Wake those who are next, unless another large write goes on by now."""
        self._is_waking = False
        woken = 0
        while self._waiting and self._is_open and woken < WOKEN_AT_ONCE:
            _, called = heappop(self._waiting)
            if not called.done():  # cancelled
                called.set_result(None)
                woken += 1
        if not self._waiting:
            self._round = 0
            self._last.clear()
            if self._is_open:
                self.busy = None
        else:
            # Who was to be woken may have been held back by what the others have done.
            self._follow()

    def _follow(self) -> None:
        """See to it that those who wait are woken."""
        if self.busy is None:
            self._drain()
        assert self.busy is not None
        if self.busy is self._draining:
            self._wake_soon()
        elif self._followed is not self.busy:
            self._followed = self.busy
            self.busy.add_done_callback(self._wake_soon)

    def _wake_soon(self, _: Future[None] | None = None) -> None:
        """Wake some when those woken before have had their turn."""
        if self._waiting and not self._is_waking:
            self._is_waking = True
            asyncio.get_running_loop().call_soon(self._wake_some)

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
            store.is_busy = False
            store.log.release()
            assert self.busy is not None
            self._end(self.busy)

    def fail(self, error: Exception) -> StorageError:
        """Give the store up after a write that failed half way; return what to raise."""
        failure = StorageError(f"a write failed half way: {error}")
        self._store.log.fail(failure)
        return failure
