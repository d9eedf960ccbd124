"""
What work inside the server asks of a node: results as they are, with nothing encoded.

Locks, elections and whatever else keeps queues of keys are made of these.
"""

from __future__ import annotations

from typing import NamedTuple

from etcdpy.cooperative import DeferredReply, Steps, T, outcome, run
from etcdpy.errors import EtcdError
from etcdpy.mvcc import txn
from etcdpy.mvcc.keyrange import bounds
from etcdpy.mvcc.ranges import select
from etcdpy.mvcc.slices import SLICE
from etcdpy.mvcc.txn_request import Txn
from etcdpy.mvcc.within import TxnResult
from etcdpy.node.caller import Caller
from etcdpy.node.guard import Who
from etcdpy.node.parts import Part, Parts
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import LeaseGrantRequest, RangeRequest, WatchCreateRequest
from etcdpy.watch.local import LocalWatch

__all__ = ["Head", "InternalCalls", "oldest"]


class Head(NamedTuple):
    """
    What is at the head of a queue.

    Attributes:
        revision: As of which that is so.
        key_value: The key created first; None if there is none.

    """

    revision: int
    key_value: KeyValue | None


class InternalCalls(Part):
    """The methods of a node that only the server itself calls."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._admit_transact = parts.admission.gate("txn")
        self._admit_head = parts.admission.gate("range")
        self._admit_watch = parts.admission.gate("watch")
        self._admit_grant = parts.admission.gate("lease_grant")

    async def transact(self, request: Txn, caller: Caller) -> DeferredReply:
        """
        Apply a transaction that writes.

        Returns:
            A ``TxnResult``, to be held back until that is durable.

        """
        # What follows is one step of the loop: nobody else can begin a write in between.
        if self._writer.busy is not None:
            await self._writer.idle(caller.peer())
        who = self._admit_transact(request, caller)
        try:
            return await self._writer.write(self._transact(request, caller, who))
        except EtcdError as error:
            if self._audit is not None:
                self._audit.refused(error, "txn", request, caller, who)
            await self._settled()  # see KeyValues._refuse
            raise

    def _transact(self, request: Txn, caller: Caller, who: Who) -> Steps[DeferredReply]:
        exists = self._parts.leases.lessor.__contains__
        write = self._store.begin()
        result: TxnResult = yield from txn.apply_txn(self._store, write, request, exists)
        if self._audit is not None and write.sub:
            self._audit.txn(request, caller, who, result)
        return DeferredReply(result, self._log.until(write.commit()))

    async def grant(self, ttl: int, caller: Caller) -> int:
        """Grant a lease, wait until it is durable, and return its id."""
        who = self._admit_grant(LeaseGrantRequest(TTL=ttl), caller)
        parts = self._parts
        lease, sequence = parts.leases.grant(0, ttl, parts.clock.monotonic())
        if self._audit is not None:
            self._audit.lease_granted(caller, who, lease.lease_id, lease.ttl)
        await outcome(DeferredReply(None, self._log.until(sequence)))
        return lease.lease_id

    async def head(self, start: bytes, end: bytes, caller: Caller) -> Head:
        """Return which of the keys of [start, end) was created first, of those there are now."""
        request = oldest(start, end)
        self._admit_head(request, caller)
        revision = self._store.durable_revision
        found = await self._read(revision, select(self._store, request, revision))
        return Head(revision, KeyValue.FromString(found.rows[0]) if found.rows else None)

    async def predecessor(
        self, start: bytes, end: bytes, created: int, caller: Caller
    ) -> tuple[int, bytes | None]:
        """
        Return the youngest key of [start, end) older than ``created``, None if there is none.

        It asks the index alone: who waits in a long queue is woken to find that it is its turn.

        Returns:
            The revision as of which that is so, which was the durable one, and the key.

        """
        self._admit_reading(start, end, caller)
        seen = self._store.durable_revision
        return seen, await self._read(seen, self.predecessor_at(start, end, created, seen))

    def predecessor_at(
        self, start: bytes, end: bytes, created: int, seen: int
    ) -> Steps[bytes | None]:
        """Return what ``predecessor`` does, as of the revision ``seen``, which has to be pinned."""
        index = self._store.index
        youngest, key = 0, None
        cursor: bytes | None = start
        while cursor is not None:
            keys, cursor = index.scan(cursor, end, seen, SLICE)
            for create, candidate in zip(index.created_at(keys, seen), keys, strict=True):
                if youngest < create < created:
                    youngest, key = create, candidate
            if cursor is not None:
                yield
        return key

    def still_there(
        self, key: bytes, created: int, start: bytes, end: bytes, caller: Caller
    ) -> int | None:
        """
        Tell whether a key of [start, end) is there that was created at a revision.

        Returns:
            The revision as of which it is, which was the durable one; None if it is not.

        """
        self._admit_reading(start, end, caller)
        seen = self._store.durable_revision
        version = self._store.index.at(key, seen)
        return seen if version is not None and version.create == created else None

    def _admit_reading(self, key: bytes, range_end: bytes, caller: Caller) -> None:
        # A request is made where there is somebody to look at it.
        if self._admission.guard is not None:
            self._admit_head(RangeRequest(key=key, range_end=range_end), caller)

    async def _read(self, revision: int, steps: Steps[T]) -> T:
        asked = self._admission.auth_revision
        found = await run(self._pinned(revision, steps))
        self._admission.check_unchanged(asked)
        return found

    def _pinned(self, revision: int, steps: Steps[T]) -> Steps[T]:
        """Keep what ``revision`` shows from being compacted away while the steps go on."""
        with self._store.pinned(revision):
            return (yield from steps)

    def exists(self, key: bytes, revision: int, caller: Caller) -> bool:
        """Tell whether there was a key at a revision that has just been the durable one."""
        self._admit_reading(key, b"", caller)
        return self._store.index.at(key, revision) is not None

    def watch_locally(
        self, key: bytes, range_end: bytes, revision: int, caller: Caller
    ) -> LocalWatch:
        """
        Return a watch, from ``revision`` on, to be used as a context manager.

        Who may read the keys now is told of them for as long as it watches.
        """
        if self._admission.guard is not None:
            self._admit_watch(WatchCreateRequest(key=key, range_end=range_end), caller)
        return LocalWatch(self._parts.hub, *bounds(key, range_end), revision)


def oldest(start: bytes, end: bytes) -> RangeRequest:
    """Return the request for the key of [start, end) that was created first."""
    return RangeRequest(
        key=start,
        range_end=end,
        sort_order=RangeRequest.ASCEND,
        sort_target=RangeRequest.CREATE,
        limit=1,
    )
