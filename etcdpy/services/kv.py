"""
The KV service.

Each method checks the request, applies it or reads, and waits for the disk where the
reply tells of something that is not there yet. The order of the checks is etcd's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from etcdpy.cooperative import DeferredReply, Steps, T
from etcdpy.errors import EtcdError
from etcdpy.mvcc import replies, txn
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.ranges import names_newest_of_one, select
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn_request import Txn as Transaction
from etcdpy.mvcc.writes import Unfinished, start_write
from etcdpy.node import checks
from etcdpy.node.quota import put_cost, txn_cost
from etcdpy.node.state import Node
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.wire import delimited
from etcdpy.transport import inline

#: What goes out as it is.
Reply = bytes | bytearray

#: What a handler returns: a reply, one to be held back until it is on the disk, or what leads
#: to either.
Answer = Reply | DeferredReply | Coroutine[Any, Any, Reply | DeferredReply]

#: The first chunk of a streamed range, in keys.
FIRST_CHUNK = 10


class KVService(rpc_pb2_grpc.KVServicer):
    """Range, RangeStream, Put, DeleteRange, Txn and Compact."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._store = node.store
        self._headers = node.headers
        self._slow = node.slow
        self._times_all = node.slow.is_close

    @inline
    def Range(self, request: pb.RangeRequest, context: Any) -> Answer:
        """Answer from the durable revision; a linearizable read needs no more."""
        # The most frequent request of all, measured: less than half of the time of what
        # could go in slices.
        if names_newest_of_one(request) and not self._times_all:
            newest = self._store.durable_revision
            row = self._store.get(request.key, newest)
            return replies.one_key_reply(self._headers.at(newest), row)
        return self.read(request)

    async def read(self, request: pb.RangeRequest) -> Reply:
        """Do what Range does, in slices."""
        checks.check_range(request)
        store = self._store
        newest = store.durable_revision
        revision = store.read_revision(request.revision, newest)
        steps = _answer(store, request, revision, self._headers.at(newest))
        return await self._in_slices(steps, revision, request)

    async def RangeStream(self, request: pb.RangeRequest, context: Any) -> AsyncIterator[bytes]:
        """Answer as Range does, in chunks whose size follows the size of the rows."""
        checks.check_range_stream(request)
        store = self._store
        newest = store.durable_revision
        revision = store.read_revision(request.revision, newest)
        header = self._headers.at(newest)
        chunked = not request.count_only and request.limit >= 0
        rest = pb.RangeRequest()
        rest.CopyFrom(request)
        rest.ClearField("sort_target")
        size, sent = FIRST_CHUNK, 0
        _, stop = bounds(request.key, request.range_end)
        while True:
            left = request.limit - sent if request.limit > 0 else size
            rest.limit = min(size, left) if chunked else 0
            result = await self._in_slices(select(store, rest, revision), revision)
            sent += len(result.rows)
            if not chunked or not result.more or sent == request.limit:
                total = result.total + sent - len(result.rows)
                last = replies.range_reply(header, result._replace(total=total))
                yield delimited(1, last)
                return
            chunk = replies.range_reply(b"", result._replace(more=False, total=0))
            yield delimited(1, chunk)
            size = _next_size(size, len(chunk), self._node.max_request_bytes)
            rest.key = _successor(result.rows[-1])
            rest.range_end = b"\0" if stop is None else stop
            store.read_revision(revision, newest)  # compacted meanwhile?

    @inline
    def Put(self, request: pb.PutRequest, context: Any) -> Answer:
        """Write one key; the reply waits for the disk."""
        node, store = self._node, self._store
        if store.busy is not None:
            return self._when_idle(self.Put, request)
        node.check_quota(put_cost(request))
        checks.check_put(request)
        node.request_limit.check(request.ByteSize())
        node.alarms.check_write(grows=True)
        try:
            txn.check_put(store, request, node.lease_exists)
        except EtcdError as error:
            return self._refused(error)
        began = time.monotonic() if self._times_all else 0.0
        changes = store.begin()
        previous = txn.put(store, changes, request)
        durable = changes.commit()
        reply = replies.put_reply(self._headers.at(changes.revision), previous)
        if began:
            self._slow.applied(request, reply, time.monotonic() - began)
        return DeferredReply(reply, durable)

    @inline
    def DeleteRange(self, request: pb.DeleteRangeRequest, context: Any) -> Answer:
        """Delete keys; the reply waits for the disk."""
        node, store = self._node, self._store
        if store.busy is not None:
            return self._when_idle(self.DeleteRange, request)
        checks.check_delete_range(request)
        node.request_limit.check(request.ByteSize())
        node.alarms.check_write(grows=False)
        return self._written(request, self._delete_range(request))

    def _delete_range(self, request: pb.DeleteRangeRequest) -> Steps[DeferredReply]:
        changes = self._store.begin()
        deleted = yield from txn.delete_range(self._store, changes, request)
        header = self._headers.at(changes.shown)
        reply = yield from replies.delete_reply(header, deleted.number, deleted.rows)
        return DeferredReply(reply, changes.commit())

    @inline
    def Txn(self, request: Transaction, context: Any) -> Answer:
        """Apply a transaction, or answer one that only reads from the durable revision."""
        node, store = self._node, self._store
        is_read_only = txn.is_read_only(request)
        if store.busy is not None and not is_read_only:
            return self._when_idle(self.Txn, request)
        cost = txn_cost(request)
        node.check_quota(cost)
        checks.check_txn(request, node.max_txn_ops)
        if is_read_only:
            revision = store.durable_revision
            steps = txn.read_txn(store, request, revision, self._headers.at(revision))
            oldest = txn.oldest_read(request, revision)
            return self._in_slices(steps, oldest, request)
        node.request_limit.check(request.size)
        node.alarms.check_write(grows=cost > 0)
        return self._written(request, self._apply_txn(request))

    async def apply(self, request: Transaction) -> DeferredReply:
        """Do what Txn does, up to the waiting for the disk."""
        written = await _begun(self.Txn(request, None))
        return written if isinstance(written, DeferredReply) else DeferredReply(written, None)

    def _apply_txn(self, request: Transaction) -> Steps[DeferredReply]:
        store = self._store
        changes = store.begin()
        exists = self._node.lease_exists
        reply = yield from txn.apply_txn(store, changes, request, exists, self._headers.at)
        return DeferredReply(reply, changes.commit())

    async def Compact(self, request: pb.CompactionRequest, context: Any) -> bytes:
        """Forget history; a physical compaction is answered when the rows are gone."""
        node, store = self._node, self._store
        await store.idle()
        node.alarms.check_write(grows=False)
        header = self._headers.at(store.revision)
        try:
            decided, done = node.compactor.schedule(request.revision)
        except EtcdError:
            await self._settled()
            raise
        await decided
        if request.physical:
            await done
        return header

    async def _when_idle(
        self, handler: Callable[..., Answer], request: Any
    ) -> Reply | DeferredReply:
        """Handle a write once the one that goes in slices is done."""
        await self._store.idle()
        return await _begun(handler(request, None))

    def _written(self, request: Any, steps: Steps[DeferredReply]) -> Answer:
        """Run a write."""
        began = time.monotonic()
        try:
            started = start_write(self._store, steps)
        except EtcdError as error:
            return self._refused(error)
        if isinstance(started, Unfinished):
            return self._in_time(request, started, began)
        self._slow.applied(request, started.response, time.monotonic() - began)
        return started

    async def _in_time(
        self, request: Any, started: Unfinished[DeferredReply], began: float
    ) -> DeferredReply:
        """Wait for a write that goes in slices."""
        try:
            written = await started.result
        except EtcdError:
            await self._settled()
            raise
        self._slow.applied(request, written.response, time.monotonic() - began)
        return written

    async def _refused(self, error: EtcdError) -> Reply:
        """Refuse a request when the state from which it was judged is durable."""
        await self._settled()
        raise error

    async def _settled(self) -> None:
        """Wait until the newest state, from which a request was judged, is durable."""
        if settled := self._store.settled():
            await settled

    async def _in_slices(self, steps: Steps[T], revision: int, request: Any = None) -> T:
        """
        Run ``steps``, letting others run in between; compaction waits meanwhile.

        Args:
            request: Whom to blame if it takes long, if that is to be told.

        """
        began = time.monotonic() if self._times_all else 0.0
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            if began and request is not None:
                self._slow.applied(request, result, time.monotonic() - began)
            return result
        # Not timed from the start: most reads end there, and a clock would be a part of them.
        began = began or time.monotonic()
        with self._store.pinned(revision):
            while True:
                await asyncio.sleep(0)
                try:
                    next(steps)
                except StopIteration as done:
                    finished: T = done.value
                    if request is not None:
                        self._slow.applied(request, finished, time.monotonic() - began)
                    return finished


async def _begun(answer: Answer) -> Reply | DeferredReply:
    """Wait for all but the disk."""
    return await answer if isinstance(answer, Coroutine) else answer


def _answer(store: Store, request: pb.RangeRequest, revision: int, header: bytes) -> Steps[Reply]:
    result = yield from select(store, request, revision)
    return (yield from replies.range_reply_steps(header, result))


def _next_size(size: int, sent_bytes: int, target: int) -> int:
    if sent_bytes < target // 2:
        return size * 2
    return max(size // 2, 1) if sent_bytes > target * 2 else size


def _successor(row: bytes) -> bytes:
    return KeyValue.FromString(row).key + b"\0"
