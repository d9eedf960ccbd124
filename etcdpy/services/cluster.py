"""The Cluster service: a cluster of one."""

from __future__ import annotations

from typing import Any

from etcdpy.membership import Identity
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.services.node import Node
from etcdpy.transport import inline


class ClusterService(rpc_pb2_grpc.ClusterServicer):
    """MemberList."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @inline
    async def MemberList(
        self, request: pb.MemberListRequest, context: Any
    ) -> pb.MemberListResponse:
        """List this member; as in etcd, the header of cluster replies has no revision."""
        node = self._node
        return pb.MemberListResponse(header=node.header(), members=[member(node.identity)])


def member(identity: Identity) -> pb.Member:
    """Return how this server shows in the list of members."""
    return pb.Member(
        ID=identity.member_id,
        name=identity.name,
        peerURLs=identity.peer_urls,
        clientURLs=identity.client_urls,
    )
