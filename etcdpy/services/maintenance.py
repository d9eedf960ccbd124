"""The Maintenance service."""

from __future__ import annotations

from typing import Any

from etcdpy.errors import InvalidAlarmActionError
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.services.node import Node
from etcdpy.transport import inline
from etcdpy.version import ETCD_VERSION, STORAGE_VERSION


class MaintenanceService(rpc_pb2_grpc.MaintenanceServicer):
    """Status and Alarm."""

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
            storageVersion=STORAGE_VERSION,
            downgradeInfo=pb.DowngradeInfo(),
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
