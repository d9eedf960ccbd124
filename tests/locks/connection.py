"""A client's connection to a server that may be killed, and calls that outlive that."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc, v3election_pb2_grpc, v3lock_pb2_grpc

#: Seconds after which a call that should have been answered is a failure of the test.
PATIENCE = 60.0

_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    ("grpc.enable_retries", 0),
)

#: What grpcio says of a connection that broke under a call; the last of a write to a stream.
_RESET = (
    "Stream removed",
    "recvmsg",
    "Connection reset",
    "Socket closed",
    "end of TCP",
    "Internal error from Core",
)

# Generated service stubs carry no types.
_rpc: Any = rpc_pb2_grpc
_lock: Any = v3lock_pb2_grpc
_election: Any = v3election_pb2_grpc


class Connection:
    """A channel, and calls that are made again while the server is away."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=_OPTIONS)
        self.kv = _rpc.KVStub(self.channel)
        self.watch = _rpc.WatchStub(self.channel)
        self.lease = _rpc.LeaseStub(self.channel)
        self.lock = _lock.LockStub(self.channel)
        self.election = _election.ElectionStub(self.channel)

    async def call(self, method: Any, request: Any) -> Any:
        """
        Call until there is an answer.

        Raises:
            grpc.aio.AioRpcError: The server refused.

        """
        while True:
            try:
                return await method(request, wait_for_ready=True, timeout=PATIENCE)
            except grpc.aio.AioRpcError as error:
                if not is_away(error):
                    raise

    async def grant(self, ttl: int) -> int:
        """Return a new lease."""
        grant = await self.call(self.lease.LeaseGrant, pb.LeaseGrantRequest(TTL=ttl))
        lease: int = grant.ID
        return lease

    async def revoke(self, lease: int) -> None:
        """End a lease, unless it has ended."""
        try:
            await self.call(self.lease.LeaseRevoke, pb.LeaseRevokeRequest(ID=lease))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise

    async def created(self, key: bytes) -> int:
        """Return the create revision of a key, 0 if it is missing."""
        reply = await self.call(self.kv.Range, pb.RangeRequest(key=key))
        revision: int = reply.kvs[0].create_revision if reply.kvs else 0
        return revision

    async def oldest(self, prefix: bytes) -> bytes | None:
        """Return the key at the head of a queue."""
        request = pb.RangeRequest(
            key=prefix,
            range_end=prefix[:-1] + b"0",
            sort_order=pb.RangeRequest.ASCEND,
            sort_target=pb.RangeRequest.CREATE,
            limit=1,
        )
        reply = await self.call(self.kv.Range, request)
        key: bytes | None = reply.kvs[0].key if reply.kvs else None
        return key


def is_away(error: grpc.RpcError) -> bool:
    """Whether the server was killed, as opposed to having refused."""
    told: Any = error
    return told.code() is grpc.StatusCode.UNAVAILABLE or any(
        words in (told.details() or "") for words in _RESET
    )
