"""
What the Lock and Election services are made of.

Neither has storage of its own: both are transactions, ranges and watches on the store, and
leases, as if a client of this server made them. A name is a queue: the keys below
``name/``, of which the one created first is at the head.

As in etcd, whose services hold such a client, an error of these calls keeps its text and
loses its code: it arrives as UNKNOWN.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from etcdpy.concurrency.local_watch import LocalWatch
from etcdpy.cooperative import DeferredReply, outcome
from etcdpy.errors import EmbeddedClientError, EtcdError
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.slices import SLICE
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node.state import Node
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.services.kv import KVService
from etcdpy.services.lease import LeaseService
from etcdpy.watch import Hub

#: Seconds that a lease lives which a client leaves to the server (etcd: defaultSessionTTL).
SESSION_TTL = 60

P = ParamSpec("P")
T = TypeVar("T")


def as_client(
    method: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make the errors of a method what they are to an embedded client's caller."""

    @wraps(method)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except EtcdError as error:
            raise EmbeddedClientError(error) from None

    return run


def queue_prefix(name: bytes) -> bytes:
    """Return what the keys of a queue start with."""
    return name + b"/"


def own_key(name: bytes, lease: int) -> bytes:
    """Return the key that a lease's place in a queue has: its id in hexadecimal."""
    return queue_prefix(name) + b"%x" % lease


def queue_end(prefix: bytes) -> bytes:
    """Return the range_end of a queue; a prefix always ends in a slash."""
    return prefix[:-1] + b"0"


class Client:
    """
    This server's own client.

    Args:
        node: Stamps its headers.
        kv: Serves its transactions and ranges.
        leases: Serves its grants.
        hub: Feeds its watches.

    """

    def __init__(self, node: Node, kv: KVService, leases: LeaseService, hub: Hub) -> None:
        self._node = node
        self._kv = kv
        self._leases = leases
        self._hub = hub
        #: Places in queues that are being taken away, by their keys.
        self._leaving: dict[bytes, set[asyncio.Task[None]]] = {}
        self._is_abandoned = False

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

    def leave(self, key: bytes, revision: int, context: Any) -> None:
        """
        Take a place in a queue away although its caller has gone, if it is still that one.

        etcd's Lock deletes the key whoever made it; but it may have been deleted meanwhile,
        and made again by a call that now holds the lock.
        """
        if not self._is_abandoned:
            self._in_background(key, self.delete_created(key, revision, context))

    def _in_background(self, key: bytes, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(_quietly(work))
        leaving = self._leaving.setdefault(key, set())
        leaving.add(task)

        def ended(_: object) -> None:
            leaving.discard(task)
            if not leaving and self._leaving.get(key) is leaving:
                del self._leaving[key]

        task.add_done_callback(ended)

    async def session(self, lease: int, context: Any) -> int:
        """Return the lease to use: the caller's, or one granted because it gave none."""
        if lease:
            return lease
        request = pb.LeaseGrantRequest(TTL=SESSION_TTL)
        granted = await outcome(self._leases.LeaseGrant(request, context))
        return pb.LeaseGrantResponse.FromString(granted).ID

    async def txn(self, request: pb.TxnRequest, context: Any) -> pb.TxnResponse:
        """Run a transaction."""
        reply = await outcome(self._kv.Txn(Txn.of(request), context))
        return pb.TxnResponse.FromString(bytes(reply))

    async def enter(self, key: bytes, request: pb.TxnRequest, context: Any) -> pb.TxnResponse:
        """
        Run the transaction that puts ``key`` into a queue unless it is there already.

        Cancelling it undoes that. What a call that was cancelled before has left to undo is
        waited for: it would take the place away from under whoever found it and took it over.
        """
        while leaving := self._leaving.get(key):
            await asyncio.wait(leaving)
        # In a task and behind shields: it goes on to its end whatever becomes of the caller, who
        # is cancelled at once, so that the next call finds out what is left to undo.
        entering = asyncio.ensure_future(self._kv.apply(Txn.of(request)))
        try:
            reply, durable = await asyncio.shield(entering)
            if durable is not None:
                await asyncio.shield(durable)
        except asyncio.CancelledError:
            self._in_background(key, self._undo(key, entering, context))
            raise
        return pb.TxnResponse.FromString(bytes(reply))

    async def _undo(
        self, key: bytes, entering: asyncio.Future[DeferredReply], context: Any
    ) -> None:
        reply, _ = await entering
        entered = pb.TxnResponse.FromString(bytes(reply))
        if entered.succeeded:
            self.leave(key, entered.header.revision, context)

    async def delete_created(self, key: bytes, revision: int, context: Any) -> pb.ResponseHeader:
        """Delete a key if it was created at ``revision``."""
        request = pb.TxnRequest(compare=[created_at(key, revision)], success=[delete_op(key)])
        return (await self.txn(request, context)).header

    async def range(self, request: pb.RangeRequest, context: Any) -> pb.RangeResponse:
        """Read."""
        return pb.RangeResponse.FromString(bytes(await self._kv.read(request)))

    async def delete(self, key: bytes, context: Any) -> pb.DeleteRangeResponse:
        """Delete one key."""
        request = pb.DeleteRangeRequest(key=key)
        reply = await outcome(self._kv.DeleteRange(request, context))
        return pb.DeleteRangeResponse.FromString(bytes(reply))

    def header(self, revision: int) -> pb.ResponseHeader:
        """Return the header of a reply that names ``revision``."""
        return self._node.header(revision)

    def watch(self, key: bytes, range_end: bytes, revision: int) -> LocalWatch:
        """Watch, from ``revision`` on."""
        return LocalWatch(self._hub, *bounds(key, range_end), revision)

    def exists(self, key: bytes, revision: int) -> bool:
        """Tell whether there was a key at a revision that has just been the durable one."""
        return self._node.store.index.at(key, revision) is not None

    async def oldest(self, prefix: bytes, context: Any) -> pb.RangeResponse:
        """Read the head of a queue."""
        return await self.range(oldest_request(prefix), context)

    async def wait_for_turn(self, prefix: bytes, revision: int) -> int:
        """
        Wait until no key of the queue is older than ``revision``; return as of which revision.

        A waiter follows its predecessor only, so that one leaving wakes one. That two may
        think it their turn at once cannot be: the order is that of create revisions.
        """
        store = self._node.store
        while True:
            seen = store.durable_revision
            older = await predecessor(store, prefix, revision, seen)
            if older is None:
                return seen
            await self._deletion(older, seen)

    async def _deletion(self, key: bytes, seen: int) -> None:
        # What was seen at a revision can be deleted only after it. As a rule that is the
        # newest one, so there is no history to read (etcd's watch begins at ``seen``).
        with self.watch(key, b"", seen + 1) as watch:
            while not (await watch.next()).is_delete:
                pass


async def predecessor(store: Store, prefix: bytes, created: int, seen: int) -> bytes | None:
    """
    Return the youngest key of a queue that is older than ``created``, as of ``seen``.

    It asks the index alone: who waits in a long queue is woken to find that it is its turn.
    """
    index = store.index
    youngest, key = 0, None
    start: bytes | None = prefix
    with store.pinned(seen):
        while start is not None:
            keys, start = index.scan(start, queue_end(prefix), seen, SLICE)
            for create, candidate in zip(index.created_at(keys, seen), keys, strict=True):
                if youngest < create < created:
                    youngest, key = create, candidate
            if start is not None:
                await asyncio.sleep(0)
    return key


async def _quietly(work: Coroutine[Any, Any, object]) -> None:
    """Do something of which nobody hears if it is refused."""
    with suppress(EtcdError):
        await work


def oldest_request(prefix: bytes) -> pb.RangeRequest:
    """Return the request for the head of a queue."""
    return pb.RangeRequest(
        key=prefix,
        range_end=queue_end(prefix),
        sort_order=pb.RangeRequest.ASCEND,
        sort_target=pb.RangeRequest.CREATE,
        limit=1,
    )


def created_at(key: bytes, revision: int) -> pb.Compare:
    """Return the compare that holds if ``key`` was created at ``revision`` (0: is missing)."""
    return pb.Compare(
        key=key,
        target=pb.Compare.CREATE,
        result=pb.Compare.EQUAL,
        create_revision=revision,
    )


def put_op(key: bytes, value: bytes, lease: int) -> pb.RequestOp:
    """Return the operation that puts a key."""
    return pb.RequestOp(request_put=pb.PutRequest(key=key, value=value, lease=lease))


def get_op(key: bytes) -> pb.RequestOp:
    """Return the operation that reads a key."""
    return pb.RequestOp(request_range=pb.RangeRequest(key=key))


def delete_op(key: bytes) -> pb.RequestOp:
    """Return the operation that deletes a key."""
    return pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key))
