"""The Maintenance service."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import aclosing
from typing import Any

from etcdpy.node.api import NodeApi
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.transport import inline


class MaintenanceService:
    """What an operator asks of a server."""

    def __init__(self, node: NodeApi) -> None:
        self._node = node

    @inline
    def Status(self, request: pb.StatusRequest, context: Any) -> Awaitable[pb.StatusResponse]:
        """Tell how the server is."""
        return self._node.status(request, context)

    @inline
    def Alarm(self, request: pb.AlarmRequest, context: Any) -> Awaitable[pb.AlarmResponse]:
        """List alarms, or switch one on or off; the reply waits for the disk."""
        return self._node.alarm(request, context)

    @inline
    def HashKV(self, request: pb.HashKVRequest, context: Any) -> Awaitable[pb.HashKVResponse]:
        """Hash the keys at a revision; others are served meanwhile."""
        return self._node.hash_kv(request, context)

    @inline
    def Hash(self, request: pb.HashRequest, context: Any) -> Awaitable[pb.HashResponse]:
        """Hash all that is stored; others are served meanwhile."""
        return self._node.hash(request, context)

    def Defragment(
        self, request: pb.DefragmentRequest, context: Any
    ) -> Awaitable[pb.DefragmentResponse]:
        """Give space that is not used to the disk again."""
        return self._node.defragment(request, context)

    @inline
    def MoveLeader(
        self, request: pb.MoveLeaderRequest, context: Any
    ) -> Awaitable[pb.MoveLeaderResponse]:
        """Move the leadership, which only this member can have."""
        return self._node.move_leader(request, context)

    @inline
    def Downgrade(
        self, request: pb.DowngradeRequest, context: Any
    ) -> Awaitable[pb.DowngradeResponse]:
        """Check, begin or cancel a downgrade of the cluster version."""
        return self._node.downgrade(request, context)

    async def Snapshot(self, request: pb.SnapshotRequest, context: Any) -> None:
        """Stream the store as a file of etcd's; a client that goes lets go of it at once."""
        async with aclosing(self._node.snapshot(request, context)) as messages:
            async for message in messages:
                await context.write(message)
