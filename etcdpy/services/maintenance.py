"""The Maintenance service."""

from __future__ import annotations

from typing import Any

from etcdpy.errors import (
    BadLeaderTransfereeError,
    InvalidAlarmActionError,
    UnknownMethodError,
)
from etcdpy.node.state import Node
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.services.snapshot import send_snapshot
from etcdpy.transport import inline
from etcdpy.version import ETCD_VERSION


class MaintenanceService(rpc_pb2_grpc.MaintenanceServicer):
    """What an operator asks of a server."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @inline
    async def Status(self, request: pb.StatusRequest, context: Any) -> pb.StatusResponse:
        """Tell how the server is; sizes are in bytes."""
        node = self._node
        identity, store = node.identity, node.store
        return pb.StatusResponse(
            header=node.header(store.durable_revision),
            version=ETCD_VERSION,
            dbSize=node.backend_size(),
            dbSizeInUse=node.backend_size_in_use(),
            dbSizeQuota=node.quota,
            leader=identity.member_id,
            raftIndex=store.applied_index,
            raftAppliedIndex=store.applied_index,
            raftTerm=identity.raft_term,
            storageVersion=node.versions.storage,
            downgradeInfo=pb.DowngradeInfo(
                enabled=node.versions.target.enabled, targetVersion=node.versions.target.version
            ),
            errors=[
                f"memberID:{alarm.memberID} alarm:{pb.AlarmType.Name(alarm.alarm)}"
                for alarm in node.alarms.matching(pb.NONE)
            ],
        )

    @inline
    async def Alarm(self, request: pb.AlarmRequest, context: Any) -> pb.AlarmResponse:
        """List alarms, or switch one on or off; the reply waits for the disk."""
        node = self._node
        if request.action == pb.AlarmRequest.GET:
            alarms = node.alarms.matching(request.alarm)
        elif request.action == pb.AlarmRequest.ACTIVATE:
            alarms = node.alarms.activate(request.memberID, request.alarm)
        elif request.action == pb.AlarmRequest.DEACTIVATE:
            alarms = node.alarms.deactivate(request.memberID, request.alarm)
        else:
            raise InvalidAlarmActionError
        revision = node.store.revision
        if settled := node.store.settled():
            await settled
        return pb.AlarmResponse(header=node.header(revision), alarms=alarms)

    async def HashKV(self, request: pb.HashKVRequest, context: Any) -> pb.HashKVResponse:
        """Hash the keys at a revision; others are served meanwhile."""
        node = self._node
        found = await node.hasher.hash_keys(request.revision)
        return pb.HashKVResponse(
            header=node.header(node.store.durable_revision),
            hash=found.hash,
            compact_revision=found.compact_revision,
            hash_revision=found.revision,
        )

    async def Hash(self, request: pb.HashRequest, context: Any) -> pb.HashResponse:
        """Hash all that is stored, but for what differs between the members of a cluster."""
        node = self._node
        found = await node.hasher.hash_all()
        return pb.HashResponse(header=node.header(node.store.durable_revision), hash=found)

    async def Defragment(
        self, request: pb.DefragmentRequest, context: Any
    ) -> pb.DefragmentResponse:
        """Give space that is not used to the disk again; the reply has no header."""
        await self._node.defragment()
        return pb.DefragmentResponse()

    @inline
    async def MoveLeader(
        self, request: pb.MoveLeaderRequest, context: Any
    ) -> pb.MoveLeaderResponse:
        """Leave the leadership where it is: with the only member; the reply has no header."""
        if request.targetID != self._node.identity.member_id:
            raise BadLeaderTransfereeError
        return pb.MoveLeaderResponse()

    @inline
    async def Downgrade(self, request: pb.DowngradeRequest, context: Any) -> pb.DowngradeResponse:
        """Check, begin or cancel a downgrade of the cluster version."""
        node, versions = self._node, self._node.versions
        if request.action == pb.DowngradeRequest.VALIDATE:
            versions.validate(request.version)
        elif request.action == pb.DowngradeRequest.ENABLE:
            versions.enable(request.version)
        elif request.action == pb.DowngradeRequest.CANCEL:
            versions.cancel()
        else:
            raise UnknownMethodError
        revision, cluster = node.store.revision, versions.cluster.rpartition(".")[0]
        if settled := node.store.settled():
            await settled
        return pb.DowngradeResponse(header=node.header(revision), version=cluster)

    async def Snapshot(self, request: pb.SnapshotRequest, context: Any) -> None:
        """Stream the store as a file of etcd's, while it is written to."""
        node = self._node
        await send_snapshot(node.take_snapshot, node.versions.storage, context.write)
