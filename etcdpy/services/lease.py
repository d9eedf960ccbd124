"""The Lease service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from etcdpy.lease import LeaseKeeper
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.services.node import Node
from etcdpy.transport import inline

#: What etcd's quota counts for a lease, in bytes.
LEASE_COST = 64


class LeaseService(rpc_pb2_grpc.LeaseServicer):
    """Grant, revoke, keep alive, look at."""

    def __init__(self, node: Node, keeper: LeaseKeeper) -> None:
        self._node = node
        self._keeper = keeper

    @inline
    async def LeaseGrant(
        self, request: pb.LeaseGrantRequest, context: Any
    ) -> pb.LeaseGrantResponse:
        """Create a lease; the reply waits for the disk."""
        node = self._node
        node.check_quota(LEASE_COST)
        node.alarms.check_write(grows=True)
        lease, durable = self._keeper.grant(request.ID, request.TTL)
        header = node.header(node.store.revision)
        await durable
        return pb.LeaseGrantResponse(header=header, ID=lease.lease_id, TTL=lease.ttl)

    @inline
    async def LeaseRevoke(
        self, request: pb.LeaseRevokeRequest, context: Any
    ) -> pb.LeaseRevokeResponse:
        """End a lease and delete its keys; the reply waits for the disk."""
        node = self._node
        node.alarms.check_write(grows=False)
        durable = self._keeper.revoke(request.ID)
        header = node.header(node.store.revision)
        await durable
        return pb.LeaseRevokeResponse(header=header)

    async def LeaseKeepAlive(
        self, requests: AsyncIterator[pb.LeaseKeepAliveRequest], context: Any
    ) -> AsyncIterator[pb.LeaseKeepAliveResponse]:
        """Renew leases, one reply for each request; a lease that is gone has TTL 0."""
        async for request in requests:
            header = self._node.header(self._node.store.durable_revision)
            ttl = await self._renew(request.ID)
            yield pb.LeaseKeepAliveResponse(header=header, ID=request.ID, TTL=ttl)

    async def _renew(self, lease_id: int) -> int:
        keeper = self._keeper
        lease = keeper.lessor.get(lease_id)
        if lease is None:
            return 0
        if keeper.remaining(lease) <= 0:
            # It has run out and is about to be revoked: there is no way back.
            await keeper.ended(lease)
            return 0
        keeper.renew(lease)
        return lease.ttl

    @inline
    async def LeaseTimeToLive(
        self, request: pb.LeaseTimeToLiveRequest, context: Any
    ) -> pb.LeaseTimeToLiveResponse:
        """Tell how long a lease has, and its keys; TTL -1 if it does not exist."""
        node, keeper = self._node, self._keeper
        if settled := node.store.settled():
            await settled  # leases and their keys have no older state to look at
        header = node.header(node.store.durable_revision)
        lease = keeper.lessor.get(request.ID)
        if lease is None:
            return pb.LeaseTimeToLiveResponse(header=header, ID=request.ID, TTL=-1)
        return pb.LeaseTimeToLiveResponse(
            header=header,
            ID=request.ID,
            TTL=int(keeper.remaining(lease)),
            grantedTTL=lease.ttl,
            keys=sorted(node.store.attachments.keys_of(request.ID)) if request.keys else (),
        )

    @inline
    async def LeaseLeases(
        self, request: pb.LeaseLeasesRequest, context: Any
    ) -> pb.LeaseLeasesResponse:
        """List the leases, the one to run out first first."""
        if settled := self._node.store.settled():
            await settled
        leases = self._keeper.lessor.by_deadline()
        return pb.LeaseLeasesResponse(
            header=self._node.header(self._node.store.durable_revision),
            leases=[pb.LeaseStatus(ID=lease.lease_id) for lease in leases],
        )
