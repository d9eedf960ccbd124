"""
Queues of keys, of which locks and elections are made.

A queue has no storage of its own: it is transactions, ranges and watches on the store, and
leases, as if a client of this server made them. A name is a queue: the keys below ``name/``, of
which the one created first is at the head. Clients run the same algorithm themselves, so who is
at the head is decided by the create revisions alone. (etcd: ``client/v3/concurrency/key.go``)
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, NamedTuple

from etcdpy.concurrency.turns import wait_for_turn
from etcdpy.cooperative import DeferredReply, outcome
from etcdpy.errors import EtcdError
from etcdpy.mvcc.ranges import RangeResult
from etcdpy.mvcc.txn_request import DELETE, PUT, RANGE, Op, Txn
from etcdpy.mvcc.within import TxnResult
from etcdpy.node.api import LocalApi
from etcdpy.node.caller import Caller
from etcdpy.node.internal import Head, oldest
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.watch.local import LocalWatch

__all__ = ["Entry", "Queue", "Queues"]

#: Seconds that a lease lives which a client leaves to the server (etcd: defaultSessionTTL).
SESSION_TTL = 60


class Queue:
    """
    The keys of one name.

    Attributes:
        prefix: What they start with.
        end: The first key behind them.

    """

    __slots__ = ("end", "prefix")

    def __init__(self, name: bytes) -> None:
        self.prefix = name + b"/"
        self.end = name + b"0"  # the prefix ends in a slash, and 0 follows that

    def key(self, lease: int) -> bytes:
        """Return the key that a lease's place has: its id in hexadecimal."""
        return self.prefix + b"%x" % lease


class Entry(NamedTuple):
    """
    A place in a queue, newly taken or found.

    Attributes:
        revision: That of the reply: as of which the rest is so.
        created: When its key was created, which decides whose turn it is.
        value: What the key held when it was found; None if it is new.
        head_created: The same of the key at the head, None if that was not asked for.

    """

    revision: int
    created: int
    value: bytes | None
    head_created: int | None


class _Line:
    """
    The calls that wait in a queue, as far as this server knows: who has come last of them.

    Attributes:
        calls: How many there are.
        key: The key of the last one, and when that was created.
        created: See above.

    """

    __slots__ = ("calls", "created", "key")

    def __init__(self) -> None:
        self.calls = 0
        self.key = b""
        self.created = 0


class Queues:
    """
    The queues of a node.

    Args:
        node: Holds the keys.

    """

    def __init__(self, node: LocalApi) -> None:
        self._node = node
        #: Places in queues that are being taken away, by their keys.
        self._leaving: dict[bytes, set[asyncio.Task[None]]] = {}
        #: How many are on their way into a queue, by its prefix.
        self._entering: Counter[bytes] = Counter()
        self._is_abandoned = False
        self._lines: dict[bytes, _Line] = {}

    def abandon(self) -> None:
        """
        Leave the queues as they are from now on: the calls that wait are about to be cut off.

        A server that ends is no reason to lose one's place. Whoever comes back with the same
        lease finds it, and the lease sees to it if nobody does.
        """
        self._is_abandoned = True

    async def close(self) -> None:
        """Wait for what was left to do; nothing may be asked for afterwards."""
        self.abandon()
        while self._leaving:
            await asyncio.wait(set().union(*self._leaving.values()))

    # ------------------------------------------------------------------- places

    async def session(self, lease: int, caller: Caller) -> int:
        """Return the lease to use: the caller's, or one granted because it gave none."""
        return lease or await self._node.grant(SESSION_TTL, caller)

    async def enter(
        self, queue: Queue, lease: int, value: bytes, caller: Caller, *, with_head: bool = False
    ) -> Entry:
        """
        Take a lease's place in a queue, or find it: one transaction.

        Cancelling it undoes that. What a call that was cancelled before has left to undo is
        waited for: it would take the place away from under whoever found it and took it over.

        Args:
            value: What the key is to hold if it is new.
            with_head: Read the head of the queue in the same transaction.

        """
        key = queue.key(lease)
        while leaving := self._leaving.get(key):
            await asyncio.wait(leaving)
        entering = self._entering
        if with_head and (entering[queue.prefix] or self._behind(queue, caller) is not None):
            # Somebody waits already, or comes at the same time, so it is hardly its turn, which it
            # may find out later. Each of thousands would look at the creation of all others.
            with_head = False
        # In a task and behind shields: it goes on to its end whatever becomes of the caller, who
        # is cancelled at once, so that the next call finds out what is left to undo.
        taking = asyncio.ensure_future(
            self._take(queue, key, lease, value, caller, with_head=with_head)
        )
        entering[queue.prefix] += 1
        try:
            result, durable = await asyncio.shield(taking)
            if durable is not None:
                await asyncio.shield(durable)
        except asyncio.CancelledError:
            self._in_background(key, self._undo(key, taking, caller))
            raise
        finally:
            entering[queue.prefix] -= 1
            if not entering[queue.prefix]:
                del entering[queue.prefix]
            # It and its error would hold each other, by the frames that this has come through.
            del taking
        return _entry(result)

    async def _take(
        self, queue: Queue, key: bytes, lease: int, value: bytes, caller: Caller, *, with_head: bool
    ) -> DeferredReply:
        # Made here, and gone when it is applied: thousands come at once, and wait for the disk.
        head = [(RANGE, oldest(queue.prefix, queue.end))] if with_head else []
        request = Txn.built(
            [_created_at(key, 0)], [_put(key, value, lease), *head], [_get(key), *head]
        )
        return await self._node.transact(request, caller)

    def leave(self, key: bytes, created: int, caller: Caller) -> None:
        """
        Take a place away although its caller has gone, if it is still that one.

        etcd's Lock deletes the key whoever made it; but it may have been deleted meanwhile,
        and made again by a call that now holds the lock.
        """
        if not self._is_abandoned:
            self._in_background(key, self.delete_created(key, created, caller))

    async def delete_created(self, key: bytes, created: int, caller: Caller) -> int:
        """Delete a key if it was created at a revision; return the revision of the reply."""
        result = await self._transacted([_created_at(key, created)], [_delete(key)], caller)
        return result.revision

    async def delete(self, key: bytes, caller: Caller) -> int:
        """Delete a key, whoever made it; return the revision of the reply."""
        return (await self._transacted([], [_delete(key)], caller)).revision

    async def change(
        self, key: bytes, created: int, value: bytes, lease: int, caller: Caller
    ) -> int | None:
        """
        Give a key another value if it was created at a revision.

        Returns:
            The revision of the reply, None if it was not created then.

        """
        result = await self._transacted(
            [_created_at(key, created)], [_put(key, value, lease)], caller
        )
        return result.revision if result.succeeded else None

    # ------------------------------------------------------------------ waiting

    async def wait_for_turn(
        self, queue: Queue, created: int, caller: Caller, key: bytes = b""
    ) -> int:
        """
        Wait until no key of a queue is older than ``created``; return as of which revision.

        Args:
            key: The one that was created then, if others may wait for it without looking further.

        That two may think it their turn at once cannot be: the order is that of create revisions.

        Raises:
            EtcdError: If the caller may not read the queue, or not any more: that is asked
                whenever it is looked at.

        """
        before = self._behind(queue, caller, created)
        line = self._lines.setdefault(queue.prefix, _Line())
        line.calls += 1
        if key and created > line.created:
            line.key, line.created = key, created
        try:
            if before is not None:
                # It is older, and while it is there nothing else matters.
                await self._deletion(*before, caller)
            return await wait_for_turn(
                lambda: self._node.predecessor(queue.prefix, queue.end, created, caller),
                lambda older, seen: self._deletion(older, seen, caller),
            )
        finally:
            line.calls -= 1
            if not line.calls:
                del self._lines[queue.prefix]

    async def head(self, queue: Queue, caller: Caller) -> Head:
        """Read the head of a queue."""
        return await self._node.head(queue.prefix, queue.end, caller)

    def exists(self, key: bytes, revision: int, caller: Caller) -> bool:
        """Tell whether there was a key at a revision that has just been the durable one."""
        return self._node.exists(key, revision, caller)

    def watch(self, key: bytes, range_end: bytes, revision: int, caller: Caller) -> LocalWatch:
        """Return a watch, from ``revision`` on."""
        return self._node.watch_locally(key, range_end, revision, caller)

    def header(self, revision: int) -> pb.ResponseHeader:
        """Return the header of a reply that names ``revision``."""
        return self._node.header(revision)

    # ------------------------------------------------------------------ helpers

    def _behind(
        self, queue: Queue, caller: Caller, created: int | None = None
    ) -> tuple[bytes, int] | None:
        """
        Return a key that a caller is behind for certain, and as of which revision it is there.

        Args:
            created: When the caller's own key was created, None if it is yet to be.

        """
        line = self._lines.get(queue.prefix)
        if line is None or not line.key or (created is not None and created <= line.created):
            return None
        seen = self._node.still_there(line.key, line.created, queue.prefix, queue.end, caller)
        return None if seen is None else (line.key, seen)

    async def _deletion(self, key: bytes, seen: int, caller: Caller) -> None:
        # What was seen at a revision can be deleted only after it. As a rule that is the
        # newest one, so there is no history to read (etcd's watch begins at ``seen``).
        with self.watch(key, b"", seen + 1, caller) as watch:
            while not (await watch.next()).is_delete:
                pass

    async def _transacted(
        self, compare: list[pb.Compare], success: list[Op], caller: Caller
    ) -> TxnResult:
        transacting = self._node.transact(Txn.built(compare, success, []), caller)
        # As in ``_take``.
        del compare, success
        result: TxnResult = await outcome(transacting)
        return result

    async def _undo(
        self, key: bytes, entering: asyncio.Future[DeferredReply], caller: Caller
    ) -> None:
        result, _ = await entering
        if result.succeeded:
            self.leave(key, result.revision, caller)

    def _in_background(self, key: bytes, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(_quietly(work))
        leaving = self._leaving.setdefault(key, set())
        leaving.add(task)

        def ended(_: object) -> None:
            leaving.discard(task)
            if not leaving and self._leaving.get(key) is leaving:
                del self._leaving[key]

        task.add_done_callback(ended)


async def _quietly(work: Coroutine[Any, Any, object]) -> None:
    """Do something of which nobody hears if it is refused."""
    with suppress(EtcdError):
        await work


def _entry(result: TxnResult) -> Entry:
    (_, _, own), *heads = result.results
    # Its own key is there, so there is a head.
    head = _first(heads[0][2]).create_revision if heads else None
    if result.succeeded:
        return Entry(result.revision, result.revision, None, head)
    found = _first(own)
    return Entry(result.revision, found.create_revision, found.value, head)


def _first(found: RangeResult) -> KeyValue:
    return KeyValue.FromString(found.rows[0])


def _created_at(key: bytes, revision: int) -> pb.Compare:
    """Return the compare that holds if ``key`` was created at ``revision`` (0: is missing)."""
    return pb.Compare(
        key=key,
        target=pb.Compare.CREATE,
        result=pb.Compare.EQUAL,
        create_revision=revision,
    )


def _put(key: bytes, value: bytes, lease: int) -> Op:
    return PUT, pb.PutRequest(key=key, value=value, lease=lease)


def _get(key: bytes) -> Op:
    return RANGE, pb.RangeRequest(key=key)


def _delete(key: bytes) -> Op:
    return DELETE, pb.DeleteRangeRequest(key=key)
