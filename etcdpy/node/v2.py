"""
The v2 store of a node: a tree beside the keys of v3, which see nothing of each other.

The tree is in memory and is what was written, durable or not. Each write is one entry of the
gathering batch: rows of the nodes that it changed, and one of its event. Once that is on the disk
it is answered (D1) and its event goes into the history and to watchers. What is read of the tree
is answered once all that it shows is on the disk (D2)::

    tree.index        of the newest write
    history.index     of the newest durable one, which watchers begin from
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import Future
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

from etcdpy.clock import Clock
from etcdpy.cooperative import Steps, Trickle, rest, turn
from etcdpy.errors import CorruptError, EtcdError, MemoryBudgetError, V2Error
from etcdpy.memory import UNCOUNTED, Account, Loan
from etcdpy.mvcc.store import Store
from etcdpy.node.alarms import Alarms
from etcdpy.node.audit import Auditor
from etcdpy.node.caller import Caller, Internal
from etcdpy.node.quota import Quota
from etcdpy.node.v2_restore import restore
from etcdpy.storage import StorageError
from etcdpy.storage.batch import Batch
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.durable import Durable
from etcdpy.v2 import codes
from etcdpy.v2.events import PIECE_NODES, Event, line_of, listing
from etcdpy.v2.node import Node
from etcdpy.v2.records import encode_event, encode_node, event_key, node_key
from etcdpy.v2.watchers import Hub, Watcher

__all__ = ["ITSELF", "MOST_PATH", "Asker", "Reading", "V2Store"]

logger = logging.getLogger(__name__)

#: Rows of removed nodes that are deleted in one turn: about half a millisecond's work.
SWEPT_AT_ONCE: Final = 512

#: Longest path to be written to, in characters. Each directory on it is listed with all of its own
#: path, which grows with the square.
MOST_PATH: Final = 8192

#: Watchers that are woken in one turn of the loop: each has an answer to be written, which takes a
#: twentieth of a millisecond, and thousands may wait for the same key.
WOKEN: Final = 32

#: A write of so many bytes waits until the one before it is on the disk: everybody waits for the
#: batch that his own write is in, and with 20 of a megabyte that took half a second.
LARGE_WRITE: Final = 128 * 1024

#: What a write costs beside its texts, in bytes: the rows' fixed parts.
_OVERHEAD: Final = 512
#: A value is in the row of its node, in that of its event, and in that of the next.
_COPIES: Final = 3


class Asker(NamedTuple):
    """
    Who has asked for a write.

    Attributes:
        caller: Where that came from.
        user: Who it was, None if nobody was asked.

    """

    caller: Caller
    user: str | None = None


#: The modules on top of the tree, for whoever asked them.
ITSELF: Final = Asker(Internal("v2"))
_EXPIRY: Final = Asker(Internal("v2 expiry"))


class Reading(NamedTuple):
    """
    What was read.

    Attributes:
        body: The line of JSON.
        at: The store's index that this is the state of.

    """

    body: bytes
    at: int


class V2Store:
    """
    The tree, on the disk and with those who watch it.

    Args:
        store: Whose log it is written to.
        clock: Says when what has a time to live ends.
        quota: Bounds the database.
        alarms: Keep writes out.
        audit: Is told of each write, if anybody wants to know.

    Attributes:
        tree: As it is in memory. Writes go through the methods here.
        history: Of what is durable.
        hub: Who watches that.
        wakings: Wakes those who watch.
        on_expiring: Called when there is something that will end; set by who ends it.

    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        quota: Quota,
        alarms: Alarms,
        audit: Auditor | None = None,
    ) -> None:
        self._store = store
        self._audit = audit
        self._log = store.log
        self._clock = clock
        self._check_quota = quota.check
        self._check_alarms = alarms.check_write
        restored = restore(self._log.items(Bucket.V2))
        self.tree = restored.tree
        self.history = restored.history
        self.hub = Hub(self.history)
        self.wakings = Trickle(WOKEN)
        self.on_expiring: Callable[[], None] = lambda: None
        # Written, and not known to be on the disk.
        self._pending: deque[tuple[int, Event]] = deque()
        self._last_sequence = 0
        # Of the last large write: resolved when it is on the disk.
        self._large: Future[None] | None = None
        # Set while a long listing is read in slices: nothing may be written meanwhile.
        self._reading: Future[None] | None = None
        # How many writes wait for that; they come before those who wait to read.
        self._held_up = 0
        self._sweeping: deque[Iterator[Node]] = deque()
        self._sweeper: asyncio.Task[None] | None = None
        if restored.orphans:
            self._sweep_later(iter(restored.orphans))

    def now(self) -> int:
        """Return the nanoseconds since 1970."""
        return int(self._clock.wall() * 1e9)

    @property
    def index(self) -> int:
        """The store's index, as far as it is durable."""
        return self.history.index

    # -------------------------------------------------------------------- reading

    async def read(
        self, path: str, *, recursive: bool = False, account: Account | None = None
    ) -> Reading:
        """
        Read a node, and what is below a directory.

        A long listing waits until there is room for it.

        Args:
            path: Which.
            recursive: Whether to go on below its children.
            account: What is held for whoever asks.

        Raises:
            V2Error: As ``Tree.find`` does; 300 if a listing needs more than what is left of the
                memory budget.
            StorageError: If what it shows cannot become durable.

        """
        tree = self.tree
        try:
            node = tree.get(path)
        except V2Error:
            await self.settled()
            raise
        durable = self.history.index
        # What is not newer than what is on the disk need not wait for it,
        # whatever else is on its way there.
        if node.children is None and node.modified <= durable:
            if node.expires is None:
                return Reading(line_of(node, path), durable)
            return Reading(next(listing(node, path, self.now(), recursive=recursive)), durable)
        loan = Loan(account or UNCOUNTED)
        try:
            return await self._read_settled(path, node, loan, recursive=recursive)
        except MemoryBudgetError as error:
            raise V2Error(codes.RAFT_INTERNAL, str(error), self.tree.index) from None
        finally:
            loan.close()

    async def _read_settled(self, path: str, node: Node, loan: Loan, *, recursive: bool) -> Reading:
        children = node.children
        if self._must_wait(loan) and children is not None and len(children) > PIECE_NODES:
            # It is long for certain, and to put so many in order is long itself.
            node = await self._node_later(path, loan)
        pieces = listing(node, path, self.now(), recursive=recursive)
        out = list(islice(pieces, 1))
        if (second := next(pieces, None)) is not None:
            if self._must_wait(loan):
                node = await self._node_later(path, loan)
                pieces = listing(node, path, self.now(), recursive=recursive)
                out = []
            else:
                out.append(second)
            await self._read_in_slices(pieces, out, loan)
        index = self.tree.index
        await self.settled()
        return Reading(b"".join(out), index)

    def _must_wait(self, loan: Loan) -> bool:
        """Tell whether nothing long can be read now."""
        return self._reading is not None or self._held_up > 0 or loan.is_over

    async def _node_later(self, path: str, loan: Loan) -> Node:
        """Return a node when something long can be read: others may have been written by then."""
        while self._must_wait(loan):
            await self._idle()
            await loan.room()
            if self._held_up:
                await turn()
        try:
            return self.tree.find(path)
        except V2Error:
            await self.settled()
            raise

    async def _read_in_slices(self, pieces: Iterator[bytes], out: list[bytes], loan: Loan) -> None:
        self._reading = busy = Durable(loop=asyncio.get_running_loop())
        try:
            await rest(_collected(pieces, out, loan))
        finally:
            self._reading = None
            busy.set_result(None)

    async def _idle(self) -> None:
        """Wait until nothing long is read."""
        while self._reading is not None:
            await asyncio.shield(self._reading)

    async def _idle_for_write(self) -> None:
        """Do the same, before those who wait to read."""
        self._held_up += 1
        try:
            await self._idle()
        finally:
            self._held_up -= 1

    def watch(
        self, path: str, *, recursive: bool = False, stream: bool = False, since: int = 0
    ) -> Watcher:
        """
        Begin to watch, from the newest durable state on: see ``Hub.watch``.

        Raises:
            V2Error: 401 if the history does not go back to ``since``.

        """
        return self.hub.watch(path, recursive=recursive, stream=stream, since=since)

    def leave(self, watcher: Watcher) -> None:
        """End a watch. Harmless if it has ended."""
        self.hub.leave(watcher)

    # -------------------------------------------------------------------- writing
    #
    # All return when the write is durable; cancelling one does not take the write back. Besides
    # what the tree raises there are V2Error 300, if there is no room or an alarm is on, 210 if the
    # path is too long, and StorageError, if the write cannot become durable.

    async def set(
        self,
        path: str,
        value: str,
        *,
        directory: bool = False,
        expires: int | None = None,
        refresh: bool = False,
        by: Asker = ITSELF,
    ) -> Event:
        """Do ``Tree.set``."""
        return await self._write(
            path,
            len(path) + len(value),
            by,
            lambda: self.tree.set(
                path,
                value,
                directory=directory,
                expires=expires,
                refresh=refresh,
                now=self.now(),
            ),
        )

    async def create(
        self,
        path: str,
        value: str,
        *,
        directory: bool = False,
        unique: bool = False,
        expires: int | None = None,
        by: Asker = ITSELF,
    ) -> Event:
        """Do ``Tree.create``."""
        return await self._write(
            path,
            len(path) + len(value),
            by,
            lambda: self.tree.create(
                path, value, directory=directory, unique=unique, expires=expires, now=self.now()
            ),
        )

    async def update(
        self,
        path: str,
        value: str,
        *,
        expires: int | None = None,
        refresh: bool = False,
        by: Asker = ITSELF,
    ) -> Event:
        """Do ``Tree.update``."""
        return await self._write(
            path,
            len(path) + len(value),
            by,
            lambda: self.tree.update(path, value, expires=expires, refresh=refresh, now=self.now()),
        )

    async def compare_and_swap(
        self,
        path: str,
        value: str,
        *,
        prev_value: str = "",
        prev_index: int = 0,
        expires: int | None = None,
        refresh: bool = False,
        by: Asker = ITSELF,
    ) -> Event:
        """Do ``Tree.compare_and_swap``."""
        return await self._write(
            path,
            len(path) + len(value),
            by,
            lambda: self.tree.compare_and_swap(
                path,
                value,
                prev_value=prev_value,
                prev_index=prev_index,
                expires=expires,
                refresh=refresh,
                now=self.now(),
            ),
        )

    async def delete(
        self, path: str, *, directory: bool = False, recursive: bool = False, by: Asker = ITSELF
    ) -> Event:
        """Do ``Tree.delete``."""
        return await self._write(
            path,
            0,
            by,
            lambda: self.tree.delete(
                path, directory=directory, recursive=recursive, now=self.now()
            ),
        )

    async def compare_and_delete(
        self, path: str, *, prev_value: str = "", prev_index: int = 0, by: Asker = ITSELF
    ) -> Event:
        """Do ``Tree.compare_and_delete``."""
        return await self._write(
            path,
            0,
            by,
            lambda: self.tree.compare_and_delete(
                path, prev_value=prev_value, prev_index=prev_index, now=self.now()
            ),
        )

    async def expire_some(self, most: int) -> int:
        """
        Remove nodes whose time to live has ended, a few at once.

        Returns:
            How many there were; ``most`` if there may be more. They are durable by then.

        """
        await self._idle_for_write()
        try:
            self._check_alarms(grows=False)
        except EtcdError:
            return 0  # they end later
        number, ready = 0, None
        while number < most and (event := self.tree.expire(self.now())) is not None:
            ready = self._record(event, _EXPIRY)
            number += 1
        if ready is not None:
            await ready
        return number

    async def _write(self, path: str, size: int, by: Asker, change: Callable[[], Event]) -> Event:
        """Admit a write of so many bytes, apply it, and wait until it is durable."""
        if size >= LARGE_WRITE:
            await self._large_written()
        if self._reading is not None:
            await self._idle_for_write()
        self._admit(path, size)
        try:
            event = change()
        except V2Error as error:
            raise await self._refused(error) from None
        if (ready := self._record(event, by)) is not None:
            if size >= LARGE_WRITE:
                self._large = ready
            await ready
        return event

    async def _large_written(self) -> None:
        """Wait until no large write is on its way to the disk."""
        while self._large is not None:
            if self._large.done():
                self._large = None
            else:
                # If it cannot be written, neither can what comes next, which says so itself.
                with suppress(StorageError):
                    await self._large

    def _admit(self, path: str, size: int) -> None:
        """Raise what keeps a write out."""
        if len(path) > MOST_PATH:
            cause = f"the key has more than {MOST_PATH} characters"
            raise V2Error(codes.INVALID_FORM, cause, self.tree.index)
        try:
            if size:
                self._check_quota(_COPIES * size + _OVERHEAD)
            self._check_alarms(grows=size > 0)
        except EtcdError as error:
            # v2 knows no code for these. (etcd: v2error, ``EcodeRaftInternal``)
            words = str(error) if isinstance(error, CorruptError) else f"etcdserver: {error}"
            raise V2Error(codes.RAFT_INTERNAL, words, self.tree.index) from None

    async def _refused(self, error: V2Error) -> V2Error:
        """Return why a write was refused, when the state that it was judged from is durable."""
        # It has had its entry in etcd's raft log.
        self._store.applied_index += 1
        await self.settled()
        return error

    async def settled(self) -> None:
        """Wait until all that was written is durable."""
        if self._pending and (ready := self._log.until(self._last_sequence)) is not None:
            await ready

    def _record(self, event: Event, by: Asker) -> Future[None] | None:
        """Put a write into the gathering batch; return what resolves when that is durable."""
        log, tree = self._log, self.tree
        batch, changes = log.batch, tree.changes
        puts = batch.puts
        for node in changes.changed:
            puts[Bucket.V2, node_key(node.node_id)] = encode_node(node)
        changes.changed.clear()
        if changes.removed:
            for node in changes.removed:
                puts[Bucket.V2, node_key(node.node_id)] = None
                if node.children:
                    self._sweep(node)
            changes.removed.clear()
        puts[Bucket.V2, event_key(event.index)] = encode_event(event, tree.last_id)
        self._store.applied_index += 1
        if self._audit is not None:
            self._audit.v2(event.action, event.key, event.index, by.caller, by.user)
        log.flush_soon()
        self._last_sequence = sequence = batch.sequence
        self._pending.append((sequence, event))
        if tree.expiries:
            self.on_expiring()
        return log.until(sequence)

    def publish(self, batch: Batch) -> None:
        """Tell the history and watchers of what is durable with a batch."""
        pending = self._pending
        while pending and pending[0][0] <= batch.sequence:
            _, event = pending.popleft()
            self.history.add(event)
            self.hub.notify(event)
            # What was removed can go.
            event.removed = None

    # ------------------------------------------------------------------- sweeping

    def _sweep(self, directory: Node) -> None:
        """Delete the rows of what was in a directory: some now, a great many bit by bit."""
        below = directory.descendants()
        if self._sweep_some(below) == SWEPT_AT_ONCE:
            self._sweep_later(below)

    def _sweep_some(self, nodes: Iterator[Node]) -> int:
        puts, forget = self._log.batch.puts, self.tree.expiries.forget
        number = 0
        for node in islice(nodes, SWEPT_AT_ONCE):
            puts[Bucket.V2, node_key(node.node_id)] = None
            forget(node)
            number += 1
        return number

    def _sweep_later(self, nodes: Iterator[Node]) -> None:
        self._sweeping.append(nodes)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep_rest())

    async def _sweep_rest(self) -> None:
        # A crash, or the end, may come before it is done. Then they are orphans at the next start.
        try:
            while self._sweeping:
                if self._sweep_some(self._sweeping[0]) < SWEPT_AT_ONCE:
                    self._sweeping.popleft()
                self._log.flush_soon()
                # No faster than the disk takes it.
                if settled := self._log.unsettled():
                    await settled
                else:
                    await turn()
        except StorageError:
            logger.warning("removed nodes keep their rows until the next start")
        finally:
            self._sweeper = None

    async def close(self) -> None:
        """End what goes on by itself, and all watches."""
        self.hub.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait([self._sweeper])


def _collected(pieces: Iterator[bytes], out: list[bytes], loan: Loan) -> Steps[None]:
    loan.take(sum(map(len, out)))
    for piece in pieces:
        out.append(piece)
        loan.take(len(piece))
        yield
