"""The Cluster service."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from etcdpy.node.api import NodeApi
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.transport import inline


class ClusterService:
    """MemberList, MemberAdd, MemberRemove, MemberUpdate and MemberPromote."""

    def __init__(self, node: NodeApi) -> None:
        self._node = node

    @inline
    def MemberList(
        self, request: pb.MemberListRequest, context: Any
    ) -> Awaitable[pb.MemberListResponse]:
        """List the members."""
        return self._node.member_list(request, context)

    @inline
    def MemberAdd(
        self, request: pb.MemberAddRequest, context: Any
    ) -> Awaitable[pb.MemberAddResponse]:
        """Add a member, which a node of this kind refuses."""
        return self._node.member_add(request, context)

    @inline
    def MemberRemove(
        self, request: pb.MemberRemoveRequest, context: Any
    ) -> Awaitable[pb.MemberRemoveResponse]:
        """Remove a member, which a node of this kind refuses."""
        return self._node.member_remove(request, context)

    @inline
    def MemberUpdate(
        self, request: pb.MemberUpdateRequest, context: Any
    ) -> Awaitable[pb.MemberUpdateResponse]:
        """Change the peer URLs of a member."""
        return self._node.member_update(request, context)

    @inline
    def MemberPromote(
        self, request: pb.MemberPromoteRequest, context: Any
    ) -> Awaitable[pb.MemberPromoteResponse]:
        """Make a learner a voter."""
        return self._node.member_promote(request, context)
