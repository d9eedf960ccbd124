"""The Lock service: a queue of keys, whose head holds the lock."""

from __future__ import annotations

from typing import Any

from etcdpy.concurrency.client import (
    Client,
    as_client,
    created_at,
    get_op,
    oldest_request,
    own_key,
    put_op,
    queue_prefix,
)
from etcdpy.errors import SessionExpiredError
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3lock_pb2, v3lock_pb2_grpc
from etcdpy.transport import inline


class LockService(v3lock_pb2_grpc.LockServicer):
    """Lock and Unlock."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @inline
    @as_client
    async def Lock(self, request: v3lock_pb2.LockRequest, context: Any) -> v3lock_pb2.LockResponse:
        """Wait for the lock; whoever stops waiting leaves nothing in the queue."""
        client = self._client
        prefix = queue_prefix(request.name)
        lease = await client.session(request.lease, context)
        key = own_key(request.name, lease)
        head = pb.RequestOp(request_range=oldest_request(prefix))
        entered = await client.enter(
            key,
            pb.TxnRequest(
                compare=[created_at(key, 0)],
                success=[put_op(key, b"", lease), head],
                failure=[get_op(key), head],
            ),
            context,
        )
        own, oldest = entered.responses
        revision = (
            entered.header.revision
            if entered.succeeded
            else own.response_range.kvs[0].create_revision
        )
        holders = oldest.response_range.kvs
        if not holders or holders[0].create_revision == revision:
            return v3lock_pb2.LockResponse(header=entered.header, key=key)
        try:
            now = await client.wait_for_turn(prefix, revision)
        except BaseException:
            client.leave(key, revision, context)
            raise
        if not client.exists(key, now):
            raise SessionExpiredError
        return v3lock_pb2.LockResponse(header=client.header(now), key=key)

    @inline
    @as_client
    async def Unlock(
        self, request: v3lock_pb2.UnlockRequest, context: Any
    ) -> v3lock_pb2.UnlockResponse:
        """Delete a key, whoever's it is; that it was not there is no error."""
        deleted = await self._client.delete(request.key, context)
        return v3lock_pb2.UnlockResponse(header=deleted.header)
