"""The Election service: a queue of keys, whose head is the leader's and holds its value."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from etcdpy.concurrency.client import (
    Client,
    as_client,
    created_at,
    get_op,
    own_key,
    put_op,
    queue_end,
    queue_prefix,
)
from etcdpy.errors import EtcdError, LeaderMissingError, NoLeaderError, NotLeaderError
from etcdpy.pb import rpc_pb2 as rpc
from etcdpy.pb import v3election_pb2 as pb
from etcdpy.pb import v3election_pb2_grpc
from etcdpy.transport import inline


class ElectionService(v3election_pb2_grpc.ElectionServicer):
    """Campaign, Proclaim, Leader, Observe and Resign."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @inline
    @as_client
    async def Campaign(self, request: pb.CampaignRequest, context: Any) -> pb.CampaignResponse:
        """Wait to be the leader; whoever stops waiting leaves nothing in the queue."""
        client = self._client
        lease = await client.session(request.lease, context)
        key = own_key(request.name, lease)
        entered = await client.enter(
            key,
            rpc.TxnRequest(
                compare=[created_at(key, 0)],
                success=[put_op(key, request.value, lease)],
                failure=[get_op(key)],
            ),
            context,
        )
        revision = entered.header.revision
        if not entered.succeeded:
            own = entered.responses[0].response_range.kvs[0]
            revision = own.create_revision
            if own.value != request.value:
                await self._change_value(key, revision, request.value, lease, context)
        try:
            await client.wait_for_turn(queue_prefix(request.name), revision)
        except asyncio.CancelledError:
            client.leave(key, revision, context)
            raise
        leader = pb.LeaderKey(name=request.name, key=key, rev=revision, lease=lease)
        return pb.CampaignResponse(header=entered.header, leader=leader)

    async def _change_value(
        self, key: bytes, revision: int, value: bytes, lease: int, context: Any
    ) -> None:
        try:
            await self._proclaim(key, revision, value, lease, context)
        except Exception:
            await self._client.delete_created(key, revision, context)
            raise

    @inline
    @as_client
    async def Proclaim(self, request: pb.ProclaimRequest, context: Any) -> pb.ProclaimResponse:
        """Change the value of a key in the queue, if it is still the one that was won."""
        leader = _leader(request)
        lease = await self._client.session(leader.lease, context)
        header = await self._proclaim(leader.key, leader.rev, request.value, lease, context)
        return pb.ProclaimResponse(header=header)

    @inline
    @as_client
    async def Leader(self, request: pb.LeaderRequest, context: Any) -> pb.LeaderResponse:
        """Tell who leads."""
        oldest = await self._client.oldest(queue_prefix(request.name), context)
        if not oldest.kvs:
            raise NoLeaderError
        return pb.LeaderResponse(header=oldest.header, kv=oldest.kvs[0])

    async def Observe(
        self, request: pb.LeaderRequest, context: Any
    ) -> AsyncIterator[pb.LeaderResponse]:
        """
        Tell who leads, now and whenever that, or what the leader proclaims, changes.

        As in etcd, a failure to read ends the stream without an error.
        """
        prefix = queue_prefix(request.name)
        try:
            while True:
                response = await self._next_leader(prefix, context)
                yield response
                key, revision = response.kv.key, response.header.revision
                with self._client.watch(key, b"", revision + 1) as watch:
                    while not (event := await watch.next()).is_delete:
                        header = self._client.header(event.main)
                        yield pb.LeaderResponse(header=header, kv=event.kv())
        except EtcdError:
            return

    async def _next_leader(self, prefix: bytes, context: Any) -> pb.LeaderResponse:
        """Return the leader, waiting for one if there is none."""
        oldest = await self._client.oldest(prefix, context)
        if oldest.kvs:
            return pb.LeaderResponse(header=oldest.header, kv=oldest.kvs[0])
        with self._client.watch(prefix, queue_end(prefix), oldest.header.revision) as watch:
            while (event := await watch.next()).is_delete:
                pass
        return pb.LeaderResponse(header=self._client.header(event.main), kv=event.kv())

    @inline
    @as_client
    async def Resign(self, request: pb.ResignRequest, context: Any) -> pb.ResignResponse:
        """Leave the queue, if the key is still the one that was won; twice is no error."""
        leader = _leader(request)
        await self._client.session(leader.lease, context)
        header = await self._client.delete_created(leader.key, leader.rev, context)
        return pb.ResignResponse(header=header)

    async def _proclaim(
        self, key: bytes, revision: int, value: bytes, lease: int, context: Any
    ) -> rpc.ResponseHeader:
        request = rpc.TxnRequest(
            compare=[created_at(key, revision)], success=[put_op(key, value, lease)]
        )
        response = await self._client.txn(request, context)
        if not response.succeeded:
            raise NotLeaderError
        return response.header


def _leader(request: pb.ProclaimRequest | pb.ResignRequest) -> pb.LeaderKey:
    if not request.HasField("leader"):
        raise LeaderMissingError
    return request.leader
