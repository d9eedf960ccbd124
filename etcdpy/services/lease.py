"""The Lease service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from etcdpy.cooperative import DeferredReply, Steps, T
from etcdpy.lease import Lease, LeaseKeeper
from etcdpy.mvcc import slices
from etcdpy.node.state import Node
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.pb.wire import delimited, number
from etcdpy.transport import inline, one_reply_per_request

#: What etcd's quota counts for a lease, in bytes.
LEASE_COST = 64


class LeaseService(rpc_pb2_grpc.LeaseServicer):
    """Grant, revoke, keep alive, look at."""

    def __init__(self, node: Node, keeper: LeaseKeeper) -> None:
        self._node = node
        self._keeper = keeper
        self._store = node.store
        self._headers = node.headers

    @inline
    def LeaseGrant(self, request: pb.LeaseGrantRequest, context: Any) -> DeferredReply:
        """Create a lease; the reply waits for the disk."""
        node = self._node
        node.check_quota(LEASE_COST)
        node.alarms.check_write(grows=True)
        lease, durable = self._keeper.grant(request.ID, request.TTL)
        return DeferredReply(self._headers.at(node.store.revision) + lease.fields, durable)

    @inline
    async def LeaseRevoke(self, request: pb.LeaseRevokeRequest, context: Any) -> DeferredReply:
        """End a lease and delete its keys; the reply waits for the disk."""
        node = self._node
        node.alarms.check_write(grows=False)
        revision, durable = await self._keeper.revoke(request.ID)
        return DeferredReply(self._headers.at(revision), durable)

    @one_reply_per_request
    def LeaseKeepAlive(
        self, request: pb.LeaseKeepAliveRequest, context: Any
    ) -> bytes | Coroutine[Any, Any, bytes]:
        """Renew a lease; one that is gone has TTL 0."""
        # As in etcd, of before the renewal.
        header = self._headers.at(self._store.durable_revision)
        lease = self._keeper.renew_at_once(request.ID)
        if lease is not None:
            return header + lease.fields
        return self._renew(request.ID, header)

    async def _renew(self, lease_id: int, header: bytes) -> bytes:
        keeper = self._keeper
        lease = keeper.lessor.get(lease_id)
        if lease is not None and keeper.remaining(lease) > 0:
            if durable := keeper.renew(lease):
                await durable
            return header + lease.fields
        if lease is not None:
            # It has run out and is about to be revoked: there is no way back.
            await keeper.ended(lease)
        if settled := self._store.settled():
            await settled  # a crash could still bring it back
        return header + number(2, lease_id)

    @inline
    async def LeaseTimeToLive(self, request: pb.LeaseTimeToLiveRequest, context: Any) -> bytes:
        """Tell how long a lease has, and its keys; TTL -1 if it does not exist."""
        store, keeper = self._node.store, self._keeper
        if settled := store.settled():
            await settled  # leases and their keys have no older state to look at
        header = self._headers.at(store.durable_revision)
        lease = keeper.lessor.get(request.ID)
        if lease is None:
            return header + number(2, request.ID) + number(3, -1)
        reply = header + number(2, request.ID) + number(3, int(keeper.remaining(lease)))
        reply += number(4, lease.ttl)
        if request.keys:
            reply += await _run(_keys([*store.attachments.keys_of(request.ID)]))
        return reply

    @inline
    async def LeaseLeases(self, request: pb.LeaseLeasesRequest, context: Any) -> bytes:
        """List the leases, the one to run out first first."""
        store = self._node.store
        if settled := store.settled():
            await settled
        header = self._headers.at(store.durable_revision)
        return header + await _run(_list([*self._keeper.lessor]))


async def _run(steps: Steps[bytes]) -> bytes:
    """Run steps to their end; others have their turns in between."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: bytes = done.value
            return result
        await asyncio.sleep(0)


def _keys(keys: list[bytes]) -> Steps[bytes]:
    """Encode the keys of a lease, in their order."""
    ordered = yield from slices.sort(keys, key=bytes, descending=False, limit=None)
    return (yield from _joined(ordered, lambda key: delimited(5, key)))


def _list(leases: list[Lease]) -> Steps[bytes]:
    """Encode the statuses of leases, in the order in which they run out."""
    ordered = yield from slices.sort(
        leases, key=lambda lease: lease.deadline, descending=False, limit=None
    )
    return (yield from _joined(ordered, lambda lease: delimited(2, number(1, lease.lease_id))))


def _joined(items: list[T], encode: Callable[[T], bytes]) -> Steps[bytes]:
    parts: list[bytes] = []
    for count, chunk in enumerate(slices.chunks(items)):
        if count:
            yield
        parts.append(b"".join(map(encode, chunk)))
    return b"".join(parts)
