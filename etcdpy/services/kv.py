"""The KV service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any

from etcdpy.mvcc.txn_request import Txn as Transaction
from etcdpy.node.api import NodeApi
from etcdpy.node.kv import Answer
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.transport import inline


class KVService:
    """Range, RangeStream, Put, DeleteRange, Txn and Compact."""

    def __init__(self, node: NodeApi) -> None:
        self._node = node

    @inline
    def Range(self, request: pb.RangeRequest, context: Any) -> Answer:
        """Read keys."""
        return self._node.range(request, context)

    def RangeStream(self, request: pb.RangeRequest, context: Any) -> AsyncIterator[bytes]:
        """Read keys, in chunks."""
        return self._node.range_stream(request, context)

    @inline
    def Put(self, request: pb.PutRequest, context: Any) -> Answer:
        """Write one key; the reply waits for the disk."""
        return self._node.put(request, context)

    @inline
    def DeleteRange(self, request: pb.DeleteRangeRequest, context: Any) -> Answer:
        """Delete keys; the reply waits for the disk."""
        return self._node.delete_range(request, context)

    @inline
    def Txn(self, request: Transaction, context: Any) -> Answer:
        """Apply a transaction; the reply of one that writes waits for the disk."""
        return self._node.txn(request, context)

    def Compact(self, request: pb.CompactionRequest, context: Any) -> Awaitable[bytes]:
        """Forget history."""
        return self._node.compact(request, context)
