"""The Lease service."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import Any

from etcdpy.cooperative import DeferredReply
from etcdpy.node.api import NodeApi
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.transport import endless, inline, one_reply_per_request


class LeaseService:
    """LeaseGrant, LeaseRevoke, LeaseKeepAlive, LeaseTimeToLive and LeaseLeases."""

    def __init__(self, node: NodeApi) -> None:
        self._node = node

    @inline
    def LeaseGrant(self, request: pb.LeaseGrantRequest, context: Any) -> DeferredReply:
        """Create a lease; the reply waits for the disk."""
        return self._node.lease_grant(request, context)

    @inline
    def LeaseRevoke(
        self, request: pb.LeaseRevokeRequest, context: Any
    ) -> Coroutine[Any, Any, DeferredReply]:
        """End a lease and delete its keys; the reply waits for the disk."""
        return self._node.lease_revoke(request, context)

    @endless
    @one_reply_per_request
    def LeaseKeepAlive(
        self, request: pb.LeaseKeepAliveRequest, context: Any
    ) -> bytes | Coroutine[Any, Any, bytes]:
        """Renew a lease."""
        return self._node.lease_keep_alive(request, context)

    @inline
    def LeaseTimeToLive(self, request: pb.LeaseTimeToLiveRequest, context: Any) -> Awaitable[bytes]:
        """Tell how long a lease has, and its keys."""
        return self._node.lease_time_to_live(request, context)

    @inline
    def LeaseLeases(self, request: pb.LeaseLeasesRequest, context: Any) -> Awaitable[bytes]:
        """List the leases."""
        return self._node.lease_leases(request, context)
