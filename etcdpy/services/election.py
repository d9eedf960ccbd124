"""The Election service: a queue of keys, whose head is the leader's and holds its value."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from etcdpy.concurrency.queues import Queue, Queues
from etcdpy.errors import EtcdError, LeaderMissingError, NoLeaderError, NotLeaderError
from etcdpy.pb import v3election_pb2 as pb
from etcdpy.services.codes import embedded
from etcdpy.transport import endless, inline, patient


class ElectionService:
    """Campaign, Proclaim, Leader, Observe and Resign."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    @inline
    @patient
    @embedded
    async def Campaign(self, request: pb.CampaignRequest, context: Any) -> pb.CampaignResponse:
        """Wait to be the leader; whoever stops waiting leaves nothing in the queue."""
        queues, name, lease, value = self._queues, request.name, request.lease, request.value
        del request
        queue = Queue(name)
        lease = await queues.session(lease, context)
        key = queue.key(lease)
        entry = await queues.enter(queue, lease, value, context)
        # Found with another value: it proclaims first. (etcd: client/v3/concurrency/election.go,
        # Campaign)
        if entry.value is not None and entry.value != value:
            await self._change_value(key, entry.created, value, lease, context)
        del value
        try:
            await queues.wait_for_turn(queue, entry.created, context, key)
        except asyncio.CancelledError:
            queues.leave(key, entry.created, context)
            raise
        leader = pb.LeaderKey(name=name, key=key, rev=entry.created, lease=lease)
        return pb.CampaignResponse(header=queues.header(entry.revision), leader=leader)

    async def _change_value(
        self, key: bytes, created: int, value: bytes, lease: int, context: Any
    ) -> None:
        try:
            await self._proclaim(key, created, value, lease, context)
        except Exception:
            await self._queues.delete_created(key, created, context)
            raise

    @inline
    @embedded
    async def Proclaim(self, request: pb.ProclaimRequest, context: Any) -> pb.ProclaimResponse:
        """Change the value of a key in the queue, if it is still the one that was won."""
        leader = _leader(request)
        lease = await self._queues.session(leader.lease, context)
        revision = await self._proclaim(leader.key, leader.rev, request.value, lease, context)
        return pb.ProclaimResponse(header=self._queues.header(revision))

    @inline
    @embedded
    async def Leader(self, request: pb.LeaderRequest, context: Any) -> pb.LeaderResponse:
        """Tell who leads."""
        head = await self._queues.head(Queue(request.name), context)
        if head.key_value is None:
            raise NoLeaderError
        return pb.LeaderResponse(header=self._queues.header(head.revision), kv=head.key_value)

    @endless
    @patient
    async def Observe(
        self, request: pb.LeaderRequest, context: Any
    ) -> AsyncIterator[pb.LeaderResponse]:
        """
        Tell who leads, now and whenever that, or what the leader proclaims, changes.

        As in etcd, a failure to read ends the stream without an error.
        """
        queues, queue = self._queues, Queue(request.name)
        del request
        try:
            while True:
                response = await self._next_leader(queue, context)
                yield response
                key, revision = response.kv.key, response.header.revision
                del response
                with queues.watch(key, b"", revision + 1, context) as watch:
                    while not (event := await watch.next()).is_delete:
                        header = queues.header(event.main)
                        yield pb.LeaderResponse(header=header, kv=event.kv())
        except EtcdError:
            return

    async def _next_leader(self, queue: Queue, context: Any) -> pb.LeaderResponse:
        """Return the leader, waiting for one if there is none."""
        queues = self._queues
        head = await queues.head(queue, context)
        if head.key_value is not None:
            return pb.LeaderResponse(header=queues.header(head.revision), kv=head.key_value)
        with queues.watch(queue.prefix, queue.end, head.revision, context) as watch:
            while (event := await watch.next()).is_delete:
                pass
        return pb.LeaderResponse(header=queues.header(event.main), kv=event.kv())

    @inline
    @embedded
    async def Resign(self, request: pb.ResignRequest, context: Any) -> pb.ResignResponse:
        """Leave the queue, if the key is still the one that was won; twice is no error."""
        leader = _leader(request)
        # etcd opens a session even where it is not used. (etcd: v3election/election.go)
        await self._queues.session(leader.lease, context)
        revision = await self._queues.delete_created(leader.key, leader.rev, context)
        return pb.ResignResponse(header=self._queues.header(revision))

    async def _proclaim(
        self, key: bytes, created: int, value: bytes, lease: int, context: Any
    ) -> int:
        revision = await self._queues.change(key, created, value, lease, context)
        if revision is None:
            raise NotLeaderError
        return revision


def _leader(request: pb.ProclaimRequest | pb.ResignRequest) -> pb.LeaderKey:
    if not request.HasField("leader"):
        raise LeaderMissingError
    return request.leader
