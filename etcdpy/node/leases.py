"""Leases: grant, revoke, keep alive, look at."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from etcdpy.cooperative import DeferredReply, Steps, T
from etcdpy.errors import EtcdError
from etcdpy.lease import Lease
from etcdpy.mvcc import slices
from etcdpy.node.caller import Caller
from etcdpy.node.crowd import Crowd
from etcdpy.node.parts import Part, Parts
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.wire import delimited, number

__all__ = ["Leases"]


class Leases(Part):
    """The methods of a node that are about leases."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._keeper = parts.leases
        self._expiry = parts.expiry
        self._now = parts.clock.monotonic
        self._baton = parts.baton
        self._crowd = Crowd()
        self._admit_lease_grant = parts.admission.gate("lease_grant")
        self._admit_lease_revoke = parts.admission.gate("lease_revoke")

    def lease_grant(self, request: pb.LeaseGrantRequest, caller: Caller) -> DeferredReply:
        """
        Create a lease.

        Returns:
            An encoded LeaseGrantResponse, to be held back until the lease is durable.

        """
        who = self._admit_lease_grant(request, caller)
        try:
            lease, sequence = self._keeper.grant(request.ID, request.TTL, self._now())
        except EtcdError as error:
            if self._audit is not None:
                self._audit.refused(error, "lease_grant", request, caller, who)
            raise
        if self._audit is not None:
            self._audit.lease_granted(caller, who, lease.lease_id, lease.ttl)
        # A lease has no revision of its own. (etcd: apply.go, LeaseGrant)
        reply = self._headers.at(self._store.revision) + lease.fields
        return DeferredReply(reply, self._log.until(sequence))

    async def lease_revoke(self, request: pb.LeaseRevokeRequest, caller: Caller) -> DeferredReply:
        """
        End a lease and delete its keys.

        Returns:
            An encoded LeaseRevokeResponse, to be held back until that is durable.

        Raises:
            LeaseNotFoundError: If there is no such lease.

        """
        who = self._admit_lease_revoke(request, caller)
        try:
            revision, sequence = await self._expiry.revoke(request.ID, caller, who)
        except EtcdError as error:
            if self._audit is not None:
                self._audit.refused(error, "lease_revoke", request, caller, who)
            raise
        return DeferredReply(self._headers.at(revision), self._log.until(sequence))

    def lease_keep_alive(
        self, request: pb.LeaseKeepAliveRequest, caller: Caller
    ) -> bytes | Coroutine[Any, Any, bytes]:
        """
        Renew a lease; one that is gone has TTL 0.

        Returns:
            An encoded LeaseKeepAliveResponse, or what leads to it if it has to wait.

        """
        if self._admission.guard is not None:
            self._admit("lease_keep_alive", request, caller)
        # As in etcd, the revision is that of before the renewal.
        header = self._headers.at(self._store.durable_revision)
        lease = self._keeper.renew_at_once(request.ID, self._now())
        if lease is not None:
            return header + lease.fields
        return self._renew(request.ID, header)

    async def _renew(self, lease_id: int, header: bytes) -> bytes:
        keeper, now = self._keeper, self._now()
        lease = keeper.lessor.get(lease_id)
        if lease is not None and lease.deadline > now:
            sequence = keeper.renew(lease, now)
            if sequence is not None and (durable := self._log.until(sequence)):
                await durable
            return header + lease.fields
        if lease is not None:
            # It has run out and is about to be revoked: there is no way back. (etcd: lessor.go,
            # Renew, waits for revokec)
            await self._expiry.ended(lease)
        await self._settled()  # a crash could still bring it back
        return header + number(2, lease_id)

    async def lease_time_to_live(self, request: pb.LeaseTimeToLiveRequest, caller: Caller) -> bytes:
        """
        Tell how long a lease has, and its keys; TTL -1 if it does not exist.

        Returns:
            An encoded LeaseTimeToLiveResponse.

        """
        self._admit("lease_time_to_live", request, caller)
        if not request.keys or len(self._store.attachments.on(request.ID)) <= slices.SLICE:
            return await self._time_to_live(request)
        await self._crowd.place(caller.peer())
        with self._crowd.among(caller.peer()):
            return await self._time_to_live(request)

    async def _time_to_live(self, request: pb.LeaseTimeToLiveRequest) -> bytes:
        await self._settled()  # leases and their keys have no older state to look at
        header = self._headers.at(self._store.durable_revision)
        lease = self._keeper.lessor.get(request.ID)
        if lease is None:
            return header + number(2, request.ID) + number(3, -1)
        # Cut off towards zero, as Go does. (etcd: v3_server.go, LeaseTimeToLive)
        left = int(lease.deadline - self._now())
        reply = header + number(2, request.ID) + number(3, left) + number(4, lease.ttl)
        if request.keys:
            reply += await self._baton.run(_keys([*self._store.attachments.on(request.ID)]))
        return reply

    async def lease_leases(self, request: pb.LeaseLeasesRequest, caller: Caller) -> bytes:
        """
        List the leases, the one that runs out first at the head.

        Returns:
            An encoded LeaseLeasesResponse.

        """
        self._admit("lease_leases", request, caller)
        await self._crowd.place(caller.peer())
        with self._crowd.among(caller.peer()):
            await self._settled()  # as above
            header = self._headers.at(self._store.durable_revision)
            return header + await self._baton.run(_list([*self._keeper.lessor]))


def _keys(keys: list[bytes]) -> Steps[bytes]:
    """Encode the keys of a lease, in their order."""
    ordered = yield from slices.in_order(keys)
    return (yield from _joined(ordered, lambda key: delimited(5, key)))


def _list(leases: list[Lease]) -> Steps[bytes]:
    """Encode the statuses of leases, in the order in which they run out."""
    # (etcd: lessor.go, Leases: sorted by leasesByExpiry)
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
