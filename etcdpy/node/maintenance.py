"""What an operator asks of a node."""

from __future__ import annotations

import logging
from asyncio import Semaphore
from collections.abc import AsyncGenerator
from typing import Final, TypeVar

from etcdpy.cooperative import Baton, Steps
from etcdpy.errors import BadLeaderTransfereeError, TooManySnapshotsError
from etcdpy.gostd.durations import go_duration
from etcdpy.gostd.sizes import human_size
from etcdpy.node import checks
from etcdpy.node.caller import Caller
from etcdpy.node.parts import Part, Parts
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.storage.errors import TooManyPinsError
from etcdpy.version import ETCD_VERSION

__all__ = ["MOST_HASHES", "Maintenance"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

MOST_HASHES: Final = 4
"""Hashes begun at a time: each holds the rows that it has read and not come to."""


class Maintenance(Part):
    """The methods of a node that are about itself."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        # A hash goes over everything, and dozens may be asked for: not for reads to wait behind.
        self._hashing = Baton()
        self._begun = Semaphore(MOST_HASHES)

    async def status(self, request: pb.StatusRequest, caller: Caller) -> pb.StatusResponse:
        """Tell how the server is; sizes are in bytes."""
        self._admit("status", request, caller)
        parts, store = self._parts, self._store
        identity, target = self.identity, parts.versions.target
        return pb.StatusResponse(
            header=self.header(store.durable_revision),
            version=ETCD_VERSION,
            dbSize=parts.database.size(),
            dbSizeInUse=parts.database.size_in_use(),
            dbSizeQuota=parts.quota.limit,
            leader=identity.member_id,
            # One node has applied whatever it has logged.
            raftIndex=store.applied_index,
            raftAppliedIndex=store.applied_index,
            raftTerm=identity.raft_term,
            storageVersion=parts.versions.storage,
            downgradeInfo=pb.DowngradeInfo(enabled=target.enabled, targetVersion=target.version),
            # As Go prints a message of the protocol. (etcd: maintenance.go, Status)
            errors=[
                f"memberID:{alarm.memberID} alarm:{pb.AlarmType.Name(alarm.alarm)}"
                for alarm in parts.alarms.matching(pb.NONE)
            ],
        )

    async def alarm(self, request: pb.AlarmRequest, caller: Caller) -> pb.AlarmResponse:
        """
        List alarms, or switch one on or off; returns when that is durable.

        Raises:
            InvalidAlarmActionError: If the action does not exist.

        """
        with self._changing("alarm", request, caller) as change:
            alarms = self._parts.alarms
            change.is_one = request.action != pb.AlarmRequest.GET
            if request.action == pb.AlarmRequest.GET:
                found = alarms.matching(request.alarm)
            elif request.action == pb.AlarmRequest.ACTIVATE:
                found = alarms.activate(request.memberID, request.alarm)
            else:  # the gate lets no other action in
                found = alarms.deactivate(request.memberID, request.alarm)
        revision = self._store.revision
        await self._settled()
        return pb.AlarmResponse(header=self.header(revision), alarms=found)

    async def hash_kv(self, request: pb.HashKVRequest, caller: Caller) -> pb.HashKVResponse:
        """
        Hash the keys at a revision, in slices.

        Raises:
            CompactedError: If the revision was compacted away.
            FutureRevisionError: If it is not there yet.

        """
        self._admit("hash_kv", request, caller)
        parts = self._parts
        with parts.measures.timed(parts.measures.hash_keys, parts.clock):
            found = await self._hashed(parts.hasher.hash_keys(request.revision))
        return pb.HashKVResponse(
            header=self.header(self._store.durable_revision),
            hash=found.hash,
            compact_revision=found.compact_revision,
            hash_revision=found.revision,
        )

    async def hash(self, request: pb.HashRequest, caller: Caller) -> pb.HashResponse:
        """Hash all that is stored, but for what differs between the members of a cluster."""
        self._admit("hash", request, caller)
        parts = self._parts
        with parts.measures.timed(parts.measures.hash_all, parts.clock):
            found = await self._hashed(parts.hasher.hash_all())
        return pb.HashResponse(header=self.header(self._store.durable_revision), hash=found)

    async def _hashed(self, steps: Steps[T]) -> T:
        async with self._begun:
            return await self._hashing.run(steps)

    async def defragment(
        self, request: pb.DefragmentRequest, caller: Caller
    ) -> pb.DefragmentResponse:
        """
        Give space that is not used to the disk again; the reply has no header.

        Raises:
            DefragmentError: If it cannot be done.
            StoppedError: If the server ends.

        """
        parts = self._parts
        with (
            self._changing("defragment", request, caller),
            parts.measures.defragmentation(parts.clock),
        ):
            await parts.database.defragment()
        return pb.DefragmentResponse()

    async def move_leader(
        self, request: pb.MoveLeaderRequest, caller: Caller
    ) -> pb.MoveLeaderResponse:
        """
        Leave the leadership where it is, with the only member; the reply has no header.

        Raises:
            BadLeaderTransfereeError: If it is to go to anybody else.

        """
        self._admit("move_leader", request, caller)
        # (etcd: server.go, MoveLeader: the only voter it knows is this one)
        if request.targetID != self.identity.member_id:
            raise BadLeaderTransfereeError
        return pb.MoveLeaderResponse()

    async def downgrade(self, request: pb.DowngradeRequest, caller: Caller) -> pb.DowngradeResponse:
        """
        Check, begin or cancel a downgrade of the cluster version.

        Raises:
            UnknownMethodError: If the action does not exist.
            EtcdError: As ``Versions.validate`` has it.

        """
        with self._changing("downgrade", request, caller) as change:
            checks.check_downgrade(request)
            versions = self._parts.versions
            change.is_one = request.action != pb.DowngradeRequest.VALIDATE
            if request.action == pb.DowngradeRequest.VALIDATE:
                versions.validate(request.version)
            elif request.action == pb.DowngradeRequest.ENABLE:
                versions.enable(request.version)
            else:
                versions.cancel()
        # Without its patch, as cluster versions are shown. (etcd: v3_server.go, Downgrade)
        revision, cluster = self._store.revision, versions.cluster.rpartition(".")[0]
        await self._settled()
        return pb.DowngradeResponse(header=self.header(revision), version=cluster)

    async def snapshot(
        self, request: pb.SnapshotRequest, caller: Caller
    ) -> AsyncGenerator[pb.SnapshotResponse, None]:
        """
        Give the store as a file of etcd's, while it is written to.

        Closing the iterator lets go of the snapshot.

        Yields:
            The file, piece by piece; the last has its checksum.

        Raises:
            TooManySnapshotsError: If too many are being sent already.
            StorageError: If the store cannot give one.

        """
        who = self._admit("snapshot", request, caller)
        now, version = self._parts.clock.monotonic, self._parts.versions.storage
        began = now()
        try:
            snapshot = await self._parts.database.take_snapshot()
        except TooManyPinsError as error:
            raise TooManySnapshotsError from error
        if self._audit is not None:
            # It changes nothing, but takes everything away.
            self._audit.changed("snapshot", request, caller, who, self._store.durable_revision)
        try:
            fields: dict[str, object] = {
                "total-bytes": snapshot.size,
                "size": human_size(snapshot.size),
                "storage-version": version,
            }
            logger.info("sending database snapshot to client", fields)
            remaining = snapshot.size
            async for blob in snapshot.chunks():
                # The checksum at the end is not counted. (etcd: maintenance.go, Snapshot)
                remaining = max(remaining - len(blob), 0)
                yield pb.SnapshotResponse(remaining_bytes=remaining, blob=blob, version=version)
        finally:
            snapshot.close()
        took = now() - began
        self._parts.measures.snapshot.observe(took)
        fields["took"] = go_duration(took)
        logger.info("successfully sent database snapshot to client", fields)
